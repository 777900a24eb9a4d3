// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/snapshot.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "core/deliver/commit_record.hpp"
#include "core/pipeline/full_load.hpp"
#include "core/pipeline/plan.hpp"
#include "tests/support/fakes.hpp"

namespace sluice::test {
namespace {

constexpr uint64_t records = 30;
constexpr uint64_t keys_left = 20;

/// One call of all those to ClickHouse and to the groups fails: before it did what it was asked
/// for, or after that, when only the answer is lost.
struct Faults {
  int calls = 0;
  int fail_at = 0;  ///< 0: none fails
  bool after = false;

  template <class Effect>
  auto run(const Effect& effect) -> decltype(effect()) {
    const bool fails = ++calls == fail_at;
    const Error lost{Errc::unavailable, "away", "it did not answer", ""};
    if (fails && !after) return lost;
    auto result = effect();
    if (fails) return lost;
    return result;
  }
};

struct Stored {
  std::string uuid;
  std::string comment;
  uint64_t rows = 0;
};

/// The table t with ten old rows, and what is beside it.
class FakeTables final : public SnapshotTables {
 public:
  explicit FakeTables(Faults& faults) : faults_(faults) {}

  std::map<std::string, Stored> all{{"t", {"uuid-0", "the shop's", 10}}};
  std::string engine = "MergeTree";
  std::optional<Error> exchange_refused;
  uint64_t lost_while_filling = 0;
  std::function<void()> before_rename;

  Result<SnapshotTarget> target() override {
    return faults_.run([&]() -> Result<SnapshotTarget> {
      SnapshotTarget out;
      out.uuid = all.at("t").uuid;
      out.comment = all.at("t").comment;
      out.engine = out.engine_full = engine;
      out.database_engine = "Atomic";
      out.rows = all.at("t").rows;
      return out;
    });
  }
  Result<std::vector<SideTable>> side_tables(const std::string& infix) override {
    return faults_.run([&]() -> Result<std::vector<SideTable>> {
      std::vector<SideTable> out;
      for (const auto& [name, table] : all) {
        if (name.starts_with("t" + infix)) out.push_back({name, table.comment});
      }
      return out;
    });
  }
  Result<std::string> create(const std::string& name, const std::string& comment) override {
    return faults_.run([&]() -> Result<std::string> {
      return all.try_emplace(name, Stored{next_uuid(), comment, 0}).first->second.uuid;
    });
  }
  Result<void> create_keyed(const std::string& name, const std::string& comment,
                            const std::vector<std::string>& /*key*/) override {
    return faults_.run([&]() -> Result<void> {
      all.try_emplace(name, Stored{next_uuid(), comment, 0});
      return {};
    });
  }
  Result<uint64_t> keys(const std::string& name) override {
    return faults_.run(
        [&]() -> Result<uint64_t> { return std::min(all.at(name).rows, keys_left); });
  }
  Result<void> fill(const std::string& name, const std::string& from) override {
    return faults_.run([&]() -> Result<void> {
      all.at(name).rows += std::min(all.at(from).rows, keys_left) - lost_while_filling;
      return {};
    });
  }
  Result<void> seal(const std::string& /*name*/) override {
    return faults_.run([]() -> Result<void> { return {}; });
  }
  Result<uint64_t> rows(const std::string& name) override {
    return faults_.run([&]() -> Result<uint64_t> { return all.at(name).rows; });
  }
  Result<bool> same_columns(const std::string& /*name*/) override {
    return faults_.run([]() -> Result<bool> { return true; });
  }
  Result<void> exchange(const std::string& name) override {
    return faults_.run([&]() -> Result<void> {
      if (exchange_refused) return *exchange_refused;
      std::swap(all.at("t"), all.at(name));
      return {};
    });
  }
  Result<void> set_comment(const std::string& name, const std::string& comment) override {
    return faults_.run([&]() -> Result<void> {
      all.at(name.empty() ? "t" : name).comment = comment;
      return {};
    });
  }
  Result<void> rename(const std::string& name, const std::string& to) override {
    if (before_rename) std::exchange(before_rename, nullptr)();
    return faults_.run([&]() -> Result<void> {
      all[to] = all.at(name);
      all.erase(name);
      return {};
    });
  }
  Result<void> drop(const std::string& name) override {
    return faults_.run([&]() -> Result<void> {
      EXPECT_NE(name, "t");
      all.erase(name);
      return {};
    });
  }

 private:
  std::string next_uuid() { return "uuid-" + std::to_string(++uuids_); }

