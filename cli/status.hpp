// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/settings.hpp"
#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/kafka/groups.hpp"
#include "core/pipeline/ports.hpp"

/// What `sluice status` says, and how it follows from what was seen. Pure. What is not known is
/// absent, never 0.
namespace sluice::cli {

/// Something worth a sentence.
struct StatusProblem {
  enum class Level : uint8_t { warning, error };
  Level level = Level::error;
  int exit_code = 0;  ///< of an error
  std::string slug;
  std::string message;
  std::string fix;
  bool operator==(const StatusProblem&) const = default;
};

struct PartitionStatus {
  PartitionId partition;
  std::optional<int64_t> committed;
  std::optional<int64_t> start;
  std::optional<int64_t> end;
  std::optional<uint64_t> lag;
  std::optional<double> lag_seconds;
  std::string client_id;  ///< of the member that reads it; empty: none, or not known
  std::string host;
};

/// A run over a fixed range beside the live group.
struct RangeRunStatus {
  std::string kind;  ///< "backfill" or "snapshot"
  std::string id;
  std::string group;
  std::string asked;              ///< the range as it was asked for
  std::optional<bool> running;    ///< whether a process works on it
  std::optional<uint64_t> total;  ///< offsets of its range
  std::optional<uint64_t> remaining;

  [[nodiscard]] bool done() const { return remaining == 0u && running == false; }
};

struct PipelineStatus {
  std::string name;
  std::string topic;
  std::string table;
  std::string group;
  /// running, idle, catching_up, stalled, failing, stopped, never_run; empty: not known
  std::string state;
  std::string group_state;  ///< Kafka's word; empty: not known
  std::optional<size_t> members;
  std::optional<uint64_t> lag;
  std::optional<double> lag_seconds;  ///< age of the oldest record that is not committed
  std::optional<double> rows_per_second;
  std::optional<WallTime> last_insert_at;
  bool keeps_rejects = false;  ///< else there is nothing to count
  std::optional<uint64_t> rejected_24h;
  std::vector<PartitionStatus> partitions;
  std::optional<std::vector<RangeRunStatus>> runs;
  std::vector<StatusProblem> problems;
};

struct ServerStatus {
  std::string url;
  std::optional<bool> up;
};

struct Status {
  WallTime checked_at{};
  std::vector<ServerStatus> clickhouse;
  std::vector<PipelineStatus> pipelines;
  std::vector<StatusProblem> problems;  ///< of no single pipeline

  /// The worst error's; 0: healthy.
  [[nodiscard]] int exit_code() const;
};

/// One run over a fixed range, as Kafka tells it.
struct RangeRunLook {
  std::string group;
  std::optional<kafka::GroupDescription> description;
  std::optional<std::map<PartitionId, Committed>> committed;
};

/// What could be found out about one pipeline.
struct PipelineLook {
  std::optional<std::map<PartitionId, Watermarks>> held;
  std::optional<std::map<PartitionId, Committed>> committed;
  std::optional<kafka::GroupDescription> group;
  /// When the first record behind each committed offset was written; nothing: there is none.
  std::map<PartitionId, std::optional<WallTime>> oldest;
  bool moved = false;  ///< something was committed while we looked
  std::optional<double> rows_per_second;
  std::optional<uint64_t> rejected_24h;
  std::optional<Milliseconds> offsets_retention;
  std::optional<std::vector<RangeRunLook>> runs;
  std::vector<Error> errors;
};

/// Where the next record to insert is: the committed offset, else where a first run begins.
[[nodiscard]] std::map<PartitionId, Offset> next_offsets(const PipelineSettings& pipeline,
                                                         const PipelineLook& look);

/// Draws the conclusions. `clickhouse_up`: whether any server answers, where that is known.
[[nodiscard]] PipelineStatus pipeline_status(const PipelineSettings& pipeline,
                                             const PipelineLook& look,
                                             std::optional<bool> clickhouse_up, WallTime now);

/// The error as a problem with the exit code it has everywhere else.
[[nodiscard]] StatusProblem status_problem(const Error& error);

/// Adds a problem for every threshold that is not met. What is not known does not meet one.
void apply_thresholds(const StatusSettings& settings, Status& status);

/// The document of -o json.
[[nodiscard]] nlohmann::ordered_json status_json(const Status& status);

struct StatusStyle {
  bool partitions = false;
  bool color = false;
  bool unicode = false;
};
/// The table, what runs beside it, and a line for each problem.
[[nodiscard]] std::string status_text(const Status& status, const StatusStyle& style);
/// One line a pipeline, or with `partitions` a partition, below a line of column names; "?" is not
/// known.
[[nodiscard]] std::string status_tsv(const Status& status, bool partitions);
/// Metrics in Prometheus' text format, without timestamps.
[[nodiscard]] std::string status_metrics(const Status& status);
/// "orders: …  fix: …", one line for each problem; those that several pipelines have once.
[[nodiscard]] std::string status_problem_lines(const Status& status);

}  // namespace sluice::cli
