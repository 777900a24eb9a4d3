// SPDX-License-Identifier: Apache-2.0
#include "core/model/replacing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::optional<ReplacingEngine> engine_of(std::string engine, const std::string& rest) {
  Table table;
  table.engine_full = engine + rest;
  table.engine = std::move(engine);
  return replacing_engine(table);
}

TEST(ReplacingEngine, ReadsItsColumnsAndItsKey) {
  const auto engine = engine_of("ReplacingMergeTree",
                                "(version, `is deleted`) PARTITION BY toYYYYMM(at) PRIMARY KEY id "
                                "ORDER BY (id, `two words`) SETTINGS index_granularity = 8192");
  ASSERT_TRUE(engine);
  EXPECT_EQ(engine->version, "version");
  EXPECT_EQ(engine->is_deleted, "is deleted");
  EXPECT_THAT(engine->key, ElementsAre("id", "two words"));
}

TEST(ReplacingEngine, PassesOverThePathOfAReplicatedOne) {
  const auto engine = engine_of("ReplicatedReplacingMergeTree",
                                "('/clickhouse/{uuid}/(a, b)', '{replica}', v, d) ORDER BY id");
  ASSERT_TRUE(engine);
  EXPECT_EQ(engine->version, "v");
  EXPECT_THAT(engine->key, ElementsAre("id"));
}

TEST(ReplacingEngine, HasNoKeyWhereItIsOrderedByExpressions) {
  const auto engine = engine_of("ReplacingMergeTree", "(v, d) ORDER BY (toDate(at), id)");
  ASSERT_TRUE(engine);
  EXPECT_THAT(engine->key, IsEmpty());
}

TEST(ReplacingEngine, IsNoneWithoutBothColumns) {
  EXPECT_FALSE(engine_of("ReplacingMergeTree", " ORDER BY id"));
  EXPECT_FALSE(engine_of("ReplacingMergeTree", "(v) ORDER BY id"));
  EXPECT_FALSE(engine_of("MergeTree", " ORDER BY (v, d)"));
}

TEST(ReplacingDdl, KeepsTheColumnsAndAddsWhatIsMissing) {
  Table table;
  table.database = "d";
  table.columns = {{"id", parse_data_type("UInt64").value(), DefaultKind::none, ""},
                   {"at", parse_data_type("DateTime").value(), DefaultKind::expression, "now()"}};
  EXPECT_EQ(replacing_ddl(table, "t", {"id"}),
            "CREATE TABLE `d`.`t` (`id` UInt64, `at` DateTime DEFAULT now(), `_version` UInt64, "
            "`_is_deleted` UInt8) ENGINE = ReplacingMergeTree(`_version`, `_is_deleted`) ORDER BY "
            "(`id`)");
}

TEST(KeyedCopy, ReplacesByTheKeyWhateverTheTableDoes) {
  Table table;
  table.database = "d";
  table.engine = "MergeTree";
  table.engine_full = "MergeTree ORDER BY at";
  table.columns = {{"id", parse_data_type("UInt64").value(), DefaultKind::none, ""},
                   {"day", parse_data_type("Date").value(), DefaultKind::alias, "toDate(id)"}};
  EXPECT_FALSE(replaces_by(table, {"id"}));
  const Table copy = keyed_copy(table, "c", {"id"});
  EXPECT_TRUE(replaces_by(copy, {"id"}));
  EXPECT_FALSE(replaces_by(copy, {"id", "day"}));
  EXPECT_EQ(create_statement(copy, "it's"),
            "CREATE TABLE IF NOT EXISTS `d`.`c` (`id` UInt64, `day` Date ALIAS toDate(id), "
            "`_sluice_version` UInt64, `_sluice_is_deleted` UInt8) ENGINE = "
            "ReplacingMergeTree(_sluice_version, _sluice_is_deleted) ORDER BY (`id`) SETTINGS "
            "allow_nullable_key = 1 COMMENT 'it\\'s'");
}

}  // namespace
}  // namespace sluice
