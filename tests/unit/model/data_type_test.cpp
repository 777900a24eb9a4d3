// SPDX-License-Identifier: Apache-2.0
#include "core/model/data_type.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

DataType parsed(std::string_view name) {
  Result<DataType> type = parse_data_type(name);
  EXPECT_TRUE(type.ok()) << name << ": " << (type.ok() ? "" : type.error().message);
  return type.ok() ? type.value() : DataType{};
}

struct PlainCase {
  const char* name;
  TypeKind kind;
  uint32_t width;
};

class PlainType : public testing::TestWithParam<PlainCase> {};

TEST_P(PlainType, HasItsKindItsWidthAndGoesOverTheWireAsItself) {
  const auto& [name, kind, width] = GetParam();
  const DataType type = parsed(name);
  EXPECT_EQ(type.kind, kind);
  EXPECT_EQ(type.width, width);
  EXPECT_EQ(type.name, name);
  EXPECT_EQ(type.wire_name(), name);
  EXPECT_TRUE(type.encodable());
}

INSTANTIATE_TEST_SUITE_P(
    All, PlainType,
    testing::Values(
        PlainCase{"Bool", TypeKind::boolean, 1}, PlainCase{"Int8", TypeKind::int8, 1},
        PlainCase{"Int16", TypeKind::int16, 2}, PlainCase{"Int32", TypeKind::int32, 4},
        PlainCase{"Int64", TypeKind::int64, 8}, PlainCase{"Int128", TypeKind::int128, 16},
        PlainCase{"Int256", TypeKind::int256, 32}, PlainCase{"UInt8", TypeKind::uint8, 1},
        PlainCase{"UInt16", TypeKind::uint16, 2}, PlainCase{"UInt32", TypeKind::uint32, 4},
        PlainCase{"UInt64", TypeKind::uint64, 8}, PlainCase{"UInt128", TypeKind::uint128, 16},
        PlainCase{"UInt256", TypeKind::uint256, 32}, PlainCase{"BFloat16", TypeKind::bfloat16, 2},
        PlainCase{"Float32", TypeKind::float32, 4}, PlainCase{"Float64", TypeKind::float64, 8},
        PlainCase{"Decimal(9, 2)", TypeKind::decimal32, 4},
        PlainCase{"Decimal(18, 0)", TypeKind::decimal64, 8},
        PlainCase{"Decimal(38, 38)", TypeKind::decimal128, 16},
        PlainCase{"Decimal(76, 5)", TypeKind::decimal256, 32},
        PlainCase{"String", TypeKind::string, 0},
        PlainCase{"FixedString(7)", TypeKind::fixed_string, 7},
        PlainCase{"FixedString(16777215)", TypeKind::fixed_string, 16777215},
        PlainCase{"Date", TypeKind::date, 2}, PlainCase{"Date32", TypeKind::date32, 4},
        PlainCase{"DateTime", TypeKind::datetime, 4},
        PlainCase{"DateTime('Europe/Berlin')", TypeKind::datetime, 4},
        PlainCase{"DateTime64(3)", TypeKind::datetime64, 8},
        PlainCase{"DateTime64(9, 'UTC')", TypeKind::datetime64, 8},
        PlainCase{"Time", TypeKind::time, 4}, PlainCase{"Time64(6)", TypeKind::time64, 8},
        PlainCase{"UUID", TypeKind::uuid, 16}, PlainCase{"IPv4", TypeKind::ipv4, 4},
        PlainCase{"IPv6", TypeKind::ipv6, 16},
        PlainCase{"Enum8('a' = -1, 'b c' = 2)", TypeKind::enum8, 1},
        PlainCase{"Enum16('a' = -32768, 'b' = 32767)", TypeKind::enum16, 2}));

struct WireCase {
  const char* name;
  const char* wire;
};

class WireName : public testing::TestWithParam<WireCase> {};

