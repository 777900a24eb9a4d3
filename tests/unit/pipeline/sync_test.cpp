// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/deliver/commit_record.hpp"
#include "tests/support/fakes.hpp"

namespace sluice::test {
namespace {

class Sync : public ::testing::Test {
 protected:
  FakeTopic topic;
  FakeTable table;

  void expect_each_once(uint64_t first, uint64_t count) {
    for (const uint64_t number : range(first, count)) EXPECT_EQ(table[number], 1) << number;
  }
  Offset committed(int partition) { return topic.group.at(PartitionId{partition}).offset; }
};

TEST_F(Sync, CopiesEverythingOnceCommitsItAndEnds) {
  topic.produce(0, range(0, 25));
  topic.produce(1, range(100, 3));
  TestRun run(topic, table);
  const PipelineReport report = run.go();
  EXPECT_FALSE(report.error) << report.error->message;
  EXPECT_TRUE(report.caught_up);
  EXPECT_EQ(report.counts.read, 28u);
  EXPECT_EQ(report.counts.inserted, 28u);
  expect_each_once(0, 25);
  expect_each_once(100, 3);
  EXPECT_EQ(table.size(), 28u);
  EXPECT_EQ(committed(0), Offset{25});
  EXPECT_EQ(committed(1), Offset{3});
  EXPECT_TRUE(run.observer.sums_held);
}

TEST_F(Sync, ASecondRunWithNothingNewDoesNothing) {
  topic.produce(0, range(0, 5));
  TestRun(topic, table).go();
  TestRun again(topic, table);
  const PipelineReport report = again.go();
  EXPECT_TRUE(report.caught_up);
  EXPECT_EQ(report.counts.read, 0u);
  EXPECT_EQ(again.sink.inserts, 0);
}

TEST_F(Sync, AGroupThatFoundNothingForADayIsJoinedSoThatItsOffsetsStay) {
  topic.produce(0, range(0, 5));
  TestRun(topic, table).go();
  const auto joins_after = [&](Milliseconds rest) {
    TestRun run(topic, table);
    run.clock.wall_shift = rest;
    bool joined = false;
    run.source.on_poll = [&] { joined = true; };
    EXPECT_TRUE(run.go().caught_up);
    return joined;
  };
  EXPECT_FALSE(joins_after(std::chrono::hours{23}));
  EXPECT_TRUE(joins_after(std::chrono::hours{25}));
  EXPECT_FALSE(joins_after(std::chrono::hours{26})) << "once a day";
  EXPECT_TRUE(joins_after(std::chrono::hours{50}));
}

TEST_F(Sync, TheNextRunTakesOnlyWhatIsNew) {
  topic.produce(0, range(0, 5));
  TestRun(topic, table).go();
  topic.produce(0, range(5, 4));
  TestRun again(topic, table);
  EXPECT_EQ(again.go().counts.inserted, 4u);
  expect_each_once(0, 9);
}

TEST_F(Sync, ATableThatLostItsRowsToAGroupThatPutThemThereIsTold) {
  topic.produce(0, range(0, 5));
  TestRun first(topic, table);
  first.go();
  TestRun again(topic, table);
  again.options.warns_of_empty_table = true;
  again.go();
  EXPECT_THAT(first.observer.warnings, testing::IsEmpty());
  EXPECT_THAT(again.observer.warnings, testing::IsEmpty());
  table.clear();
  TestRun emptied(topic, table);
  emptied.options.warns_of_empty_table = true;
  EXPECT_TRUE(emptied.go().caught_up);
  EXPECT_THAT(emptied.observer.warnings, testing::ElementsAre("table-empty"));
}

TEST_F(Sync, RecordsProducedDuringTheRunAreLeftForTheNext) {
  topic.produce(0, range(0, 50));
  TestRun run(topic, table);
  bool produced = false;
  run.source.on_poll = [&] {
    if (!produced) topic.produce(0, range(50, 10));
    produced = true;
  };
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_EQ(table.size(), 50u);
  EXPECT_EQ(committed(0), Offset{50});
}

TEST_F(Sync, GapsAtTheEndOfAPartitionDoNotHangIt) {
  topic.produce(0, range(0, 5));
  topic.gap(0, 3);
  topic.logs[PartitionId{1}];
  topic.gap(1, 4);  // nothing but control records
  TestRun run(topic, table);
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_EQ(committed(0), Offset{8});
  EXPECT_EQ(committed(1), Offset{4});
}

TEST_F(Sync, AnEmptyTopicIsCaughtUpAtOnce) {
  topic.logs[PartitionId{0}];
  TestRun run(topic, table);
  EXPECT_TRUE(run.go().caught_up);
}

TEST_F(Sync, AGroupWithoutOffsetsBesideAFullTableStopsAndAsks) {
  topic.produce(0, range(0, 5));
  TestRun run(topic, table);
  run.sink.table_has_rows = true;
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code, Errc::config);
  EXPECT_EQ(report.error->slug, "group-without-offsets");
  EXPECT_TRUE(table.empty());
  EXPECT_TRUE(topic.group.empty());
}

TEST_F(Sync, RecordsWithoutAFieldThatTheTableKnowsAreNotRowsOfDefaults) {
  topic.append(0, R"({"m":1,"o":2})");
  const auto run_once = [&] {
    TestRun run(topic, table);
    run.options.expects_fields = true;
    return run.go();
  };
  for (int run = 0; run < 2; ++run) {
    const PipelineReport refused = run_once();
    ASSERT_TRUE(refused.error) << "run " << run;
    EXPECT_EQ(refused.error->slug, "no-column-for-any-field");
    EXPECT_THAT(refused.error->message, testing::HasSubstr("fields: m, o"));
    EXPECT_EQ(refused.counts.read, 0u);
    EXPECT_TRUE(table.empty());
  }
  topic.produce(0, {7});
  EXPECT_TRUE(run_once().caught_up);
  topic.append(0, R"({"m":1})");
  const PipelineReport later = run_once();
  EXPECT_TRUE(later.caught_up) << "a group that is under way has shown that it fits";
  EXPECT_EQ(later.counts.inserted, 1u);
}

TEST_F(Sync, SayingWhereToStartAnswersThatQuestion) {
  topic.produce(0, range(0, 5));
  TestRun run(topic, table);
  run.sink.table_has_rows = true;
  run.options.start_is_explicit = true;
  run.options.start.kind = StartAt::Kind::time;
  run.options.start.time = WallTime{Milliseconds{3}};
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_EQ(table.size(), 2u);
}

TEST_F(Sync, TheTableIsAskedWhereItsRowsEndUnlessTheGroupKnows) {
  topic.produce(0, range(0, 5));
  topic.produce(1, range(10, 5));
  topic.group[PartitionId{1}] = {Offset{4}, ""};
  TestRun run(topic, table);
  run.sink.table_has_rows = true;
  run.options.start.kind = StartAt::Kind::table;
  std::vector<PartitionId> asked;
  run.options.starts_of_table = [&](std::span<const PartitionId> partitions) {
    asked.assign(partitions.begin(), partitions.end());
    return Result<std::map<PartitionId, Offset>>{std::map{std::pair{PartitionId{0}, Offset{3}}}};
  };
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_EQ(asked, std::vector{PartitionId{0}});
  EXPECT_EQ(table, (FakeTable{{3, 1}, {4, 1}, {14, 1}}));
}

TEST_F(Sync, WhatAnotherMemberCommitsWhileTheTableIsAskedCounts) {
  topic.produce(0, range(0, 5));
  TestRun run(topic, table);
  run.options.start.kind = StartAt::Kind::table;
  run.options.starts_of_table = [&](std::span<const PartitionId>) {
    topic.group[PartitionId{0}] = {Offset{2}, ""};
    return Result<std::map<PartitionId, Offset>>{Error{Errc::config, "hole", "its rows come", ""}};
  };
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_EQ(table.size(), 3u);
}

TEST_F(Sync, AStartThatIsNotUsedIsNotPassedOverInSilence) {
  topic.produce(0, range(0, 5));
  for (const bool known : {false, true, true}) {  // the last time there is nothing to read
    TestRun run(topic, table);
    run.options.start_is_explicit = run.options.warns_of_start = true;
    EXPECT_TRUE(run.go().caught_up);
    const auto told =
        std::count(run.observer.warnings.begin(), run.observer.warnings.end(), "start-not-used");
    EXPECT_EQ(told, known ? 1 : 0);
  }
  EXPECT_EQ(table.size(), 5u);
}

TEST_F(Sync, TheStartIsCommittedBeforeTheFirstRowIsSent) {
  topic.produce(0, range(0, 30));
  TestRun run(topic, table);
  run.sink.failure = Error{Errc::unavailable, "down", "ClickHouse is down", ""};
  EXPECT_TRUE(run.go().error);
  EXPECT_EQ(committed(0), Offset{0});
}

TEST_F(Sync, OffsetsThatRetentionOvertookStopWithTheLostRange) {
  topic.produce(0, range(0, 10));
  topic.logs[PartitionId{0}].first = Offset{6};
  topic.group[PartitionId{0}] = {Offset{2}, ""};
  TestRun run(topic, table);
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code, Errc::data_loss);
  EXPECT_THAT(report.error->message, testing::HasSubstr("[2, 6)"));
  EXPECT_EQ(committed(0), Offset{2});
}

