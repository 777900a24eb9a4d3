// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/insert_settings.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/text.hpp"
#include "core/clickhouse/url.hpp"
#include "core/model/quote.hpp"

namespace sluice::clickhouse {
namespace {

struct Wanted {
  std::string_view name;
  std::string_view value;
};

// A batch must become one block, whatever the profile says: blocks are what a token deduplicates,
// what a crash leaves or not, and what a part is made of. With no row limit and an unreachable
// byte limit the server gathers all blocks of the body into one.
constexpr std::array wanted_settings{
    Wanted{"insert_deduplicate", "1"},
    Wanted{"deduplicate_insert", "enable"},
    Wanted{"deduplicate_blocks_in_dependent_materialized_views", "1"},
    Wanted{"materialized_views_ignore_errors", "0"},
    // Only a synchronous INSERT is answered after the rows are in the table.
    Wanted{"async_insert", "0"},
    Wanted{"wait_for_async_insert", "1"},
    Wanted{"distributed_foreground_insert", "1"},
    Wanted{"insert_distributed_sync", "1"},  // its name before 23.11
    // Row numbers in error messages count from the start of the body.
    Wanted{"input_format_parallel_parsing", "0"},
    Wanted{"max_insert_threads", "1"},
    Wanted{"min_insert_block_size_rows", "0"},
    Wanted{"min_insert_block_size_bytes", "1000000000000"},
    Wanted{"max_insert_block_size_bytes", "0"},
    Wanted{"input_format_max_block_size_bytes", "0"},
    Wanted{"use_strict_insert_block_limits", "0"},
    Wanted{"input_format_allow_errors_num", "0"},
    Wanted{"input_format_allow_errors_ratio", "0"},
    Wanted{"input_format_skip_unknown_fields", "1"},
    Wanted{"input_format_null_as_default", "1"},
    Wanted{"input_format_defaults_for_omitted_fields", "1"},
    Wanted{"date_time_input_format", "best_effort"},
    // input() and CAST check types as CREATE TABLE does; the table's own are there already.
    Wanted{"allow_suspicious_fixed_string_types", "1"},
    Wanted{"allow_suspicious_low_cardinality_types", "1"},
    Wanted{"allow_suspicious_variant_types", "1"},
    Wanted{"enable_time_time64_type", "1"},
    Wanted{"enable_nullable_tuple_type", "1"},
    Wanted{"throw_on_max_partitions_per_insert_block", "1"},
    Wanted{"send_progress_in_http_headers", "0"},
    Wanted{"http_write_exception_in_output_format", "0"},
};

// Set for each INSERT, or never.
constexpr std::array<std::string_view, 9> own_settings{
    "insert_deduplication_token", "max_insert_block_size",    "max_insert_block_size_rows",
    "http_wait_end_of_query",     "replace_running_query",    "max_execution_time",
    "deduplicate_insert_select",  "async_insert_deduplicate", "prefer_column_name_to_alias"};

// Parameters of the HTTP interface that are no settings.
constexpr std::array<std::string_view, 18> http_parameters{"query",
                                                           "query_id",
                                                           "database",
                                                           "default_format",
                                                           "user",
                                                           "password",
                                                           "quota_key",
                                                           "session_id",
                                                           "session_check",
                                                           "session_timeout",
                                                           "close_session",
                                                           "compress",
                                                           "decompress",
                                                           "buffer_size",
                                                           "wait_end_of_query",
                                                           "stacktrace",
                                                           "client_protocol_version",
                                                           "framing"};

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool is_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '_';
  });
}

bool is_wanted(std::string_view name) {
  return std::any_of(wanted_settings.begin(), wanted_settings.end(),
                     [&](const Wanted& setting) { return setting.name == name; });
}

Error refused(std::string_view name, std::string_view why) {
  return {.code = Errc::config,
          .slug = "clickhouse-setting",
          .message = "the ClickHouse setting '" + printable(name, 128) + "' " + std::string(why),
          .fix = "remove it from this server's settings"};
}

}  // namespace

Result<void> check_user_settings(const std::map<std::string, std::string>& settings) {
  for (const auto& [name, value] : settings) {
    if (!is_name(name)) return refused(name, "is not the name of a setting");
    if (contains(http_parameters, name) || name.rfind("param_", 0) == 0) {
      return refused(name, "is not a setting but a parameter of the HTTP interface");
    }
    if (is_wanted(name) || contains(own_settings, name)) {
      return refused(name, "is one that sluice sets itself, because delivery depends on it");
    }
  }
  return {};
}

std::string wanted_settings_list() {
  std::string list = in_quotes("insert_deduplication_token", '\'');
  for (const Wanted& setting : wanted_settings) {
    list.append(", ").append(in_quotes(setting.name, '\''));
  }
  return list;
}

std::vector<std::string> settings_out_of_reach(const ServerSettings& server) {
  std::vector<std::string> names;
  for (const auto& [name, setting] : server) {
    if (!setting.readonly) continue;
    const Wanted fixed{name, setting.value};
    const bool as_wanted = std::any_of(
        wanted_settings.begin(), wanted_settings.end(),
        [&](const Wanted& one) { return one.name == fixed.name && one.value == fixed.value; });
    if (!as_wanted) names.push_back(name);
  }
  return names;
}

std::string fixed_parameters(const ServerSettings& server,
                             const std::map<std::string, std::string>& user_settings) {
  std::string parameters;
  for (const Wanted& setting : wanted_settings) {
    const auto found = server.find(std::string(setting.name));
    if (found == server.end()) continue;
    const auto& [value, readonly] = found->second;
    // Even setting a fixed one to its own value is refused.
    if (readonly && value == setting.value) continue;
    add_parameter(parameters, setting.name, setting.value);
  }
  // Not a setting: without it the status would be sent before the rows are in.
  add_parameter(parameters, "wait_end_of_query", "1");
  for (const auto& [name, value] : user_settings) add_parameter(parameters, name, value);
  return parameters;
}

}  // namespace sluice::clickhouse
