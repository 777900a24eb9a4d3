// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/pipeline/pipeline.hpp"

/// The outside of a pipeline, in memory and scripted: a topic with a consumer group, a table with
/// one UInt64 column `n`, a clock that moves when somebody waits.
namespace sluice::test {

/// `count` numbers from `first` on.
inline std::vector<uint64_t> range(uint64_t first, uint64_t count) {
  std::vector<uint64_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

class FakeClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  WallTime wall() const override { return WallTime{Milliseconds{1'700'000'000'000} + wall_shift}; }
  void advance(Milliseconds by) { now_ += by; }

  Milliseconds wall_shift{0};  ///< the wall clock stands still but for this

 private:
  TimePoint now_{std::chrono::hours{1}};
};

/// A topic as the broker keeps it, with the offsets of one group. Outlives the runs that read it.
struct FakeTopic {
  struct Entry {
    Offset offset;
    std::optional<std::string> value;  ///< nothing: a tombstone
  };
  struct Log {
    std::vector<Entry> entries;
    Offset first{0};
    Offset end{0};
  };
  std::map<PartitionId, Log> logs;
  std::map<PartitionId, Committed> group;

  /// Appends {"n": …} records with the given numbers.
  void produce(int partition, std::vector<uint64_t> numbers) {
    for (const uint64_t number : numbers)
      append(partition, "{\"n\":" + std::to_string(number) + "}");
  }
  void append(int partition, std::optional<std::string> value) {
    Log& log = logs[PartitionId{partition}];
    log.entries.push_back({log.end, std::move(value)});
    log.end = log.end.next();
  }
  /// Retention: the records before `first` are gone.
  void drop_before(PartitionId partition, Offset first) {
    Log& log = logs.at(partition);
    log.first = std::max(log.first, std::min(first, log.end));
  }
  /// Control records, an aborted transaction, compacted records: offsets without records.
  void gap(int partition, int64_t offsets) { logs[PartitionId{partition}].end.value += offsets; }
};

class FakeSource final : public Source {
 public:
  FakeSource(FakeTopic& topic, FakeClock& clock) : topic_(topic), clock_(clock) {}

  bool commits_work = true;
  CommitResult commit_failure = CommitResult::unknown;
  /// Called in every poll; may ask for rebalance().
  std::function<void()> on_poll;
  size_t read_at_once = 7;
  bool commits_land_though_unknown = false;
  bool fetch_works = true;
  bool commits_too_far = false;  ///< a bug for the oracle to find
  /// Told what the group takes.
  std::function<void(PartitionId, Offset, const std::string& metadata)> on_commit;

  void rebalance(bool lost) { rebalance_ = lost ? Rebalance::lost : Rebalance::revoke; }

