// SPDX-License-Identifier: Apache-2.0
// Runs over a fixed range (backfill, snapshot), and groups that a snapshot hands over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/deliver/commit_record.hpp"
#include "core/pipeline/plan.hpp"
#include "core/pipeline/witness.hpp"
#include "tests/support/fakes.hpp"

namespace sluice::test {
namespace {

class Range : public ::testing::Test {
 protected:
  FakeTopic topic;
  FakeTable table;

  PipelineReport read(std::map<PartitionId, OffsetRange> fixed) {
    TestRun run(topic, table);
    run.options.fixed = std::move(fixed);
    run.options.asked = "10:20";
    run.sink.table_has_rows = true;  // no reason to stop: the range was asked for
    return run.go();
  }
};

constexpr PartitionId zero{0};
constexpr PartitionId one{1};

TEST_F(Range, ReadsExactlyTheRangeAndLeavesOtherPartitionsAlone) {
  topic.produce(0, range(0, 50));
  topic.produce(1, range(100, 50));
  const PipelineReport report = read({{zero, {Offset{10}, Offset{20}}}});
  EXPECT_FALSE(report.error) << report.error->message;
  EXPECT_TRUE(report.caught_up);
  EXPECT_EQ(table.size(), 10u);
  for (const uint64_t number : range(10, 10)) EXPECT_EQ(table[number], 1) << number;
  EXPECT_EQ(topic.group.at(zero).offset, Offset{20});
  EXPECT_FALSE(topic.group.contains(one));
}

TEST_F(Range, TheGroupRemembersTheRangeAndASecondRunFindsItDone) {
  topic.produce(0, range(0, 50));
  read({{zero, {Offset{10}, Offset{20}}}});
  const CommitRecord record = CommitRecord::decode(topic.group.at(zero).metadata);
  EXPECT_EQ(record.fixed, (OffsetRange{Offset{10}, Offset{20}}));
  EXPECT_EQ(record.asked, "10:20");
  const PipelineReport again = read({{zero, {Offset{10}, Offset{20}}}});
  EXPECT_TRUE(again.caught_up);
  EXPECT_EQ(again.counts.read, 0u);
}

TEST_F(Range, AnInterruptedRunGoesOnWhereItStood) {
  topic.produce(0, range(0, 50));
  topic.group[zero] = {Offset{15}, ""};
  EXPECT_EQ(read({{zero, {Offset{10}, Offset{20}}}}).counts.inserted, 5u);
}

TEST_F(Range, OffsetsThatAreGoneStopItWithTheirCount) {
  topic.produce(0, range(0, 50));
  topic.drop_before(zero, Offset{12});
  const PipelineReport report = read({{zero, {Offset{10}, Offset{20}}}});
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code, Errc::data_loss);
  EXPECT_THAT(report.error->message, testing::HasSubstr("[10, 12)"));
  EXPECT_TRUE(table.empty());
}

TEST_F(Range, ATopicThatEndsBeforeTheRangeDoesIsNotTheSameTopic) {
  topic.produce(0, range(0, 15));
  const PipelineReport report = read({{zero, {Offset{10}, Offset{20}}}});
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->slug, "partition-truncated");
}

TEST_F(Range, RecordsOfAnotherTimeAreSkippedAndCounted) {
  topic.produce(0, range(0, 50));  // a record's timestamp is its offset
  TestRun run(topic, table);
  run.options.fixed = {{zero, {Offset{10}, Offset{20}}}};
  run.options.timestamps = TimeRange{WallTime{Milliseconds{12}}, WallTime{Milliseconds{15}}};
  const PipelineReport report = run.go();
  EXPECT_EQ(report.counts.inserted, 3u);
  EXPECT_EQ(report.counts.skipped_by.at(SkipReason::filter), 7u);
  EXPECT_EQ(topic.group.at(zero).offset, Offset{20});
}

TEST_F(Range, ARateIsKept) {
  topic.produce(0, range(0, 100));
  TestRun run(topic, table);
  run.options.rows_per_second_max = 10;
  const TimePoint start = run.clock.now();
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_GE(run.clock.now() - start, std::chrono::seconds{9});
  EXPECT_LE(run.clock.now() - start, std::chrono::seconds{12});
}

TEST_F(Range, ARateIsKeptWithinOneReadToo) {
  topic.produce(0, range(0, 40));
  TestRun run(topic, table);
  run.source.read_at_once = 1024;
  run.options.rows_per_second_max = 5;
  const TimePoint start = run.clock.now();
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_GE(run.clock.now() - start, Milliseconds{7800});
  EXPECT_LE(run.clock.now() - start, Milliseconds{9000});
}

