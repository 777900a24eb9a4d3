// SPDX-License-Identifier: Apache-2.0
//
// Columns that are filled otherwise than by the field of their name, in both gears and as text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/decode/decoding.hpp"

namespace sluice::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = ColumnSource::Kind;

ColumnRule rule(std::string column, std::string_view from) {
  const auto pointer = parse_pointer(from);
  if (pointer) return {std::move(column), {.pointer = *pointer}, "sluice.toml:7:1"};
  return {std::move(column), parse_column_source(from).value(), "sluice.toml:7:1"};
}

Table replacing_table(std::vector<TableColumn> columns) {
  columns.push_back(column("version", "UInt64"));
  columns.push_back(column("gone", "UInt8"));
  Table table = table_of(std::move(columns));
  table.engine = "ReplacingMergeTree";
  table.engine_full = "ReplacingMergeTree(version, gone) ORDER BY id";
  return table;
}

/// The text of rows that go as JSONEachRow.
std::string lines(Decoding& decoding) {
  Insert insert;
  const InsertBody body({&decoding.block()}, insert);
  std::string text;
  for (const std::string_view piece : insert.pieces) text += piece;
  return text;
}

class TwoHeaders final : public HeaderSource {
 public:
  [[nodiscard]] std::vector<Header> headers() const override {
    return {{"trace", "a", false}, {"trace", "b", false}, {"none", "", true}};
  }
};

Record event(std::string_view value, std::string_view key = "k") {
  static const TwoHeaders headers;
  Record record;
  record.partition = PartitionId{3};
  record.offset = Offset{42};
  record.timestamp_ms = 1'700'000'000'123;
  record.key = key;
  record.value = value;
  record.headers = &headers;
  return record;
}

Record tombstone(std::string_view key) { return event({}, key); }

TEST(JsonPointer, IsReadByRfc6901) {
  EXPECT_THAT(parse_pointer("/a/b~1c/~0/0").value(), ElementsAre("a", "b/c", "~", "0"));
  EXPECT_THAT(parse_pointer("/").value(), ElementsAre(""));
  for (const char* bad : {"", "a", "a/b", "/~", "/~2"}) EXPECT_FALSE(parse_pointer(bad)) << bad;
}

TEST(ColumnSources, HaveTheirWords) {
  EXPECT_EQ(parse_column_source("$offset")->kind, Kind::offset);
  EXPECT_EQ(parse_column_source("$header.a.b")->header, "a.b");
  for (const char* bad : {"", "offset", "$offsets", "$header.", "$header"}) {
    EXPECT_FALSE(parse_column_source(bad)) << bad;
  }
}

class Layouts : public testing::TestWithParam<Gear> {};
INSTANTIATE_TEST_SUITE_P(Gears, Layouts, testing::Values(Gear::both, Gear::slow),
                         [](const auto& test) {
                           return test.param == Gear::both ? "Both" : "Slow";
                         });

TEST_P(Layouts, ColumnsPointIntoObjectsAndArraysAndShareThem) {
  const Table table =
      table_of({column("city", "String"), column("second", "UInt8"), column("user", "String"),
                column("again", "String"), column("renamed", "UInt8"), column("blank", "UInt8")});
  Decoding decoding(table,
                    {.rules = {rule("city", "/user/address/city"), rule("second", "/list/1"),
                               rule("again", "/user/address/city"), rule("renamed", "/old name"),
                               rule("blank", "/")}},
                    GetParam());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(decoding.decode(
        R"({"user":{"address":{"city":"Ulm"}},"list":[1,2,[3]],"old name":9,"":4,"renamed":"x"})"))
        << decoding.error().message;
  }
  ASSERT_TRUE(decoding.decode(R"({"list":[1],"user":7})"));
  ASSERT_TRUE(decoding.decode(R"({"user":{"address":"none"},"list":null})"));
  const std::string five_times = "\3Ulm\3Ulm\3Ulm\3Ulm\3Ulm";
  EXPECT_EQ(decoding.bytes(0), five_times + std::string("\0\0", 2));
  EXPECT_EQ(decoding.bytes(1), std::string("\2\2\2\2\2\0\0", 7));
  EXPECT_THAT(decoding.bytes(2), HasSubstr(R"({"address":{"city":"Ulm"}})"));
  EXPECT_THAT(decoding.bytes(2), HasSubstr(std::string("\1") + "7"));
  EXPECT_EQ(decoding.bytes(3), decoding.bytes(0));
  EXPECT_EQ(decoding.bytes(4), std::string("\x9\x9\x9\x9\x9\0\0", 7));
  EXPECT_EQ(decoding.bytes(5), std::string("\4\4\4\4\4\0\0", 7));
  EXPECT_THAT(decoding.decoder().take_unknown_fields(), ElementsAre("renamed"));
  EXPECT_EQ(decoding.decoder().take_unknown_count(), 5u);

  EXPECT_FALSE(decoding.decode(R"({"list":[0,"x"]})"));
  EXPECT_EQ(decoding.error().column, "second");
  EXPECT_FALSE(
      decoding.decode(R"({"user":{"address":{"city":"a"}},"user":{"address":{"city":"b"}}})"));
  EXPECT_EQ(decoding.error().reason, RejectReason::schema);
  EXPECT_FALSE(decoding.decode(R"({"user":{"address":{"city":"a"},}})"));
  EXPECT_EQ(decoding.error().reason, RejectReason::decode);
  EXPECT_EQ(decoding.rows(), 7u);
}