  Result<std::vector<PartitionId>> partitions() override {
    std::vector<PartitionId> all;
    for (const auto& [partition, log] : topic_.logs) all.push_back(partition);
    return all;
  }
  Result<std::map<PartitionId, Watermarks>> watermarks(
      std::span<const PartitionId> which) override {
    std::map<PartitionId, Watermarks> marks;
    for (const PartitionId id : which) marks[id] = {topic_.logs[id].first, topic_.logs[id].end};
    return marks;
  }
  Result<std::map<PartitionId, Offset>> offsets_at(std::span<const PartitionId> which,
                                                   WallTime time) override {
    std::map<PartitionId, Offset> offsets;  // a record's timestamp is its offset
    for (const PartitionId id : which) offsets[id] = Offset{time.time_since_epoch().count()};
    return offsets;
  }
  Result<std::map<PartitionId, Committed>> committed(std::span<const PartitionId> which) override {
    std::map<PartitionId, Committed> found;
    for (const PartitionId id : which) {
      if (topic_.group.contains(id)) found[id] = topic_.group.at(id);
    }
    return found;
  }
  Result<void> join(AssignmentListener& listener) override {
    listener_ = &listener;
    return {};
  }
  Result<void> poll(Milliseconds wait) override {
    clock_.advance(wait + Milliseconds{1});
    if (on_poll) on_poll();
    if (listener_ == nullptr) return {};
    if (!positions_.empty() && rebalance_ != Rebalance::none) {
      revoke(rebalance_ == Rebalance::lost);
      rebalance_ = Rebalance::none;
    } else if (positions_.empty()) {
      return assign();
    }
    return {};
  }
  Result<size_t> read(PartitionId partition, size_t records_max,
                      RecordListener& listener) override {
    const FakeTopic::Log& log = topic_.logs.at(partition);
    Offset& position = positions_.at(partition);
    if (position < log.first || position > log.end) {
      return Error{Errc::data_loss, "offset-out-of-range", "the broker does not hold it", ""};
    }
    size_t count = 0;
    auto at = std::lower_bound(
        log.entries.begin(), log.entries.end(), position,
        [](const FakeTopic::Entry& entry, Offset offset) { return entry.offset < offset; });
    for (; at != log.entries.end(); ++at) {
      if (count == std::min(records_max, read_at_once)) return count;
      const FakeTopic::Entry entry = *at;
      hand_over(partition, entry, listener);
      position = entry.offset.next();
      ++count;
    }
    position = log.end;
    listener.reached(partition, log.end);
    return count;
  }
  Result<std::vector<CommitOutcome>> commit(std::span<const CommitRequest> requests,
                                            Milliseconds timeout) override {
    std::vector<CommitOutcome> outcomes;
    for (const CommitRequest& request : requests) {
      const bool ours = request.epoch == epoch_ && positions_.contains(request.partition);
      CommitResult result = ours ? CommitResult::ok : CommitResult::fenced;
      if (ours && !commits_work) {
        clock_.advance(timeout);
        result = commit_failure;
      }
      const bool lands = result == CommitResult::unknown && commits_land_though_unknown;
      if (result == CommitResult::ok || lands) {
        const Offset offset{request.offset.value + (commits_too_far ? 1 : 0)};
        topic_.group[request.partition] = {offset, request.metadata};
        if (on_commit) on_commit(request.partition, offset, request.metadata);
      }
      outcomes.push_back({request.partition, request.offset, result});
    }
    return outcomes;
  }
  Result<bool> fetch(PartitionId partition, Offset offset, RecordListener& listener,
                     Milliseconds /*timeout*/) override {
    if (!fetch_works) return Error{Errc::unavailable, "kafka-fetch", "the leader is away", ""};
    for (const FakeTopic::Entry& entry : topic_.logs.at(partition).entries) {
      if (entry.offset != offset) continue;
      hand_over(partition, entry, listener);
      return true;
    }
    return false;
  }
  std::optional<Watermarks> held(PartitionId partition) const override {
    if (!topic_.logs.contains(partition)) return std::nullopt;
    return Watermarks{topic_.logs.at(partition).first, topic_.logs.at(partition).end};
  }
  Result<void> seek(const std::map<PartitionId, Offset>& positions) override {
    CHECK(positions.size() == positions_.size());
    for (const auto& [partition, offset] : positions) positions_.at(partition) = offset;
    return {};
  }
  uint64_t queue_bytes_max() const override { return 0; }
  void close(Milliseconds /*timeout*/) override {
    if (!positions_.empty()) revoke(false);
    listener_ = nullptr;
  }

 private:
  enum class Rebalance { none, revoke, lost };

  static void hand_over(PartitionId partition, const FakeTopic::Entry& entry,
                        RecordListener& listener) {
    Record record{.partition = partition,
                  .offset = entry.offset,
                  .timestamp_ms = entry.offset.value,
                  .key = {},
                  .value = {}};
    if (entry.value) record.value = *entry.value;
    listener.record(record);
  }
  Result<void> assign() {
    ++epoch_;
    std::vector<PartitionId> ids;
    std::vector<std::optional<Committed>> committed;
    for (const auto& [partition, log] : topic_.logs) {
      ids.push_back(partition);
      committed.emplace_back();
      if (topic_.group.contains(partition)) committed.back() = topic_.group.at(partition);
    }
    auto to_read = listener_->assigned(ids, committed, epoch_);
    if (!to_read.ok()) return to_read.error();
    for (size_t i = 0; i < ids.size(); ++i) positions_[ids[i]] = (*to_read)[i].first;
    return {};
  }
  void revoke(bool lost) {
    std::vector<PartitionId> ids;
    for (const auto& [partition, position] : positions_) ids.push_back(partition);
    if (lost) positions_.clear();
    listener_->revoked(ids, lost);
    positions_.clear();
  }

  FakeTopic& topic_;
  FakeClock& clock_;
  AssignmentListener* listener_ = nullptr;
  std::map<PartitionId, Offset> positions_;
  Epoch epoch_ = 0;
  Rebalance rebalance_ = Rebalance::none;
};

/// What ClickHouse holds: how often each number is in the table. Outlives the runs.
using FakeTable = std::map<uint64_t, int>;

class FakeSink final : public Sink {
 public:
  FakeSink(FakeTable& table, FakeClock& clock) : table_(table), clock_(clock) {}