  Faults& faults_;
  int uuids_ = 0;
};

class FakeGroups final : public SnapshotGroups {
 public:
  explicit FakeGroups(Faults& faults) : faults_(faults) {}

  std::map<std::string, std::map<PartitionId, Committed>> all;

  Result<bool> has_members(const std::string& /*group*/) override {
    return faults_.run([]() -> Result<bool> { return false; });
  }
  Result<bool> keeps_members(const std::string& /*group*/, Milliseconds /*patience*/) override {
    return faults_.run([]() -> Result<bool> { return false; });
  }
  Result<std::vector<std::string>> list(const std::string& prefix) override {
    return faults_.run([&]() -> Result<std::vector<std::string>> {
      std::vector<std::string> out;
      for (const auto& [group, offsets] : all) {
        if (group.starts_with(prefix)) out.push_back(group);
      }
      return out;
    });
  }
  Result<std::map<PartitionId, Committed>> offsets(const std::string& group) override {
    return faults_.run([&]() -> Result<std::map<PartitionId, Committed>> {
      const auto found = all.find(group);
      return found == all.end() ? std::map<PartitionId, Committed>() : found->second;
    });
  }
  Result<void> set_offsets(const std::string& group,
                           const std::map<PartitionId, Committed>& offsets) override {
    return faults_.run([&]() -> Result<void> {
      for (const auto& [partition, committed] : offsets) all[group][partition] = committed;
      return {};
    });
  }
  Result<void> remove(const std::string& group) override {
    return faults_.run([&]() -> Result<void> {
      all.erase(group);
      return {};
    });
  }

 private:
  Faults& faults_;
};

/// The snapshots in t: its rows by their snapshot.
class FakeMarks final : public SnapshotMarks {
 public:
  std::map<std::string, uint64_t> in_table;
  std::vector<std::string> whole;
  std::function<void()> when_marked;

  Result<void> prepare() override { return {}; }
  Result<void> look() override { return {}; }
  Result<uint64_t> rows(const std::string& id) override { return in_table[id]; }
  Result<uint64_t> marked(const std::string& id) override {
    return static_cast<uint64_t>(std::count(whole.begin(), whole.end(), id));
  }
  Result<void> mark(const SnapshotStamp& snapshot, uint64_t /*rows*/) override {
    whole.push_back(snapshot.id);
    if (when_marked) when_marked();
    return {};
  }
  Result<void> unmark(const std::string& id) override {
    std::erase(whole, id);
    return {};
  }
  Result<void> remove(const std::string& id) override {
    in_table.erase(id);
    return {};
  }
};

/// A topic of 30 records, the table t, and runs over both.
class SnapshotTest : public testing::Test {
 protected:
  SnapshotTest() {
    topic_.produce(0, range(0, records / 2));
    topic_.produce(1, range(0, records / 2));
  }

  Result<void> run(const std::string& id) {
    Snapshot snapshot({.topic = "topic",
                       .table = "db.t",
                       .table_name = "t",
                       .group = "live",
                       .id = id,
                       .run_id = "run" + id,
                       .key = key_,
                       .keep_old = false,
                       .allow_empty = false,
                       .allow_shrink = false,
                       .allow_views = false},
                      source_, tables_, groups_, observer_, clock_);
    auto begun = snapshot.begin();
    if (!begun.ok()) {
      snapshot.give_up(begun.error().code == Errc::unavailable);
      return begun.error();
    }
    const PipelineReport loaded = load(*begun);
    Result<void> finished = snapshot.finish(loaded);
    if (!finished.ok()) snapshot.give_up(finished.error().code == Errc::unavailable);
    return finished;
  }

  /// What the pipeline does: each record that was not loaded yet becomes a row.
  PipelineReport load(const SnapshotLoad& load) {
    PipelineReport report;
    report.caught_up = true;
    for (auto& [partition, committed] : groups_.all.at(load.group)) {
      const Offset end = load.fixed.at(partition).next;
      const auto rows = static_cast<uint64_t>(end.value - committed.offset.value);
      report.counts.inserted += rows;
      CommitRecord record = CommitRecord::decode(committed.metadata);
      record.rows += rows;
      committed = {end, record.encode()};
    }
    tables_.all.at(load.table_name).rows += report.counts.inserted;
    report.counts.inserted += sent_again_;
    if (load_ended_) load_ended_();
    return report;
  }

  [[nodiscard]] uint64_t rows_wanted() const { return key_.empty() ? records : keys_left; }

