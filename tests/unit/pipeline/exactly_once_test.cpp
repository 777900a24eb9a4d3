// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/deliver/commit_record.hpp"
#include "tests/support/fakes.hpp"

namespace sluice::test {
namespace {

struct Killed {};

constexpr Milliseconds safe_age = std::chrono::hours{1};
const std::string table_uuid = "6c1e8a90-0b1c-4a5e-9d52-0d8c5ef0a001";

/// A table that drops what comes again under a token it has seen, and a group whose process is
/// killed with a batch of each partition under way.
class ExactlyOnceRun : public ::testing::Test {
 protected:
  FakeTopic topic;
  FakeTable table;
  std::set<std::string> tokens;
  Milliseconds since_kill{0};

  void set_up(TestRun& run) {
    run.options.exactly_once = ExactlyOnce{.safe_age = safe_age, .provenance = true};
    run.options.start_is_explicit = true;
    run.options.seed = ++seeds_;
    run.sink.tokens = &tokens;
    run.sink.uuid = table_uuid;
    run.clock.wall_shift = since_kill;
  }

  /// Everything is one batch of a partition, and the server takes seven rows at once.
  void set_up_too_large(TestRun& run, uint64_t batch_rows = 1000) {
    set_up(run);
    run.options.batch = {.rows_max = batch_rows, .age_max = std::chrono::minutes{10}};
    run.source.read_at_once = 1000;
    run.sink.rows_max = 7;
  }

  /// Ten records in each of two partitions; those batches are sent, and only `landed` arrive.
  void kill_with_batches_under_way(const std::set<uint64_t>& landed) {
    topic.produce(0, range(0, 10));
    topic.produce(1, range(100, 10));
    for (const FakeSink::Late& batch : kill_with_under_way(2)) {
      if (!landed.contains(batch.rows.front())) continue;
      tokens.insert(batch.token);
      for (const uint64_t number : batch.rows) ++table[number];
    }
  }

  std::vector<FakeSink::Late> kill_with_under_way(size_t batches) {
    TestRun run(topic, table);
    set_up(run);
    run.sink.corked = true;
    std::vector<FakeSink::Late> sent;
    run.source.on_poll = [&] {
      sent = run.sink.under_way();
      if (sent.size() == batches) throw Killed{};
    };
    EXPECT_THROW(run.go(), Killed);
    return sent;
  }

  PipelineReport run_with(std::vector<Decision> decisions,
                          std::optional<uint64_t> rows_known = std::nullopt) {
    TestRun run(topic, table);
    set_up(run);
    run.options.exactly_once->decisions = std::move(decisions);
    run.sink.rows_known = rows_known;
    return run.go();
  }

  void expect_each_once() {
    for (const uint64_t first : {uint64_t{0}, uint64_t{100}}) {
      for (const uint64_t number : range(first, 10)) EXPECT_EQ(table[number], 1) << number;
    }
  }

  static Decision on(Resolve resolve, int partition) {
    return {resolve, {{"numbers", PartitionId{partition}}}};
  }

 private:
  uint64_t seeds_ = 0;
};

TEST_F(ExactlyOnceRun, WhatWasUnderWayIsSentAgainUnderItsToken) {
  kill_with_batches_under_way({100});
  const PipelineReport report = run_with({});
  EXPECT_TRUE(report.caught_up);
  expect_each_once();
}

TEST_F(ExactlyOnceRun, BeyondTheSafeAgeTheTableIsAskedAndADoubtHalts) {
  kill_with_batches_under_way({0, 100});
  tokens.clear();  // the table has forgotten them
  since_kill = safe_age;
  const PipelineReport report = run_with({}, 3);
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->slug, "exactly-once-halted");
  EXPECT_THAT(report.error->message, testing::HasSubstr("3 of its 10 rows"));
  EXPECT_TRUE(run_with({}, 10).caught_up);
  expect_each_once();
}

TEST_F(ExactlyOnceRun, BeyondTheSafeAgeWhatIsNotThereIsSent) {
  kill_with_batches_under_way({});
  tokens.clear();
  since_kill = safe_age;
  EXPECT_TRUE(run_with({}, 0).caught_up);
  expect_each_once();
}

TEST_F(ExactlyOnceRun, ADecisionIsAboutOnePartitionAndLeavesTheOtherBatchesAlone) {
  kill_with_batches_under_way({0});
  tokens.clear();
  since_kill = safe_age;
  const PipelineReport halted = run_with({});
  ASSERT_TRUE(halted.error);
  EXPECT_THAT(halted.error->fix, testing::HasSubstr("--resolve skip:numbers:0"));
  const PipelineReport half = run_with({on(Resolve::skip, 0)});
  ASSERT_TRUE(half.error) << "the batch of partition 1 has not landed and is as old";
  EXPECT_THAT(half.error->fix, testing::HasSubstr("--resolve resend:numbers:1"));
  EXPECT_FALSE(table.contains(100));
  EXPECT_TRUE(run_with({on(Resolve::skip, 0), on(Resolve::resend, 1)}).caught_up);
  expect_each_once();
}

TEST_F(ExactlyOnceRun, ADecisionThatCouldBeAboutSeveralBatchesIsRefused) {
  kill_with_batches_under_way({0});
  since_kill = safe_age;
  const auto group = topic.group;
  const PipelineReport report = run_with({{Resolve::skip, {}}});
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->slug, "resolve-which");
  EXPECT_THAT(report.error->message, testing::HasSubstr("2 partitions of numbers"));
  EXPECT_EQ(topic.group.at(PartitionId{1}).metadata, group.at(PartitionId{1}).metadata);
  EXPECT_FALSE(table.contains(100));
}