TEST_F(Sync, OffsetsBeyondTheEndStop) {
  topic.produce(0, range(0, 10));
  topic.group[PartitionId{0}] = {Offset{11}, ""};
  TestRun run(topic, table);
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->slug, "offset-beyond-end");
}

TEST_F(Sync, NothingIsCommittedThatClickHouseDidNotAcknowledge) {
  topic.produce(0, range(0, 30));
  TestRun run(topic, table);
  run.sink.corked = true;
  bool stopped = false;
  run.source.on_poll = [&] {
    if (topic.group.contains(PartitionId{0})) {
      EXPECT_EQ(committed(0), Offset{0});
    }
    if (!stopped && run.clock.now() > TimePoint{std::chrono::hours{1} + Milliseconds{5000}}) {
      run.stop.request_stop();
      stopped = true;
    }
  };
  const PipelineReport report = run.go();
  EXPECT_TRUE(report.interrupted);
  EXPECT_EQ(committed(0), Offset{0});
  EXPECT_EQ(report.counts.read, 0u);
}

TEST_F(Sync, AStopDrainsAndTheNextRunContinuesWithoutDoublingARow) {
  topic.produce(0, range(0, 200));
  topic.produce(1, range(200, 200));
  int polls = 0;
  for (int round = 0; round < 100; ++round) {
    TestRun run(topic, table);
    run.source.on_poll = [&] {
      if (++polls % 3 == 0) run.stop.request_stop();
    };
    const PipelineReport report = run.go();
    EXPECT_FALSE(report.error);
    if (report.caught_up) break;
    EXPECT_TRUE(report.interrupted);
  }
  EXPECT_EQ(table.size(), 400u);
  expect_each_once(0, 400);
}

