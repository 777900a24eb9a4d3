// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/model/insert.hpp"
#include "core/model/record.hpp"
#include "core/model/table.hpp"

/// Everything outside that a pipeline touches, in one header: where records come from (Source),
/// where rows go (Sink), where rejected records go (RejectSink), who watches (Observer).
/// The pipeline thread makes every call unless a function says otherwise.
namespace sluice {

/// A partition's offset as the consumer group holds it.
struct Committed {
  Offset offset;
  std::string metadata;
};

/// The part of a partition that the broker holds: [first, end). Under read_committed `end` is the
/// last stable offset.
struct Watermarks {
  Offset first;
  Offset end;
};

struct CommitRequest {
  PartitionId partition;
  Epoch epoch = 0;  ///< under which it was read; a commit of an older epoch is dropped
  Offset offset;
  std::string metadata;
};

/// What became of one CommitRequest.
enum class CommitResult : uint8_t {
  ok,
  fenced,   ///< the partition is no longer ours: drop its session, never send it again
  unknown,  ///< timed out or the coordinator is away: may have happened; ask again later
};

struct CommitOutcome {
  PartitionId partition;
  Offset offset;
  CommitResult result = CommitResult::unknown;
};

/// The end of a partition that is read for ever.
inline constexpr Offset no_end{std::numeric_limits<int64_t>::max()};

/// What the pipeline answers when the group gives or takes partitions. Called on the pipeline
/// thread from inside Source::poll() and Source::close().
class AssignmentListener {
 public:
  virtual ~AssignmentListener() = default;
  /// Partitions are ours now under `epoch`. Answer what to read of each (same order): from there,
  /// and up to an end or no_end. An error stops the source: poll() returns it.
  virtual Result<std::vector<OffsetRange>> assigned(
      std::span<const PartitionId> partitions, std::span<const std::optional<Committed>> committed,
      Epoch epoch) = 0;
  /// Partitions go. Unless `lost`, commits of them are still accepted until this returns.
  virtual void revoked(std::span<const PartitionId> partitions, bool lost) = 0;
};

/// Takes what Source::read() finds, in offset order.
class RecordListener {
 public:
  virtual ~RecordListener() = default;
  virtual void record(const Record& record) = 0;
  /// There is nothing below `offset` any more: every offset before it was delivered, or is no
  /// record (control record, aborted, compacted away).
  virtual void reached(PartitionId partition, Offset offset) = 0;
};

/// One topic read as a member of a consumer group.
class Source {
 public:
  virtual ~Source() = default;

  /// All partitions of the topic. Errc::config when the topic does not exist.
  virtual Result<std::vector<PartitionId>> partitions() = 0;
  /// One look at the broker for every given partition.
  virtual Result<std::map<PartitionId, Watermarks>> watermarks(
      std::span<const PartitionId> partitions) = 0;
  /// First offset whose record has a timestamp ≥ `time`; the end where there is none.
  virtual Result<std::map<PartitionId, Offset>> offsets_at(std::span<const PartitionId> partitions,
                                                           WallTime time) = 0;
  /// What the group has committed, partitions without a commit left out.
  virtual Result<std::map<PartitionId, Committed>> committed(
      std::span<const PartitionId> partitions) = 0;

  /// Joins the group. Assignments arrive in poll().
  virtual Result<void> join(AssignmentListener& listener) = 0;
  /// Serves the group (must be called at least every few seconds as long as we are a member) and
  /// waits up to `wait` when nothing is to be read. An error is one that ends the pipeline: lost
  /// offsets, authorization, a fatal client error. Brokers that are away are no error until they
  /// have been away for the configured time.
  virtual Result<void> poll(Milliseconds wait) = 0;
  /// Hands over up to `records_max` records of one assigned partition, without waiting. Returns how
  /// many; fewer than `records_max` means that nothing more was there. Once a record or reached()
  /// has told that everything below the partition's end was there, nothing more need come.
  virtual Result<size_t> read(PartitionId partition, size_t records_max,
                              RecordListener& listener) = 0;
  /// Commits synchronously within `timeout`; one outcome per request, in order. An error is fatal
  /// (not authorized, metadata too large).
  virtual Result<std::vector<CommitOutcome>> commit(std::span<const CommitRequest> requests,
                                                    Milliseconds timeout) = 0;
  /// Reads one record again, outside the group: nothing when it is gone. Used to keep a record
  /// whole that ClickHouse refused. Calls `listener` at most once. Also after close().
  virtual Result<bool> fetch(PartitionId partition, Offset offset, RecordListener& listener,
                             Milliseconds timeout) = 0;
  /// What the broker held of a partition of ours when the client last heard of it; asks nobody.
  [[nodiscard]] virtual std::optional<Watermarks> held(PartitionId partition) const = 0;
  /// Reads on from these offsets to the same ends, in the same epoch: every partition of ours must
  /// be among them. What was fetched before is dropped.
  virtual Result<void> seek(const std::map<PartitionId, Offset>& positions) = 0;
  /// Bytes the client's read queues may hold, for the memory account.
  [[nodiscard]] virtual uint64_t queue_bytes_max() const = 0;
  /// Leaves the group within `timeout`; revoked() is called. Idempotent.
  virtual void close(Milliseconds timeout) = 0;
};

/// Sends INSERTs, on threads of its own, and retries what may be retried.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Whether submit() may be called now (senders + a small queue bound it).
  [[nodiscard]] virtual bool has_room() const = 0;
  /// Never blocks. `insert` must stay alive and unchanged until its outcome was collected.
  virtual void submit(const Insert& insert) = 0;
  /// Outcomes in any order; waits up to `wait` for the first one.
  virtual std::vector<InsertOutcome> collect(Milliseconds wait) = 0;
  /// Looks the table up again (columns, defaults).
  virtual Result<Table> describe() = 0;
  /// The same, asked once and briefly; nothing when the server does not answer at once.
  virtual std::optional<Table> look() = 0;
  /// Whether the table holds at least one row.
  virtual Result<bool> has_rows() = 0;
  /// How many rows the table holds of these offsets, where its columns tell (_partition, _offset);
  /// nothing where they do not.
  virtual Result<std::optional<uint64_t>> rows_of(const std::string& topic, PartitionId partition,
                                                  OffsetRange offsets) = 0;
  /// Stops retrying: what has not been acknowledged comes back as `failed` with `cancelled` soon.
  virtual void cancel() = 0;
};