TEST_F(ExactlyOnceRun, ADecisionNeedsNoPartitionWhenOnlyOneBatchIsOpen) {
  topic.produce(0, range(0, 10));
  kill_with_under_way(1);
  since_kill = safe_age;
  EXPECT_TRUE(run_with({}).error);
  EXPECT_TRUE(run_with({{Resolve::resend, {}}}).caught_up);
  for (const uint64_t number : range(0, 10)) EXPECT_EQ(table[number], 1) << number;
}

TEST_F(ExactlyOnceRun, ABatchFromTheFutureMayBeOfAnyAge) {
  kill_with_batches_under_way({0, 100});
  tokens.clear();
  since_kill = -std::chrono::hours{5};  // this machine's clock is not that one's
  EXPECT_TRUE(run_with({}, 10).caught_up) << "the table was asked";
  expect_each_once();
}

TEST_F(ExactlyOnceRun, ABatchOfAPartitionThatWasGivenAwayIsNotSentAnyMore) {
  topic.produce(0, range(0, 10));
  TestRun run(topic, table);
  set_up(run);
  run.options.fixed = {{PartitionId{0}, {Offset{0}, Offset{10}}}};
  run.options.continuous = true;
  run.sink.corked = true;
  const Insert* first = nullptr;
  int polls = 0;
  run.source.on_poll = [&] {
    ++polls;
    if (first == nullptr && !run.sink.waiting().empty()) {
      first = run.sink.waiting().front();
      EXPECT_GT(first->begin_before->load(), run.clock.now());
      run.source.rebalance(true);
    }
    if (polls == 100) {
      EXPECT_LT(first->begin_before->load(), run.clock.now());
      ASSERT_EQ(run.sink.waiting().size(), 2u) << "the partition came back: it is sent again";
      EXPECT_GT(run.sink.waiting().back()->begin_before->load(), run.clock.now());
      run.sink.corked = false;
    }
    if (polls == 200) run.stop.request_stop();
  };
  const PipelineReport report = run.go();
  EXPECT_FALSE(report.error);
  EXPECT_EQ(report.counts.inserted, 20u);
  const CommitRecord record = CommitRecord::decode(topic.group.at(PartitionId{0}).metadata);
  EXPECT_EQ(record.rows, 10u) << "the group's record counts nothing twice";
  for (const uint64_t number : range(0, 10)) EXPECT_EQ(table[number], 1) << number;
}

TEST_F(ExactlyOnceRun, WhatBecomesOfABatchGivenAwayIsNothingToTheNextOne) {
  topic.produce(0, range(0, 10));
  TestRun run(topic, table);
  set_up(run);
  run.options.continuous = true;
  run.sink.corked = true;
  int polls = 0;
  const auto intent = [&] {
    return CommitRecord::decode(topic.group.at(PartitionId{0}).metadata).intent;
  };
  run.source.on_poll = [&] {
    if (++polls == 20) run.source.rebalance(true);
    if (polls == 100) {
      ASSERT_EQ(run.sink.waiting().size(), 2u) << "given away, and sent again";
      run.sink.last_first = true;
      run.sink.corked = false;
    }
    if (run.sink.waiting().size() == 1 && !run.sink.corked) {
      run.sink.corked = true;  // the second has landed; the first is still on its way
      topic.produce(0, range(10, 10));
    }
    if (polls == 200) {
      ASSERT_EQ(run.sink.waiting().size(), 2u);
      ASSERT_TRUE(intent());
      run.sink.poison = {3};
      run.sink.last_first = false;
      run.sink.corked = false;
    }
    if (polls > 200 && run.sink.waiting().size() == 1) {
      EXPECT_TRUE(intent()) << "the batch after it is under way";
      throw Killed{};
    }
    ASSERT_LT(polls, 1000);
  };
  EXPECT_THROW(run.go(), Killed);
}