  std::string uuid;
  std::string type = "UInt64";  ///< of the column; an INSERT for another one is refused as stale
  bool lies = false;            ///< says yes and stores nothing
  std::set<uint64_t> poison;    ///< numbers that ClickHouse refuses
  bool names_the_row = false;   ///< whether its message says which row
  bool names_a_wrong_row = false;
  bool counts_last = false;      ///< too many rows are refused only when none of them is bad
  uint64_t rows_max = 0;         ///< more are refused before anything is written; 0: no limit
  std::set<uint64_t> misfits;    ///< numbers that ClickHouse says the table has no column for
  bool corked = false;           ///< outcomes are held back while set
  bool last_first = false;       ///< outcomes come in the opposite order
  std::optional<Error> failure;  ///< every insert is given up with this
  bool lands_though_failed = false;
  size_t room = 3;
  int inserts = 0;
  uint64_t rows_in_largest = 0;
  size_t blocks_in_last = 0;
  bool table_has_rows = false;
  /// With a table that deduplicates: the tokens it has seen, outliving the runs.
  std::set<std::string>* tokens = nullptr;
  /// INSERTs that may land long after their process died.
  struct Late {
    std::string token;
    std::vector<uint64_t> rows;
  };
  const std::vector<const Insert*>& waiting() const { return waiting_; }
  std::vector<Late> under_way() const {
    std::vector<Late> out;
    for (const Insert* insert : waiting_) {
      if (!insert->dry_run) out.push_back({insert->token, numbers(*insert)});
    }
    return out;
  }
  void land(const std::string& token, const std::vector<uint64_t>& rows) {
    if (tokens != nullptr && !tokens->insert(token).second) return;
    for (const uint64_t number : rows) ++table_[number];
  }
  std::function<void(const std::string& token)> on_submit;
  std::function<void(const std::string& token)> on_refused;  ///< nothing of it was written
  std::optional<uint64_t> rows_known;                        ///< what provenance columns tell
  std::optional<std::set<Offset>> rows_present;  ///< instead: the offsets it has rows of
  bool cancelled = false;

  bool has_room() const override { return waiting_.size() < room; }
  void submit(const Insert& insert) override {
    if (on_submit && !insert.dry_run) on_submit(insert.token);
    waiting_.push_back(&insert);
    clock_.advance(Milliseconds{1});
  }
  std::vector<InsertOutcome> collect(Milliseconds wait) override {
    std::vector<InsertOutcome> outcomes;
    if ((corked && !cancelled) || waiting_.empty()) {
      clock_.advance(wait);
      return outcomes;
    }
    if (last_first) std::swap(waiting_.front(), waiting_.back());
    const Insert& insert = *waiting_.front();
    waiting_.erase(waiting_.begin());
    outcomes.push_back(answer(insert));
    const InsertOutcome::Kind kind = outcomes.back().kind;
    if (on_refused && !insert.dry_run && kind != InsertOutcome::Kind::inserted &&
        kind != InsertOutcome::Kind::failed)
      on_refused(insert.token);
    return outcomes;
  }
  Result<Table> describe() override {
    Table table{.database = "t",
                .name = "numbers",
                .uuid = uuid,
                .engine = "MergeTree",
                .engine_full = {},
                .server_time_zone = "UTC",
                .columns = {}};
    table.columns.push_back(
        {.name = "n", .type = parse_data_type(type).value(), .default_expression = {}});
    return table;
  }
  std::optional<Table> look() override { return describe().value(); }
  Result<bool> has_rows() override { return table_has_rows || !table_.empty(); }
  Result<std::optional<uint64_t>> rows_of(const std::string&, PartitionId,
                                          OffsetRange range) override {
    if (!rows_present) return rows_known;
    return std::optional<uint64_t>(static_cast<uint64_t>(std::count_if(
        rows_present->begin(), rows_present->end(),
        [&](Offset offset) { return range.first <= offset && offset < range.next; })));
  }
  void cancel() override { cancelled = true; }

  /// The numbers an insert carries; of text its lengths.
  static std::vector<uint64_t> numbers(const Insert& insert) {
    size_t unused = 0;
    return numbers(insert, unused);
  }
  static size_t blocks(const Insert& insert) {
    size_t count = 0;
    numbers(insert, count);
    return count;
  }

 private:
  static std::vector<uint64_t> numbers(const Insert& insert, size_t& blocks) {
    std::string body;
    for (const std::string_view piece : insert.pieces) body += piece;
    std::vector<uint64_t> found;
    size_t at = 0;
    const auto varint = [&] {
      uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        const auto byte = static_cast<unsigned char>(body.at(at++));
        value |= static_cast<uint64_t>(byte & 0x7F) << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < body.size()) {
      CHECK(varint() == 1);
      ++blocks;
      const uint64_t rows = varint();
      for (int text = 0; text < 2; ++text) {  // name, type
        const uint64_t size = varint();
        at += size;
      }
      for (uint64_t row = 0; row < rows; ++row) {
        if (insert.columns.front().type == "String") {
          found.push_back(varint());
          at += found.back();
          continue;
        }
        uint64_t number = 0;
        std::memcpy(&number, body.data() + at, 8);
        found.push_back(number);
        at += 8;
      }
    }
    return found;
  }

