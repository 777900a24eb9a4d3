// SPDX-License-Identifier: Apache-2.0
#include "cli/meter.hpp"

#include <gtest/gtest.h>

#include <array>

#include "cli/health.hpp"
#include "cli/metrics.hpp"

namespace sluice::cli {
namespace {

class SetClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return now_; }
  [[nodiscard]] WallTime wall() const override { return WallTime{Milliseconds{1'700'000'000'000}}; }
  void advance(Milliseconds by) { now_ += by; }

 private:
  TimePoint now_{std::chrono::hours{1}};
};

constexpr HealthLimits limits{Milliseconds{60'000}, Milliseconds{120'000}};
constexpr uint64_t batch_rows = 1000;

class MeterTest : public ::testing::Test {
 protected:
  MeterTest() {
    PipelineSettings pipeline;
    pipeline.name = "orders";
    pipeline.topic.value = "orders";
    pipeline.table.value = "shop.orders";
    pipeline.group.value = "sluice-orders";
    pipeline.batch_rows.value = batch_rows;
    settings_.pipelines.push_back(pipeline);
    health_.emplace(settings_, clock_, "RUN", limits);
  }

  PipelineMeter& meter() { return health_->pipelines().front()->meter; }
  PipelineFacts facts() { return meter().facts(); }
  PipelineState state() { return state_of(facts(), batch_rows, clock_.now(), limits); }

  void turn(Counts counts) {
    clock_.advance(Milliseconds{200});
    meter().progress({.counts = std::move(counts), .target = 0, .passed = 0});
  }
  void assign() {
    meter().opening();
    const std::array assignment{Observer::Assignment{{0}, {10}, true, {}}};
    meter().assigned(assignment);
  }
  void look(int64_t committed, int64_t end, bool holding_back = false) {
    const std::array partitions{
        Observer::PartitionState{{0}, {end}, Offset{committed}, Watermarks{{0}, {end}}, {}}};
    meter().state({.partitions = partitions,
                   .buffer_bytes = 5,
                   .batches_in_flight = 1,
                   .holding_back = holding_back});
  }
  std::string page() {
    const Reloads reloads;
    return Metrics(*health_, reloads, 256).text();
  }

  SetClock clock_;
  Settings settings_;
  std::optional<Health> health_;
};

Counts counts_of(uint64_t read, uint64_t inserted, uint64_t open = 0) {
  Counts counts;
  counts.read = read;
  counts.inserted = inserted;
  counts.open = open;
  return counts;
}

TEST_F(MeterTest, RecordsThatAreGivenBackAndReadAgainWereConsumedTwice) {
  assign();
  turn(counts_of(100, 0, 100));
  turn(counts_of(40, 40));  // 60 went with their partition
  turn(counts_of(100, 100));
  EXPECT_EQ(facts().consumed, 160u);
  EXPECT_EQ(facts().counts.read, 100u);
}

TEST_F(MeterTest, DecodedIsWhatBecameARow) {
  assign();
  Counts counts = counts_of(10, 5);
  counts.skipped = 2;
  counts.rejected_by = {{RejectReason::type, 1}, {RejectReason::insert, 2}};
  turn(counts);
  EXPECT_EQ(facts().decoded, 7u);
}

TEST_F(MeterTest, TurnsAreSeenAtOnceAndCountsTenTimesASecond) {
  assign();
  turn(counts_of(1, 0, 1));
  clock_.advance(Milliseconds{50});
  meter().progress({.counts = counts_of(2, 0, 2), .target = 0, .passed = 0});
  EXPECT_EQ(facts().consumed, 1u);
  EXPECT_EQ(facts().turned_at, clock_.now());
  PipelineReport report;
  report.counts = counts_of(2, 2);
  meter().finished(report);
  EXPECT_EQ(facts().consumed, 2u);
}

TEST_F(MeterTest, WhatIsNotKnownHasNoSample) {
  const std::string before = page();
  EXPECT_EQ(before.find("sluice_kafka_end_offset{"), std::string::npos) << before;
  EXPECT_EQ(before.find("sluice_last_insert_timestamp_seconds{"), std::string::npos) << before;
  EXPECT_EQ(before.find("sluice_buffer_bytes "), before.find("sluice_buffer_bytes Bytes"));
  assign();
  EXPECT_NE(page().find("sluice_kafka_position_offset{"), std::string::npos);
  EXPECT_EQ(page().find("sluice_kafka_consumer_lag_records{"), std::string::npos);
  look(10, 30);
  EXPECT_NE(page().find("sluice_kafka_consumer_lag_records{pipeline=\"orders\",topic=\"orders\","
                        "partition=\"0\"} 20"),
            std::string::npos)
      << page();
  meter().revoked(std::array{PartitionId{0}}, false);
  EXPECT_EQ(page().find("partition=\"0\""), std::string::npos);
}

