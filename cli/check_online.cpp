// SPDX-License-Identifier: Apache-2.0
#include "cli/check_online.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/text.hpp"
#include "core/block/block.hpp"
#include "core/clickhouse/server_clock.hpp"
#include "core/decode/decoder.hpp"
#include "core/kafka/source.hpp"

namespace sluice::cli {
namespace {

constexpr uint64_t sample_max = 100;
constexpr Milliseconds patience{10'000};
constexpr Milliseconds clock_tolerance{5'000};
constexpr std::string_view window_setting = "non_replicated_deduplication_window";

class ValueTaker final : public RecordListener {
 public:
  explicit ValueTaker(std::set<PartitionId>& partitions, std::vector<std::string>& values)
      : partitions_(partitions), values_(values) {}
  void record(const Record& record) override {
    partitions_.insert(record.partition);
    if (!record.value.empty()) values_.emplace_back(record.value);
  }
  void reached(PartitionId /*partition*/, Offset /*offset*/) override {}

 private:
  std::set<PartitionId>& partitions_;
  std::vector<std::string>& values_;
};

/// "column amount: number out of range for UInt8 (3 of 100)", the most frequent first.
std::string reasons_of(const std::map<std::string, uint64_t>& reasons) {
  std::string worst;
  uint64_t most = 0;
  for (const auto& [reason, count] : reasons) {
    if (count > most) worst = reason;
    most = std::max(most, count);
  }
  return reasons.size() == 1 ? worst : fmt::format("{}, and {} more", worst, reasons.size() - 1);
}

/// Whether any field of a record has a column, when `unknown` of its fields have none.
bool reaches_a_column(const std::string& value, uint64_t unknown) {
  uint64_t fields = 0;
  const auto count = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json&) {
    if (depth == 1 && event == nlohmann::json::parse_event_t::key) ++fields;
    return true;
  };
  const auto parsed = nlohmann::json::parse(value, count, false);
  return parsed.is_discarded() || fields > unknown;
}

/// Of records that all fit: which of their fields go nowhere.
void judge_unknown_fields(const PipelineSettings& pipeline, size_t records, bool any_row_has_data,
                          const std::vector<std::string>& unknown, Findings& findings) {
  const std::string& table = pipeline.table.value;
  const std::string fix = fmt::format(
      "give {} columns of these names, or name the field of each column with map", table);
  const bool chosen = pipeline.unknown_fields.origin.kind != Origin::Kind::built_in;
  if (!unknown.empty() && !any_row_has_data && !chosen) {
    return findings.error(
        pipeline.name,
        Error{Errc::config, "no-column-for-any-field",
              fmt::format("no field of {} has a column in {}, so that every row would be of "
                          "defaults; fields: {}",
                          counted(records, "sampled record"), table, join(unknown, ", ")),
              fix});
  }
  std::string text = fmt::format("{} fit the table", counted(records, "sampled record"));
  if (!unknown.empty()) text += "; without a column: " + join(unknown, ", ");
  if (unknown.empty() || chosen) return findings.ok(pipeline.name, text);
  findings.warning(pipeline.name, text,
                   fix + ", or set unknown_fields = \"ignore\" where they are not wanted");
}

}  // namespace

std::vector<std::string> check_topic(const PipelineSettings& pipeline,
                                     const Connections& connections, Findings& findings) {
  std::set<PartitionId> partitions;
  std::vector<std::string> values;
  ValueTaker taker(partitions, values);
  kafka::ScanOptions scan;
  scan.topic = pipeline.topic.value;
  scan.newest_max = sample_max;
  scan.unavailable_max = patience;
  const auto read = kafka::scan_topic(connections.cluster, scan, taker, {});
  if (!read) {
    findings.error(pipeline.name, read.error());
    return {};
  }
  scan.group = pipeline.group.value;
  scan.newest_max = 0;  // nothing is read: only the group is asked
  std::vector<std::string> none;
  ValueTaker nothing(partitions, none);
  const auto asked = kafka::scan_topic(connections.cluster, scan, nothing, {});
  if (!asked) {
    findings.error(pipeline.name, asked.error());
    return values;
  }
  const std::string holds = values.empty()
                                ? "it holds no records with a value"
                                : fmt::format("{} of {} sampled", counted(values.size(), "record"),
                                              counted(partitions.size(), "partition"));
  findings.ok(pipeline.name, fmt::format("topic {}: read allowed, {}; group {}: allowed",
                                         pipeline.topic.value, holds, pipeline.group.value));
  return values;
}

void check_sample(const PipelineSettings& pipeline, const Table& table,
                  const std::vector<std::string>& values, Findings& findings) {
  const bool by_value = pipeline.format.value == RecordFormat::json && !pipeline.columns.overwrite;
  if (values.empty() || !by_value) return;
  DecodeOptions options;
  options.unknown_fields = pipeline.unknown_fields.value;
  options.nulls = pipeline.nulls.value;
  const BlockSchema schema(table);
  const auto layout = lay_out(schema.table(), pipeline.columns, RecordFormat::json);
  if (!layout) return;  // the caller tells why
  const auto decoder =
      make_decoder(schema, RecordFormat::json, options, layout.value(), pipeline.topic.value);
  std::map<std::string, uint64_t> reasons;
  uint64_t misfits = 0;
  bool any_row_has_data = layout.value().columns_of_fields().empty();
  for (const std::string& value : values) {
    Block block(schema);
    if (decoder->decode(value, block)) {
      const uint64_t passed_over = decoder->take_unknown_count();
      any_row_has_data = any_row_has_data || reaches_a_column(value, passed_over);
      continue;
    }
    const DecodeError& error = decoder->error();
    ++misfits;
    ++reasons[error.column.empty() ? error.message
                                   : fmt::format("column {}: {}", error.column, error.message)];
  }
  const auto unknown = decoder->take_unknown_fields();
  if (misfits == 0) {
    return judge_unknown_fields(pipeline, values.size(), any_row_has_data, unknown, findings);
  }
  const std::string text = fmt::format("{} of {} do not fit {}: {}", grouped(misfits),
                                       counted(values.size(), "sampled record"),
                                       pipeline.table.value, reasons_of(reasons));
  if (pipeline.on_error.value == OnError::reject) {
    return findings.warning(pipeline.name, text, "they would go to the rejects");
  }
  findings.error(pipeline.name,
                 Error{Errc::config, "records-do-not-fit", text,
                       fmt::format("mend the producer, ALTER TABLE {} MODIFY COLUMN where a column "
                                   "is named, or set on_error = \"reject\"",
                                   pipeline.table.value)});
}

void check_repeats(const PipelineSettings& pipeline, const Table& table, Findings& findings) {
  const std::string& engine = table.engine;
  const bool merge_tree = engine.find("MergeTree") != std::string::npos;
  const bool replicated = engine.starts_with("Replicated") || engine.starts_with("Shared");
  if (!merge_tree || replicated) return;
  const size_t at = table.engine_full.find(window_setting);
  const size_t value = table.engine_full.find_first_of("0123456789", at);
  const bool window =
      at != std::string::npos && value != std::string::npos && table.engine_full[value] != '0';
  if (window) {
    findings.ok(pipeline.name, fmt::format("table {}: an INSERT that is repeated is dropped",
                                           pipeline.table.value));
    return;
  }
  findings.warning(
      pipeline.name,
      fmt::format("table {}: when the answer to an INSERT is lost, its rows come twice",
                  pipeline.table.value),
      fmt::format("ALTER TABLE {} MODIFY SETTING {} = 1000", pipeline.table.value, window_setting));
}

void check_clock(const Connections& connections, const Clock& clock, Findings& findings) {
  for (const clickhouse::ServerOptions* server : connections.all_servers()) {
    const auto ahead = clickhouse::clock_ahead(*server, clock);
    if (!ahead) {
      findings.error("clickhouse", ahead.error());
      continue;
    }
    const Milliseconds by = std::chrono::abs(ahead.value());
    if (by <= clock_tolerance) {
      findings.ok("clickhouse", fmt::format("{} answers, its clock is right", server->url));
      continue;
    }
    findings.warning(
        "clickhouse",
        fmt::format("the clock of {} is {} {} ours", server->url, short_duration(by),
                    ahead.value().count() > 0 ? "ahead of" : "behind"),
        "synchronize both machines with NTP: times of latency and age are wrong by it");
  }
}

}  // namespace sluice::cli