  InsertOutcome answer(const Insert& insert) {
    ++inserts;
    rows_in_largest = std::max(rows_in_largest, insert.rows);
    blocks_in_last = blocks(insert);
    InsertOutcome outcome{
        .id = insert.id, .kind = InsertOutcome::Kind::inserted, .error = {}, .attempts = 1};
    const std::vector<uint64_t> all = numbers(insert);
    CHECK(all.size() == insert.rows);
    if (cancelled || failure) {
      outcome.kind = InsertOutcome::Kind::failed;
      outcome.error = failure.value_or(Error{Errc::cancelled, "cancelled", "cancelled", ""});
      if (lands_though_failed && !insert.dry_run && !holds_poison(all)) land(insert.token, all);
      return outcome;
    }
    if (insert.columns.front().type != type) {
      outcome.kind = InsertOutcome::Kind::stale_table;
      outcome.error = {Errc::unavailable, "table-changed", "the table changed", ""};
      return outcome;
    }
    if (rows_max > 0 && insert.rows > rows_max && !(counts_last && holds_poison(all))) {
      outcome.kind = InsertOutcome::Kind::too_large;
      outcome.error = {Errc::config, "insert-too-large", "too many partitions", ""};
      return outcome;
    }
    if (lies && !insert.dry_run) return outcome;
    if (std::any_of(all.begin(), all.end(), [&](uint64_t n) { return misfits.contains(n); })) {
      outcome.kind = InsertOutcome::Kind::stale_table;
      outcome.error = {Errc::config, "table-changed", "there is no such column", ""};
      return outcome;
    }
    for (size_t i = 0; i < all.size(); ++i) {
      if (!poison.contains(all[i])) continue;
      outcome.kind = names_the_row || names_a_wrong_row ? InsertOutcome::Kind::refused_row
                                                        : InsertOutcome::Kind::refused;
      outcome.row = names_a_wrong_row ? i / 2 : i;
      outcome.exception_code = 469;
      outcome.error = {Errc::rejected, "constraint", "constraint pos is violated", ""};
      return outcome;
    }
    if (insert.dry_run) {
      outcome.kind = InsertOutcome::Kind::readable;
    } else {
      land(insert.token, all);
    }
    return outcome;
  }
  bool holds_poison(const std::vector<uint64_t>& rows) const {
    return std::any_of(rows.begin(), rows.end(),
                       [&](uint64_t number) { return poison.contains(number); });
  }

  FakeTable& table_;
  FakeClock& clock_;
  std::vector<const Insert*> waiting_;
};

class FakeRejects final : public RejectSink {
 public:
  std::vector<RejectedRecord> durable;
  bool works = true;
  bool loses_once = false;  ///< one flush fails and forgets, as a disk may; the next is fine
  Result<void> write(const RejectedRecord& record) override {
    buffered_.push_back(record);
    return {};
  }
  Result<void> flush() override {
    if (loses_once) {
      loses_once = false;
      buffered_.clear();
      return Error{Errc::io, "reject-file", "the disk lost it", ""};
    }
    if (!works) return Error{Errc::io, "reject-file", "the reject file cannot be written", ""};
    durable.insert(durable.end(), buffered_.begin(), buffered_.end());
    buffered_.clear();
    return {};
  }

 private:
  std::vector<RejectedRecord> buffered_;
};

class FakeObserver final : public Observer {
 public:
  std::vector<std::string> warnings;
  std::vector<std::string> triggers;
  Counts counts;
  bool sums_held = true;
  uint64_t buffer_bytes_max = 0;
  void state(const State& state) override {
    buffer_bytes_max = std::max(buffer_bytes_max, state.buffer_bytes);
  }
  void inserted(const Inserted& insert) override { triggers.emplace_back(insert.trigger); }
  void warning(std::string_view slug, std::string_view) override { warnings.emplace_back(slug); }
  void progress(const Progress& progress) override {
    counts = progress.counts;
    sums_held = sums_held &&
                counts.read == counts.inserted + counts.rejected + counts.skipped + counts.open;
  }
};

/// One run of one pipeline over the given topic and table.
struct TestRun {
  TestRun(FakeTopic& topic_in, FakeTable& table_in)
      : source(topic_in, clock), sink(table_in, clock) {
    options.name = "numbers";
    options.topic = "numbers";
    options.group = "sluice-numbers";
    options.run_id = "RUN";
    options.seed = 1;
    options.batch.rows_max = 10;
  }
  PipelineReport go() {
    return run_pipeline(options, {source, sink, &rejects, observer, clock}, stop.get_token());
  }

  FakeClock clock;
  FakeSource source;
  FakeSink sink;
  FakeRejects rejects;
  FakeObserver observer;
  PipelineOptions options;
  std::stop_source stop;
};

}  // namespace sluice::test
