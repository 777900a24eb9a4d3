// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/clickhouse/insert_settings.hpp"
#include "core/clickhouse/sink.hpp"
#include "core/model/requirement.hpp"
#include "core/model/table.hpp"

/// Whether a table can keep the promise of exactly-once: the preflight of delivery.md section 4.5,
/// as far as ClickHouse answers it (P1 to P10, P12 to P14). Reading facts is one function, judging
/// them another, pure one.
namespace sluice::clickhouse {

/// A table into which an INSERT goes, in person or through a materialized view.
struct DeduplicatingTable {
  std::string database;
  std::string name;
  std::string engine;
  std::string engine_full;
};

/// A materialized view that an INSERT feeds, directly or through other views.
struct FedView {
  std::string name;                          ///< full name, shown
  std::optional<DeduplicatingTable> target;  ///< nothing: it could not be found out
};

/// MergeTree settings of tables that do not set them themselves.
using MergeTreeDefaults = std::map<std::string, std::string>;

struct ExactlyOnceFacts {
  std::string origin;   ///< of the server
  std::string version;  ///< "26.7.2.1"
  Table table;
  std::string partition_key;              ///< SQL; empty: none
  std::vector<std::string> key_columns;   ///< of the table, used in the partition key
  MergeTreeDefaults plain_defaults;       ///< system.merge_tree_settings
  MergeTreeDefaults replicated_defaults;  ///< system.replicated_merge_tree_settings
  ServerSettings settings;                ///< as this user sees them
  std::vector<FedView> views;
  std::optional<std::string> keeper_path;  ///< of a replicated table, when we may know
  uint64_t replicas = 1;
  std::optional<double> blocks_per_second;  ///< new parts of the last 10 min, when we may know
  Milliseconds clock_ahead{0};              ///< the server's clock minus ours
};

struct ExactlyOnceNeeds {
  Milliseconds insert_timeout{120'000};
  double blocks_per_second = 1;  ///< how many INSERTs this pipeline makes at most
  uint64_t batch_bytes = 0;
  size_t servers = 1;  ///< configured; facts may be of fewer when some are away
};

struct ExactlyOnceReport {
  std::vector<Requirement> requirements;
  /// How old an intent may be to be sent again without looking. Later it is looked up what landed
  /// (`provenance`), or the partition halts.
  Milliseconds safe_age{0};
  bool provenance = false;  ///< rows tell where they came from, and none of them disappear

  [[nodiscard]] bool met() const;
};

/// Everything the rules need to know of one server. Needs no more rights than an INSERT does;
/// what a user may not see stays unknown. ServerOptions::timeout bounds each question.
[[nodiscard]] Result<ExactlyOnceFacts> read_exactly_once_facts(const ServerOptions& server,
                                                               const std::string& database,
                                                               const std::string& table,
                                                               const Clock& clock);

/// One requirement after the other. `servers` has at least one, the one used first in front. Pure.
[[nodiscard]] ExactlyOnceReport judge_exactly_once(std::span<const ExactlyOnceFacts> servers,
                                                   const ExactlyOnceNeeds& needs);

/// Errc::config that names the requirements that are not met, with the first one's fix; for a run
/// that must not begin.
[[nodiscard]] Error refusal_of(const std::vector<Requirement>& requirements,
                               std::string_view pipeline);

/// Why rows that were inserted are not all there later: "its TTL removes rows"; empty when they
/// are. Pure.
[[nodiscard]] std::string hides_rows(const Table& table);

/// The value that a table sets itself, from its ENGINE clause. Pure.
[[nodiscard]] std::optional<std::string> table_setting(std::string_view engine_full,
                                                       std::string_view name);

/// The function of this SQL expression whose value differs from call to call or from server to
/// server: "now", "rand"; empty when there is none. Pure.
[[nodiscard]] std::string unsteady_function(std::string_view expression);

/// The names in an SQL expression, functions and columns alike, in order. Pure.
[[nodiscard]] std::vector<std::string> names_in(std::string_view expression);

/// Database (empty when it is not named) and name of the table that a materialized view writes TO;
/// nothing for a view with a table of its own. `create` as in system.tables. Pure.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> view_target(
    std::string_view create);

}  // namespace sluice::clickhouse