TEST_F(Sync, OutcomesInAnyOrderCommitOnlyTheSettledPrefix) {
  topic.produce(0, range(0, 100));
  TestRun run(topic, table);
  run.sink.last_first = true;
  run.source.on_poll = [&] {
    const int64_t upto = topic.group.contains(PartitionId{0}) ? committed(0).value : 0;
    for (int64_t number = 0; number < upto; ++number) {
      EXPECT_EQ(table[static_cast<uint64_t>(number)], 1);
    }
  };
  EXPECT_TRUE(run.go().caught_up);
  expect_each_once(0, 100);
}

TEST_F(Sync, ABadRecordStopsAndWhatCameBeforeItLands) {
  topic.produce(0, range(0, 15));
  topic.append(0, "{\"n\":\"not a number\"}");
  topic.produce(0, range(16, 15));
  TestRun run(topic, table);
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code, Errc::rejected);
  EXPECT_THAT(report.error->message, testing::HasSubstr("numbers[0]@15"));
  EXPECT_THAT(report.error->message, testing::HasSubstr("column n"));
  EXPECT_EQ(table.size(), 15u);
  expect_each_once(0, 15);
  EXPECT_EQ(committed(0), Offset{15});
  EXPECT_EQ(report.counts.read, 15u);
}

TEST_F(Sync, ABadRecordIsKeptAsideAndTheOthersLand) {
  topic.produce(0, range(0, 15));
  topic.append(0, "{\"n\":");
  topic.append(0, std::nullopt);
  topic.append(0, "");
  topic.produce(0, range(18, 15));
  TestRun run(topic, table);
  run.options.on_error = OnError::reject;
  const PipelineReport report = run.go();
  EXPECT_FALSE(report.error);
  EXPECT_TRUE(report.caught_up);
  EXPECT_EQ(report.counts.read, 33u);
  EXPECT_EQ(report.counts.inserted, 30u);
  EXPECT_EQ(report.counts.rejected, 1u);
  EXPECT_EQ(report.counts.skipped, 2u);
  ASSERT_EQ(run.rejects.durable.size(), 1u);
  EXPECT_EQ(run.rejects.durable[0].value, "{\"n\":");
  EXPECT_EQ(run.rejects.durable[0].offset, Offset{15});
  EXPECT_TRUE(run.observer.sums_held);
}