  void expect_done() {
    EXPECT_EQ(tables_.all.size(), 1u);
    EXPECT_EQ(tables_.all.at("t").rows, rows_wanted());
    EXPECT_EQ(tables_.all.at("t").comment, "the shop's");
    ASSERT_EQ(groups_.all.size(), 1u);
    for (const auto& [partition, committed] : groups_.all.at("live")) {
      EXPECT_EQ(stands_at(committed), Offset{records / 2});
    }
  }

  /// As whoever opens the live group finds it, an hour later.
  std::optional<Offset> stands_at(const Committed& committed) {
    const auto stands =
        standing(committed, tables_.all.at("t").uuid, clock_.wall() + std::chrono::hours{1});
    EXPECT_TRUE(stands.ok());
    if (!stands.ok() || !stands.value()) return std::nullopt;
    return stands.value()->offset;
  }

  void every_call_fails_once(bool after) {
    int at = 0;
    do {
      SCOPED_TRACE("call " + std::to_string(++at));
      tables_.all = {{"t", {"uuid-old", "the shop's", 10}}};
      groups_.all.clear();
      faults_ = {.calls = 0, .fail_at = at, .after = after};
      const auto first = run("a");
      const uint64_t seen = tables_.all.at("t").rows;
      const bool swapped = tables_.all.at("t").uuid != "uuid-old";
      EXPECT_EQ(seen, swapped ? rows_wanted() : 10u);
      if (first.ok()) {
        EXPECT_TRUE(swapped);
      }
      for (const auto& [partition, committed] : groups_.all["live"]) {
        EXPECT_EQ(stands_at(committed),
                  swapped ? std::optional(Offset{records / 2}) : std::nullopt);
      }
      if (groups_.all.at("live").empty()) groups_.all.erase("live");
      const bool reached = faults_.calls >= at;
      faults_ = {};
      ASSERT_TRUE(run("b").ok());
      expect_done();
      if (!reached) return;
    } while (!HasFailure());
  }