/// A group that a snapshot committed its hand-over to, and then the process died.
class HandedOver : public Range {
 protected:
  static constexpr int64_t now_ms = 1'700'000'000'000;  // of FakeClock

  void hand_over(Offset standing, Offset next, int64_t at_ms, bool group_was_new = false) {
    CommitRecord record;
    record.run = "SNAPSHOT";
    record.handover = Handover{"shadow-uuid", next, at_ms, group_was_new};
    topic.group[zero] = {standing, record.encode()};
  }
  PipelineReport sync(const std::string& uuid) {
    TestRun run(topic, table);
    run.sink.uuid = uuid;
    return run.go();
  }
};

TEST_F(HandedOver, AfterTheSwapTheGroupStandsWhereTheSnapshotEnds) {
  topic.produce(0, range(0, 30));
  hand_over(Offset{5}, Offset{20}, now_ms - 1000);
  const PipelineReport report = sync("shadow-uuid");
  EXPECT_FALSE(report.error) << report.error->message;
  EXPECT_EQ(report.counts.inserted, 10u);
  EXPECT_EQ(table.count(19), 0u);
  EXPECT_EQ(topic.group.at(zero).offset, Offset{30});
  EXPECT_FALSE(CommitRecord::decode(topic.group.at(zero).metadata).handover);
}

TEST_F(HandedOver, WithNothingMoreToReadThereIsNothingToDo) {
  topic.produce(0, range(0, 20));
  hand_over(Offset{5}, Offset{20}, now_ms - 1000);
  EXPECT_TRUE(sync("shadow-uuid").caught_up);
  EXPECT_TRUE(table.empty());
}

TEST_F(HandedOver, ASwapThatNeverHappenedMeansNothing) {
  topic.produce(0, range(0, 30));
  hand_over(Offset{5}, Offset{20}, now_ms - 3'600'000);
  EXPECT_EQ(sync("old-uuid").counts.inserted, 25u);
}

TEST_F(HandedOver, AGroupThatWasNewBeforeTheSwapIsNewStill) {
  topic.produce(0, range(0, 30));
  hand_over(Offset{0}, Offset{20}, now_ms - 3'600'000, true);
  table[999] = 1;  // the table holds rows: a new group must not load all of it again
  const PipelineReport report = sync("old-uuid");
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->slug, "group-without-offsets");
}

TEST_F(HandedOver, WhileTheSwapMayBeUnderWayNobodyGoesOn) {
  topic.produce(0, range(0, 30));
  hand_over(Offset{5}, Offset{20}, now_ms - 1000);
  const PipelineReport report = sync("old-uuid");
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code, Errc::unavailable);
  EXPECT_TRUE(table.empty());
}

TEST_F(HandedOver, WhoLookedAtTheTableBeforeTheSwapLooksAgain) {
  hand_over(Offset{5}, Offset{20}, now_ms - 3'600'000);
  TestRun run(topic, table);
  run.sink.uuid = "shadow-uuid";
  const std::vector<Committed> group{topic.group.at(zero)};
  EXPECT_EQ(*uuid_now(group, "old-uuid", run.sink), "shadow-uuid");
  run.sink.uuid = "not to be asked for";
  EXPECT_EQ(*uuid_now(group, "shadow-uuid", run.sink), "shadow-uuid");
}

TEST_F(Range, ItsWitnessStaysInTheGroupAndTellsATopicThatWasMadeAnew) {
  topic.produce(0, range(0, 50));
  const std::map<PartitionId, OffsetRange> fixed{{zero, {Offset{10}, Offset{20}}}};
  TestRun run(topic, table);
  const auto witnesses = take_witness(run.source, fixed);
  ASSERT_TRUE(witnesses.ok());
  ASSERT_EQ(witnesses->at(zero).offset, Offset{19});
  CommitRecord record;
  record.fixed = fixed.at(zero);
  record.witness = witnesses->at(zero);
  topic.group[zero] = {Offset{10}, record.encode()};
  EXPECT_TRUE(read(fixed).caught_up);
  EXPECT_EQ(CommitRecord::decode(topic.group.at(zero).metadata).witness, witnesses->at(zero));

  EXPECT_FALSE(*contradicted(run.source, zero, witnesses->at(zero)));
  FakeTopic anew;
  anew.produce(0, range(100, 50));
  TestRun other(anew, table);
  EXPECT_TRUE(*contradicted(other.source, zero, witnesses->at(zero)));
  anew.logs.at(zero).entries.clear();  // retention
  EXPECT_FALSE(*contradicted(other.source, zero, witnesses->at(zero)));
}

}  // namespace
}  // namespace sluice::test