TEST_F(MeterTest, BackPressureIsTimed) {
  assign();
  look(0, 10, true);
  clock_.advance(Milliseconds{3000});
  look(0, 10, false);
  clock_.advance(Milliseconds{3000});
  look(0, 10, false);
  EXPECT_DOUBLE_EQ(facts().backpressure_seconds, 3);
}

TEST_F(MeterTest, LagInSecondsIsTheAgeOfTheOldestOpenRecordAndZeroAtTheEnd) {
  PartitionFacts facts;
  EXPECT_FALSE(facts.lag_seconds(clock_.wall()));
  facts.committed = 10;
  facts.end = 20;
  EXPECT_FALSE(facts.lag_seconds(clock_.wall()));
  facts.oldest_open_timestamp_ms = 1'700'000'000'000 - 2500;
  EXPECT_DOUBLE_EQ(*facts.lag_seconds(clock_.wall()), 2.5);
  facts.committed = 20;
  EXPECT_DOUBLE_EQ(*facts.lag_seconds(clock_.wall()), 0);
}

TEST_F(MeterTest, StatesFollowThePipeline) {
  EXPECT_EQ(state(), PipelineState::stopped);
  meter().opening();
  EXPECT_EQ(state(), PipelineState::catching_up);
  assign();
  turn(counts_of(100, 0, 100));
  look(0, 5000);
  EXPECT_EQ(state(), PipelineState::catching_up);
  look(4500, 5000);
  EXPECT_EQ(state(), PipelineState::running);
  turn(counts_of(100, 100));
  look(5000, 5000);
  EXPECT_EQ(state(), PipelineState::idle);
  PipelineReport report;
  meter().finished(report);
  EXPECT_EQ(state(), PipelineState::stopped);
}

TEST_F(MeterTest, ItFailsWhileAnInsertIsRetriedAndUntilItsOutcome) {
  assign();
  meter().server("http://db:8123", true);
  turn(counts_of(100, 0, 100));
  Insert insert;
  insert.id = 7;
  const Error error;
  meter().retrying({.insert = insert,
                    .attempt = 1,
                    .wait = Milliseconds{100},
                    .reason = RetryReason::network,
                    .exception_code = 0,
                    .error = error});
  EXPECT_EQ(state(), PipelineState::failing);
  EXPECT_FALSE(facts().servers.at("http://db:8123"));
  EXPECT_FALSE(health_->missing().empty());
  InsertOutcome outcome;
  outcome.id = 7;
  outcome.kind = InsertOutcome::Kind::inserted;
  outcome.attempts = 2;
  meter().outcome(outcome);
  EXPECT_EQ(state(), PipelineState::catching_up);
  EXPECT_TRUE(facts().servers.at("http://db:8123"));
  EXPECT_EQ(facts().inserts_by_result.at("retried"), 1u);
  EXPECT_TRUE(health_->missing().empty());
}

TEST_F(MeterTest, AThreadThatDoesNotTurnHangsAndOneThatOpensDoesNot) {
  meter().opening();
  clock_.advance(Milliseconds{600'000});
  EXPECT_TRUE(health_->hanging().empty());
  assign();
  turn(counts_of(1, 0, 1));
  clock_.advance(Milliseconds{59'000});
  EXPECT_TRUE(health_->hanging().empty());
  clock_.advance(Milliseconds{2'000});
  ASSERT_EQ(health_->hanging().size(), 1u);
  EXPECT_EQ(health_->hanging().front(), "pipeline orders has not turned for 1m 01s");
  EXPECT_EQ(state(), PipelineState::stalled);
}

TEST_F(MeterTest, TurningWithoutMovingAlthoughThereIsWorkIsStalled) {
  assign();
  turn(counts_of(1, 0, 1));
  look(0, 100);
  for (int second = 0; second < 130; ++second) {
    clock_.advance(Milliseconds{1000});
    turn(counts_of(1, 0, 1));
  }
  EXPECT_EQ(state(), PipelineState::stalled);
  EXPECT_TRUE(health_->hanging().empty());
}

TEST_F(MeterTest, EveryFamilyOfOursHasAHelpText) {
  const Reloads reloads;
  for (const auto& family : Metrics(*health_, reloads, 256).Collect()) {
    EXPECT_GT(family.help.size(), 10u) << family.name;
  }
}

}  // namespace
}  // namespace sluice::cli