  FakeTopic topic_;
  FakeClock clock_;
  FakeSource source_{topic_, clock_};
  Faults faults_;
  FakeTables tables_{faults_};
  FakeGroups groups_{faults_};
  Observer observer_;
  std::vector<std::string> key_;
  std::function<void()> load_ended_;
  uint64_t sent_again_ = 0;  ///< rows of batches that ClickHouse acknowledged twice, and took once
};

TEST_F(SnapshotTest, whatever_call_fails_the_target_is_whole_and_the_next_run_ends_it) {
  every_call_fails_once(false);
}

TEST_F(SnapshotTest, so_it_is_when_only_the_answer_is_lost) { every_call_fails_once(true); }

TEST_F(SnapshotTest, and_where_the_last_record_of_each_key_is_kept) {
  key_ = {"id"};
  every_call_fails_once(false);
  every_call_fails_once(true);
}

TEST_F(SnapshotTest, a_refused_exchange_leaves_all_as_it_was) {
  tables_.exchange_refused = Error{Errc::no_permission, "grant", "not allowed", "GRANT it"};
  const auto finished = run("a");
  ASSERT_FALSE(finished.ok());
  EXPECT_EQ(finished.error().code, Errc::no_permission);
  EXPECT_EQ(finished.error().fix, "GRANT it");
  EXPECT_NE(finished.error().message.find("not swapped"), std::string::npos);
  EXPECT_EQ(tables_.all.size(), 1u);
  EXPECT_EQ(tables_.all.at("t").uuid, "uuid-0");
  // The hand-over is void: the group had no offsets, and has none.
  ASSERT_FALSE(groups_.all.at("live").empty());
  for (const auto& [partition, committed] : groups_.all.at("live")) {
    EXPECT_TRUE(CommitRecord::decode(committed.metadata).handover);
    EXPECT_EQ(stands_at(committed), std::nullopt);
    EXPECT_TRUE(standing(committed, "uuid-0", clock_.wall()).ok());  // nobody has to wait
  }
}

TEST_F(SnapshotTest, a_void_hand_over_leaves_the_group_at_its_offset) {
  groups_.all["live"] = {{PartitionId{0}, {Offset{4}, ""}}, {PartitionId{1}, {Offset{7}, "mine"}}};
  tables_.exchange_refused = Error{Errc::failed, "no", "no", ""};
  ASSERT_FALSE(run("a").ok());
  EXPECT_EQ(stands_at(groups_.all["live"][PartitionId{0}]), Offset{4});
  EXPECT_EQ(stands_at(groups_.all["live"][PartitionId{1}]), Offset{7});
  EXPECT_EQ(groups_.all["live"][PartitionId{1}].metadata, "mine");
}

TEST_F(SnapshotTest, of_two_at_once_the_later_one_leaves_and_the_earlier_one_ends) {
  load_ended_ = [&] {
    tables_.all["t__sluice_b"] = {"uuid-b",
                                  "sluice: snapshot b of db.t for group live, being loaded", 5};
  };
  ASSERT_TRUE(run("a").ok());
  EXPECT_FALSE(tables_.all.contains("t__sluice_b"));
  expect_done();
  load_ended_ = [&] {
    tables_.all["t__sluice_a"] = {"uuid-a",
                                  "sluice: snapshot a of db.t for group live, being loaded", 5};
  };
  const auto later = run("c");
  ASSERT_FALSE(later.ok());
  EXPECT_EQ(later.error().slug, "snapshot-running");
  EXPECT_TRUE(tables_.all.contains("t__sluice_a"));
}

TEST_F(SnapshotTest, what_is_swapped_in_while_it_is_taken_up_leaves_the_old_table_alone) {
  load_ended_ = [&] { faults_ = {.calls = 0, .fail_at = 1, .after = false}; };
  ASSERT_FALSE(run("a").ok());
  faults_ = {};
  load_ended_ = nullptr;
  tables_.before_rename = [&] { std::swap(tables_.all.at("t"), tables_.all.at("t__sluice_a")); };
  const auto later = run("b");
  ASSERT_FALSE(later.ok());
  EXPECT_EQ(later.error().slug, "snapshot-running");
  ASSERT_TRUE(tables_.all.contains("t__sluice_a"));
  EXPECT_EQ(tables_.all.at("t__sluice_a").comment, "the shop's");
  EXPECT_EQ(tables_.all.at("t__sluice_a").rows, 10u);
  EXPECT_EQ(tables_.all.at("t").rows, records);
}

TEST_F(SnapshotTest, between_hand_over_and_decision_nobody_can_tell) {
  tables_.exchange_refused = Error{Errc::unavailable, "no", "no", ""};
  ASSERT_FALSE(run("a").ok());
  const Committed& committed = groups_.all["live"][PartitionId{0}];
  const auto now = standing(committed, "uuid-0", clock_.wall());
  ASSERT_FALSE(now.ok());
  EXPECT_EQ(now.error().slug, "snapshot-swap");
  const auto swapped = standing(
      committed, CommitRecord::decode(committed.metadata).handover->table_uuid, clock_.wall());
  ASSERT_TRUE(swapped.ok());
  EXPECT_EQ(swapped.value()->offset, Offset{records / 2});
}

TEST_F(SnapshotTest, fewer_rows_than_keys_are_not_swapped_in) {
  key_ = {"id"};
  tables_.lost_while_filling = 1;
  const auto finished = run("a");
  ASSERT_FALSE(finished.ok());
  EXPECT_EQ(finished.error().slug, "snapshot-verify");
  EXPECT_EQ(tables_.all.size(), 1u);
  EXPECT_EQ(tables_.all.at("t").rows, 10u);
}

TEST_F(SnapshotTest, a_load_of_another_kind_is_not_taken_up) {
  key_ = {"id"};
  faults_.fail_at = 100;
  ASSERT_TRUE(run("a").ok());
  const int calls = faults_.calls;
  for (int at = 1; at <= calls; ++at) {
    SCOPED_TRACE(at);
    tables_.all = {{"t", {"uuid-old", "the shop's", 10}}};
    groups_.all.clear();
    key_ = {"id"};
    faults_ = {.calls = 0, .fail_at = at, .after = true};
    (void)run("a");
    faults_ = {};
    key_.clear();
    ASSERT_TRUE(run("b").ok());
    expect_done();
  }
}

TEST_F(SnapshotTest, what_was_acknowledged_twice_and_taken_once_is_counted_once) {
  for (const char* engine : {"MergeTree", "ReplicatedMergeTree"}) {
    SCOPED_TRACE(engine);
    tables_.engine = engine;
    sent_again_ = 5;
    tables_.all = {{"t", {"uuid-old", "the shop's", 10}}};
    groups_.all.clear();
    ASSERT_TRUE(run("a").ok());
    expect_done();
  }
}

/// A full load without a swap, of the same topic.
class FullLoadTest : public SnapshotTest {
 protected:
  /// `more`: rows that come into the table besides those of the load, or go away.
  Result<void> append(const std::string& id, int64_t more, bool exactly_once = false) {
    FullLoad full({.topic = "topic",
                   .table = "db.t",
                   .table_uuid = "uuid-0",
                   .engine_full = "MergeTree ORDER BY n",
                   .group = "live",
                   .id = id,
                   .run_id = "run" + id,
                   .exactly_once = exactly_once,
                   .allow_empty = false},
                  source_, &marks_, groups_, observer_, clock_);
    const auto begun = full.begin();
    if (!begun.ok()) return begun.error();
    snapshot_ = begun->snapshot->id;
    PipelineReport report = load(
        SnapshotLoad{.table_name = "t", .group = begun->group, .asked = {}, .fixed = begun->fixed});
    marks_.in_table[snapshot_] += report.counts.inserted + static_cast<uint64_t>(more);
    auto finished = full.finish(report);
    if (!finished.ok()) full.give_up(false);
    return finished;
  }

