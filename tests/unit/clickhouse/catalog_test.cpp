// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/catalog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::clickhouse {
namespace {

TEST(DescriptionTest, BecomesColumns) {
  const auto columns = parse_description({{"a", "UInt64", "", "", "", "", ""},
                                          {"b", "String", "DEFAULT", "'x'", "", "", ""},
                                          {"c", "UInt8", "MATERIALIZED", "1", "", "", ""},
                                          {"d", "UInt8", "ALIAS", "2", "", "", ""},
                                          {"e", "UInt8", "EPHEMERAL", "3", "", "", ""}});
  ASSERT_TRUE(columns.ok());
  ASSERT_EQ(columns->size(), 5U);
  const auto& all = *columns;
  EXPECT_EQ(all[0].name, "a");
  EXPECT_EQ(all[0].type.name, "UInt64");
  EXPECT_EQ(all[0].default_kind, DefaultKind::none);
  EXPECT_EQ(all[1].default_kind, DefaultKind::expression);
  EXPECT_EQ(all[1].default_expression, "'x'");
  EXPECT_EQ(all[2].default_kind, DefaultKind::materialized);
  EXPECT_EQ(all[3].default_kind, DefaultKind::alias);
  EXPECT_EQ(all[4].default_kind, DefaultKind::ephemeral);
  EXPECT_TRUE(all[0].insertable());
  EXPECT_TRUE(all[1].insertable());
  EXPECT_FALSE(all[2].insertable());
}

TEST(DescriptionTest, AnUnknownKindOfDefaultIsNeverSent) {
  const auto columns = parse_description({{"a", "UInt64", "NEWKIND", "1"}});
  ASSERT_TRUE(columns.ok());
  EXPECT_FALSE(columns->front().insertable());
}

TEST(DescriptionTest, WithoutDefaultsIsRefused) {
  const auto columns = parse_description({{"a", "UInt64"}});
  ASSERT_FALSE(columns.ok());
  EXPECT_EQ(columns.error().code, Errc::config);
}

Table engine(std::string name, std::string full = "") {
  Table table;
  table.database = "t";
  table.name = "x";
  table.engine = std::move(name);
  table.engine_full = std::move(full);
  return table;
}

TEST(EngineWarningTest, OrdinaryTablesHaveNone) {
  for (const char* name : {"MergeTree", "ReplicatedMergeTree", "ReplacingMergeTree",
                           "SharedMergeTree", "MaterializedView", ""}) {
    EXPECT_FALSE(engine_warning(engine(name)).has_value()) << name;
  }
}

TEST(EngineWarningTest, TablesThatLoseRowsAreNamed) {
  EXPECT_EQ(engine_warning(engine("Buffer"))->slug, "table-buffer");
  EXPECT_EQ(engine_warning(engine("Null"))->slug, "table-null");
  EXPECT_EQ(engine_warning(engine("Memory"))->slug, "table-memory");
  EXPECT_EQ(engine_warning(engine("Distributed"))->slug, "table-distributed");
  EXPECT_EQ(
      engine_warning(engine("MergeTree", "MergeTree ORDER BY a SETTINGS async_insert = 1, x = 2"))
          ->slug,
      "table-async-insert");
}

TEST(ShownNameTest, IsQuotedWhereItMustBe) {
  EXPECT_EQ(shown_table("shop", "orders_2"), "shop.orders_2");
  EXPECT_EQ(shown_table("my shop", "orders"), "`my shop`.orders");
  EXPECT_EQ(shown_name("2fast"), "`2fast`");
  EXPECT_EQ(shown_name(""), "``");
  EXPECT_EQ(shown_name("a`b\x1b"), "`a\\`b\\x1b`");
}

}  // namespace
}  // namespace sluice::clickhouse