TEST_F(Sync, ARecordOverTheSizeLimitIsRejectedWhole) {
  topic.append(0, "{\"n\":1,\"pad\":\"" + std::string(200, 'x') + "\"}");
  TestRun run(topic, table);
  run.options.on_error = OnError::reject;
  run.options.record_bytes_max = 100;
  EXPECT_EQ(run.go().counts.rejected, 1u);
  EXPECT_EQ(run.rejects.durable[0].reason, RejectReason::too_large);
}

/// case 27, case 28
TEST_F(Sync, AnOffsetIsNotPassedBeforeItsRejectIsDurable) {
  topic.append(0, "broken");
  topic.produce(0, range(1, 5));
  TestRun run(topic, table);
  run.options.on_error = OnError::reject;
  run.rejects.works = false;
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code, Errc::io);
  EXPECT_TRUE(!topic.group.contains(PartitionId{0}) || committed(0) == Offset{0});
}

TEST_F(Sync, ARejectThatTheDiskLostIsNotCommittedPastLater) {
  topic.produce(0, range(1, 5));
  topic.append(0, "broken");
  topic.produce(0, range(6, 5));
  TestRun run(topic, table);
  run.options.on_error = OnError::reject;
  run.rejects.loses_once = true;
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error);
  EXPECT_LE(committed(0), Offset{5});
  TestRun again(topic, table);
  again.options.on_error = OnError::reject;
  EXPECT_TRUE(again.go().caught_up);
  EXPECT_EQ(again.rejects.durable.size(), 1u);
}

TEST_F(Sync, ALargeRecordThatBecomesNoRowDoesNotHoldItsMemoryForEver) {
  const std::string large(3 << 20, 'x');
  topic.append(0, "{\"n\":\"" + large + "\",\"n\":[broken");
  for (int i = 0; i < 5; ++i) topic.append(0, "{\"n\":\"a\"}");
  TestRun run(topic, table);
  run.sink.type = "String";
  run.options.on_error = OnError::reject;
  run.options.memory_max = 2 << 20;
  int polls = 0;
  run.source.on_poll = [&] {
    if (++polls > 10'000) run.stop.request_stop();
  };
  const PipelineReport report = run.go();
  EXPECT_TRUE(report.caught_up);
  EXPECT_EQ(report.counts.inserted, 5u);
  EXPECT_EQ(report.counts.rejected, 1u);
}

TEST_F(Sync, TooManyRejectsStop) {
  for (int i = 0; i < 5; ++i) topic.append(0, "broken");
  TestRun run(topic, table);
  run.options.on_error = OnError::reject;
  run.options.rejects_max = 3;
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code, Errc::rejected);
}

TEST_F(Sync, ARowThatClickHouseRefusesNeverTakesAGoodOneWithIt) {
  for (const bool named : {true, false}) {
    SCOPED_TRACE(named ? "the message names the row" : "the message names no row");
    FakeTopic poisoned;
    FakeTable rows;
    poisoned.produce(0, range(0, 40));
    poisoned.produce(1, range(40, 7));
    TestRun run(poisoned, rows);
    run.options.on_error = OnError::reject;
    run.sink.names_the_row = named;
    run.sink.poison = {0, 13, 14, 46};
    const PipelineReport report = run.go();
    EXPECT_TRUE(report.caught_up);
    EXPECT_EQ(report.counts.inserted, 43u);
    EXPECT_EQ(report.counts.rejected, 4u);
    EXPECT_EQ(rows.size(), 43u);
    for (const auto& [number, times] : rows) EXPECT_EQ(times, 1) << number;
    std::set<std::string> kept;
    for (const RejectedRecord& record : run.rejects.durable) kept.insert(record.value);
    EXPECT_THAT(kept, testing::ElementsAre("{\"n\":0}", "{\"n\":13}", "{\"n\":14}", "{\"n\":46}"));
  }
}

