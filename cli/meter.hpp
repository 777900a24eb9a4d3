// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/histogram.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "core/base/clock.hpp"
#include "core/kafka/source.hpp"
#include "core/pipeline/pipeline.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::cli {

/// One partition that is ours. What is not known is absent, never 0 or -1.
struct PartitionFacts {
  std::optional<int64_t> start;      ///< the first offset the broker holds
  std::optional<int64_t> end;        ///< the broker's
  std::optional<int64_t> position;   ///< next record to be read
  std::optional<int64_t> committed;  ///< by the group
  std::optional<int64_t> oldest_open_timestamp_ms;

  /// Records between the committed offset and the end.
  [[nodiscard]] std::optional<uint64_t> lag() const;
  /// Age of the oldest record that is not committed; 0 at the end.
  [[nodiscard]] std::optional<double> lag_seconds(WallTime now) const;
};

/// Everything that is known about one pipeline at one moment.
struct PipelineFacts {
  enum class Stage : uint8_t { waiting, opening, running, finished, failed };

  Stage stage = Stage::waiting;
  bool assigned = false;               ///< the group has answered, be it with no partition
  bool caught_up = false;              ///< finished, and everything asked for is there
  std::string error_slug;              ///< of what ended it
  std::optional<TimePoint> turned_at;  ///< absent before the first turn
  TimePoint moved_at{};                ///< something was read, inserted or given up
  Counts counts;                       ///< exact, once it has ended
  uint64_t target = 0;                 ///< Observer::Progress
  uint64_t passed = 0;

  // Only ever grow, other than Counts, which forgets records that were read and given back.
  uint64_t consumed = 0;
  uint64_t decoded = 0;
  uint64_t raw_bytes = 0;  ///< bodies of INSERTs that were acknowledged
  uint64_t wire_bytes = 0;
  std::map<std::string, uint64_t> batches_by_trigger;
  std::map<std::string, uint64_t> inserts_by_result;  ///< ok, retried, rejected, failed
  std::map<RetryReason, uint64_t> retries_by_reason;
  std::map<int, uint64_t> exceptions_by_code;
  uint64_t assignments = 0;
  uint64_t revocations = 0;
  uint64_t losses = 0;
  uint64_t commits_ok = 0;
  uint64_t commits_failed = 0;
  double backpressure_seconds = 0;
  double decode_seconds = 0;
  uint64_t stall_restarts = 0;
  std::map<std::string, uint64_t, std::less<>> client_errors;  ///< by librdkafka's name

  bool retrying = false;  ///< at least one INSERT is between two attempts
  std::map<PartitionId, PartitionFacts> partitions;
  std::optional<uint64_t> buffer_bytes;
  std::optional<uint64_t> batches_in_flight;
  std::optional<bool> holding_back;
  std::optional<WallTime> last_insert_at;
  std::optional<int64_t> last_record_timestamp_ms;
  std::optional<kafka::ClientStatistics> client;
  std::map<std::string, bool> servers;  ///< ClickHouse by URL: whether it answered the last time

  /// Records that are still to come; nothing when that is not known.
  [[nodiscard]] std::optional<uint64_t> lag() const;
};

/// Watches one pipeline for metrics and health. Nothing here costs per record: the counts of a
/// turn are taken over at most ten times a second. Thread-safe.
class PipelineMeter final : public Observer, public kafka::ClientWatch {
 public:
  explicit PipelineMeter(const Clock& clock);

  /// The pipeline's turn has come: its connections are opened now.
  void opening();
  /// A ClickHouse server answered, or did not.
  void server(const std::string& url, bool up);
  /// What became of a batch that was sent.
  void outcome(const InsertOutcome& outcome);
  void finished(const PipelineReport& report);

  void assigned(std::span<const Assignment> partitions) override;
  void revoked(std::span<const PartitionId> partitions, bool lost) override;
  void inserted(const Inserted& insert) override;
  void retrying(const Retrying& attempt) override;
  void committed(std::span<const CommitOutcome> offsets) override;
  void reading_anew() override;
  void state(const State& state) override;
  void client_statistics(const kafka::ClientStatistics& statistics) override;
  void client_error(std::string_view name) override;
  void progress(const Progress& progress) override;

  [[nodiscard]] PipelineFacts facts() const;
  [[nodiscard]] const prometheus::Histogram& batch_rows() const { return batch_rows_; }
  [[nodiscard]] const prometheus::Histogram& batch_bytes() const { return batch_bytes_; }
  [[nodiscard]] const prometheus::Histogram& insert_seconds() const { return insert_seconds_; }
  [[nodiscard]] const prometheus::Histogram& latency_seconds() const { return latency_seconds_; }

 private:
  void take(const Counts& counts, TimePoint now);

  const Clock& clock_;
  std::atomic<TimePoint::rep> turned_at_;
  TimePoint taken_at_{};                ///< of the pipeline thread only
  std::chrono::nanoseconds decode_{0};  ///< of the attempt under way
  mutable std::mutex mutex_;
  PipelineFacts facts_;
  std::set<uint64_t> retried_;  ///< ids of the inserts between two attempts
  std::string server_;          ///< the one in use
  std::optional<TimePoint> state_at_;
  prometheus::Histogram batch_rows_;
  prometheus::Histogram batch_bytes_;
  prometheus::Histogram insert_seconds_;
  prometheus::Histogram latency_seconds_;
};

}  // namespace sluice::cli