TEST_F(ExactlyOnceRun, ALimitNeverStopsWithinABatchThatIsSentAgain) {
  topic.produce(0, range(0, 10));
  kill_with_under_way(1);
  TestRun run(topic, table);
  set_up(run);
  run.options.rows_max = 4;
  run.go();
  EXPECT_EQ(topic.group.at(PartitionId{0}).offset, Offset{10});
}

TEST_F(ExactlyOnceRun, ARefusedRowThatNoMessageNamesIsFoundByDryRuns) {
  topic.produce(0, range(0, 100));
  const auto run_with = [&](OnError on_error) {
    TestRun run(topic, table);
    set_up(run);
    run.options.on_error = on_error;
    run.sink.poison = {3, 42, 43, 99};
    const PipelineReport report = run.go();
    std::vector<int64_t> rejected;
    for (const RejectedRecord& one : run.rejects.durable) rejected.push_back(one.offset.value);
    return std::pair(report, rejected);
  };
  const auto [stopped, none] = run_with(OnError::stop);
  ASSERT_TRUE(stopped.error);
  EXPECT_THAT(stopped.error->message, testing::HasSubstr("@3 cannot become a row"));
  const auto [report, rejected] = run_with(OnError::reject);
  EXPECT_TRUE(report.caught_up);
  EXPECT_EQ(rejected, (std::vector<int64_t>{3, 42, 43, 99}));
  EXPECT_EQ(table.size(), 96u);
  for (const auto& [number, times] : table) EXPECT_EQ(times, 1) << number;
}

TEST_F(ExactlyOnceRun, ABatchWithTooManyRefusedRowsMayBeCutSmaller) {
  topic.produce(0, range(0, 100));
  const auto run_by = [&](uint64_t rows) {
    TestRun run(topic, table);
    set_up(run);
    run.options.on_error = OnError::reject;
    run.options.batch.rows_max = rows;
    run.options.batch.age_max = std::chrono::minutes{10};
    run.source.read_at_once = 1000;
    run.sink.names_the_row = true;
    for (uint64_t odd = 1; odd < 100; odd += 2) run.sink.poison.insert(odd);
    return run.go();
  };
  const PipelineReport halted = run_by(100);
  ASSERT_TRUE(halted.error);
  EXPECT_EQ(halted.error->slug, "too-many-refused");
  EXPECT_TRUE(table.empty());
  const PipelineReport report = run_by(10);
  EXPECT_TRUE(report.caught_up);
  EXPECT_EQ(report.counts.inserted, 50u);
  EXPECT_EQ(report.counts.rejected, 50u);
}

TEST_F(ExactlyOnceRun, WhatIsTooLargeForOneInsertIsCutSmallerFromThenOn) {
  topic.produce(0, range(0, 100));
  TestRun run(topic, table);
  set_up_too_large(run);
  const PipelineReport report = run.go();
  EXPECT_TRUE(report.caught_up) << (report.error ? report.error->message : "");
  EXPECT_EQ(report.counts.read, 100u);
  EXPECT_EQ(table.size(), 100u);
  EXPECT_EQ(table.at(99), 1);
  EXPECT_EQ(run.sink.inserts, 4 + 17) << "100, 50, 25 and 12 are too many, 6 are not";
}

TEST_F(ExactlyOnceRun, BatchesThatWereAnnouncedAndNotSentAreCutSmallerToo) {
  for (int partition = 0; partition < 5; ++partition) {
    topic.produce(partition, range(static_cast<uint64_t>(partition) * 100, 20));
  }
  TestRun run(topic, table);
  set_up_too_large(run);
  run.sink.room = 3;
  const PipelineReport report = run.go();
  EXPECT_TRUE(report.caught_up) << (report.error ? report.error->message : "");
  EXPECT_EQ(report.counts.inserted, 100u);
  EXPECT_EQ(table.size(), 100u);
}