TEST_P(WireName, TakesLowCardinalityOffAndResolvesAliases) {
  const DataType type = parsed(GetParam().name);
  EXPECT_EQ(type.name, GetParam().name);
  EXPECT_EQ(type.wire_name(), GetParam().wire);
  EXPECT_TRUE(type.encodable());
  EXPECT_EQ(parsed(type.wire_name()).wire_name(), type.wire_name());
}

INSTANTIATE_TEST_SUITE_P(
    All, WireName,
    testing::Values(
        WireCase{"LowCardinality(String)", "String"},
        WireCase{"LowCardinality(Nullable(FixedString(3)))", "Nullable(FixedString(3))"},
        WireCase{"Map(LowCardinality(String), Array(Nullable(Int8)))",
                 "Map(String, Array(Nullable(Int8)))"},
        WireCase{"SimpleAggregateFunction(sum, UInt64)", "UInt64"},
        WireCase{"SimpleAggregateFunction(anyLast, LowCardinality(Nullable(String)))",
                 "Nullable(String)"},
        WireCase{"SimpleAggregateFunction(groupUniqArrayArray(3), Array(String))", "Array(String)"},
        WireCase{"SimpleAggregateFunction(sumMap, Tuple(Array(UInt8), Array(UInt64)))",
                 "Tuple(Array(UInt8), Array(UInt64))"},
        WireCase{"SimpleAggregateFunction(any, Enum8('x, (' = 1))", "Enum8('x, (' = 1)"},
        WireCase{"Point", "Tuple(Float64, Float64)"},
        WireCase{"Ring", "Array(Tuple(Float64, Float64))"},
        WireCase{"LineString", "Array(Tuple(Float64, Float64))"},
        WireCase{"MultiLineString", "Array(Array(Tuple(Float64, Float64)))"},
        WireCase{"Polygon", "Array(Array(Tuple(Float64, Float64)))"},
        WireCase{"MultiPolygon", "Array(Array(Array(Tuple(Float64, Float64))))"},
        WireCase{"Nullable(Point)", "Nullable(Tuple(Float64, Float64))"},
        WireCase{"Nested(a UInt8, b Nested(c LowCardinality(String)))",
                 "Array(Tuple(`a` UInt8, `b` Array(Tuple(`c` String))))"},
        WireCase{"Tuple()", "Tuple()"}, WireCase{"Tuple(UInt8, String)", "Tuple(UInt8, String)"},
        WireCase{"Tuple(a UInt8, `b c` Tuple(Point), Array Int8)",
                 "Tuple(`a` UInt8, `b c` Tuple(Tuple(Float64, Float64)), `Array` Int8)"},
        WireCase{R"(Tuple(`q\`x` Int8, `b\\s` Int8, `x\ty` Int8, `ü` Int8))",
                 R"(Tuple(`q\`x` Int8, `b\\s` Int8, `x\ty` Int8, `ü` Int8))"},
        WireCase{R"(Enum8('x\'y' = -1, '\0\b\f\n\r\t\\' = 6, 'q"`' = 7, 'ü/' = 8, '' = 10))",
                 R"(Enum8('x\'y' = -1, '\0\b\f\n\r\t\\' = 6, 'q"`' = 7, 'ü/' = 8, '' = 10))"}));

class OtherType : public testing::TestWithParam<const char*> {};

TEST_P(OtherType, IsKeptByNameAndNotEncodable) {
  const DataType type = parsed(GetParam());
  EXPECT_EQ(type.kind, TypeKind::other);
  EXPECT_EQ(type.name, GetParam());
  EXPECT_EQ(type.wire_name(), GetParam());
  EXPECT_FALSE(type.encodable());
}

INSTANTIATE_TEST_SUITE_P(
    All, OtherType,
    testing::Values("Object('json')", "Dynamic", "Dynamic(max_types=10)", "Nothing", "Geometry",
                    "Variant(Array(String), UInt64)", "IntervalAge", "QBit(Float32, 8)",
                    "AggregateFunction(quantiles(0.5, 0.9), UInt64)",
                    "AggregateFunction(1, sum, UInt64)", "NewerThanWeAre(1, `)`, ')', \")\")",
                    "SimpleAggregateFunction(argMin, String, UInt64)", "UInt8(3)", "Array"));

TEST(DataType, IsNotEncodableWhenSomethingInItIsNot) {
  for (const char* name :
       {"Array(Dynamic)", "Tuple(a UInt8, b Dynamic)", "Map(String, Nothing)", "Nullable(Nothing)",
        "SimpleAggregateFunction(any, Dynamic)", "Nested(a Array(Variant(UInt8, String)))"}) {
    EXPECT_FALSE(parsed(name).encodable()) << name;
  }
}

TEST(DataType, JsonIsAStringOnTheWireThatMustBeCast) {
  const DataType type = parsed("JSON(max_dynamic_paths=8, `a.b` UInt32, SKIP REGEXP 'z(\\'')");
  EXPECT_EQ(type.kind, TypeKind::json);
  EXPECT_EQ(type.wire_name(), "String");
  EXPECT_TRUE(type.encodable());
  EXPECT_TRUE(type.holds_json());
  const DataType nested = parsed("Map(String, Array(Tuple(a Nullable(JSON), b UInt8)))");
  EXPECT_EQ(nested.wire_name(), "Map(String, Array(Tuple(`a` Nullable(String), `b` UInt8)))");
  EXPECT_TRUE(nested.encodable());
  EXPECT_TRUE(nested.holds_json());
  EXPECT_FALSE(parsed("Array(String)").holds_json());
}

TEST(DataType, IntervalsAreNumbers) {
  const DataType type = parsed("Nullable(IntervalSecond)");
  EXPECT_EQ(type.elements.front().kind, TypeKind::int64);
  EXPECT_EQ(type.wire_name(), "Nullable(Int64)");
}

TEST(DataType, KeepsTheNamesAndValuesOfAnEnum) {
  const DataType type = parsed(R"(Enum8('it\'s' = -128, 'two''quotes' = 2, '\x41\\\q\N' = 127))");
  ASSERT_EQ(type.enum_values.size(), 3u);
  EXPECT_EQ(type.enum_values[0].first, "it's");
  EXPECT_EQ(type.enum_values[0].second, -128);
  EXPECT_EQ(type.enum_values[1].first, "two'quotes");
  EXPECT_EQ(type.enum_values[2].first, "A\\\\q");
}

TEST(DataType, KeepsPrecisionScaleAndTimeZone) {
  const DataType decimal = parsed("Decimal(20, 7)");
  EXPECT_EQ(decimal.precision, 20u);
  EXPECT_EQ(decimal.scale, 7u);
  const DataType time = parsed("DateTime64(6, 'America/Argentina/Buenos_Aires')");
  EXPECT_EQ(time.precision, 6u);
  EXPECT_EQ(time.time_zone, "America/Argentina/Buenos_Aires");
  EXPECT_EQ(parsed("DateTime").time_zone, "");
  EXPECT_EQ(parsed("Time64(9)").precision, 9u);
  EXPECT_EQ(parsed("Decimal256(3)").wire_name(), "Decimal(76, 3)");
}

TEST(DataType, KeepsElementNamesOfTuplesAndNested) {
  const DataType tuple = parsed("Tuple(a UInt8, `b c` String)");
  EXPECT_EQ(tuple.element_names, (std::vector<std::string>{"a", "b c"}));
  const DataType nested = parsed("Nested(x UInt8, y Array(String))");
  ASSERT_EQ(nested.kind, TypeKind::array);
  EXPECT_EQ(nested.elements[0].kind, TypeKind::tuple);
  EXPECT_EQ(nested.elements[0].element_names, (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(parsed("Tuple(UInt8, String)").element_names.empty());
}

TEST(DataType, PutsATypeThatDescribeTablePrintsOnSeveralLinesOnOne) {
  const DataType type = parsed(
      "Array(Tuple(\n    a LowCardinality(String),\n    `b\n c` Enum8('x,\n    (' = 1),\n"
      "    d Tuple(\n        e UInt8)))");
  EXPECT_EQ(type.name,
            "Array(Tuple(a LowCardinality(String), `b\n c` Enum8('x,\n    (' = 1), "
            "d Tuple(e UInt8)))");
  EXPECT_EQ(type.elements[0].enum_values.size(), 0u);
  EXPECT_EQ(type.elements[0].element_names[1], "b\n c");
}

TEST(DataType, RefusesMalformedText) {
  for (const char* name : {"",
                           " ",
                           "(",
                           ")",
                           "Array(",
                           "Array()",
                           "Array(UInt8",
                           "Array(UInt8))",
                           "UInt8 x",
                           "UInt8, UInt8",
                           "Nullable()",
                           "Nullable(Nullable(UInt8))",
                           "Nullable(LowCardinality(String))",
                           "LowCardinality(LowCardinality(String))",
                           "Map(String)",
                           "Map(String, )",
                           "FixedString()",
                           "FixedString(0)",
                           "FixedString(16777216)",
                           "FixedString(-1)",
                           "FixedString(99999999999999999999)",
                           "Decimal(77, 0)",
                           "Decimal(0, 0)",
                           "Decimal(9, 10)",
                           "Decimal(9)",
                           "Decimal32(10)",
                           "DateTime64(10)",
                           "DateTime64(x)",
                           "DateTime(UTC)",
                           "DateTime('UTC)",
                           "DateTime64(3,)",
                           "Time64(10)",
                           "Enum8()",
                           "Enum8('a')",
                           "Enum8('a' = 128)",
                           "Enum8('a' = )",
                           "Enum8('a' = -129)",
                           "Enum16('a' = 32768)",
                           "Enum8(a = 1)",
                           "Enum8('a' = 1,)",
                           "Tuple(",
                           "Tuple(a)b",
                           "Tuple(a UInt8, String)",
                           "Tuple(UInt8, b String)",
                           "Tuple(,)",
                           "Tuple(`a UInt8)",
                           "Nested()",
                           "Nested(UInt8)",
                           "SimpleAggregateFunction(sum)",
                           "SimpleAggregateFunction(sum, )",
                           "JSON(",
                           "JSON('",
                           "Variant(Array(String, UInt64)",
                           "AggregateFunction(f(, UInt8)"}) {
    const Result<DataType> type = parse_data_type(name);
    ASSERT_FALSE(type.ok()) << name;
    EXPECT_EQ(type.error().code, Errc::config);
    EXPECT_EQ(type.error().slug, "type-malformed");
  }
}

std::string repeated(const std::string& text, size_t times) {
  std::string result;
  for (; times != 0; --times) result += text;
  return result;
}

TEST(DataType, NestsAHundredDeepAndNotDeeper) {
  EXPECT_TRUE(parse_data_type(repeated("Array(", 99) + "UInt8" + repeated(")", 99)).ok());
  EXPECT_FALSE(parse_data_type(repeated("Array(", 100) + "UInt8" + repeated(")", 100)).ok());
  for (const char* open :
       {"Array(", "Tuple(", "Tuple(a ", "Nested(a ", "Map(String, ", "Nullable(", "Unknown(",
        "SimpleAggregateFunction(f, ", "SimpleAggregateFunction(f(", "LowCardinality("}) {
    EXPECT_FALSE(parse_data_type(repeated(open, 1'000'000)).ok()) << open;
  }
}

TEST(DataType, EscapesAndShortensWhatItQuotesInAnError) {
  const Result<DataType> type = parse_data_type("Array(\x1b[31m" + std::string(10'000, 'x'));
  ASSERT_FALSE(type.ok());
  EXPECT_EQ(type.error().message.find('\x1b'), std::string::npos);
  EXPECT_NE(type.error().message.find("\\x1b"), std::string::npos);
  EXPECT_LT(type.error().message.size(), 400u);
}

}  // namespace
}  // namespace sluice
