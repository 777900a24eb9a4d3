// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stop_token>
#include <string_view>
#include <vector>

#include "core/deliver/commit_record.hpp"
#include "core/deliver/cursor.hpp"
#include "core/pipeline/delivery.hpp"
#include "core/pipeline/pipeline.hpp"
#include "core/pipeline/plan.hpp"

/// The inside of run_pipeline(); nothing else includes this.
namespace sluice {

/// A partition that is ours.
struct Session {
  Session(Epoch session_epoch, Offset start_offset, Offset end_offset)
      : epoch(session_epoch), start(start_offset), end(end_offset), cursor(start_offset) {}

  Epoch epoch;
  Offset start;
  Offset end;  ///< of this run
  Cursor cursor;
  std::optional<Offset> committed;
  std::optional<OffsetRange> fixed;  ///< of a run over fixed offsets
  std::optional<Witness> witness;    ///< of such a run: kept in our commits
  int64_t inserted_at_ms = -1;       ///< of the last acknowledged INSERT, also an earlier owner's
  bool renews = false;               ///< the offset is committed again, see group_rests_long()
  std::optional<std::string> foreign_metadata;  ///< another program's: kept in our commits
  std::deque<OffsetRange> settled;  ///< ahead, in order: landed before it had to be read again
  /// Before it, bad records and skips were told and counted, and are read again for other batches.
  Offset judged_to{0};
  // Exactly-once:
  uint64_t sequence = 0;  ///< of the last commit
  uint64_t rows = 0;      ///< of a run over fixed offsets: inserted so far, by earlier runs, too
  /// Nothing more of it is read, sent or committed: it is no longer ours, or the run stops at it.
  bool fenced = false;
  TimePoint landed_at{};          ///< the last batch
  bool replayed = false;          ///< `open` was read from the group: an attempt may have landed
  bool resent_on_demand = false;  ///< and a person says that none did
  std::optional<Intent> open;     ///< committed, and its batch is under way
  std::optional<Intent> replay;   ///< of a batch that must be collected and sent again first
  bool replay_unsure = false;     ///< the table may have forgotten its token: look what landed
  bool replay_partial = false;    ///< records of it were deleted since
  std::vector<Offset> refused;    ///< rejected out of batches that were taken back
  Offset digest_from{-1};         ///< what follows is over the records from here to position()
  uint64_t records = 0;
  uint32_t crc = 0;
  uint64_t records_before = 0;  ///< without the last of them
  uint32_t crc_before = 0;

