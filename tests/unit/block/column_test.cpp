// SPDX-License-Identifier: Apache-2.0
#include "core/block/column.hpp"

#include <gtest/gtest.h>

#include "tests/unit/block/fill.hpp"

namespace sluice {
namespace {

using test::Filler;
using test::nested_types;

std::string bytes_of(const Column& column) {
  std::vector<std::string_view> pieces;
  column.add_pieces(pieces);
  std::string bytes;
  for (const std::string_view piece : pieces) bytes += piece;
  return bytes;
}

std::string uint64_bytes(std::initializer_list<uint64_t> values) {
  std::string bytes;
  for (const uint64_t value : values) {
    for (unsigned shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(value >> shift);
  }
  return bytes;
}

using namespace std::string_literals;

TEST(Column, WritesFixedWidthValuesLittleEndian) {
  const DataType type = parse_data_type("UInt32").value();
  Column column(type);
  column.append_fixed(uint32_t{0x04030201});
  column.append_fixed_bytes("wxyz");
  EXPECT_EQ(bytes_of(column), "\1\2\3\4wxyz");
  EXPECT_EQ(column.rows(), 2u);
  EXPECT_EQ(column.bytes(), 8u);
}

TEST(Column, WritesStringsWithTheirLength) {
  const DataType type = parse_data_type("String").value();
  Column column(type);
  column.append_string("ab");
  column.append_string("");
  column.append_string(std::string_view("\0x", 2));
  EXPECT_EQ(bytes_of(column), "\2ab\0\2\0x"s);
}

TEST(Column, WritesLongLengthsAsSeveralBytes) {
  const DataType type = parse_data_type("String").value();
  for (const size_t size : {127u, 128u, 129u, 16383u, 16384u, 2097151u, 2097152u}) {
    Column column(type);
    column.append_string("x");
    column.append_string(std::string(size, 'y'));
    column.append_string("z");
    std::string length;
    for (size_t left = size;; left >>= 7) {
      if (left < 128) {
        length += static_cast<char>(left);
        break;
      }
      length += static_cast<char>(left | 128);
    }
    EXPECT_EQ(bytes_of(column), "\1x" + length + std::string(size, 'y') + "\1z") << size;
  }
}

TEST(Column, TakesStringsWrittenInPlace) {
  const DataType type = parse_data_type("Nullable(String)").value();
  Column column(type);
  std::memcpy(column.reserve_string(1000, 32), "abandoned", 9);
  std::memcpy(column.reserve_string(5), "hello", 5);
  column.end_string(5);
  std::memset(column.reserve_string(1000), 'x', 300);
  column.end_string(300);
  EXPECT_EQ(column.rows(), 2u);
  EXPECT_EQ(bytes_of(column), "\0\0\5hello\xac\2"s + std::string(300, 'x'));
}

TEST(Column, PutsNullFlagsBeforeTheValuesAndADefaultUnderEachNull) {
  const DataType type = parse_data_type("LowCardinality(Nullable(String))").value();
  Column column(type);
  EXPECT_TRUE(column.nullable());
  EXPECT_EQ(column.kind(), TypeKind::string);
  column.append_string("a");
  column.append_null();
  column.append_default();
  EXPECT_EQ(bytes_of(column), "\0\1\1\1a\0\0"s);
}

TEST(Column, WritesArraysAsCumulativeOffsetsThenElements) {
  const DataType type = parse_data_type("Array(Nullable(UInt8))").value();
  Column column(type);
  column.child(0).append_fixed(uint8_t{7});
  column.child(0).append_null();
  column.append_array();
  column.append_array();
  column.child(0).append_fixed(uint8_t{9});
  column.append_array();
  EXPECT_EQ(bytes_of(column), uint64_bytes({2, 2, 3}) + "\0\1\0\7\0\t"s);
}

TEST(Column, WritesMapsAsOffsetsKeysValues) {
  const DataType type = parse_data_type("Map(String, UInt8)").value();
  Column column(type);
  column.child(0).append_string("k");
  column.child(1).append_fixed(uint8_t{5});
  column.child(0).append_string("l");
  column.child(1).append_fixed(uint8_t{6});
  column.append_array();
  EXPECT_EQ(bytes_of(column), uint64_bytes({2}) + "\1k\1l\5\6");
}

TEST(Column, WritesTuplesElementByElement) {
  const DataType type = parse_data_type("Tuple(a UInt8, b String, c Tuple())").value();
  Column column(type);
  for (const uint8_t number : {uint8_t{1}, uint8_t{2}}) {
    column.child(0).append_fixed(number);
    column.child(1).append_string("s");
    column.child(2).append_tuple();
    column.append_tuple();
  }
  EXPECT_EQ(bytes_of(column), "\1\2\1s\1s\0\0"s);
}

TEST(Column, DefaultsToNullZeroEmptyAndTheFirstEnumValue) {
  const DataType type = parse_data_type(
                            "Tuple(a UInt16, b String, c Array(String), d Nullable(UInt8), e "
                            "Enum8('x' = -2, 'y' = 0),"
                            " f Enum16('x' = 258), g FixedString(2), h Map(String, String))")
                            .value();
  Column column(type);
  column.append_default();
  EXPECT_EQ(bytes_of(column),
            "\0\0\0"s + uint64_bytes({0}) + "\1\0\xfe\2\1\0\0"s + uint64_bytes({0}));
}

TEST(Column, ZeroIsTheEnumValueZeroWhereThereIsOne) {
  const DataType type =
      parse_data_type("Tuple(Enum8('x' = -2, 'y' = 0), Enum16('x' = 258), Nullable(UInt8))")
          .value();
  Column column(type);
  column.append_zero();
  EXPECT_EQ(bytes_of(column), "\0\2\1\1\0"s);
}

class NestedColumn : public testing::TestWithParam<std::string> {};

TEST_P(NestedColumn, RollsBackToItsMarkFromAnyPointOfAValue) {
  const DataType type = parse_data_type(GetParam()).value();
  for (int nodes = 0; nodes < 30; ++nodes) {
    Column column(type);
    Filler filler(1);
    for (int row = 0; row < 5; ++row) ASSERT_TRUE(filler.fill(column));
    column.mark();
    const std::string before = bytes_of(column);
    Filler breaking(static_cast<uint64_t>(nodes), nodes);
    while (breaking.fill(column)) {
    }
    column.rollback();
    ASSERT_EQ(bytes_of(column), before) << nodes;
    ASSERT_EQ(column.rows(), 5u);
    ASSERT_EQ(column.bytes(), before.size());
    Column clean(type);
    Filler again(1);
    for (int row = 0; row < 5; ++row) ASSERT_TRUE(again.fill(clean));
    Filler more(99);
    Filler same(99);
    for (int row = 0; row < 5; ++row) {
      ASSERT_TRUE(more.fill(column));
      ASSERT_TRUE(same.fill(clean));
    }
    ASSERT_EQ(bytes_of(column), bytes_of(clean));
  }
}

TEST_P(NestedColumn, TakesRowsOfAnotherAsIfBuiltFromThem) {
  const DataType type = parse_data_type(GetParam()).value();
  constexpr uint64_t rows = 24;
  Column whole(type);
  for (uint64_t row = 0; row < rows; ++row) Filler(row).fill(whole);
  for (uint64_t first = 0; first <= rows; ++first) {
    for (uint64_t next = first; next <= rows; ++next) {
      Column rebuilt(type);
      for (uint64_t row = 0; row < first / 2; ++row) Filler(row).fill(rebuilt);
      for (uint64_t row = first; row < next; ++row) Filler(row).fill(rebuilt);
      Column part(type);
      part.append_rows(whole, 0, first / 2);
      part.append_rows(whole, first, next - first);
      ASSERT_EQ(part.rows(), first / 2 + next - first);
      ASSERT_EQ(bytes_of(part), bytes_of(rebuilt)) << first << " " << next;
      Filler(100).fill(part);
      part.rollback();
      ASSERT_EQ(bytes_of(part), bytes_of(rebuilt)) << "rollback must stop where the rows end";
    }
  }
}

TEST_P(NestedColumn, StartsAnewAfterClearAndKeepsItsMemory) {
  const DataType type = parse_data_type(GetParam()).value();
  Column column(type);
  for (uint64_t row = 0; row < 100; ++row) Filler(row).fill(column);
  const uint64_t memory = column.memory();
  column.clear();
  EXPECT_EQ(column.rows(), 0u);
  EXPECT_EQ(column.bytes(), 0u);
  EXPECT_EQ(column.memory(), memory);
  column.rollback();
  EXPECT_EQ(column.bytes(), 0u);
  Column fresh(type);
  Filler(5).fill(column);
  Filler(5).fill(fresh);
  EXPECT_EQ(bytes_of(column), bytes_of(fresh));
}

INSTANTIATE_TEST_SUITE_P(All, NestedColumn, testing::ValuesIn(nested_types));

TEST(ColumnDeathTest, NoticesAMapWithoutAValueAndATupleWithoutAnElement) {
  const DataType map = parse_data_type("Map(String, UInt8)").value();
  Column broken_map(map);
  broken_map.child(0).append_string("k");
  EXPECT_DEATH(broken_map.append_array(), "column.cpp");
  const DataType tuple = parse_data_type("Tuple(UInt8, UInt8)").value();
  Column broken_tuple(tuple);
  broken_tuple.child(0).append_fixed(uint8_t{1});
  EXPECT_DEATH(broken_tuple.append_tuple(), "column.cpp");
}

TEST(ColumnDeathTest, NoticesElementsThatBelongToNoArray) {
  const DataType type = parse_data_type("Array(UInt8)").value();
  Column column(type);
  column.child(0).append_fixed(uint8_t{1});
  EXPECT_DEATH(column.mark(), "column.cpp");
}

}  // namespace
}  // namespace sluice