  /// A load that died with half of its rows acknowledged.
  void leave_half(const std::string& id) {
    CommitRecord record;
    record.run = "run" + id;
    record.asked = "append #uuid-0 7";
    record.fixed = record.range = {Offset{0}, Offset{records / 2}};
    auto& group = groups_.all["live.snapshot." + id];
    group[PartitionId{1}] = {Offset{0}, record.encode()};
    record.rows = records / 2;
    group[PartitionId{0}] = {Offset{records / 2}, record.encode()};
    marks_.in_table[id] = records / 2;
  }

  FakeMarks marks_;
  std::string snapshot_;
};

TEST_F(FullLoadTest, what_landed_twice_is_never_marked_and_does_not_stay) {
  const auto doubled = append("a", 1);
  ASSERT_FALSE(doubled.ok());
  EXPECT_EQ(doubled.error().slug, "snapshot-verify");
  EXPECT_TRUE(marks_.whole.empty());
  EXPECT_TRUE(marks_.in_table.empty());
  EXPECT_TRUE(groups_.all.empty());
  ASSERT_TRUE(append("b", 0).ok());
  EXPECT_EQ(marks_.whole, std::vector<std::string>{"b"});
  EXPECT_EQ(marks_.in_table.at("b"), records);
}

TEST_F(FullLoadTest, rows_that_were_deleted_before_it_goes_on_are_loaded_again) {
  leave_half("a");
  ASSERT_TRUE(append("b", 0, true).ok());
  EXPECT_EQ(marks_.whole, std::vector<std::string>{"a"}) << "with all of them it goes on";
  marks_.whole.clear();
  leave_half("a");
  --marks_.in_table["a"];
  ASSERT_TRUE(append("b", 0, true).ok());
  EXPECT_EQ(marks_.whole, std::vector<std::string>{"b"});
  EXPECT_EQ(marks_.in_table.at("b"), records);
  marks_.whole.clear();
  leave_half("c");
  --marks_.in_table["c"];
  EXPECT_FALSE(append("d", 1, true).ok()) << "rows of the one that is gone excuse none of this one";
}

TEST_F(FullLoadTest, rows_that_are_deleted_while_it_goes_on_are_missed_at_its_end) {
  leave_half("a");
  // A batch that was under way at the start has hidden it then.
  marks_.in_table["a"] += 5;
  const auto deleted = append("b", -6, true);
  ASSERT_FALSE(deleted.ok());
  EXPECT_EQ(deleted.error().slug, "snapshot-verify");
  EXPECT_TRUE(marks_.whole.empty());
  EXPECT_TRUE(groups_.all.empty()) << "the next one begins anew";
}

TEST_F(FullLoadTest, what_another_process_cleared_away_meanwhile_does_not_stay_marked) {
  marks_.when_marked = [&] { groups_.all.erase("live.snapshot.a"); };
  const auto raced = append("a", 0);
  ASSERT_FALSE(raced.ok());
  EXPECT_EQ(raced.error().slug, "snapshot-race");
  EXPECT_TRUE(marks_.whole.empty());
}

TEST_F(FullLoadTest, the_live_group_is_left_alone) {
  groups_.all["live"] = {{PartitionId{0}, {Offset{4}, "mine"}}};
  ASSERT_TRUE(append("a", 0).ok());
  ASSERT_EQ(groups_.all.size(), 1u);
  EXPECT_EQ(groups_.all["live"][PartitionId{0}].offset, Offset{4});
  EXPECT_EQ(groups_.all["live"][PartitionId{0}].metadata, "mine");
}

}  // namespace
}  // namespace sluice::test