/// Where rejected records go. write() may buffer; flush() returns once all are durable.
class RejectSink {
 public:
  virtual ~RejectSink() = default;
  virtual Result<void> write(const RejectedRecord& record) = 0;
  virtual Result<void> flush() = 0;
};

/// What a pipeline has done so far. read = inserted + rejected + skipped + open, always.
struct Counts {
  uint64_t read = 0;
  uint64_t inserted = 0;
  uint64_t rejected = 0;
  uint64_t skipped = 0;
  uint64_t open = 0;     ///< read, but not yet settled
  uint64_t bytes = 0;    ///< key and value bytes of what was read
  uint64_t inserts = 0;  ///< acknowledged INSERTs
  uint64_t retries = 0;
  uint64_t wire_bytes = 0;
  uint64_t unknown_fields = 0;  ///< of rows: fields that no column took
  uint64_t lost = 0;            ///< offsets the broker had deleted before they were read (on_gap)
  std::map<RejectReason, uint64_t> rejected_by;
  std::map<SkipReason, uint64_t> skipped_by;
};

/// Watches a pipeline: log, progress, metrics. Every function may do nothing. Thread-safe:
/// retrying() comes from sender threads.
class Observer {
 public:
  struct Assignment {
    PartitionId partition;
    Offset start;
    bool from_committed = false;  ///< else from the `start` policy
    std::optional<Offset> end;    ///< target of this run
  };
  struct Inserted {
    uint64_t rows = 0;
    uint64_t bytes = 0;
    uint64_t wire_bytes = 0;
    uint32_t attempts = 1;
    Milliseconds duration{0};
    std::string_view trigger;  ///< rows, bytes, age, memory, rebalance, shutdown, end
    std::string_view label;    ///< partitions and offset ranges
    int64_t oldest_timestamp_ms = -1;
    int64_t newest_timestamp_ms = -1;
  };
  /// An attempt of an INSERT failed and is made again.
  struct Retrying {
    const Insert& insert;
    uint32_t attempt = 0;  ///< that failed, from 1
    Milliseconds wait{0};
    RetryReason reason = RetryReason::other;
    int exception_code = 0;  ///< ClickHouse's, 0 when it gave none
    const Error& error;
  };
  struct Progress {
    Counts counts;
    uint64_t target = 0;  ///< records between start and end, an upper bound; 0 when unknown
    uint64_t passed = 0;  ///< of `target`, in offsets: reaches it even when offsets have gaps
    std::chrono::nanoseconds decode{0};  ///< spent on making rows of records, sampled
  };
  /// A partition that is ours. What is not known is absent, never 0.
  struct PartitionState {
    PartitionId partition;
    Offset position;                  ///< next record to be read
    std::optional<Offset> committed;  ///< by the group
    std::optional<Watermarks> held;   ///< by the broker, a few seconds old at most
    /// Of the oldest record that is read but not committed; absent when there is none.
    std::optional<int64_t> oldest_open_timestamp_ms;
  };
  /// How things stand, about once a second.
  struct State {
    std::span<const PartitionState> partitions;
    uint64_t buffer_bytes = 0;  ///< open blocks, batches waiting and in flight
    size_t batches_in_flight = 0;
    bool holding_back = false;  ///< partitions are not read: the buffers are full
  };

  virtual ~Observer() = default;
  virtual void assigned(std::span<const Assignment> /*partitions*/) {}
  virtual void revoked(std::span<const PartitionId> /*partitions*/, bool /*lost*/) {}
  virtual void inserted(const Inserted& /*insert*/) {}
  virtual void retrying(const Retrying& /*attempt*/) {}
  virtual void rejected(const RejectedRecord& /*record*/) {}
  virtual void committed(std::span<const CommitOutcome> /*offsets*/) {}
  /// Records have fields of these names ("a, b") for which there is no column; told once each.
  virtual void ignored_fields(std::string_view /*names*/) {}
  virtual void warning(std::string_view /*slug*/, std::string_view /*message*/) {}
  /// A partition stood still for --stall-timeout: all of ours are read anew from where they are.
  virtual void reading_anew() {}
  virtual void state(const State& /*state*/) {}
  /// Called every turn; keep it cheap.
  virtual void progress(const Progress& /*progress*/) {}
};

}  // namespace sluice