  bool at_end = false;                      ///< of the partition, as far as the broker has told
  std::optional<Offset> standing_at;        ///< position at the last look for a stall
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
      : options_(options),
        ports_(ports),
        stop_(std::move(stop)),
        started_(ports.clock.now()),
        batch_rows_max_(options.batch.rows_max),
        awaits_field_(options.expects_fields),
        random_(options.seed ^ 0x9E3779B97F4A7C15u) {
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

  Result<std::vector<OffsetRange>> assigned(std::span<const PartitionId> partitions,
                                            std::span<const std::optional<Committed>> committed,
                                            Epoch epoch) override;
  void revoked(std::span<const PartitionId> partitions, bool lost) override;
  void record(const Record& record) override;
  void reached(PartitionId partition, Offset offset) override;

 private:
  static constexpr Milliseconds commit_timeout{10'000};

  // pipeline.cpp: the run
  Result<void> run_to_end();
  Result<void> prepare();
  void turn();
  void rest(bool busy);
  bool group_rests_long() const;
  void warn_of_start();
  void warn_of_empty_table();
  void drain();
  bool all_settled() const;
  bool finished();
  void check_limits();
  void fail(Error error);
  PipelineReport report();

  // assignments.cpp: partitions come and go
  Session take_over(PartitionId partition, const std::optional<Committed>& committed, Start start,
                    Epoch epoch);
  void pass_gap(const Gap& gap);
  bool had_offset(PartitionId partition) const;
  Result<void> pass_lost_offset(PartitionId partition, const Watermarks& marks);

  // table_change.cpp
  Result<Table> target(Table table) const;
  void encode_for(Table table);
  void look_at_table();
  void adopt_table();
  Error table_replaced() const;
  void leave_replaced_table();
  void encode_anew(Table table);

  // reading.cpp: records become rows
  bool memory_full() const;
  void relieve_memory();
  size_t allowed_now() const;
  bool paced() const;
  bool read_some();
  void read_partition(PartitionId partition);
  void append_row(const Record& record, Session& session);
  void tell_unknown_fields();
  void count_skip(SkipReason reason);
  void pass_again(const Record& record, Session& session);

  // rejecting.cpp: records that are no rows
  void bad_record(const Record& record, Session& session);
  void stop_at(PartitionId partition, Offset offset, std::string_view column,
               std::string_view message);
  bool reject(RejectedRecord record);
  bool reject_culprit(const Delivery::Culprit& culprit);

  // sending.cpp: batches, and what became of them
  void enqueue(std::vector<Batch> batches);
  bool refuse_defaults(const std::vector<Batch>& batches);
  uint64_t backlog(PartitionId partition, const Session& session) const;
  std::set<PartitionId> partitions_to_fill() const;
  void cut_due();
  void send_ready();
  void abandon_rows(uint64_t rows);
  Session* owned(PartitionId partition, Epoch epoch);
  void settle(Delivery::Outcomes outcomes);

  // committing.cpp
  /// Without `all`, exactly-once leaves those out that will soon commit the next intent.
  std::vector<CommitRequest> commit_requests(bool all) const;
  void commit_if_due();
  bool commit_now(Milliseconds timeout, bool all = true);
  std::optional<std::vector<CommitOutcome>> send_commits(std::span<const CommitRequest> requests,
                                                         Milliseconds timeout);
  void apply_commit(const CommitOutcome& outcome);

  // exactly_once.cpp: intents
  bool exact() const { return options_.exactly_once.has_value(); }
  Result<void> take_intent(PartitionId partition, const Committed& committed, Session& session,
                           const Watermarks& held);
  Error halted(PartitionId partition, const Intent& intent, std::string_view why) const;
  Resolve decided_on(PartitionId partition) const;
  bool withdraw_intent(PartitionId partition);
  void withdraw_armed(const std::set<PartitionId>* only = nullptr);
  void take_back(Delivery::Unsendable batch);
  Result<std::optional<uint64_t>> rows_present(PartitionId partition, OffsetRange range,
                                               std::vector<Offset> excluded);
  bool is_present(Session& session, const Delivery::Refusal& refusal);
  Milliseconds age_of(const Intent& intent) const;
  bool replaying() const;
  Result<void> check_decisions() const;
  void digest(const Record& record, Session& session);
  bool was_excluded(const Record& record, Session& session);
  void finish_replay(PartitionId partition, Session& session);
  bool replay_is_whole(PartitionId partition, const Session& session);
  void send_replay(PartitionId partition, Session& session);
  bool too_old(const Intent& intent) const;
  void settle_present(Session& session, Batch batch);
  void arm_replay(PartitionId partition, Session& session, Batch batch);
  void arm_ready();
  void send_armed();
  bool commit_intents(std::span<const CommitRequest> requests,
                      const std::map<PartitionId, Intent>& intents);
  std::string record_of(const Session& session, Offset offset,
                        const std::optional<Intent>& intent) const;
  void take_refusal(const Delivery::Refusal& refusal);
  bool unsent() const;
  bool waits_to_be_sent(PartitionId partition) const;
  void replay_open();
  void stay_alive();

  // watching.cpp: what does not happen, and how things stand
  void note_idle();
  void look_at_group();
  void look_for_stall();
  void fail_truncated(PartitionId partition, Offset end);
  void read_anew();
  uint64_t buffered() const;
  void observe_progress();
  void observe_state();

  std::chrono::nanoseconds since(TimePoint start) const { return ports_.clock.now() - start; }

  const PipelineOptions& options_;
  PipelinePorts ports_;
  std::stop_token stop_;
  TimePoint started_;
  uint64_t batch_rows_max_;  ///< less than the options' when ClickHouse did not take as many
  bool awaits_field_;        ///< no record had a field yet that a column takes: see expects_fields
  std::vector<size_t> field_columns_;  ///< that may show one
  std::optional<TimePoint> reading_since_;
  Plan plan_;
  std::optional<BlockSchema> schema_;
  std::unique_ptr<Decoder> decoder_;
  std::optional<Batcher> batcher_;
  std::optional<Delivery> delivery_;

  std::map<PartitionId, Session> sessions_;
  std::map<PartitionId, Offset> group_committed_;  ///< as last seen, partitions of others too
  std::map<PartitionId, OffsetRange> ranges_;      ///< [from, settled) of all partitions ever ours
  std::map<PartitionId, Offset> starts_;           ///< of those without an offset of the group yet
  std::deque<Batch> ready_;                        ///< cut, not yet sent
  std::deque<Batch> armed_;  ///< exactly-once: their intents are committed, they may be sent
  std::map<PartitionId, uint64_t> sequences_;  ///< of the last commit of our own
  std::mt19937_64 random_;

  bool reading_ = true;
  std::optional<Error> stale_;  ///< the table is not the one we encode for; why we think so
  int stale_in_a_row_ = 0;
  std::set<PartitionId>
      stale_partitions_;  ///< whose rows the table refused and has not taken since
  TimePoint table_look_next_{};
  bool assigned_once_ = false;
  bool renews_ = false;  ///< offsets of the group, which has rested for long
  std::optional<TimePoint> idle_since_;
  std::map<PartitionId, Watermarks> looked_up_;  ///< when we asked the broker last
  std::map<PartitionId, Offset> last_held_;      ///< ends of partitions, for the report
  std::vector<Gap> gaps_;
  bool rejects_unflushed_ = false;
  bool rejects_lost_ = false;  ///< some may not be durable, ever: nothing is committed any more
  bool limit_reached_ = false;
  bool interrupted_ = false;
  bool commits_unknown_ = false;  ///< exactly-once: nobody knows what the group holds
  bool fatal_ = false;            ///< the error leaves no hope for what is still open
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
  uint64_t lag_ = 0;                   ///< offsets still to be read, as of the last observe_state()
  std::set<std::string> fields_told_;  ///< that no column takes
  Counts counts_;
  StageTimes times_;
  int64_t timestamp_last_ms_ = -1;
};

}  // namespace sluice