TEST_F(Sync, AMessageThatNamesTheWrongRowCostsNoGoodRow) {
  topic.produce(0, range(0, 10));
  TestRun run(topic, table);
  run.options.on_error = OnError::reject;
  run.sink.names_a_wrong_row = true;
  run.sink.poison = {7};
  EXPECT_EQ(run.go().counts.inserted, 9u);
  EXPECT_EQ(run.rejects.durable.at(0).offset, Offset{7});
}

TEST_F(Sync, WithStopARefusedRowEndsTheRunWithNothingDoubledAfterTheFix) {
  topic.produce(0, range(0, 40));
  {
    TestRun run(topic, table);
    run.sink.poison = {13};
    run.sink.room = 1;
    const PipelineReport report = run.go();
    ASSERT_TRUE(report.error);
    EXPECT_EQ(report.error->code, Errc::rejected);
    EXPECT_THAT(report.error->message, testing::HasSubstr("numbers[0]@13"));
    EXPECT_EQ(committed(0), Offset{13});
    EXPECT_TRUE(run.observer.sums_held);
  }
  TestRun fixed(topic, table);
  EXPECT_TRUE(fixed.go().caught_up);
  for (uint64_t number = 0; number < 40; ++number) EXPECT_GE(table[number], 1) << number;
  EXPECT_EQ(table[13], 1);
}

TEST_F(Sync, SeveralSmallPartitionsMakeOneInsert) {
  for (int partition = 0; partition < 8; ++partition) {
    topic.produce(partition, {static_cast<uint64_t>(partition)});
  }
  TestRun run(topic, table);
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_EQ(run.sink.inserts, 1);
}

TEST_F(Sync, ARebalanceInTheMiddleLosesAndDoublesNothing) {
  topic.produce(0, range(0, 300));
  topic.produce(1, range(300, 300));
  TestRun run(topic, table);
  int polls = 0;
  run.source.on_poll = [&] {
    if (++polls % 4 == 0) run.source.rebalance(false);
  };
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_EQ(table.size(), 600u);
  expect_each_once(0, 600);
}

/// case 9
TEST_F(Sync, ALostAssignmentIsReadAgainAndNothingIsLost) {
  topic.produce(0, range(0, 300));
  TestRun run(topic, table);
  int polls = 0;
  run.source.on_poll = [&] {
    if (++polls == 5 || polls == 9) run.source.rebalance(true);
  };
  const PipelineReport report = run.go();
  EXPECT_TRUE(report.caught_up);
  EXPECT_EQ(table.size(), 300u);
  EXPECT_EQ(report.counts.read, report.counts.inserted);
  EXPECT_TRUE(run.observer.sums_held);
}

TEST_F(Sync, EndsWhenAnotherMemberOfTheGroupDidTheRest) {
  topic.produce(0, range(0, 10));
  TestRun run(topic, table);
  run.sink.corked = true;
  run.options.drain_timeout = Milliseconds{100};
  int polls = 0;
  run.source.on_poll = [&] {
    if (++polls == 1) topic.group[PartitionId{0}] = {Offset{10}, ""};
  };
  EXPECT_TRUE(run.go().caught_up);
}

TEST_F(Sync, ForeignCommitMetadataIsKeptAndWarnedAbout) {
  topic.produce(0, range(0, 10));
  topic.group[PartitionId{0}] = {Offset{2}, "checkpoint of another tool"};
  TestRun run(topic, table);
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_EQ(topic.group[PartitionId{0}].metadata, "checkpoint of another tool");
  EXPECT_THAT(run.observer.warnings, testing::Contains("foreign-commit-metadata"));
}

TEST_F(Sync, CommitsSayWhichRunReadWhat) {
  topic.produce(0, range(0, 10));
  TestRun run(topic, table);
  run.go();
  const CommitRecord record = CommitRecord::decode(topic.group[PartitionId{0}].metadata);
  EXPECT_EQ(record.kind, CommitRecord::Kind::ours);
  EXPECT_EQ(record.run, "RUN");
  EXPECT_EQ(record.range, (OffsetRange{Offset{0}, Offset{10}}));
}

