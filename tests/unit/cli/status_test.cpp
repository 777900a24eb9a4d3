// SPDX-License-Identifier: Apache-2.0
#include "cli/status.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/status_ask.hpp"
#include "core/deliver/commit_record.hpp"
#include "tests/unit/cli/golden.hpp"

namespace sluice::cli {
namespace {

const WallTime now{Milliseconds{1'795'226'404'112}};

std::string metadata(WallTime inserted_at) {
  CommitRecord record;
  record.run = "r";
  record.inserted_at_ms = inserted_at.time_since_epoch().count();
  return record.encode();
}

PipelineSettings orders() {
  PipelineSettings pipeline;
  pipeline.name = "orders";
  pipeline.topic.value = "orders";
  pipeline.table.value = "shop.orders";
  pipeline.group.value = "sluice-orders";
  pipeline.reject.topic.value = "orders.rejects";
  return pipeline;
}

/// A member that has both partitions, with 129 and 182 records waiting since 300 and 400 ms.
PipelineLook running_look() {
  PipelineLook look;
  const std::string inserted = metadata(now - Milliseconds{200});
  look.held = {{{0}, {Offset{881'200}, Offset{7'338'330}}},
               {{1}, {Offset{870'114}, Offset{7'300'294}}}};
  look.committed = {{{0}, {Offset{7'338'201}, inserted}},
                    {{1}, {Offset{7'300'112}, metadata(now - Milliseconds{900})}}};
  look.group = {"sluice-orders",
                "Stable",
                {{"sluice-a", "10.0.0.1", "m1", {{"orders", {0}}}},
                 {"sluice-b", "10.0.0.2", "m2", {{"orders", {1}}}}}};
  look.oldest = {{{0}, now - Milliseconds{300}}, {{1}, now - Milliseconds{400}}};
  look.moved = true;
  look.rows_per_second = 12'100;
  look.rejected_24h = 0;
  look.runs.emplace();
  return look;
}

PipelineStatus status_of(const PipelineLook& look, std::optional<bool> clickhouse_up = true) {
  return pipeline_status(orders(), look, clickhouse_up, now);
}

TEST(Status, AddsUpWhatItKnows) {
  const PipelineStatus status = status_of(running_look());
  EXPECT_EQ(status.state, "running");
  EXPECT_EQ(status.lag, 311u);
  EXPECT_DOUBLE_EQ(*status.lag_seconds, 0.4);
  EXPECT_EQ(status.last_insert_at, now - Milliseconds{200});
  EXPECT_EQ(status.members, 2u);
  EXPECT_EQ(status.partitions[1].client_id, "sluice-b");
  EXPECT_TRUE(status.problems.empty());
}

TEST(Status, NeverShowsTheUnknownAsNothing) {
  PipelineLook look = running_look();
  look.oldest.erase({1});
  EXPECT_FALSE(status_of(look).lag_seconds.has_value());
  EXPECT_EQ(status_of(look).lag, 311u);
  look.held.reset();
  EXPECT_FALSE(status_of(look).lag.has_value());
  EXPECT_EQ(status_of(look).state, "");
  EXPECT_EQ(status_of(look).partitions.size(), 2u);

  const PipelineStatus nothing = status_of({});
  EXPECT_EQ(nothing.state, "");
  EXPECT_FALSE(nothing.lag || nothing.lag_seconds || nothing.rows_per_second || nothing.members ||
               nothing.last_insert_at || nothing.rejected_24h || nothing.runs);
}

TEST(Status, TellsStatesApart) {
  PipelineLook look = running_look();
  look.moved = false;
  EXPECT_EQ(status_of(look).state, "running");
  EXPECT_EQ(status_of(look, false).state, "failing");

  look.held->at({1}).end = Offset{9'000'000};
  EXPECT_EQ(status_of(look).state, "catching_up");

  for (auto& [partition, committed] : *look.committed) {
    committed.metadata = metadata(now - std::chrono::minutes{41});
  }
  EXPECT_EQ(status_of(look).state, "catching_up") << "records came just now";
  for (auto& [partition, time] : look.oldest) time = now - std::chrono::minutes{50};
  EXPECT_EQ(status_of(look).state, "stalled");
  EXPECT_EQ(status_of(look).rows_per_second, 0);
  EXPECT_NE(status_of(look).problems[0].message.find("for 41m although"), std::string::npos);
  look.group->state = "PreparingRebalance";
  EXPECT_EQ(status_of(look).state, "catching_up") << "it may have just begun";

  for (auto& [partition, held] : *look.held) held.end = look.committed->at(partition).offset;
  EXPECT_EQ(status_of(look).state, "idle");
  look.group->members.clear();
  EXPECT_EQ(status_of(look).state, "stopped");
  look.committed->clear();
  EXPECT_EQ(status_of(look).state, "never_run");
}

TEST(Status, CountsWhatAFirstRunWouldRead) {
  PipelineLook look = running_look();
  look.committed.emplace();
  EXPECT_EQ(status_of(look).lag, 7'338'330u - 881'200 + 7'300'294 - 870'114);
  PipelineSettings from_end = orders();
  from_end.start.value.kind = StartAt::Kind::end;
  EXPECT_FALSE(pipeline_status(from_end, look, true, now).lag.has_value());
  // A partition that came later is read whole, wherever the first run began.
  look.committed->emplace(PartitionId{0}, Committed{Offset{7'338'330}, ""});
  EXPECT_EQ(pipeline_status(from_end, look, true, now).lag, 7'300'294u - 870'114);
}

TEST(Status, SaysThatRecordsWereDeletedBeforeTheyWereRead) {
  PipelineLook look = running_look();
  look.committed->at({0}).offset = Offset{881'100};
  const PipelineStatus status = status_of(look);
  EXPECT_EQ(status.partitions[0].lag, 7'338'330u - 881'200);
  ASSERT_EQ(status.problems.size(), 1u);
  EXPECT_EQ(status.problems[0].slug, "offsets-lost");
  EXPECT_EQ(status.problems[0].exit_code, 4);
  look.committed->at({0}).offset = Offset{8'000'000};
  EXPECT_NE(status_of(look).problems[0].message.find("beyond the end"), std::string::npos);
}

TEST(Status, WarnsBeforeKafkaForgetsTheOffsetsOfAGroupAtRest) {
  PipelineLook look = running_look();
  look.group->members.clear();
  look.offsets_retention = std::chrono::hours{7 * 24};
  EXPECT_TRUE(status_of(look).problems.empty());
  for (auto& [partition, committed] : *look.committed) {
    committed.metadata = metadata(now - std::chrono::hours{5 * 24});
  }
  const PipelineStatus status = status_of(look);
  ASSERT_EQ(status.problems.size(), 1u);
  EXPECT_EQ(status.problems[0].slug, "offsets-expire");
  EXPECT_EQ(status.problems[0].level, StatusProblem::Level::warning);
  EXPECT_EQ(status.problems[0].fix,
            "run it before 2026-11-23T02:00:04Z, or raise the brokers' offsets.retention.minutes");
  look.group->members.push_back({});
  EXPECT_TRUE(status_of(look).problems.empty()) << "a running group keeps its offsets";
}

RangeRunLook backfill(bool running) {
  CommitRecord record;
  record.run = "r";
  record.fixed = OffsetRange{Offset{1000}, Offset{3000}};
  record.asked = "@2024-05-01:2024-05-08";
  RangeRunLook run;
  run.group = "sluice-orders.backfill.7c1e90b4";
  run.description = {run.group, running ? "Stable" : "Empty", {}};
  if (running) run.description->members.push_back({});
  run.committed = {{{0}, {Offset{2500}, record.encode()}}, {{1}, {Offset{1000}, record.encode()}}};
  return run;
}

TEST(Status, KnowsHowFarABackfillIs) {
  PipelineLook look = running_look();
  look.runs->push_back(backfill(true));
  const RangeRunStatus run = status_of(look).runs->front();
  EXPECT_EQ(run.kind, "backfill");
  EXPECT_EQ(run.id, "7c1e90b4");
  EXPECT_EQ(run.total, 4000u);
  EXPECT_EQ(run.remaining, 2500u);
  EXPECT_EQ(run.running, true);
  look.runs->front().committed->at({1}).metadata = "";
  EXPECT_EQ(status_of(look).runs->front().remaining, 500u) << "partition 1 is not of the range";
  look.runs->front().committed->at({0}).metadata = "another program's";
  EXPECT_FALSE(status_of(look).runs->front().remaining.has_value());
}

TEST(Status, HoldsThresholds) {
  Status status;
  status.checked_at = now;
  status.pipelines.push_back(status_of(running_look()));
  StatusSettings settings;
  settings.lag_max = 311;
  settings.lag_seconds_max = 1;
  settings.age_max = Milliseconds{200};
  settings.rejects_max = 0;
  apply_thresholds(settings, status);
  EXPECT_EQ(status.exit_code(), 0);

  settings = {};
  settings.lag_max = 310;
  settings.age_max = Milliseconds{100};
  apply_thresholds(settings, status);
  EXPECT_EQ(status.exit_code(), 4);
  ASSERT_EQ(status.pipelines[0].problems.size(), 2u);
  EXPECT_EQ(status.pipelines[0].problems[0].message, "the lag is 311, more than --max-lag 310");

  status.pipelines = {status_of({})};
  settings = {};
  settings.lag_max = 1'000'000;
  apply_thresholds(settings, status);
  EXPECT_EQ(status.exit_code(), 4) << "what is not known meets no threshold";
}

/// A pipeline of every kind, and one of which nothing is known.
Status everything() {
  Status status;
  status.checked_at = now;
  status.clickhouse = {{"http://ch1:8123", true}, {"http://ch2:8123", std::nullopt}};
  PipelineLook look = running_look();
  look.runs->push_back(backfill(true));
  status.pipelines.push_back(status_of(look));

  PipelineSettings clicks = orders();
  clicks.name = "clicks";
  clicks.topic.value = clicks.table.value = "web.clicks";
  clicks.reject = {};
  PipelineLook idle = running_look();
  for (auto& [partition, held] : *idle.held) held.end = idle.committed->at(partition).offset;
  for (auto& [partition, committed] : *idle.committed) {
    committed.metadata = metadata(now - std::chrono::minutes{6});
  }
  idle.moved = false;
  idle.rows_per_second = 0;
  idle.rejected_24h.reset();
  status.pipelines.push_back(pipeline_status(clicks, idle, true, now));

  PipelineSettings audit = orders();
  audit.name = "audit";
  PipelineLook stalled = running_look();
  stalled.moved = false;
  for (auto& [partition, committed] : *stalled.committed) {
    committed.metadata = metadata(now - std::chrono::minutes{41});
  }
  for (auto& [partition, time] : stalled.oldest) time = now - std::chrono::hours{3};
  status.pipelines.push_back(pipeline_status(audit, stalled, true, now));

  PipelineSettings dark = orders();
  dark.name = "dark";
  PipelineLook unknown;
  unknown.errors.push_back(
      {Errc::unavailable, "kafka-unreachable", "no Kafka broker answered\n", "check --brokers"});
  status.pipelines.push_back(pipeline_status(dark, unknown, true, now));
  return status;
}

TEST(StatusText, LooksLikeThis) {
  StatusStyle style;
  expect_golden("status.txt", status_text(everything(), style));
  style.unicode = true;
  style.partitions = true;
  expect_golden("status-partitions.txt", status_text(everything(), style));
  style = {.color = true, .unicode = true};
  const std::string text = status_text(everything(), style);
  EXPECT_NE(text.find("audit     \x1b[1;31mSTALLED\x1b[0m  orders→"), std::string::npos) << text;
}

TEST(StatusText, IsTheSameForScripts) {
  expect_golden("status.json", status_json(everything()).dump(1) + "\n");
  expect_golden("status.tsv", status_tsv(everything(), false));
  expect_golden("status-partitions.tsv", status_tsv(everything(), true));
  expect_golden("status.prom", status_metrics(everything()));
}

TEST(StatusText, TellsTheSameTroubleOfSeveralPipelinesOnce) {
  Status status;
  PipelineSettings clicks = orders();
  clicks.name = "clicks";
  PipelineLook look;
  look.errors.push_back({Errc::unavailable, "kafka-unreachable", "no broker", "check it"});
  status.pipelines = {status_of(look), pipeline_status(clicks, look, true, now)};
  EXPECT_EQ(status_problem_lines(status), "orders, clicks: no broker  fix: check it\n");
  EXPECT_EQ(status.exit_code(), 75);
}

TEST(StatusOfARunning, TakesItsWordAndTheRateBetweenTwo) {
  const auto document = [](const char* at, int inserted, const char* state) {
    return fmt::format(
        R"({{"type":"status","run_id":"a","at":"2026-11-21T02:00:{}Z","pipelines":[{{"name":"orders",
        "topic":"orders","state":"{}","inserted":{},"lag":7,"last_insert_at":"2026-11-21T02:00:00Z",
        "clickhouse":[{{"endpoint":"http://x","up":true}}],
        "partitions":[{{"partition":0,"committed":1,"end":8,"lag":7,"lag_seconds":null}}]}}]}})",
        at, state, inserted);
  };
  const auto status =
      status_of_running(document("01", 100, "running"), document("03", 300, "failing"));
  ASSERT_TRUE(status.ok());
  const PipelineStatus& pipeline = status->pipelines.front();
  EXPECT_EQ(pipeline.rows_per_second, 100);
  EXPECT_EQ(pipeline.lag, 7u);
  EXPECT_FALSE(pipeline.lag_seconds || pipeline.members || pipeline.rejected_24h);
  EXPECT_EQ(status->exit_code(), 4);
  EXPECT_EQ(status->clickhouse.front().up, true);
  for (const char* other : {"", "[]", "{}", "<html>", R"({"type":"summary"})"}) {
    EXPECT_FALSE(status_of_running(other, other).ok()) << other;
  }
}

}  // namespace
}  // namespace sluice::cli
