// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/exactly_once.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace sluice::clickhouse {
namespace {

using State = Requirement::State;
using testing::ElementsAre;
using testing::HasSubstr;

TableColumn column(std::string name, DefaultKind kind = DefaultKind::none,
                   std::string expression = "") {
  return {.name = std::move(name),
          .type = parse_data_type("Int64").value(),
          .default_kind = kind,
          .default_expression = std::move(expression)};
}

/// A replicated table that keeps the promise, on a server that lets us.
ExactlyOnceFacts good() {
  ExactlyOnceFacts facts;
  facts.origin = "http://ch:8123";
  facts.version = "24.8.1.1";
  facts.table.database = "shop";
  facts.table.name = "orders";
  facts.table.uuid = "2c9f9a3e-0000-4000-8000-000000000001";
  facts.table.engine = "ReplicatedMergeTree";
  facts.table.engine_full =
      "ReplicatedMergeTree('/p', 'r') PARTITION BY day ORDER BY id SETTINGS "
      "replicated_deduplication_window_seconds = 604800";
  facts.table.columns = {column("id"), column("day"), column("_topic"), column("_partition"),
                         column("_offset")};
  facts.partition_key = "day";
  facts.key_columns = {"day"};
  facts.plain_defaults = {{"non_replicated_deduplication_window", "0"}};
  facts.replicated_defaults = {{"replicated_deduplication_window", "10000"},
                               {"replicated_deduplication_window_seconds", "3600"},
                               {"async_insert", "0"}};
  facts.settings = {{"insert_deduplication_token", {"", false}}, {"async_insert", {"0", true}}};
  facts.keeper_path = "/p";
  facts.blocks_per_second = 0.5;
  return facts;
}

ExactlyOnceReport judged(const ExactlyOnceFacts& facts, const ExactlyOnceNeeds& needs = {}) {
  return judge_exactly_once(std::array{facts}, needs);
}

/// The requirement of this id that is furthest from being met.
Requirement worst(const ExactlyOnceReport& report, const std::string& id) {
  Requirement found;
  for (const Requirement& one : report.requirements) {
    if (one.id == id && (found.id.empty() || one.state > found.state)) found = one;
  }
  EXPECT_EQ(found.id, id);
  return found;
}

void expect_unmet(const ExactlyOnceReport& report, const std::string& id, const std::string& text,
                  const std::string& fix) {
  const Requirement found = worst(report, id);
  EXPECT_EQ(found.state, State::unmet) << found.text;
  EXPECT_THAT(found.text, HasSubstr(text));
  EXPECT_THAT(found.fix, HasSubstr(fix));
  EXPECT_FALSE(report.met());
}

TEST(ExactlyOnceCheck, AGoodTableMeetsEverything) {
  const ExactlyOnceReport report = judged(good());
  EXPECT_EQ(report.requirements.size(), 13u);
  for (const Requirement& one : report.requirements) {
    EXPECT_EQ(one.state, State::met) << one.id << ": " << one.text;
    EXPECT_EQ(one.fix, "");
  }
  EXPECT_TRUE(report.met());
  EXPECT_TRUE(report.provenance);
  // Half of the 10,000 blocks that one a second fills, less the life of an attempt.
  EXPECT_EQ(report.safe_age, Milliseconds((5000 - 210) * 1000));
}

TEST(ExactlyOnceCheck, P1AnOldServer) {
  for (const char* version : {"24.7.9.9", "18.16.1", "", "?"}) {
    ExactlyOnceFacts facts = good();
    facts.version = version;
    expect_unmet(judged(facts), "P1", "ClickHouse", "24.8");
  }
  ExactlyOnceFacts facts = good();
  facts.version = "26.7.2.1";
  EXPECT_EQ(worst(judged(facts), "P1").state, State::met);
}

TEST(ExactlyOnceCheck, P2AnEngineThatDeduplicatesNothing) {
  ExactlyOnceFacts facts = good();
  for (const char* engine : {"Distributed", "Buffer", "Memory", "Null", "Log"}) {
    facts.table.engine = engine;
    expect_unmet(judged(facts), "P2", engine, "MergeTree");
  }
}

TEST(ExactlyOnceCheck, P2APlainTableNeedsProvenance) {
  ExactlyOnceFacts facts = good();
  facts.table.engine = "MergeTree";
  facts.table.engine_full =
      "MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 50000";
  EXPECT_TRUE(judged(facts).met());
  facts.table.columns.resize(2);
  expect_unmet(judged(facts), "P2", "where they came from",
               "ALTER TABLE shop.orders ADD COLUMN _topic");
  facts = good();
  facts.table.engine = "ReplacingMergeTree";
  facts.table.engine_full =
      "ReplacingMergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 50000";
  expect_unmet(judged(facts), "P2", "ReplacingMergeTree", "merges rows away");
}

TEST(ExactlyOnceCheck, P3AWindowThatForgetsTooSoon) {
  ExactlyOnceFacts facts = good();
  facts.table.engine_full = "ReplicatedMergeTree('/p', 'r') ORDER BY id";
  expect_unmet(judged(facts), "P3", "for 1 h, written at up to 1 a second: too short",
               "replicated_deduplication_window_seconds");
  facts.replicated_defaults["replicated_deduplication_window"] = "0";
  expect_unmet(judged(facts), "P3", "its window is 0", "replicated_deduplication_window = ");
  facts = good();
  facts.table.engine = "MergeTree";
  facts.table.engine_full = "MergeTree ORDER BY id";
  expect_unmet(judged(facts), "P3", "its window is 0",
               "ALTER TABLE shop.orders MODIFY SETTING non_replicated_deduplication_window = ");
}

TEST(ExactlyOnceCheck, P3WhatIsAdvisedIsEnough) {
  ExactlyOnceFacts facts = good();
  facts.table.engine = "MergeTree";
  facts.blocks_per_second.reset();
  for (const double rate : {0.2, 1.0, 64.0}) {
    facts.table.engine_full = "MergeTree ORDER BY id";
    const ExactlyOnceNeeds needs{.blocks_per_second = rate};
    const std::string fix = worst(judged(facts, needs), "P3").fix;
    facts.table.engine_full += " SETTINGS " + fix.substr(fix.find("non_replicated"));
    EXPECT_EQ(worst(judged(facts, needs), "P3").state, State::met) << facts.table.engine_full;
  }
}

TEST(ExactlyOnceCheck, P4ATableWithAsyncInsertOfItsOwn) {
  ExactlyOnceFacts facts = good();
  facts.table.engine_full += ", async_insert = 1";
  expect_unmet(judged(facts), "P4", "async_insert", "MODIFY SETTING async_insert = 0");
  facts = good();
  facts.replicated_defaults["async_insert"] = "1";
  expect_unmet(judged(facts), "P4", "async_insert", "MODIFY SETTING");
  facts.table.engine_full += ", async_insert = 0";
  EXPECT_TRUE(judged(facts).met());
}

TEST(ExactlyOnceCheck, P5SettingsThatAreFixedAgainstUs) {
  ExactlyOnceFacts facts = good();
  facts.settings["insert_deduplicate"] = {"0", true};
  facts.settings["insert_deduplication_token"] = {"", true};
  facts.settings["max_threads"] = {"1", false};
  expect_unmet(judged(facts), "P5", "insert_deduplicate, insert_deduplication_token",
               "settings profile");
}

TEST(ExactlyOnceCheck, P6APartitionThatMayDifferNextTime) {
  ExactlyOnceFacts facts = good();
  facts.table.columns[1] = column("day", DefaultKind::expression, "toDate(loaded)");
  EXPECT_EQ(worst(judged(facts), "P6").state, State::met);
  facts.table.columns.push_back(column("loaded", DefaultKind::expression, "now()"));
  expect_unmet(judged(facts), "P6", "column loaded, which is now()", "partition by");
  facts = good();
  facts.partition_key = "toYYYYMM(today())";
  expect_unmet(judged(facts), "P6", "today()", "partition by");
}

TEST(ExactlyOnceCheck, P7DefaultsThatDifferAreOnlyTold) {
  ExactlyOnceFacts facts = good();
  facts.table.columns.push_back(column("loaded", DefaultKind::expression, "now64(3)"));
  facts.table.columns.push_back(column("shown", DefaultKind::alias, "now()"));
  const ExactlyOnceReport report = judged(facts);
  EXPECT_EQ(worst(report, "P7").state, State::doubtful);
  EXPECT_THAT(worst(report, "P7").text, HasSubstr("loaded (now64())"));
  EXPECT_TRUE(report.met());
}

TEST(ExactlyOnceCheck, P8ViewsWhoseTargetsDeduplicateNothing) {
  ExactlyOnceFacts facts = good();
  facts.views = {{.name = "shop.mv",
                  .target = DeduplicatingTable{"shop", "sums", "SummingMergeTree",
                                               "SummingMergeTree ORDER BY id"}}};
  expect_unmet(judged(facts), "P8", "shop.mv writes to shop.sums",
               "ALTER TABLE shop.sums MODIFY SETTING non_replicated_deduplication_window");
  const std::string plain = facts.views[0].target->engine_full;
  facts.views[0].target->engine_full += " SETTINGS non_replicated_deduplication_window = 100";
  expect_unmet(judged(facts), "P8", "remembers only 100 blocks",
               "ALTER TABLE shop.sums MODIFY SETTING non_replicated_deduplication_window");
  facts.views[0].target->engine_full =
      plain + " SETTINGS non_replicated_deduplication_window = 8000";
  EXPECT_TRUE(judged(facts).met());
  EXPECT_LT(judged(facts).safe_age, judged(good()).safe_age)
      << "what the table drops reaches the view: the shortest memory counts";
  facts.views.push_back({.name = "shop.hidden", .target = std::nullopt});
  expect_unmet(judged(facts), "P8", "shop.hidden", "GRANT SHOW TABLES");
}

TEST(ExactlyOnceCheck, P9ServersThatAreNotOneTable) {
  const ExactlyOnceNeeds two{.servers = 2};
  ExactlyOnceFacts other = good();
  EXPECT_TRUE(judge_exactly_once(std::array{good(), other}, two).met());
  other.origin = "http://ch2:8123";
  other.keeper_path = "/q";
  expect_unmet(judge_exactly_once(std::array{good(), other}, two), "P9", "path in Keeper",
               "one shard");
  other = good();
  other.table.uuid = "2c9f9a3e-0000-4000-8000-000000000002";
  expect_unmet(judge_exactly_once(std::array{good(), other}, two), "P9", "UUID", "ON CLUSTER");
  EXPECT_EQ(worst(judged(good(), two), "P9").state, State::doubtful);
  ExactlyOnceFacts plain = good();
  plain.table.engine = "MergeTree";
  expect_unmet(judged(plain, two), "P9", "not replicated", "one server");
  ExactlyOnceFacts replicas = good();
  replicas.replicas = 3;
  EXPECT_THAT(worst(judged(replicas), "P9").fix, HasSubstr("insert_quorum"));
}

TEST(ExactlyOnceCheck, P10ATableWithoutUuid) {
  ExactlyOnceFacts facts = good();
  facts.table.uuid = "00000000-0000-0000-0000-000000000000";
  expect_unmet(judged(facts), "P10", "no UUID", "Atomic");
}

TEST(ExactlyOnceCheck, P12ABatchThatIsTooMuchForTheServer) {
  ExactlyOnceFacts facts = good();
  facts.settings["max_memory_usage"] = {"100000000", false};
  const ExactlyOnceNeeds needs{.batch_bytes = 64 << 20};
  expect_unmet(judged(facts, needs), "P12", "max_memory_usage", "batch = { bytes = \"23MiB\" }");
}

TEST(ExactlyOnceCheck, P13ClocksThatDisagree) {
  ExactlyOnceFacts facts = good();
  facts.clock_ahead = Milliseconds(-61'000);
  expect_unmet(judged(facts), "P13", "behind ours", "NTP");
}

TEST(ExactlyOnceCheck, P14RowsThatDisappearProveNothing) {
  ExactlyOnceFacts facts = good();
  facts.table.engine_full =
      "ReplicatedMergeTree('/p', 'r') ORDER BY id TTL day + toIntervalDay(1) "
      "SETTINGS replicated_deduplication_window_seconds = 604800";
  EXPECT_FALSE(judged(facts).provenance);
  EXPECT_THAT(worst(judged(facts), "P14").text, HasSubstr("TTL"));
  facts = good();
  facts.table.columns.resize(2);
  EXPECT_TRUE(judged(facts).met());
  EXPECT_EQ(worst(judged(facts), "P14").state, State::doubtful);
  EXPECT_THAT(worst(judged(facts), "P14").fix, HasSubstr("_partition"));
}

TEST(ExactlyOnceCheck, ARefusalNamesWhatIsUnmetAndTheFirstCure) {
  const Error error = refusal_of({{"P1", State::met, "fine", ""},
                                  {"P3", State::unmet, "no window", "ALTER …"},
                                  {"P10", State::unmet, "no UUID", "…"}},
                                 "orders");
  EXPECT_EQ(error.code, Errc::config);
  EXPECT_EQ(error.message, "pipeline orders cannot be exactly-once: P3: no window; P10: no UUID");
  EXPECT_EQ(error.fix, "ALTER …");
}

TEST(TableSetting, ComesFromTheEngineClause) {
  const char* full =
      "MergeTree ORDER BY (a, `SETTINGS x = 9`) TTL d SETTINGS x = 1, y = 'b, x = 2'";
  EXPECT_EQ(table_setting(full, "x"), "1");
  EXPECT_EQ(table_setting(full, "y"), "b, x = 2");
  EXPECT_EQ(table_setting(full, "z"), std::nullopt);
  EXPECT_EQ(table_setting("MergeTree ORDER BY x", "x"), std::nullopt);
}

TEST(UnsteadyFunction, IsFoundWhereItIsCalled) {
  EXPECT_EQ(unsteady_function("toDate(NOW())"), "NOW");
  EXPECT_EQ(unsteady_function("if(a, generateUUIDv4(), b)"), "generateUUIDv4");
  EXPECT_EQ(unsteady_function("dictGet('d', 'x', id)"), "dictGet");
  EXPECT_EQ(unsteady_function("concat('now()', now, `rand()`)"), "");
  EXPECT_EQ(unsteady_function("lower(user_name)"), "");
  EXPECT_THAT(names_in("toDate(`a b`) + c1 - '`x`' + 12"), ElementsAre("toDate", "a b", "c1"));
}

TEST(ViewTarget, IsWhereTheViewWrites) {
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(view_target("CREATE MATERIALIZED VIEW s.mv TO s.tg (`a` UInt8) AS SELECT a FROM s.t"),
            Pair("s", "tg"));
  EXPECT_EQ(view_target("CREATE MATERIALIZED VIEW `s x`.`m``v` TO `d.d`.`t t` AS SELECT 1"),
            Pair("d.d", "t t"));
  EXPECT_EQ(
      view_target("CREATE MATERIALIZED VIEW s.mv (`TO` UInt8) ENGINE = MergeTree AS SELECT 1"),
      std::nullopt);
}

}  // namespace
}  // namespace sluice::clickhouse