TEST_F(ExactlyOnceRun, ARunThatEndsLeavesNoIntentOfWhatItDidNotSend) {
  for (int partition = 0; partition < 5; ++partition) {
    topic.produce(partition, range(static_cast<uint64_t>(partition) * 100, 20));
  }
  const auto run_by = [&](uint64_t rows) {
    TestRun run(topic, table);
    set_up_too_large(run, rows);
    run.options.rows_max = 100;
    run.sink.room = 3;
    return run.go();
  };
  const PipelineReport halted = run_by(1000);
  ASSERT_TRUE(halted.error);
  EXPECT_THAT(halted.error->fix, testing::HasSubstr("--batch-rows"));
  const PipelineReport report = run_by(5);
  EXPECT_FALSE(report.error) << report.error->message;
  EXPECT_EQ(table.size(), 100u);
}

TEST_F(ExactlyOnceRun, WhatIsReadAgainForSmallerBatchesIsRejectedAndCountedOnce) {
  topic.produce(0, range(0, 5));
  topic.append(0, "no json");
  topic.append(0, std::nullopt);
  topic.produce(0, range(5, 55));
  TestRun run(topic, table);
  set_up_too_large(run);
  run.options.on_error = OnError::reject;
  run.options.rejects_max = 3;
  run.sink.names_the_row = true;
  run.sink.poison = {1, 2};
  run.sink.counts_last = true;
  const PipelineReport report = run.go();
  EXPECT_TRUE(report.caught_up) << (report.error ? report.error->message : "");
  EXPECT_EQ(report.counts.read, 62u);
  EXPECT_EQ(report.counts.rejected, 3u);
  EXPECT_EQ(report.counts.skipped, 1u);
  EXPECT_EQ(run.rejects.durable.size(), 3u);
  EXPECT_EQ(table.size(), 58u);
}

TEST_F(ExactlyOnceRun, WhenStoppedWithABatchThatIsTooLargeTheNextRunGoesOn) {
  topic.produce(0, range(0, 20));
  TestRun run(topic, table);
  set_up_too_large(run);
  run.sink.corked = true;
  run.source.on_poll = [&] {
    if (run.sink.waiting().empty()) return;
    run.sink.corked = false;
    run.stop.request_stop();
  };
  const PipelineReport stopped = run.go();
  EXPECT_FALSE(stopped.error) << stopped.error->message;
  EXPECT_TRUE(stopped.interrupted);
  EXPECT_TRUE(table.empty());
  EXPECT_TRUE(run_with({}).caught_up);
  EXPECT_EQ(table.size(), 20u);
}

TEST_F(ExactlyOnceRun, WhatIsLookedForIsCountedWithoutTheRowsThatWereRefused) {
  topic.produce(0, range(0, 10));
  kill_with_under_way(1);
  TestRun run(topic, table);
  set_up(run);
  run.options.on_error = OnError::reject;
  run.sink.names_the_row = true;
  run.sink.poison = {0, 1};
  run.sink.rows_present = std::set<Offset>{};
  for (int64_t offset = 0; offset < 9; ++offset) run.sink.rows_present->insert(Offset{offset});
  const PipelineReport report = run.go();
  EXPECT_TRUE(report.caught_up);
  EXPECT_EQ(table[9], 1)
      << "nine of ten rows are there: the tenth must not be taken for one of them";
}

TEST_F(ExactlyOnceRun, WhatMayHaveLandedIsNeverCutSmaller) {
  kill_with_batches_under_way({0});
  TestRun run(topic, table);
  set_up(run);
  run.sink.rows_max = 7;
  const PipelineReport halted = run.go();
  ASSERT_TRUE(halted.error);
  EXPECT_THAT(halted.error->message, testing::HasSubstr("may not be divided"));
  run_with({});
  expect_each_once();
}

TEST_F(ExactlyOnceRun, ARowThatTheTableTookBeforeItRefusesItIsNoReject) {
  kill_with_batches_under_way({0});
  TestRun run(topic, table);
  set_up(run);
  run.sink.names_the_row = true;
  run.sink.poison = {4};
  run.sink.rows_known = 10;
  const PipelineReport report = run.go();
  EXPECT_TRUE(report.caught_up) << "also where a bad record would stop the run";
  EXPECT_EQ(report.counts.inserted, 20u);
  expect_each_once();
}

TEST_F(ExactlyOnceRun, ARowThatIsRefusedLeavesOneBlock) {
  topic.produce(0, range(0, 10));
  TestRun run(topic, table);
  set_up(run);
  run.options.on_error = OnError::reject;
  run.sink.names_the_row = true;
  run.sink.poison = {4};
  const PipelineReport report = run.go();
  EXPECT_TRUE(report.caught_up);
  EXPECT_EQ(report.counts.inserted, 9u);
  EXPECT_EQ(run.sink.blocks_in_last, 1u) << "ClickHouse counts the blocks into the token";
}

}  // namespace
}  // namespace sluice::test