TEST_F(Sync, ARowLimitStopsAfterExactlySoManyRecords) {
  topic.produce(0, range(0, 100));
  TestRun run(topic, table);
  run.options.rows_max = 33;
  const PipelineReport report = run.go();
  EXPECT_TRUE(report.limit_reached);
  EXPECT_FALSE(report.caught_up);
  EXPECT_EQ(table.size(), 33u);
  EXPECT_EQ(committed(0), Offset{33});
}

TEST_F(Sync, WhenClickHouseGivesUpTheRunEndsWithItsReason) {
  topic.produce(0, range(0, 100));
  TestRun run(topic, table);
  run.sink.failure = Error{Errc::unavailable, "clickhouse-unreachable", "gone", "wait"};
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->slug, "clickhouse-unreachable");
  EXPECT_EQ(report.counts.read, 0u);
  EXPECT_EQ(committed(0), Offset{0});
}

TEST_F(Sync, CommitsThatNeverArriveEndTheRun) {
  topic.produce(0, range(0, 10));
  TestRun run(topic, table);
  run.source.commits_work = false;
  run.options.unavailable_max = Milliseconds{30'000};
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code, Errc::unavailable);
}

TEST_F(Sync, ARefusedRowThatCannotBeKeptIsNotCommittedPast) {
  topic.produce(0, range(0, 30));
  TestRun run(topic, table);
  run.options.on_error = OnError::reject;
  run.sink.poison = {13};
  run.source.fetch_works = false;
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error);
  EXPECT_LE(committed(0), Offset{13});
  TestRun again(topic, table);
  again.options.on_error = OnError::reject;
  again.sink.poison = {13};
  EXPECT_TRUE(again.go().caught_up);
  ASSERT_EQ(again.rejects.durable.size(), 1u);
  EXPECT_EQ(again.rejects.durable.front().offset, Offset{13});
}

TEST_F(Sync, MemoryStaysBoundedWithManyPartitionsAndASlowSink) {
  for (int partition = 0; partition < 200; ++partition) topic.produce(partition, range(0, 50));
  TestRun run(topic, table);
  run.options.batch.rows_max = 100'000;
  run.options.batch.age_max = Milliseconds{1'000'000};
  run.options.memory_max = 2 << 20;
  run.sink.room = 1;
  EXPECT_TRUE(run.go().caught_up);
  EXPECT_EQ(table.size(), 50u);
  for (const auto& [number, times] : table) EXPECT_EQ(times, 200) << number;
}

TEST_F(Sync, WhatWasReadFromTheEndOnIsNotSkippedWhenTheGroupMovesBeforeItsFirstCommit) {
  topic.produce(0, range(0, 5));
  TestRun run(topic, table);
  run.options.continuous = true;
  run.options.start = {StartAt::Kind::end, {}};
  run.options.start_is_explicit = true;
  run.source.commits_work = false;
  run.sink.corked = true;
  int polls = 0;
  run.source.on_poll = [&] {
    ++polls;
    if (polls == 5) topic.produce(0, range(100, 5));
    if (polls == 20) run.source.rebalance(true);
    if (polls == 25) run.source.commits_work = true;
    if (polls == 40) run.sink.corked = false;
    if (polls == 200) run.stop.request_stop();
  };
  EXPECT_FALSE(run.go().error);
  EXPECT_EQ(committed(0), Offset{10});
  for (const uint64_t number : range(100, 5)) EXPECT_GE(table[number], 1) << number;
  EXPECT_FALSE(table.contains(0));
}

TEST_F(Sync, ABatchThatTheUnchangedTableKeepsRefusingIsTold) {
  topic.produce(0, {7});
  topic.logs[PartitionId{1}];
  TestRun run(topic, table);
  run.options.continuous = true;
  run.options.start_is_explicit = true;
  run.options.batch.age_max = Milliseconds{5};
  run.sink.misfits = {7};
  uint64_t next = 100;
  int polls = 0;
  run.source.on_poll = [&] {
    if (++polls % 3 == 0) topic.produce(1, {next++});
    if (polls == 3000) run.stop.request_stop();
  };
  const PipelineReport report = run.go();
  ASSERT_TRUE(report.error) << "it would stand still for ever while the other partition flows";
  EXPECT_EQ(report.error->slug, "table-changed");
  EXPECT_EQ(committed(0), Offset{0});
}

}  // namespace
}  // namespace sluice::test
