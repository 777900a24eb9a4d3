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

}  // namespace
}  // namespace sluice::test
