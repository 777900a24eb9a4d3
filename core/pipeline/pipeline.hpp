// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/batch/batcher.hpp"
#include "core/decode/decoder.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice {

/// Where reading starts when the group has no offset.
struct StartAt {
  enum class Kind : uint8_t { earliest, end, time, table } kind = Kind::earliest;
  WallTime time{};  ///< of `time`
  bool operator==(const StartAt&) const = default;
};

enum class OnError : uint8_t { stop, reject };

/// What to do when the broker no longer holds what the group would read next: its retention was
/// faster, or the topic was truncated or created anew.
enum class OnGap : uint8_t { stop, go_on };

struct PipelineReport;

/// What to do with a batch of which nobody can tell whether it landed.
enum class Resolve : uint8_t {
  halt,    ///< stop and say what is known
  resend,  ///< it did not
  skip,    ///< it did
};

/// What a person decided about the open batch of one partition.
struct Decision {
  Resolve resolve = Resolve::halt;
  /// Nothing: the one open batch of the topic; a run with several refuses to guess.
  std::optional<std::pair<std::string, PartitionId>> partition{};
  bool operator==(const Decision&) const = default;
};

/// How exactly-once is kept (delivery.md section 4). The table must have passed the preflight.
struct ExactlyOnce {
  /// An intent older than this is not simply sent again: the table may have forgotten its token.
  Milliseconds safe_age{0};
  /// Rows tell where they came from, and none of them disappears: what landed can be looked up.
  bool provenance = false;
  /// Random bits beside PipelineOptions::seed, so that no two processes draw the same nonce.
  uint64_t salt = 0;
  std::vector<Decision> decisions{};  ///< about batches that were open before this run
  bool operator==(const ExactlyOnce&) const = default;
};

/// Half-open range of record timestamps.
struct TimeRange {
  WallTime first{};
  WallTime next{};
  bool operator==(const TimeRange&) const = default;
};

/// Where these partitions, of which the group has no offset, begin: right behind the rows that the
/// table holds of them. An error when the table does not prove that nothing before is missing.
using StartsOfTable =
    std::function<Result<std::map<PartitionId, Offset>>(std::span<const PartitionId>)>;

/// Everything one run of one pipeline is told. Built by cli/settings.
struct PipelineOptions {
  std::string name;
  std::string topic;
  std::string group;
  std::string run_id;
  StartAt start;
  StartsOfTable starts_of_table;   ///< of StartAt::Kind::table
  bool start_is_explicit = false;  ///< --from was given: a table with rows is no reason to stop
  /// A group without offsets stops before the first row is sent when none of its records' fields
  /// has a column: every row would be of defaults.
  bool expects_fields = false;
  bool warns_of_empty_table = false;  ///< says so when the group has put rows there
  bool warns_of_start = false;        ///< says so when the group has offsets, and `start` no effect
  /// Joins the group also when there is nothing to read, which keeps its offsets from expiring.
  bool joins_always = false;
  BatchLimits batch;
  uint64_t memory_max = 256ull << 20;  ///< blocks open and in flight, read queues
  /// Where given, instead of memory_max: it may change while the pipeline runs. Outlives it.
  const std::atomic<uint64_t>* memory_now = nullptr;
  uint64_t record_bytes_max = 16ull << 20;
  /// Goes on until it is told to stop (tail); else up to the end offsets of its start (sync).
  bool continuous = false;
  std::optional<Milliseconds> idle_max;  ///< continuous: ends after so long without a record
  Milliseconds stall_timeout{120'000};   ///< a partition stands still so long: read it anew
  OnGap on_gap = OnGap::stop;
  OnError on_error = OnError::stop;
  uint64_t rejects_max = 0;  ///< more than this stops with `rejected`; 0: no limit
  RecordFormat format = RecordFormat::json;
  DecodeOptions decode;   ///< of json
  ColumnOptions columns;  ///< what fills which column
  Milliseconds drain_timeout{30'000};
  Milliseconds unavailable_max{300'000};  ///< --retry-max-time, for commits; 0: for ever
  std::optional<Milliseconds> duration_max;
  std::optional<uint64_t> rows_max;   ///< stop after so many records read
  std::optional<uint64_t> bytes_max;  ///< stop after so many key and value bytes read
  std::optional<WallTime> until;      ///< the end of the run is this time, not "now"
  /// A run over exactly these offsets (backfill, snapshot) and no other partition; `start` and
  /// `until` play no part. The ends must have been held by the broker. Empty: an ordinary run.
  std::map<PartitionId, OffsetRange> fixed;
  std::string asked;  ///< of a fixed range: how it was asked for, kept in the group
  std::optional<TimeRange> timestamps;          ///< records outside are skipped
  std::optional<uint64_t> rows_per_second_max;  ///< of what is read
  std::optional<ExactlyOnce> exactly_once;      ///< else at least once
  /// Of an earlier attempt of the same run, or null: counts and ranges go on from there.
  const PipelineReport* before = nullptr;
  uint64_t seed = 0;  ///< for tokens; from the system's randomness outside tests
};

/// CPU-side time of one run by stage, for --stats.
struct StageTimes {
  std::chrono::nanoseconds poll{0};
  std::chrono::nanoseconds decode{0};
  std::chrono::nanoseconds commit{0};
  std::chrono::nanoseconds idle{0};
  Milliseconds compress{0};
  Milliseconds send{0};
};

struct PartitionReport {
  PartitionId partition;
  Offset from;                      ///< where this run started reading; end where it did not
  Offset to;                        ///< everything of [from, to) is settled
  Offset end;                       ///< target of the run
  std::optional<Offset> committed;  ///< by the group, as last seen
};

/// Offsets that were gone before they were read, passed with OnGap::go_on.
struct Gap {
  PartitionId partition;
  OffsetRange lost;  ///< empty when the topic was truncated or made anew: nobody can tell how much
  Offset resumed;    ///< where reading went on
};

/// What a run did. read = inserted + rejected + skipped.
struct PipelineReport {
  std::string name;
  Counts counts;
  bool caught_up = false;      ///< the group has committed every target; tail: idle_max passed
  bool limit_reached = false;  ///< stopped by a *_max before the target
  bool interrupted = false;    ///< stopped on request
  std::optional<Error> error;  ///< what ended it otherwise
  std::vector<PartitionReport> partitions;
  std::vector<Gap> gaps;
  StageTimes times;
  Milliseconds duration{0};
  int64_t last_record_timestamp_ms = -1;
};

/// What a pipeline is made of. All outlive it.
struct PipelinePorts {
  Source& source;
  Sink& sink;
  RejectSink* rejects = nullptr;  ///< required for on_error = reject
  Observer& observer;
  const Clock& clock;
};

/// Runs one pipeline: reads from the group's committed offsets up to the end offsets taken at the
/// start (or without an end, with `continuous`), and returns when the group has committed them,
/// when asked to stop (then it drains and commits first), when a limit is reached, or on an error
/// (what is settled is committed first). A table whose columns change meanwhile is noticed: what
/// ClickHouse has not acknowledged is read and encoded again. Blocks; the calling thread becomes
/// the pipeline thread.
[[nodiscard]] PipelineReport run_pipeline(const PipelineOptions& options, PipelinePorts ports,
                                          std::stop_token stop);

}  // namespace sluice