TEST(FastGear, TakesColumnsThatAreFilledOtherwise) {
  DecodeOptions options;
  options.unknown_fields = UnknownFields::keep;
  Decoding fast(
      table_of({column("a", "UInt8"), column("city", "String"), column("rest", "String"),
                column("_offset", "UInt64")}),
      {.rules = {rule("city", "/user/city"), {"rest", {.kind = Kind::unknown_fields}, ""}}},
      Gear::fast, options);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(fast.decode(event(R"({"a":1,"user":{"city":"Ulm","x":[1]},"more":"b"})")));
  }
  EXPECT_EQ(fast.bytes(1), "\3Ulm\3Ulm\3Ulm\3Ulm\3Ulm");
}

TEST_P(Layouts, UnknownFieldsGoIntoOneColumn) {
  DecodeOptions options;
  options.unknown_fields = UnknownFields::keep;
  const ColumnOptions columns{
      .rules = {{"rest", {.kind = Kind::unknown_fields}, ""}, rule("b", "/n/b")}};
  Decoding decoding(
      table_of({column("a", "UInt8"), column("rest", "String"), column("b", "UInt8")}), columns,
      GetParam(), options);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(decoding.decode(R"({"x" : "q\"","a":1,"y":{"z":[1]},"n":{"b":2}, "w":null})"));
  }
  ASSERT_TRUE(decoding.decode(R"({"a":1})"));
  const std::string text = R"({"x":"q\"","y":{"z":[1]},"w":null})";
  const std::string one = static_cast<char>(text.size()) + text;
  EXPECT_EQ(decoding.bytes(1), one + one + one + "\2{}");
}

