// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/insert_query.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::clickhouse {
namespace {

using testing::HasSubstr;
using testing::Not;

DataType type_of(std::string name) {
  DataType type;
  type.name = std::move(name);
  return type;
}

TableColumn column(std::string name, std::string type, DefaultKind kind = DefaultKind::none,
                   std::string expression = "") {
  return {.name = std::move(name),
          .type = type_of(std::move(type)),
          .default_kind = kind,
          .default_expression = std::move(expression)};
}

Table table_of(std::vector<TableColumn> columns) {
  Table table;
  table.database = "shop";
  table.name = "orders";
  table.columns = std::move(columns);
  return table;
}

Insert insert_of(std::vector<InsertColumn> columns) {
  Insert insert;
  insert.columns = std::move(columns);
  insert.rows = 1;
  return insert;
}

TEST(InsertQueryTest, NamesTableAndColumns) {
  EXPECT_EQ(insert_query(table_of({}),
                         insert_of({{"a", "UInt8", false, ""}, {"b", "String", false, ""}})),
            "INSERT INTO `shop`.`orders` (`a`, `b`) FORMAT Native");
}

TEST(InsertQueryTest, ADryRunGoesNowhere) {
  const Table table = table_of({column("a", "UInt8"), column("b", "Enum8('x' = 1)"),
                                column("m", "UInt8", DefaultKind::materialized, "a")});
  Insert insert = insert_of({{"a", "UInt8", false, ""}});
  insert.dry_run = true;
  EXPECT_EQ(insert_query(table, insert),
            "INSERT INTO FUNCTION null('`a` UInt8, `b` Enum8(\\'x\\' = 1)') (`a`) FORMAT Native");
  insert.columns.front().cast_type = "UInt8";
  EXPECT_THAT(insert_query(table, insert), testing::StartsWith("INSERT INTO FUNCTION null('"));
  insert.format = InsertFormat::json_each_row;
  EXPECT_THAT(insert_query(table, insert), HasSubstr(") FORMAT JSONEachRow"));
}

TEST(InsertQueryTest, JsonEachRowHasNoColumnList) {
  Insert insert = insert_of({});
  insert.format = InsertFormat::json_each_row;
  EXPECT_EQ(insert_query(table_of({}), insert), "INSERT INTO `shop`.`orders` FORMAT JSONEachRow");
}

TEST(InsertQueryTest, HostileNamesStayNames) {
  Table table;
  table.database = "d`b";
  table.name = "t\\`; DROP TABLE x; --\n";
  const std::string query =
      insert_query(table, insert_of({{"c`) SELECT 1 --", "UInt8", false, ""},
                                     {std::string("nul\0l", 5), "UInt8", false, ""}}));
  EXPECT_EQ(query,
            "INSERT INTO `d\\`b`.`t\\\\\\`; DROP TABLE x; --\\n` (`c\\`) SELECT 1 --`, `nul\\0l`) "
            "FORMAT Native");
}

TEST(InsertQueryTest, AFlaggedColumnGetsItsDefaultWhereTheRowHasNone) {
  const Table table = table_of(
      {column("a", "UInt64"),
       column("b", "LowCardinality(String)", DefaultKind::expression, "concat('d', toString(a))")});
  const Insert insert =
      insert_of({{"a", "UInt64", false, ""},
                 {"b", "LowCardinality(String)", true, "concat('d', toString(a))"}});
  EXPECT_EQ(insert_query(table, insert),
            "INSERT INTO `shop`.`orders` (`a`, `b`) SELECT __sluice_v0 AS `a`, if(__sluice_m1, "
            "CAST(concat('d', toString(a)), 'LowCardinality(String)'), __sluice_v1) AS `b` FROM "
            "(SELECT v0 AS __sluice_v0, v1 AS __sluice_v1, m1 AS __sluice_m1 FROM input('v0 "
            "UInt64, v1 LowCardinality(String), m1 UInt8')) FORMAT Native");
}

TEST(InsertQueryTest, TypesAreQuotedInsideTheStructure) {
  const Insert insert = insert_of({{"e", "Enum8('it\\'s' = 1, 'b' = 2)", true, "'b'"}});
  const std::string query = insert_query(table_of({}), insert);
  EXPECT_THAT(query, HasSubstr("CAST('b', 'Enum8(\\'it\\\\\\'s\\' = 1, \\'b\\' = 2)')"));
  EXPECT_THAT(query, HasSubstr("input('v0 Enum8(\\'it\\\\\\'s\\' = 1, \\'b\\' = 2), m0 UInt8')"));
}

TEST(InsertQueryTest, AFlaggedColumnWithoutAnExpressionGetsItsTypesDefault) {
  EXPECT_THAT(insert_query(table_of({}), insert_of({{"a", "UInt64", true, ""}})),
              HasSubstr("if(__sluice_m0, defaultValueOfTypeName('UInt64'), __sluice_v0) AS `a`"));
}

TEST(InsertQueryTest, DefaultsMayUseColumnsThatTheBodyLeavesOut) {
  const Table table = table_of(
      {column("a", "UInt64", DefaultKind::expression, "c + d + m + al + e + 1"),
       column("c", "UInt64"), column("d", "UUID", DefaultKind::expression, "generateUUIDv4()"),
       column("m", "UInt64", DefaultKind::materialized, "c * 2"),
       column("al", "UInt64", DefaultKind::alias, "c * 3"),
       column("e", "UInt64", DefaultKind::ephemeral, "9")});
  const std::string query =
      insert_query(table, insert_of({{"a", "UInt64", true, "c + d + m + al + e + 1"}}));
  EXPECT_THAT(query, HasSubstr("(`a`, `d`) WITH "));
  EXPECT_THAT(query, HasSubstr("WITH defaultValueOfTypeName('UInt64') AS `c`, CAST(c * 2, "
                               "'UInt64') AS `m`, CAST(c * 3, 'UInt64') AS `al`, CAST(9, "
                               "'UInt64') AS `e` SELECT"));
  EXPECT_THAT(query, HasSubstr(", CAST(generateUUIDv4(), 'UUID') AS `d` FROM (SELECT"))
      << "evaluated once, for itself and for what is derived from it";
}

TEST(InsertQueryTest, WithoutFlagsWhatIsLeftOutIsLeftToTheServer) {
  const Table table =
      table_of({column("a", "UInt64"), column("b", "UInt64", DefaultKind::expression, "a + 1")});
  EXPECT_THAT(insert_query(table, insert_of({{"a", "UInt64", false, ""}})), Not(HasSubstr("b")));
}

TEST(InsertQueryTest, JsonIsCastByTheServer) {
  InsertColumn json{"j", "Array(String)", false, "", "Array(JSON(a UInt8, SKIP REGEXP 'x'))"};
  EXPECT_EQ(insert_query(table_of({column("d", "UInt8", DefaultKind::expression, "1")}),
                         insert_of({{"a", "UInt8", false, "", ""}, json})),
            "INSERT INTO `shop`.`orders` (`a`, `j`) SELECT __sluice_v0 AS `a`, CAST(__sluice_v1, "
            "'Array(JSON(a UInt8, SKIP REGEXP \\'x\\'))') AS `j` FROM (SELECT v0 AS __sluice_v0, "
            "v1 AS __sluice_v1 FROM input('v0 UInt8, v1 Array(String)')) FORMAT Native");
}

TEST(EmptyInsertQueryTest, NamesWhatRecordsMayFill) {
  const Table table =
      table_of({column("a", "UInt64"), column("b", "UInt64", DefaultKind::expression, "1"),
                column("m", "UInt64", DefaultKind::materialized, "1"),
                column("al", "UInt64", DefaultKind::alias, "1"),
                column("e", "UInt64", DefaultKind::ephemeral, "1")});
  EXPECT_EQ(empty_insert_query(table), "INSERT INTO `shop`.`orders` (`a`, `b`) FORMAT Native");
  EXPECT_EQ(empty_insert_query(table, table.columns[1]),
            "INSERT INTO `shop`.`orders` (`b`) FORMAT Native");
}

}  // namespace
}  // namespace sluice::clickhouse
