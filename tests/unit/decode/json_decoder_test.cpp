// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/decode/decoding.hpp"

namespace sluice {
namespace {

using test::bytes_of;
using test::column;
using test::Decoding;
using testing::ElementsAre;
using testing::IsEmpty;

class Records : public testing::TestWithParam<Gear> {
 protected:
  [[nodiscard]] Decoding table(std::vector<TableColumn> columns,
                               const DecodeOptions& options = {}) const {
    return Decoding(std::move(columns), GetParam(), options);
  }
  [[nodiscard]] Decoding table_ab(const DecodeOptions& options = {}) const {
    return table({column("a", "UInt8"), column("b", "UInt8")}, options);
  }
};

INSTANTIATE_TEST_SUITE_P(Gears, Records, testing::Values(Gear::both, Gear::slow),
                         [](const auto& test) {
                           return test.param == Gear::both ? "Both" : "Slow";
                         });

TEST_P(Records, FieldsInAnyOrderAndSpacing) {
  Decoding decoding = table_ab();
  for (const char* record :
       {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", " {\t\"a\" : 1 ,\r\n\"b\":2 } \n",
        "{\"\\u0061\":1,\"b\":2}", "\xEF\xBB\xBF{\"a\":1,\"b\":2}"}) {
    EXPECT_TRUE(decoding.decode(record)) << record;
  }
  EXPECT_EQ(decoding.bytes(0), "\1\1\1\1\1");
  EXPECT_EQ(decoding.bytes(1), "\2\2\2\2\2");
}

TEST_P(Records, AFieldThatIsMissingIsLeftToTheBlock) {
  Decoding decoding = table_ab();
  EXPECT_TRUE(decoding.decode("{}"));
  EXPECT_TRUE(decoding.decode("{\"b\":2}"));
  EXPECT_EQ(decoding.rows(), 2u);
  EXPECT_EQ(decoding.bytes(0), std::string(2, '\0'));
}

TEST_P(Records, NullIsTheDefaultOfAColumn) {
  Decoding decoding =
      table({column("a", "UInt8", "7"), column("b", "Nullable(UInt8)", "7"), column("c", "UInt8")});
  ASSERT_TRUE(decoding.decode("{\"a\":null,\"b\":null,\"c\":null}"));
  ASSERT_TRUE(decoding.decode("{\"a\":1,\"b\":1,\"c\":1}"));
  Insert insert;
  const InsertBody body({&decoding.block()}, insert);
  ASSERT_EQ(insert.columns.size(), 3u);
  EXPECT_TRUE(insert.columns[0].flagged);
  EXPECT_FALSE(insert.columns[1].flagged);
  EXPECT_FALSE(insert.columns[2].flagged);
}

TEST_P(Records, NullIsRefusedWhereSetSo) {
  DecodeOptions options;
  options.nulls = Nulls::reject;
  Decoding decoding = table(
      {column("a", "UInt8", "7"), column("b", "Nullable(UInt8)"), column("c", "Array(UInt8)")},
      options);
  EXPECT_TRUE(decoding.decode("{\"b\":null}"));
  for (const char* record : {"{\"a\":null}", "{\"c\":null}", "{\"c\":[null]}"}) {
    EXPECT_FALSE(decoding.decode(record)) << record;
    EXPECT_EQ(decoding.error().reason, RejectReason::type);
  }
  EXPECT_EQ(decoding.error().message,
            "null for UInt8, which is not Nullable, and nulls are set to be rejected");
}

TEST_P(Records, UnknownFieldsArePassedOverAndNamedOnce) {
  Decoding decoding = table_ab();
  EXPECT_TRUE(decoding.decode("{\"z\":{\"a\":[1,{}]},\"a\":1,\"y\":\"\\n\",\"z\":2,\"b\":2}"));
  EXPECT_THAT(decoding.decoder().take_unknown_fields(), ElementsAre("z", "y"));
  EXPECT_TRUE(decoding.decode("{\"z\":{\"a\":[1,{}]},\"a\":1,\"y\":\"\\n\",\"z\":2,\"b\":2}"));
  EXPECT_THAT(decoding.decoder().take_unknown_fields(), IsEmpty());
  EXPECT_EQ(decoding.bytes(1), "\2\2");
  std::string many = "{\"a\":3";
  for (int i = 0; i < 300; ++i) many += ",\"n" + std::to_string(i) + "\":" + std::to_string(i);
  EXPECT_TRUE(decoding.decode(many + ",\"b\":4}"));
  EXPECT_TRUE(decoding.decode(many + ",\"b\":4}"));
  EXPECT_EQ(decoding.decoder().take_unknown_fields().size(), 98u);
  EXPECT_EQ(decoding.bytes(1), "\2\2\4\4");
}

TEST_P(Records, UnknownFieldsAreRefusedWhereSetSo) {
  DecodeOptions options;
  options.unknown_fields = UnknownFields::error;
  Decoding decoding = table_ab(options);
  EXPECT_TRUE(decoding.decode("{\"a\":1}"));
  EXPECT_FALSE(decoding.decode("{\"a\":1,\"zz\":2}"));
  EXPECT_EQ(decoding.error().reason, RejectReason::schema);
  EXPECT_EQ(decoding.error().column, "zz");
  EXPECT_EQ(decoding.error().message, "no column has the name of this field");
}

TEST_P(Records, AColumnTwiceIsRefused) {
  Decoding decoding = table_ab();
  for (const char* record :
       {"{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"\\u0061\":1}", "{\"a\":null,\"a\":1}"}) {
    EXPECT_FALSE(decoding.decode(record)) << record;
    EXPECT_EQ(decoding.error().reason, RejectReason::schema);
    EXPECT_EQ(decoding.error().column, "a");
  }
  EXPECT_EQ(decoding.rows_of(0), 0u);
}

TEST_P(Records, BrokenRecordsLeaveNoTrace) {
  Decoding decoding =
      table({column("a", "UInt8", "5"), column("b", "String"),
             column("c", "Array(Tuple(x String, y UInt8))"), column("d", "Map(String, UInt8)")});
  ASSERT_TRUE(
      decoding.decode("{\"a\":1,\"b\":\"x\",\"c\":[{\"x\":\"p\",\"y\":1}],\"d\":{\"k\":1}}"));
  const std::vector<std::string> before = {decoding.bytes(0), decoding.bytes(1), decoding.bytes(2),
                                           decoding.bytes(3)};
  for (const char* record : {"",
                             " ",
                             "{",
                             "}",
                             "{\"a\"",
                             "{\"a\":",
                             "{\"a\":1",
                             "{\"a\":1,",
                             "{\"a\":1,}",
                             "{,\"a\":1}",
                             "{\"a\" 1}",
                             "{\"a\":1 \"b\":\"x\"}",
                             "{\"a\":1]",
                             "{a:1}",
                             "{\"a\":}",
                             "{\"a\":1;}",
                             "{\"a\":1,\"b\":\"x\"",
                             "{\"a\":1,\"b\":\"x",
                             "{\"a\":1,\"b\":\"x\"}}",
                             "{\"a\":1}]",
                             "{\"zz\":nul}",
                             "{\"zz\":[1,,2]}",
                             "{\"zz\":[1,]}",
                             "{\"zz\":{\"a\":01}}",
                             "{\"zz\":{\"a\"}}",
                             "{\"zz\":\"\\q\"}",
                             "{\"zz\":{\"\\q\":1}}",
                             "{\"zz\":[1}",
                             "{\"zz\":{]}",
                             "{\"zz\":truefalse}",
                             "{\"zz\":\"a\"b}",
                             "{\"zz\":1x}",
                             "{\"zz\":\xFF}",
                             "{\"zz\":\"a\":1}",
                             "{\"zz\":[\"a\":1]}",
                             "{\"b\":\"a\":1}",
                             "{\"zz\":1:1}",
                             "{\"b\":\"x\",\"c\":[{\"x\":\"q\",\"y\":1},{\"x\":\"r\",\"y\":nul}]}",
                             "{\"d\":{\"k\":1,\"l\"}}",
                             "{\"b\":{\"a\":[tru]}}"}) {
    EXPECT_FALSE(decoding.decode(record)) << record;
    EXPECT_EQ(decoding.error().reason, RejectReason::decode) << record;
    EXPECT_EQ(decoding.error().column, "") << record;
  }
  for (const char* record : {"[]", "[{\"a\":1}]", "1", "null", "\"a\"", "{\"a\":1}{\"a\":2}",
                             "{\"a\":1} {}", "{\"a\":1},", "{\"a\":1} x"}) {
    EXPECT_FALSE(decoding.decode(record)) << record;
    EXPECT_EQ(decoding.error().reason, RejectReason::decode) << record;
  }
  using namespace std::string_view_literals;
  EXPECT_FALSE(decoding.decode("{\"a\":1}\0"sv));
  EXPECT_FALSE(decoding.decode("{\"a\":1\0}"sv));
  EXPECT_FALSE(decoding.decode("{\"c\":[{\"x\":\"q\",\"y\":1},{\"x\":\"r\",\"y\":300}]}"));
  EXPECT_EQ(decoding.error().message, "number out of range for UInt8");
  EXPECT_EQ(decoding.error().column, "c");
  EXPECT_EQ(before, (std::vector<std::string>{decoding.bytes(0), decoding.bytes(1),
                                              decoding.bytes(2), decoding.bytes(3)}));
  EXPECT_EQ(decoding.rows(), 1u);
  EXPECT_TRUE(decoding.decode("{\"d\":{\"k\":2}}"));
}

TEST_P(Records, MessagesNeverShowValues) {
  Decoding decoding =
      table({column("a", "UInt8"), column("e", "Enum8('x' = 1)"), column("t", "DateTime")});
  for (const char* record : {"{\"a\":\"secret\"}", "{\"e\":\"secret\"}", "{\"t\":\"secret\"}",
                             "{\"zz\":secret}", "{\"a\":1,\"zz\":[\"secret\",}"}) {
    EXPECT_FALSE(decoding.decode(record));
    EXPECT_EQ(decoding.error().message.find("secret"), std::string::npos);
  }
}

std::string nested(size_t depth, const std::string& open, const std::string& close) {
  std::string text;
  for (size_t i = 0; i < depth; ++i) text += open;
  for (size_t i = 0; i < depth; ++i) text += close;
  return text;
}

TEST_P(Records, NestingIsLimited) {
  DecodeOptions options;
  options.depth_max = 10;
  Decoding decoding = table({column("a", "UInt8"), column("s", "String"),
                             column("n", "Array(Array(Array(Array(String))))")},
                            options);
  for (const char* name : {"zz", "s"}) {
    const std::string key = std::string("{\"") + name + "\":";
    EXPECT_TRUE(decoding.decode(key + nested(9, "[", "]") + "}"));
    EXPECT_FALSE(decoding.decode(key + nested(10, "[", "]") + "}"));
    EXPECT_EQ(decoding.error().message, "nested deeper than the limit");
    EXPECT_EQ(decoding.error().reason, RejectReason::decode);
    EXPECT_TRUE(decoding.decode(key + nested(8, "{\"k\":", "}").replace(8 * 5, 0, "{}") + "}"));
    EXPECT_FALSE(decoding.decode(key + nested(9, "{\"k\":", "}").replace(9 * 5, 0, "{}") + "}"));
  }
  EXPECT_TRUE(decoding.decode("{\"n\":[[[[" + nested(5, "[", "]") + "]]]]}"));
  EXPECT_FALSE(decoding.decode("{\"n\":[[[[" + nested(6, "[", "]") + "]]]]}"));
  EXPECT_FALSE(decoding.decode(nested(100000, "[", "]")));
  EXPECT_FALSE(decoding.decode("{\"zz\":" + nested(100000, "[", "]") + "}"));
  EXPECT_FALSE(decoding.decode("{\"zz\":" + std::string(100000, '[')));
  EXPECT_FALSE(decoding.decode("{\"s\":" + nested(100000, "{\"k\":", "}")));
}

TEST_P(Records, FieldsAreLimited) {
  DecodeOptions options;
  options.fields_max = 5;
  Decoding decoding = table({column("a", "UInt8"), column("s", "String")}, options);
  EXPECT_TRUE(decoding.decode(R"({"1":1,"2":2,"3":3,"4":4,"5":5})"));
  EXPECT_FALSE(decoding.decode(R"({"1":1,"2":2,"3":3,"4":4,"5":5,"6":6})"));
  EXPECT_EQ(decoding.error().message, "more fields than the limit");
  EXPECT_EQ(decoding.error().reason, RejectReason::schema);
  EXPECT_TRUE(decoding.decode(R"({"1":{"2":[{"3":1},{"4":1}]},"a":1})"));
  EXPECT_FALSE(decoding.decode(R"({"1":{"2":[{"3":1},{"4":1}]},"a":1,"s":""})"));
  EXPECT_FALSE(decoding.decode(R"({"a":1,"s":{"1":{"2":[{"3":1},{"4":1}]}}})"));
}

TEST_P(Records, LargeRecordsAreRead) {
  Decoding decoding =
      table({column("a", "UInt8"), column("s", "String"), column("l", "Array(UInt32)")});
  const std::string text(1 << 20, 'x');
  std::string list = "[0";
  for (int i = 1; i < 50000; ++i) list += "," + std::to_string(i);
  ASSERT_TRUE(decoding.decode("{\"s\":\"" + text + "\",\"l\":" + list + "],\"a\":1}"));
  ASSERT_TRUE(decoding.decode("{\"a\":2}"));
  EXPECT_EQ(decoding.bytes(0), "\1\2");
  EXPECT_EQ(decoding.bytes(1).size(), text.size() + 3 + 1);
  EXPECT_EQ(decoding.bytes(2).size(), 2 * 8 + 4 * 50000u);
}

TEST_P(Records, AColumnOfAnotherTypeMakesLines) {
  Decoding decoding = table({column("x", "Dynamic"), column("y", "UInt8")});
  Block& block = decoding.block();
  ASSERT_EQ(block.schema().format(), InsertFormat::json_each_row);
  EXPECT_TRUE(
      decoding.decode("{\"x\":{\"a\":\n1},\"y\":300}"));  // the values are for ClickHouse to judge
  EXPECT_TRUE(decoding.decode("\xEF\xBB\xBF {\"zz\":[1,2],\"x\":\"\xFF\"}"));
  for (const char* record : {"{\"x\":1,\"x\":2}", "{\"y\":1}{\"y\":2}", "{\"y\":1} x",
                             "{\"x\":nul}", "[{\"y\":1}]", "", "{\"zz\":\"\\ud800\"}"}) {
    EXPECT_FALSE(decoding.decode(record)) << record;
  }
  Insert insert;
  const InsertBody body({&block}, insert);
  std::string text;
  for (const std::string_view piece : insert.pieces) text += piece;
  EXPECT_EQ(text, "{\"x\":{\"a\": 1},\"y\":300}\n {\"zz\":[1,2],\"x\":\"\xFF\"}\n");
}

TEST_P(Records, JsonIsTheTextOfAnObject) {
  Decoding decoding = table({column("x", "JSON"), column("y", "Array(Nullable(JSON))")});
  ASSERT_EQ(decoding.block().schema().format(), InsertFormat::native);
  EXPECT_TRUE(decoding.decode(R"({"x":{"a": [1,"}"]},"y":[{},null]})"));
  EXPECT_TRUE(decoding.decode(R"({"x":null})"));
  EXPECT_TRUE(decoding.decode("{}"));
  EXPECT_EQ(decoding.bytes(0), "\x0E{\"a\": [1,\"}\"]}\2{}\2{}");
  for (const char* value : {"5", "[]", "\"{}\"", "true", "{\"a\":nul}", "{\"a\":\"\\ud800\"}"}) {
    EXPECT_FALSE(decoding.decode(std::string("{\"x\":") + value + "}")) << value;
  }
  Insert insert;
  const InsertBody body({&decoding.block()}, insert);
  EXPECT_FALSE(insert.plain());
  EXPECT_EQ(insert.columns[0].type, "String");
  EXPECT_EQ(insert.columns[0].cast_type, "JSON");
  EXPECT_EQ(insert.columns[1].cast_type, "Array(Nullable(JSON))");
}

}  // namespace
}  // namespace sluice
