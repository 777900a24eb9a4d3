// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "core/deliver/commit_record.hpp"
#include "core/deliver/cursor.hpp"
#include "core/pipeline/delivery.hpp"
#include "core/pipeline/plan.hpp"

namespace sluice {
namespace {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;

constexpr size_t read_records_max = 1024;
constexpr int reads_per_partition_max = 32;  ///< then the group is polled again
constexpr Milliseconds commit_interval{1000};
constexpr Milliseconds commit_timeout{10'000};
constexpr Milliseconds idle_wait{2};
constexpr Milliseconds group_look_interval{500};
constexpr Milliseconds stall_look_interval{10'000};
constexpr Milliseconds state_interval{1000};
constexpr Milliseconds table_look_interval{10'000};
constexpr Milliseconds table_look_interval_down{60'000};  ///< while ClickHouse does not answer
constexpr int stale_tables_max = 3;  ///< refusals of what the table itself says it takes
constexpr Milliseconds revoke_drain_max{10'000};
constexpr Milliseconds fatal_drain_max{5'000};  ///< what is in flight may still be acknowledged
constexpr Milliseconds fetch_timeout{30'000};
constexpr uint64_t decode_sample = 64;  ///< one decode in so many is timed

/// A partition that is ours.
struct Session {
  Session(Epoch session_epoch, Offset start_offset, Offset end_offset)
      : epoch(session_epoch), start(start_offset), end(end_offset), cursor(start_offset) {}

  Epoch epoch;
  Offset start;
  Offset end;  ///< of this run
  Cursor cursor;
  std::optional<Offset> committed;
  std::optional<std::string> foreign_metadata;  ///< another program's: kept in our commits
  std::deque<OffsetRange> settled;    ///< ahead, in order: landed before it had to be read again
  bool at_end = false;                ///< of the partition, as far as the broker has told
  std::optional<Offset> standing_at;  ///< position at the last look for a stall
  std::optional<TimePoint> standing_since;  ///< more was there, but nothing came

  [[nodiscard]] bool reached() const { return cursor.position() >= end; }
  /// Whether the record was settled before this partition was rewound.
  bool was_settled(Offset offset) {
    while (!settled.empty() && settled.front().next <= offset) settled.pop_front();
    return !settled.empty() && settled.front().first <= offset;
  }
};

/// One run of one pipeline. The order of a turn matters: settling first frees room and lets offsets
/// be committed early, and nothing is committed before ClickHouse said yes.
///
///   turn():  outcomes → cursors → commit → cut what is due → send → read → poll
///
/// When the table's columns changed nothing is cut, sent or read until all that is in flight has an
/// end; then everything that is not settled is read again and encoded for the new columns.
class PipelineRun final : public AssignmentListener, public RecordListener {
 public:
  PipelineRun(const PipelineOptions& options, const PipelinePorts& ports, std::stop_token stop)
      : options_(options), ports_(ports), stop_(std::move(stop)), started_(ports.clock.now()) {
    if (options.before == nullptr) return;
    counts_ = options.before->counts;
    gaps_ = options.before->gaps;
    timestamp_last_ms_ = options.before->last_record_timestamp_ms;
    for (const PartitionReport& partition : options.before->partitions) {
      if (partition.from < partition.to) {
        ranges_.emplace(partition.partition, OffsetRange{partition.from, partition.to});
      }
    }
  }

  PipelineReport run() {
    if (Result<void> done = run_to_end(); !done.ok()) fail(std::move(done).error());
    return report();
  }

  Result<std::vector<Offset>> assigned(std::span<const PartitionId> partitions,
                                       std::span<const std::optional<Committed>> committed,
                                       Epoch epoch) override;
  void revoked(std::span<const PartitionId> partitions, bool lost) override;
  void record(const Record& record) override;
  void reached(PartitionId partition, Offset offset) override;

 private:
  Result<void> run_to_end();
  Result<void> prepare();
  void turn();
  void look_at_table();
  Result<Table> target(Table table) const;
  void encode_for(Table table);
  void adopt_table();
  void encode_anew(Table table);
  bool read_some();
  void read_partition(PartitionId partition);
  void rest(bool busy);
  void drain();

  void pass_gap(const Gap& gap);
  void append_row(const Record& record, Session& session);
  void bad_record(const Record& record, Session& session);
  bool reject(RejectedRecord record);
  void reject_culprit(const Delivery::Culprit& culprit);
  void stop_at(PartitionId partition, Offset offset, std::string_view column,
               std::string_view message);

  void cut_due();
  void send_ready();
  void enqueue(std::vector<Batch> batches);
  void relieve_memory();
  void settle(Delivery::Outcomes outcomes);
  void abandon_rows(uint64_t rows);
  void count_skip(SkipReason reason);

  void commit_if_due();
  bool commit_now(Milliseconds timeout);
  std::vector<CommitRequest> commit_requests() const;
  void apply_commit(const CommitOutcome& outcome);

  bool finished();
  bool all_settled() const;
  void look_at_group();
  void look_for_stall();
  void fail_truncated(PartitionId partition, Offset end);
  void read_anew();
  void note_idle();
  uint64_t backlog(PartitionId partition, const Session& session) const;
  void check_limits();
  std::set<PartitionId> partitions_to_fill() const;
  bool memory_full() const;
  Session* owned(PartitionId partition, Epoch epoch);
  void fail(Error error);
  void observe_progress();
  void observe_state();
  uint64_t buffered() const;
  PipelineReport report();
  nanoseconds since(TimePoint start) const { return ports_.clock.now() - start; }

  const PipelineOptions& options_;
  PipelinePorts ports_;
  std::stop_token stop_;
  TimePoint started_;
  Plan plan_;
  std::optional<BlockSchema> schema_;
  std::unique_ptr<Decoder> decoder_;
  std::optional<Batcher> batcher_;
  std::optional<Delivery> delivery_;

  std::map<PartitionId, Session> sessions_;
  std::map<PartitionId, Offset> group_committed_;  ///< as last seen, partitions of others too
  std::map<PartitionId, OffsetRange> ranges_;      ///< [from, settled) of all partitions ever ours
  std::deque<Batch> ready_;                        ///< cut, not yet sent

  bool reading_ = true;
  std::optional<Error> stale_;  ///< the table is not the one we encode for; why we think so
  int stale_in_a_row_ = 0;
  TimePoint table_look_next_{};
  bool assigned_once_ = false;
  std::optional<TimePoint> idle_since_;
  std::map<PartitionId, Watermarks> looked_up_;  ///< by look_for_stall
  std::map<PartitionId, Offset> last_held_;      ///< ends of partitions, for the report
  std::vector<Gap> gaps_;
  bool rejects_unflushed_ = false;
  bool limit_reached_ = false;
  bool interrupted_ = false;
  bool fatal_ = false;  ///< the error leaves no hope for what is still open
  bool caught_up_ = false;
  std::optional<Error> error_;

  PartitionId reading_partition_;
  Session* reading_session_ = nullptr;       ///< during Source::read
  PartitionBlock* reading_block_ = nullptr;  ///< its open block, when known

  TimePoint commit_last_{};
  std::optional<TimePoint> commit_failing_since_;
  TimePoint group_look_last_{};
  TimePoint stall_look_last_{};
  TimePoint state_last_{};
  uint64_t lag_ = 0;  ///< offsets still to be read, as of the last observe_state()
  Counts counts_;
  StageTimes times_;
  nanoseconds decode_sampled_{0};
  int64_t timestamp_last_ms_ = -1;
};

// ---- the run ------------------------------------------------------------------------------------

Result<void> PipelineRun::run_to_end() {
  TRY(prepare());
  observe_progress();
  if (finished()) {
    caught_up_ = true;
    return {};
  }
  TRY(ports_.source.join(*this));
  while (!error_ && !limit_reached_) {
    if (stop_.stop_requested()) {
      interrupted_ = true;
      break;
    }
    turn();
    if (!error_ && finished()) {
      caught_up_ = true;
      break;
    }
    check_limits();
  }
  drain();
  if (!caught_up_ && !error_) caught_up_ = finished();
  ports_.source.close(options_.drain_timeout);
  return {};
}

/// What we encode for: the table, or of raw records its one column.
Result<Table> PipelineRun::target(Table table) const {
  if (options_.format == RecordFormat::raw) return raw_table(std::move(table));
  return table;
}

void PipelineRun::encode_for(Table table) {
  decoder_.reset();
  batcher_.reset();
  schema_.emplace(std::move(table));
  decoder_ = options_.format == RecordFormat::raw ? make_raw_decoder()
                                                  : make_json_decoder(*schema_, options_.decode);
  batcher_.emplace(*schema_, options_.batch);
}

Result<void> PipelineRun::prepare() {
  encode_for(TRY(target(TRY(ports_.sink.describe()))));
  plan_ = TRY(make_plan(options_, ports_.source, ports_.sink));
  table_look_next_ = ports_.clock.now() + table_look_interval;
  for (const auto& [partition, plan] : plan_.partitions) {
    if (plan.committed) group_committed_.emplace(partition, plan.committed->offset);
  }
  delivery_.emplace(ports_.sink, options_.seed, options_.on_error == OnError::stop);
  commit_last_ = group_look_last_ = stall_look_last_ = ports_.clock.now();
  return {};
}

void PipelineRun::turn() {
  settle(delivery_->collect(Milliseconds{0}));
  commit_if_due();
  look_at_table();
  bool busy = false;
  if (stale_) {
    adopt_table();
  } else {
    cut_due();
    send_ready();
    busy = reading_ && read_some();
  }
  rest(busy);
  if (!error_) look_for_stall();
  note_idle();
  observe_progress();
  observe_state();
}

void PipelineRun::rest(bool busy) {
  const TimePoint start = ports_.clock.now();
  const bool reached_all = std::all_of(sessions_.begin(), sessions_.end(),
                                       [](const auto& entry) { return entry.second.reached(); });
  const bool waiting_for_sink = !delivery_->empty() && (reached_all || stale_ || memory_full());
  if (!busy && waiting_for_sink) settle(delivery_->collect(Milliseconds{5}));
  const Milliseconds wait = busy || waiting_for_sink ? Milliseconds{0} : idle_wait;
  if (Result<void> polled = ports_.source.poll(wait); !polled.ok()) {
    fatal_ = true;
    fail(std::move(polled).error());
  }
  (busy ? times_.poll : times_.idle) += since(start);
  if (!busy) look_at_group();
}

void PipelineRun::drain() {
  reading_ = false;
  if (!batcher_) return;
  if (!fatal_) {
    enqueue(batcher_->cut_all(caught_up_ ? CutTrigger::end : CutTrigger::shutdown));
  }
  const TimePoint deadline =
      ports_.clock.now() +
      (fatal_ ? std::min(options_.drain_timeout, fatal_drain_max) : options_.drain_timeout);
  bool cancelled = false;
  while (!delivery_->empty() || (!fatal_ && !cancelled && !ready_.empty())) {
    if (!fatal_ && !cancelled) send_ready();
    settle(delivery_->collect(Milliseconds{10}));
    if (Result<void> polled = ports_.source.poll(Milliseconds{0}); !polled.ok() && !error_) {
      fail(std::move(polled).error());
    }
    if (!cancelled && ports_.clock.now() >= deadline) {
      delivery_->cancel();
      cancelled = true;
    }
    observe_progress();
  }
  while (!commit_requests().empty() && ports_.clock.now() < deadline) {
    if (commit_now(std::min(commit_timeout, options_.drain_timeout))) break;
    if (!ports_.source.poll(Milliseconds{50}).ok()) break;
  }
  for (const Batch& batch : ready_) abandon_rows(batch.rows());
  ready_.clear();
  for (const auto& [partition, session] : sessions_) abandon_rows(batcher_->abandon(partition));
  observe_progress();
}

// ---- a table that changes -----------------------------------------------------------------------

/// An INSERT for columns that are gone is refused, but one that lacks a new column is not: so the
/// table is looked at now and then.
void PipelineRun::look_at_table() {
  const TimePoint now = ports_.clock.now();
  if (stale_ || now < table_look_next_) return;
  std::optional<Table> seen = ports_.sink.look();
  table_look_next_ = now + (seen ? table_look_interval : table_look_interval_down);
  if (!seen) return;
  const Result<Table> table = target(std::move(*seen));
  if (table.ok() && table->same_columns(schema_->table())) return;
  stale_ =
      Error{Errc::unavailable, "table-changed",
            fmt::format("the columns of {} changed", schema_->table().full_name()), "run it again"};
}

void PipelineRun::adopt_table() {
  if (!delivery_->empty()) return;
  Result<Table> table = ports_.sink.describe();
  if (table.ok()) table = target(std::move(*table));
  if (!table.ok()) {
    // While the server is away nothing can be sent either.
    if (table.error().code == Errc::unavailable && options_.unavailable_max.count() == 0) return;
    fatal_ = true;
    return fail(std::move(table).error());
  }
  const bool changed = !table->same_columns(schema_->table());
  stale_in_a_row_ = changed ? 0 : stale_in_a_row_ + 1;
  if (stale_in_a_row_ > stale_tables_max) {
    fatal_ = true;
    return fail(std::move(*stale_));
  }
  if (changed) {
    ports_.observer.warning(
        "table-changed",
        fmt::format("the columns of {} changed: what ClickHouse has not acknowledged is read and "
                    "encoded again",
                    table->full_name()));
  }
  encode_anew(std::move(*table));
}

void PipelineRun::encode_anew(Table table) {
  for (const Batch& batch : ready_) abandon_rows(batch.rows());
  ready_.clear();
  std::map<PartitionId, Offset> positions;
  for (auto& [partition, session] : sessions_) {
    abandon_rows(batcher_->abandon(partition));
    const Offset from = session.cursor.committable();
    const std::vector<OffsetRange> ahead = session.cursor.settled_ahead();
    session.settled.insert(session.settled.begin(), ahead.begin(), ahead.end());
    session.cursor = Cursor(from);
    session.at_end = false;
    positions.emplace(partition, from);
  }
  encode_for(std::move(table));
  stale_.reset();
  table_look_next_ = ports_.clock.now() + table_look_interval;
  if (Result<void> sought = ports_.source.seek(positions); !sought.ok()) {
    fatal_ = true;
    fail(std::move(sought).error());
  }
}

// ---- assignments --------------------------------------------------------------------------------

Result<std::vector<Offset>> PipelineRun::assigned(
    std::span<const PartitionId> partitions, std::span<const std::optional<Committed>> committed,
    Epoch epoch) {
  const auto fresh = TRY(ports_.source.watermarks(partitions));
  std::vector<Offset> starts;
  std::vector<Observer::Assignment> told;
  for (size_t i = 0; i < partitions.size(); ++i) {
    const PartitionId partition = partitions[i];
    const auto held = fresh.find(partition);
    const auto planned = plan_.partitions.find(partition);
    const Watermarks marks = held != fresh.end() ? held->second : Watermarks{};
    // `start` is for the partitions that were there when the group began: later ones are read
    // whole.
    const bool is_new = plan_.group_is_new && planned != plan_.partitions.end();
    const auto [start, gap] =
        TRY(start_of(options_, ports_.source, partition, committed[i], marks, is_new));
    // A run with an end reads what was there when it started.
    Offset end = options_.continuous ? no_end : start;
    if (planned != plan_.partitions.end()) end = std::max(start, planned->second.end);
    Session session(epoch, start, end);
    if (gap) pass_gap(*gap);
    if (committed[i] && !(gap && start < committed[i]->offset)) {
      session.committed = committed[i]->offset;
      group_committed_[partition] = committed[i]->offset;
      const CommitRecord record = CommitRecord::decode(committed[i]->metadata);
      if (record.kind == CommitRecord::Kind::foreign ||
          record.kind == CommitRecord::Kind::damaged) {
        session.foreign_metadata = committed[i]->metadata;
        ports_.observer.warning(
            "foreign-commit-metadata",
            fmt::format("{}[{}]: the committed offset of group {} carries metadata that is not "
                        "sluice's ({}); it is kept as it is",
                        options_.topic, partition.value, options_.group,
                        record.kind == CommitRecord::Kind::damaged
                            ? "it starts like ours, but its checksum does not match"
                            : "another program's or a later version's"));
      }
    }
    ranges_.try_emplace(partition, OffsetRange{start, start});
    sessions_.insert_or_assign(partition, std::move(session));
    starts.push_back(start);
    told.push_back({.partition = partition,
                    .start = start,
                    .from_committed = committed[i].has_value(),
                    .end = options_.continuous ? std::max(start, marks.end) : end});
  }
  assigned_once_ = true;
  ports_.observer.assigned(told);
  return starts;
}

void PipelineRun::pass_gap(const Gap& gap) {
  gaps_.push_back(gap);
  if (!gap.lost.empty())
    counts_.lost += static_cast<uint64_t>(gap.lost.next.value - gap.lost.first.value);
  const std::string what =
      gap.lost.empty() ? "the topic was truncated or created anew"
                       : fmt::format("the records of [{}, {}) were deleted before they were read",
                                     gap.lost.first.value, gap.lost.next.value);
  ports_.observer.warning(
      "offsets-lost", fmt::format("{}[{}]: {}; going on at offset {} (on_gap = continue)",
                                  options_.topic, gap.partition.value, what, gap.resumed.value));
}

void PipelineRun::revoked(std::span<const PartitionId> partitions, bool lost) {
  reading_block_ = nullptr;
  std::set<PartitionId> going(partitions.begin(), partitions.end());
  const auto settled = [&] {
    return std::all_of(going.begin(), going.end(), [&](PartitionId partition) {
      const auto found = sessions_.find(partition);
      return found == sessions_.end() || found->second.cursor.idle();
    });
  };
  if (!lost && !fatal_) {
    enqueue(batcher_->cut_all(CutTrigger::rebalance, &going));
    const TimePoint deadline =
        ports_.clock.now() + std::min(revoke_drain_max, options_.drain_timeout);
    while (!settled() && ports_.clock.now() < deadline && !fatal_ && !stale_) {
      send_ready();
      settle(delivery_->collect(Milliseconds{10}));
    }
    commit_now(std::min(revoke_drain_max, commit_timeout));
  }
  // What is cut but not sent would be read again by the next owner: drop it here.
  std::erase_if(ready_, [&](Batch& batch) {
    std::erase_if(batch.blocks, [&](const PartitionBlock& block) {
      if (!going.contains(block.partition)) return false;
      abandon_rows(block.block.rows());
      return true;
    });
    return batch.blocks.empty();
  });
  for (const PartitionId partition : going) {
    abandon_rows(batcher_->abandon(partition));
    sessions_.erase(partition);
  }
  ports_.observer.revoked(partitions, lost);
}

// ---- reading ------------------------------------------------------------------------------------

bool PipelineRun::memory_full() const { return buffered() > options_.memory_max; }

void PipelineRun::relieve_memory() {
  if (!memory_full()) return;
  batcher_->release_spares();
  if (!memory_full() || !ready_.empty() || !delivery_->has_room()) return;
  const auto partition = batcher_->largest();
  if (!partition) return;
  std::vector<Batch> batches;
  batches.push_back(batcher_->cut(*partition, CutTrigger::memory));
  enqueue(std::move(batches));
  send_ready();
}

bool PipelineRun::read_some() {
  bool any = false;
  // Iterated over a copy of the keys: reading may end the run, but never changes the assignment.
  for (auto& [partition, session] : sessions_) {
    if (!reading_) break;
    if (session.reached()) continue;
    relieve_memory();
    if (!ready_.empty() || memory_full()) break;
    const uint64_t before = counts_.read;
    reading_partition_ = partition;
    reading_session_ = &session;
    reading_block_ = nullptr;
    read_partition(partition);
    reading_session_ = nullptr;
    any = any || counts_.read != before;
  }
  return any;
}

void PipelineRun::read_partition(PartitionId partition) {
  const TimePoint start = ports_.clock.now();
  for (int i = 0; i < reads_per_partition_max; ++i) {
    const Result<size_t> count = ports_.source.read(partition, read_records_max, *this);
    if (!count.ok()) {
      fatal_ = count.error().code != Errc::data_loss;
      fail(count.error());
      return;
    }
    if (!ready_.empty()) send_ready();
    if (*count < read_records_max || !reading_ || reading_session_->reached()) break;
    if (!ready_.empty() || memory_full()) break;
  }
  times_.poll += since(start);
}

void PipelineRun::record(const Record& record) {
  Session& session = *reading_session_;
  if (!reading_ || session.reached()) return;
  if (record.offset >= session.end) {
    session.cursor.pass_to(session.end);
    return;
  }
  if (!session.settled.empty() && session.was_settled(record.offset)) {
    session.cursor.pass_to(record.offset.next());
    return;
  }
  session.at_end = false;
  ++counts_.read;
  counts_.bytes += record.key.size() + record.value.size();
  timestamp_last_ms_ = std::max(timestamp_last_ms_, record.timestamp_ms);
  const bool empty = record.value.empty() && options_.format != RecordFormat::raw;
  if (record.tombstone() || empty) {
    count_skip(record.tombstone() ? SkipReason::tombstone : SkipReason::empty);
    session.cursor.pass_to(record.offset.next());
  } else {
    append_row(record, session);
  }
  if ((options_.rows_max && counts_.read >= *options_.rows_max) ||
      (options_.bytes_max && counts_.bytes >= *options_.bytes_max)) {
    reading_ = false;
    limit_reached_ = true;
  }
}

void PipelineRun::append_row(const Record& record, Session& session) {
  if (record.value.size() > options_.record_bytes_max) return bad_record(record, session);
  if (reading_block_ == nullptr) {
    reading_block_ = &batcher_->open(reading_partition_, session.epoch, ports_.clock.now());
  }
  Block& block = reading_block_->block;
  const bool sampled = counts_.read % decode_sample == 0;
  const TimePoint start = sampled ? ports_.clock.now() : TimePoint{};
  const bool good = decoder_->decode(record.value, block);
  if (good) block.end_row(record.offset);
  if (sampled) decode_sampled_ += since(start);
  if (!good) return bad_record(record, session);
  ++counts_.open;
  session.cursor.row_to(record.offset.next());
  reading_block_->saw_timestamp(record.timestamp_ms);
  if (batcher_->full(*reading_block_)) {
    std::vector<Batch> batches;
    batches.push_back(batcher_->cut(reading_partition_, CutTrigger::rows));
    reading_block_ = nullptr;
    enqueue(std::move(batches));
  }
}

void PipelineRun::reached(PartitionId partition, Offset offset) {
  const auto found = sessions_.find(partition);
  if (found == sessions_.end() || !reading_) return;
  found->second.cursor.pass_to(std::min(offset, found->second.end));
  found->second.at_end = true;
}

void PipelineRun::count_skip(SkipReason reason) {
  ++counts_.skipped;
  ++counts_.skipped_by[reason];
}

// ---- records that are no rows -------------------------------------------------------------------

namespace {

RejectedRecord keep(const std::string& topic, const Record& record) {
  RejectedRecord kept{.topic = topic,
                      .partition = record.partition,
                      .offset = record.offset,
                      .timestamp_ms = record.timestamp_ms,
                      .key = std::string(record.key),
                      .value = std::string(record.value),
                      .null_key = record.key.data() == nullptr,
                      .null_value = record.value.data() == nullptr,
                      .headers = {},
                      .column = {},
                      .message = {}};
  if (record.headers != nullptr) kept.headers = record.headers->headers();
  return kept;
}

/// Takes the one record that Source::fetch finds.
class KeepOne final : public RecordListener {
 public:
  explicit KeepOne(const std::string& topic) : topic_(topic) {}
  void record(const Record& record) override { kept = keep(topic_, record); }
  void reached(PartitionId /*partition*/, Offset /*offset*/) override {}
  std::optional<RejectedRecord> kept;

 private:
  const std::string& topic_;
};

}  // namespace

void PipelineRun::bad_record(const Record& record, Session& session) {
  DecodeError why;
  if (record.value.size() > options_.record_bytes_max) {
    why = {.reason = RejectReason::too_large,
           .column = {},
           .message = fmt::format("the value has {} bytes, more than max_record_bytes ({})",
                                  record.value.size(), options_.record_bytes_max)};
  } else {
    why = decoder_->error();
  }
  if (options_.on_error == OnError::stop) {
    // It was not passed: the next run reads it again.
    --counts_.read;
    counts_.bytes -= record.key.size() + record.value.size();
    return stop_at(record.partition, record.offset, why.column, why.message);
  }
  RejectedRecord rejected = keep(options_.topic, record);
  rejected.reason = why.reason;
  rejected.column = why.column;
  rejected.message = why.message;
  ++counts_.open;
  if (reject(std::move(rejected))) session.cursor.pass_to(record.offset.next());
}

void PipelineRun::stop_at(PartitionId partition, Offset offset, std::string_view column,
                          std::string_view message) {
  reading_ = false;
  if (const auto found = sessions_.find(partition); found != sessions_.end()) {
    found->second.cursor.hold(offset);
  }
  fail({Errc::rejected, "record-refused",
        fmt::format("record {}[{}]@{} cannot become a row of {}: {}{}", options_.topic,
                    partition.value, offset.value, schema_->table().full_name(),
                    column.empty() ? std::string() : fmt::format("column {}: ", column), message),
        "fix the column or the producer and run it again, or keep such records aside and go on: "
        "--on-error reject with --reject-topic or --reject-file"});
}

/// Whether it was written; then it may be passed, also when it was one too many.
bool PipelineRun::reject(RejectedRecord record) {
  // Written now, durable before any commit passes it (commit_now).
  CHECK(ports_.rejects != nullptr);
  if (Result<void> written = ports_.rejects->write(record); !written.ok()) {
    reading_ = false;
    fatal_ = true;
    fail(std::move(written).error());
    return false;
  }
  rejects_unflushed_ = true;
  --counts_.open;
  ++counts_.rejected;
  ++counts_.rejected_by[record.reason];
  ports_.observer.rejected(record);
  if (options_.rejects_max > 0 && counts_.rejected > options_.rejects_max) {
    reading_ = false;
    fail({Errc::rejected, "too-many-rejects",
          fmt::format("more than {} records of {} were rejected", options_.rejects_max,
                      options_.topic),
          "look at the rejected records; raise reject.max if they are expected"});
  }
  return true;
}

void PipelineRun::reject_culprit(const Delivery::Culprit& culprit) {
  if (options_.on_error == OnError::stop) {
    return stop_at(culprit.partition, culprit.offset, "", culprit.message);
  }
  KeepOne found(options_.topic);
  const Result<bool> fetched =
      ports_.source.fetch(culprit.partition, culprit.offset, found, fetch_timeout);
  if (!fetched.ok()) {
    fatal_ = true;
    return fail(fetched.error());
  }
  RejectedRecord rejected = found.kept.value_or(RejectedRecord{});
  rejected.topic = options_.topic;
  rejected.partition = culprit.partition;
  rejected.offset = culprit.offset;
  rejected.reason = RejectReason::insert;
  rejected.code = culprit.exception_code;
  rejected.message = culprit.message;
  if (!found.kept) rejected.null_key = rejected.null_value = true;
  reject(std::move(rejected));
}

// ---- batches ------------------------------------------------------------------------------------

void PipelineRun::enqueue(std::vector<Batch> batches) {
  for (Batch& batch : batches) {
    for (const PartitionBlock& block : batch.blocks) {
      Session* session = owned(block.partition, block.epoch);
      CHECK(session != nullptr);
      const OffsetRange range = session->cursor.open_batch(batch.id);
      batch.label += fmt::format("{}{}[{}] [{},{})", batch.label.empty() ? "" : " ", options_.topic,
                                 block.partition.value, range.first.value, range.next.value);
    }
    ready_.push_back(std::move(batch));
  }
}

/// Offsets of the partition that are still to be read, as far as is known.
uint64_t PipelineRun::backlog(PartitionId partition, const Session& session) const {
  Offset end = session.end;
  if (options_.continuous) {
    if (session.at_end) return 0;
    const std::optional<Watermarks> held = ports_.source.held(partition);
    end = held ? held->end : session.cursor.position();
  }
  const int64_t left = end.value - session.cursor.position().value;
  return left > 0 ? static_cast<uint64_t>(left) : 0;
}

/// With a backlog of more than a batch, partitions that have more to read fill their blocks.
std::set<PartitionId> PipelineRun::partitions_to_fill() const {
  std::set<PartitionId> behind;
  uint64_t sum = 0;
  for (const auto& [partition, session] : sessions_) {
    const uint64_t left = backlog(partition, session);
    if (left == 0) continue;
    sum += left;
    behind.insert(partition);
  }
  if (sum <= options_.batch.rows_max) behind.clear();
  return behind;
}

void PipelineRun::cut_due() {
  const bool reached_all =
      !sessions_.empty() && std::all_of(sessions_.begin(), sessions_.end(),
                                        [](const auto& entry) { return entry.second.reached(); });
  if (reached_all) return enqueue(batcher_->cut_all(CutTrigger::end));
  enqueue(batcher_->cut_aged(ports_.clock.now(), partitions_to_fill()));
}

void PipelineRun::send_ready() {
  while (!ready_.empty() && delivery_->has_room()) {
    delivery_->submit(std::move(ready_.front()));
    ready_.pop_front();
  }
}

void PipelineRun::abandon_rows(uint64_t rows) {
  CHECK(counts_.open >= rows);
  counts_.open -= rows;
  counts_.read -= rows;
}

Session* PipelineRun::owned(PartitionId partition, Epoch epoch) {
  const auto found = sessions_.find(partition);
  return found != sessions_.end() && found->second.epoch == epoch ? &found->second : nullptr;
}

void PipelineRun::settle(Delivery::Outcomes outcomes) {
  for (const Delivery::Landed& landed : outcomes.landed) {
    counts_.open -= landed.rows;
    counts_.inserted += landed.rows;
    ++counts_.inserts;
    counts_.wire_bytes += landed.outcome.wire_bytes;
    times_.compress += landed.outcome.compress_time;
    times_.send += landed.outcome.send_time;
    counts_.retries += landed.outcome.attempts - 1;
    ports_.observer.inserted({.rows = landed.rows,
                              .bytes = landed.bytes,
                              .wire_bytes = landed.outcome.wire_bytes,
                              .attempts = landed.outcome.attempts,
                              .duration = landed.outcome.duration,
                              .trigger = to_string(landed.trigger),
                              .label = landed.label,
                              .oldest_timestamp_ms = landed.timestamp_first_ms,
                              .newest_timestamp_ms = landed.timestamp_last_ms});
  }
  for (const Delivery::Culprit& culprit : outcomes.culprits) reject_culprit(culprit);
  abandon_rows(outcomes.rows_abandoned);
  for (Batch& batch : outcomes.settled) {
    for (const PartitionBlock& block : batch.blocks) {
      Session* session = owned(block.partition, block.epoch);
      if (session != nullptr) session->cursor.settle(batch.id);
    }
    batcher_->recycle(std::move(batch));
  }
  if (!outcomes.landed.empty()) stale_in_a_row_ = 0;
  if (outcomes.stale && !stale_) stale_ = std::move(outcomes.stale);
  if (outcomes.error) {
    reading_ = false;
    fatal_ = true;
    fail(std::move(*outcomes.error));
  }
}

// ---- commits ------------------------------------------------------------------------------------

std::vector<CommitRequest> PipelineRun::commit_requests() const {
  std::vector<CommitRequest> requests;
  for (const auto& [partition, session] : sessions_) {
    const Offset offset = session.cursor.committable();
    if (session.committed && *session.committed >= offset) continue;
    CommitRecord record{
        .kind = CommitRecord::Kind::ours, .run = options_.run_id, .range = {session.start, offset}};
    requests.push_back({.partition = partition,
                        .epoch = session.epoch,
                        .offset = offset,
                        .metadata = session.foreign_metadata.value_or(record.encode())});
  }
  return requests;
}

void PipelineRun::commit_if_due() {
  // A partition that the group has no offset for gets one before its first row is sent, so that a
  // crash between the INSERT and its commit never looks like a first start again.
  const bool first = std::any_of(sessions_.begin(), sessions_.end(),
                                 [](const auto& entry) { return !entry.second.committed; });
  const TimePoint now = ports_.clock.now();
  if (now - commit_last_ >= commit_interval || first || all_settled()) commit_now(commit_timeout);
}

bool PipelineRun::commit_now(Milliseconds timeout) {
  const std::vector<CommitRequest> requests = commit_requests();
  commit_last_ = ports_.clock.now();
  if (requests.empty()) return true;
  if (rejects_unflushed_) {
    if (Result<void> flushed = ports_.rejects->flush(); !flushed.ok()) {
      reading_ = false;
      fatal_ = true;
      fail(std::move(flushed).error());
      return false;
    }
    rejects_unflushed_ = false;
  }
  const TimePoint start = ports_.clock.now();
  auto outcomes = ports_.source.commit(requests, timeout);
  times_.commit += since(start);
  if (!outcomes.ok()) {
    reading_ = false;
    fatal_ = true;
    fail(std::move(outcomes).error());
    return false;
  }
  bool all = true;
  for (const CommitOutcome& outcome : *outcomes) {
    apply_commit(outcome);
    all = all && outcome.result == CommitResult::ok;
  }
  ports_.observer.committed(*outcomes);
  return all;
}

void PipelineRun::apply_commit(const CommitOutcome& outcome) {
  const auto found = sessions_.find(outcome.partition);
  if (found == sessions_.end()) return;
  switch (outcome.result) {
    case CommitResult::ok:
      found->second.committed = outcome.offset;
      group_committed_[outcome.partition] = outcome.offset;
      ranges_.at(outcome.partition).next = outcome.offset;
      commit_failing_since_.reset();
      return;
    case CommitResult::fenced:
      // The group gave the partition away; the next poll() will say so.
      return;
    case CommitResult::unknown: {
      const TimePoint now = ports_.clock.now();
      if (!commit_failing_since_) commit_failing_since_ = now;
      const bool too_long = options_.unavailable_max.count() > 0 &&
                            now - *commit_failing_since_ > options_.unavailable_max;
      if (too_long) {
        fatal_ = true;
        fail({Errc::unavailable, "kafka-commit-failed",
              fmt::format("the offsets of group {} could not be committed for {} s", options_.group,
                          options_.unavailable_max.count() / 1000),
              "run it again when the brokers answer; what was inserted since the last commit "
              "will be inserted again"});
      }
      return;
    }
  }
}

// ---- the end ------------------------------------------------------------------------------------

bool PipelineRun::all_settled() const {
  return !sessions_.empty() &&
         std::all_of(sessions_.begin(), sessions_.end(), [](const auto& entry) {
           return entry.second.reached() && entry.second.cursor.idle();
         });
}

bool PipelineRun::finished() {
  if (options_.continuous) {
    return options_.idle_max && idle_since_ && since(*idle_since_) >= *options_.idle_max;
  }
  for (const auto& [partition, plan] : plan_.partitions) {
    const auto found = group_committed_.find(partition);
    std::optional<Offset> committed;
    if (found != group_committed_.end()) committed = found->second;
    if (!plan_.done(partition, committed)) return false;
  }
  return true;
}

/// Idle is who has read all there is and committed it.
void PipelineRun::note_idle() {
  const bool idle = assigned_once_ && !stale_ &&
                    std::all_of(sessions_.begin(), sessions_.end(), [](const auto& entry) {
                      const Session& session = entry.second;
                      return session.at_end && session.cursor.idle() && session.committed &&
                             *session.committed >= session.cursor.position();
                    });
  if (!idle) {
    idle_since_.reset();
  } else if (!idle_since_) {
    idle_since_ = ports_.clock.now();
  }
}

void PipelineRun::look_at_group() {
  if (options_.continuous) return;
  if (since(group_look_last_) < group_look_interval) return;
  std::vector<PartitionId> others;
  for (const auto& [partition, plan] : plan_.partitions) {
    if (!sessions_.contains(partition)) others.push_back(partition);
  }
  group_look_last_ = ports_.clock.now();
  if (others.empty()) return;
  const auto committed = ports_.source.committed(others);
  if (!committed.ok()) return;  // the broker is away; poll() says so when it lasts
  for (const auto& [partition, offset] : *committed) group_committed_[partition] = offset.offset;
}

/// Asks the broker about partitions that did not move since the last look: whether they end where
/// we think, and whether the client forgot to fetch (librdkafka has known stalls).
void PipelineRun::look_for_stall() {
  const TimePoint now = ports_.clock.now();
  if (now - stall_look_last_ < stall_look_interval) return;
  stall_look_last_ = now;
  const bool held_back = stale_ || !ready_.empty() || memory_full();
  std::vector<PartitionId> standing;
  for (auto& [partition, session] : sessions_) {
    const Offset position = session.cursor.position();
    const bool stands = session.standing_at == position && !session.reached() && !held_back;
    session.standing_at = position;
    if (stands) {
      standing.push_back(partition);
    } else {
      session.standing_since.reset();
    }
  }
  if (standing.empty()) return;
  const auto held = ports_.source.watermarks(standing);
  if (!held.ok()) return;  // the broker is away; poll() says so when it lasts
  bool stalled = false;
  for (const auto& [partition, marks] : *held) {
    Session& session = sessions_.at(partition);
    looked_up_[partition] = marks;
    const Offset position = session.cursor.position();
    if (marks.end < (options_.continuous ? position : session.end)) {
      return fail_truncated(partition, marks.end);
    }
    if (marks.end <= position) {
      session.standing_since.reset();
    } else if (!session.standing_since) {
      session.standing_since = now;
    } else if (now - *session.standing_since >= options_.stall_timeout) {
      stalled = true;
      ports_.observer.warning(
          "kafka-stalled",
          fmt::format("{}[{}] stands at offset {} though the partition ends at {}: "
                      "reading it anew",
                      options_.topic, partition.value, position.value, marks.end.value));
    }
  }
  if (stalled) read_anew();
}

void PipelineRun::fail_truncated(PartitionId partition, Offset end) {
  const Session& session = sessions_.at(partition);
  const Offset expected = options_.continuous ? session.cursor.position() : session.end;
  fatal_ = true;
  fail({Errc::data_loss, "partition-truncated",
        fmt::format("{}[{}] ends at offset {} now, but ended at {} before: the topic was truncated "
                    "or created anew",
                    options_.topic, partition.value, end.value, expected.value),
        "find out what happened to the topic; to load all that it holds now: --on-gap continue"});
}

void PipelineRun::read_anew() {
  std::map<PartitionId, Offset> positions;
  for (auto& [partition, session] : sessions_) {
    positions.emplace(partition, session.cursor.position());
    session.standing_since.reset();
  }
  if (Result<void> sought = ports_.source.seek(positions); !sought.ok()) {
    fatal_ = true;
    fail(std::move(sought).error());
  }
}

void PipelineRun::check_limits() {
  if (options_.duration_max && since(started_) >= *options_.duration_max) limit_reached_ = true;
}

void PipelineRun::fail(Error error) {
  reading_ = false;
  if (!error_) error_ = std::move(error);
}

uint64_t PipelineRun::buffered() const {
  uint64_t ready = 0;
  for (const Batch& batch : ready_) ready += batch.memory();
  return batcher_->memory() + delivery_->memory() + ready;
}

void PipelineRun::observe_state() {
  const TimePoint now = ports_.clock.now();
  if (now - state_last_ < state_interval) return;
  state_last_ = now;
  std::map<PartitionId, int64_t> oldest;
  const auto see = [&](const PartitionBlock& block) {
    if (block.timestamp_first_ms < 0) return;
    const auto [at, added] = oldest.try_emplace(block.partition, block.timestamp_first_ms);
    if (!added) at->second = std::min(at->second, block.timestamp_first_ms);
  };
  batcher_->visit(see);
  delivery_->visit(see);
  for (const Batch& batch : ready_) std::for_each(batch.blocks.begin(), batch.blocks.end(), see);
  lag_ = 0;
  std::vector<Observer::PartitionState> partitions;
  for (const auto& [partition, session] : sessions_) {
    Observer::PartitionState state{.partition = partition,
                                   .position = session.cursor.position(),
                                   .committed = session.committed,
                                   .held = ports_.source.held(partition),
                                   .oldest_open_timestamp_ms = {}};
    const auto asked = looked_up_.find(partition);
    if (asked != looked_up_.end() && (!state.held || state.held->end < asked->second.end)) {
      state.held = asked->second;
    }
    if (const auto at = oldest.find(partition); at != oldest.end()) {
      state.oldest_open_timestamp_ms = at->second;
    }
    lag_ += backlog(partition, session);
    if (state.held) last_held_[partition] = state.held->end;
    partitions.push_back(state);
  }
  ports_.observer.state({.partitions = partitions,
                         .buffer_bytes = buffered(),
                         .batches_in_flight = delivery_->in_flight(),
                         .holding_back = !ready_.empty() || memory_full()});
}

void PipelineRun::observe_progress() {
  Observer::Progress progress{.counts = counts_};
  if (options_.continuous) {
    progress.passed = counts_.read;
    progress.target = counts_.read + lag_;
    return ports_.observer.progress(progress);
  }
  for (const auto& [partition, plan] : plan_.partitions) {
    const Offset from = plan.committed ? plan.committed->offset : plan.watermarks.first;
    const uint64_t size = plan.end > from ? static_cast<uint64_t>(plan.end.value - from.value) : 0;
    progress.target += size;
    Offset at = from;
    if (const auto mine = sessions_.find(partition); mine != sessions_.end()) {
      at = mine->second.cursor.position();
    } else if (const auto known = group_committed_.find(partition);
               known != group_committed_.end()) {
      at = known->second;
    }
    if (at > from) progress.passed += std::min(size, static_cast<uint64_t>(at.value - from.value));
  }
  ports_.observer.progress(progress);
}

PipelineReport PipelineRun::report() {
  // Rows that have no end at this point were read but not settled: the next run reads them again.
  counts_.read -= counts_.open;
  counts_.open = 0;
  times_.decode = decode_sampled_ * decode_sample;
  PipelineReport report{.name = options_.name,
                        .counts = counts_,
                        .caught_up = caught_up_,
                        .limit_reached = limit_reached_ && !caught_up_,
                        .interrupted = interrupted_ && !caught_up_,
                        .error = error_,
                        .partitions = {},
                        .gaps = gaps_,
                        .times = times_,
                        .duration = duration_cast<Milliseconds>(since(started_)),
                        .last_record_timestamp_ms = timestamp_last_ms_};
  for (const auto& [partition, plan] : plan_.partitions) {
    PartitionReport entry{
        .partition = partition, .from = plan.end, .to = plan.end, .end = plan.end, .committed = {}};
    if (const auto range = ranges_.find(partition); range != ranges_.end()) {
      entry.from = range->second.first;
      entry.to = range->second.next;
    } else if (options_.continuous) {
      continue;  // never ours
    }
    if (options_.continuous) {
      const auto known = last_held_.find(partition);
      entry.end = known == last_held_.end() ? entry.to : std::max(entry.to, known->second);
    }
    if (const auto known = group_committed_.find(partition); known != group_committed_.end()) {
      entry.committed = known->second;
    }
    report.partitions.push_back(entry);
  }
  return report;
}

}  // namespace

PipelineReport run_pipeline(const PipelineOptions& options, PipelinePorts ports,
                            std::stop_token stop) {
  return PipelineRun(options, ports, std::move(stop)).run();
}

}  // namespace sluice