TEST_P(Layouts, KafkaFillsColumnsByTheirNamesAndByRules) {
  const Table table = table_of(
      {column("a", "UInt8"), column("_topic", "LowCardinality(String)"),
       column("_partition", "UInt64"), column("_offset", "UInt64"),
       column("_timestamp", "Nullable(DateTime)"), column("_timestamp_ms", "DateTime64(3)"),
       column("_key", "String"), column("_headers.name", "Array(String)"),
       column("_headers.value", "Array(Nullable(String))"), column("trace", "Nullable(String)"),
       column("lost", "Nullable(String)"), column("all", "Map(String, String)"),
       column("text", "String")});
  Decoding decoding(table,
                    {.rules = {rule("trace", "$header.trace"), rule("lost", "$header.nobody"),
                               rule("all", "$headers"), rule("text", "$value")}},
                    GetParam());
  ASSERT_TRUE(decoding.decode(event(R"({"a":1,"_offset":9})")));
  Record bare = event(R"({"a":1})");
  bare.timestamp_ms = -1;
  bare.key = {};
  bare.headers = nullptr;
  ASSERT_TRUE(decoding.decode(bare));
  EXPECT_EQ(decoding.bytes(1), "\6events\6events");
  EXPECT_EQ(decoding.bytes(2), bytes_of(uint64_t{3}) + bytes_of(uint64_t{3}));
  EXPECT_EQ(decoding.bytes(3), bytes_of(uint64_t{42}) + bytes_of(uint64_t{42}));
  EXPECT_EQ(decoding.bytes(4),
            std::string("\0\1", 2) + bytes_of(uint32_t{1'700'000'000}) + bytes_of(uint32_t{0}));
  EXPECT_EQ(decoding.bytes(5), bytes_of(int64_t{1'700'000'000'123}) + bytes_of(int64_t{0}));
  EXPECT_EQ(decoding.bytes(6), std::string("\1k\0", 3));
  EXPECT_EQ(decoding.bytes(7),
            bytes_of(uint64_t{3}) + bytes_of(uint64_t{3}) + "\5trace\5trace\4none");
  EXPECT_EQ(decoding.bytes(9), std::string("\0\1\1b\0", 5));
  EXPECT_EQ(decoding.bytes(12), "\x13{\"a\":1,\"_offset\":9}\7{\"a\":1}");
  Record late = event(R"({"a":1})");
  late.timestamp_ms = int64_t{5'000'000'000'000};
  EXPECT_FALSE(decoding.decode(late));
  EXPECT_EQ(decoding.error().column, "_timestamp");
  EXPECT_EQ(decoding.rows(), 2u);
}

TEST_P(Layouts, AReplayedRecordHasItsFirstCoordinates) {
  Decoding decoding(table_of({column("_topic", "String"), column("_offset", "Int64")}), {},
                    GetParam());
  RejectedRecord first;
  first.topic = "first";
  first.offset = Offset{5};
  Record record = event("{}");
  record.original = &first;
  ASSERT_TRUE(decoding.decode(record));
  EXPECT_EQ(decoding.bytes(0), "\5first");
  EXPECT_EQ(decoding.bytes(1), bytes_of(int64_t{5}));
}

TEST_P(Layouts, TombstonesDeleteTheirKey) {
  const ColumnOptions columns{.rules = {}, .overwrite = true, .key = {"id"}};
  Decoding decoding(replacing_table({column("id", "UInt64"), column("name", "String", "'x'")}),
                    columns, GetParam());
  ASSERT_TRUE(decoding.decode(event(R"({"id":7,"name":"a"})")));
  ASSERT_TRUE(decoding.decode(tombstone("7"))) << decoding.error().message;
  ASSERT_TRUE(decoding.decode(tombstone("\"8\"")));
  ASSERT_TRUE(decoding.decode(tombstone(R"({"id":9,"other":1})")));
  EXPECT_EQ(decoding.bytes(0), bytes_of(uint64_t{7}) + bytes_of(uint64_t{7}) +
                                   bytes_of(uint64_t{8}) + bytes_of(uint64_t{9}));
  EXPECT_EQ(decoding.bytes(2).substr(8, 8), bytes_of(uint64_t{42}));
  EXPECT_EQ(decoding.bytes(3), std::string("\0\1\1\1", 4));
  for (const char* bad : {"", "seven", "{}", "{\"id\":null}", "null", "7 8", "{\"id\":7"}) {
    EXPECT_FALSE(decoding.decode(tombstone(bad))) << bad;
    EXPECT_EQ(decoding.error().column, std::string(bad) == "{\"id\":7" ? "" : "id") << bad;
  }
  EXPECT_FALSE(decoding.decode(event(R"({"name":"a"})")));
  EXPECT_EQ(decoding.error().reason, RejectReason::schema);
  EXPECT_EQ(decoding.rows(), 4u);
}

TEST_P(Layouts, WhatTheValueSaysOfVersionAndDeletionATombstoneCannot) {
  const Table table = replacing_table({column("id", "UInt64"), column("_key", "String")});
  ColumnOptions columns{.rules = {rule("gone", "/gone")}, .overwrite = true, .key = {"id"}};
  Decoding deletes(table, columns, GetParam());
  ASSERT_TRUE(deletes.decode(event(R"({"id":7,"gone":1})")));
  ASSERT_TRUE(deletes.decode(tombstone("7")));
  EXPECT_EQ(deletes.bytes(3), "\1\1");
  columns.rules = {rule("version", "/v")};
  Decoding versions(table, columns, GetParam());
  ASSERT_TRUE(versions.decode(event(R"({"id":7,"v":5})")));
  EXPECT_FALSE(versions.decode(event(R"({"id":7})")));
  EXPECT_FALSE(versions.decode(tombstone("7")));
  EXPECT_EQ(versions.error().column, "version");
}

TEST(KeyOfKafka, AKeyColumnThatIsKafkasKeyNeedsOne) {
  Table table = replacing_table({column("_key", "String")});
  table.engine_full = "ReplacingMergeTree(version, gone) ORDER BY _key";
  Decoding decoding(table, {.rules = {}, .overwrite = true, .key = {"_key"}});
  ASSERT_TRUE(decoding.decode(tombstone("any bytes")));
  Record record = tombstone("");
  record.key = {};
  EXPECT_FALSE(decoding.decode(record));
  EXPECT_EQ(decoding.error().message, "the record has no key");
}

TEST(TextRows, HaveTheSameColumns) {
  const ColumnOptions columns{
      .rules = {rule("city", "/user/city"), {"rest", {.kind = Kind::unknown_fields}, ""}},
      .overwrite = true,
      .key = {"id"}};
  DecodeOptions options;
  options.unknown_fields = UnknownFields::keep;
  Decoding decoding(
      replacing_table({column("id", "String"), column("city", "String"), column("any", "Dynamic"),
                       column("rest", "String"), column("_key", "String"),
                       column("_timestamp_ms", "DateTime64(3)"),
                       column("_headers", "Array(Tuple(name String, value Nullable(String)))")}),
      columns, Gear::both, options);
  ASSERT_TRUE(
      decoding.decode(event("{\"id\":1,\n\"user\":{\"city\":\"Ulm\",\"x\":1},\"more\":\"a\\\"\"}")))
      << decoding.error().message;
  ASSERT_TRUE(decoding.decode(tombstone("a\"b"))) << decoding.error().message;
  EXPECT_FALSE(decoding.decode(event(R"({"id":1,"user":{"city":1},"user":{"city":2}})")));
  EXPECT_FALSE(decoding.decode(event(R"({"user":{"city":1}})")));
  const std::string tail =
      R"("_timestamp_ms":"2023-11-14T22:13:20.123Z","_headers":[{"name":"trace","value":"a"},)"
      R"({"name":"trace","value":"b"},{"name":"none","value":null}],"version":42,"gone":)";
  EXPECT_EQ(lines(decoding), R"({"id":1,"city":"Ulm","rest":"{\"more\":\"a\\\"\"}","_key":"k",)" +
                                 tail + "0}\n" + R"({"id":"a\"b","_key":"a\"b",)" + tail + "1}\n");
}

TEST_P(Layouts, RowsOfASnapshotSayOfWhichOneTheyAre) {
  const ColumnOptions columns{
      .rules = {}, .overwrite = false, .snapshot = SnapshotStamp{"s1", 1'700'000'000'123}};
  const std::vector<TableColumn> stamped{column("n", "UInt8"), column("_snapshot_id", "String"),
                                         column("_snapshot_time", "DateTime64(3)")};
  Decoding native(table_of(stamped), columns, GetParam());
  ASSERT_TRUE(native.decode(event(R"({"n":7,"_snapshot_id":"forged"})")));
  EXPECT_EQ(native.bytes(1), "\x02s1");
  EXPECT_EQ(native.bytes(2), bytes_of(int64_t{1'700'000'000'123}));
  std::vector<TableColumn> as_text = stamped;
  as_text.push_back(column("any", "Dynamic"));
  Decoding text(table_of(as_text), columns, GetParam());
  ASSERT_TRUE(text.decode(event(R"({"n":7})")));
  EXPECT_EQ(lines(text),
            R"({"n":7,"_snapshot_id":"s1","_snapshot_time":"2023-11-14T22:13:20.123Z"})"
            "\n");
}

Error refused(const Table& table, const ColumnOptions& options) {
  const auto layout = lay_out(table, options, RecordFormat::json);
  EXPECT_FALSE(layout.ok());
  return layout.ok() ? Error{} : layout.error();
}

TEST(LayOut, RefusesWhatATableCannotHold) {
  Table table = table_of({column("a", "UInt8"), column("b", "String")});
  table.columns.push_back({"m", parse_data_type("UInt8").value(), DefaultKind::materialized, "1"});
  EXPECT_EQ(refused(table, {.rules = {rule("c", "/x")}}).message,
            "sluice.toml:7:1: table t.t has no column c");
  EXPECT_THAT(refused(table, {.rules = {rule("m", "/x")}}).message, HasSubstr("takes no values"));
  EXPECT_EQ(refused(table, {.rules = {rule("a", "$offset")}}).fix,
            "make it UInt64, or another integer of 64 bits or more");
  EXPECT_THAT(refused(table, {.rules = {rule("a", "/x"), rule("a", "/y")}}).message,
              HasSubstr("two settings"));
  const Error by_name = refused(table_of({column("_key", "UInt8")}), {});
  EXPECT_EQ(by_name.code, Errc::config);
  EXPECT_THAT(by_name.fix, HasSubstr("map _key to \"/_key\""));
}

TEST(LayOut, PrintsTheColumnsThatASnapshotNeeds) {
  const ColumnOptions columns{.rules = {}, .overwrite = false, .snapshot = SnapshotStamp{}};
  EXPECT_EQ(
      refused(table_of({column("n", "UInt8"), column("_snapshot_id", "String")}), columns).fix,
      "ALTER TABLE t.t ADD COLUMN _snapshot_time DateTime64(3)");
  EXPECT_THAT(
      refused(table_of({column("_snapshot_id", "UInt8"), column("_snapshot_time", "DateTime")}),
              columns)
          .message,
      HasSubstr("cannot hold the snapshot's id"));
}

TEST(LayOut, PrintsTheTableThatOverwritingNeeds) {
  const Error plain =
      refused(table_of({column("id", "UInt64")}), {.rules = {}, .overwrite = true, .key = {"id"}});
  EXPECT_THAT(plain.fix, HasSubstr("CREATE TABLE `t`.`t_latest` (`id` UInt64, "));
  Table other = replacing_table({column("id", "UInt64"), column("b", "UInt8")});
  EXPECT_THAT(refused(other, {.rules = {}, .overwrite = true, .key = {"id", "b"}}).message,
              HasSubstr("is not ordered by its key (b, id)"));
}

}  // namespace
}  // namespace sluice::test
