// SPDX-License-Identifier: Apache-2.0
#include "core/block/block.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/block/fill.hpp"

namespace sluice {
namespace {

using namespace std::string_literals;
using test::body_of;
using test::Filler;
using test::make_column;
using test::make_table;

std::vector<TableColumn> every_type() {
  std::vector<TableColumn> columns;
  for (size_t i = 0; i < test::nested_types.size(); ++i) {
    columns.push_back(
        make_column("c" + std::to_string(i), test::nested_types[i], i % 3 == 1 ? "f()" : ""));
  }
  return columns;
}

void add_row(Block& block, uint64_t row, Offset offset) {
  ASSERT_TRUE(Filler(row).fill_row(block));
  block.end_row(offset);
}

TEST(BlockSchema, LeavesOutWhatNoRecordMayFill) {
  std::vector<TableColumn> columns = {make_column("a", "UInt8"), make_column("b", "UInt8", "a + 1"),
                                      make_column("c", "UInt8"), make_column("d", "Dynamic"),
                                      make_column("e", "UInt8")};
  columns[2].default_kind = DefaultKind::materialized;
  columns[3].default_kind = DefaultKind::alias;
  columns[4].default_kind = DefaultKind::ephemeral;
  const BlockSchema schema(make_table(columns));
  EXPECT_EQ(schema.format(), InsertFormat::native);
  ASSERT_EQ(schema.columns().size(), 2u);
  EXPECT_FALSE(schema.has_default(0));
  EXPECT_TRUE(schema.has_default(1));
}

TEST(BlockSchema, SendsTextWhenAColumnCannotBeEncodedOrThereIsNone) {
  const BlockSchema json(
      make_table({make_column("a", "UInt8"), make_column("b", "Array(Dynamic)")}));
  EXPECT_EQ(json.format(), InsertFormat::json_each_row);
  std::vector<TableColumn> columns = {make_column("a", "UInt8")};
  columns[0].default_kind = DefaultKind::materialized;
  EXPECT_EQ(BlockSchema(make_table(columns)).format(), InsertFormat::json_each_row);
}

TEST(Block, FillsColumnsThatGotNothingWithTheirDefault) {
  const BlockSchema schema(make_table({make_column("a", "UInt8"), make_column("b", "String"),
                                       make_column("c", "Nullable(UInt8)")}));
  Block block(schema);
  block.column(0).append_fixed(uint8_t{7});
  block.end_row(Offset{0});
  EXPECT_EQ(body_of(block), "\3\1\1a\5UInt8\7\1b\6String\0\1c\17Nullable(UInt8)\1\0"s);
}

TEST(Block, RemembersOffsetsAcrossGaps) {
  const BlockSchema schema(make_table({make_column("a", "UInt8")}));
  Block block(schema);
  const std::vector<int64_t> offsets = {5, 6, 7, 10, 12, 13, 14, 1'000'000'000'000};
  for (const int64_t offset : offsets) block.end_row(Offset{offset});
  for (size_t row = 0; row < offsets.size(); ++row) {
    EXPECT_EQ(block.offset_of(row), Offset{offsets[row]});
  }
  const Block slice = block.slice(2, 4);
  for (size_t row = 0; row < 4; ++row) EXPECT_EQ(slice.offset_of(row), Offset{offsets[row + 2]});
  block.clear();
  block.end_row(Offset{1'000'000'000'001});
  EXPECT_EQ(block.offset_of(0), Offset{1'000'000'000'001});
}

TEST(Block, RollsBackAnUnfinishedRowFromAnyPoint) {
  const BlockSchema schema(make_table(every_type()));
  Block clean(schema);
  for (uint64_t row = 0; row < 6; ++row) add_row(clean, row, Offset{static_cast<int64_t>(row)});
  for (int nodes = 0; nodes < 60; ++nodes) {
    Block block(schema);
    for (uint64_t row = 0; row < 6; ++row) {
      const uint64_t bytes = block.bytes();
      Filler(row + 50, nodes).fill_row(block);
      block.rollback_row();
      ASSERT_EQ(block.bytes(), bytes);
      add_row(block, row, Offset{static_cast<int64_t>(row)});
    }
    block.rollback_row();
    ASSERT_EQ(block.rows(), 6u);
    ASSERT_EQ(body_of(block), body_of(clean)) << nodes;
  }
}

TEST(Block, SlicesToWhatItWouldBeBuiltFromThoseRows) {
  const BlockSchema schema(make_table(every_type()));
  constexpr uint64_t rows = 17;
  Block whole(schema);
  for (uint64_t row = 0; row < rows; ++row) add_row(whole, row, Offset{static_cast<int64_t>(row)});
  for (uint64_t first = 0; first < rows; ++first) {
    for (uint64_t next = first + 1; next <= rows; ++next) {
      Block rebuilt(schema);
      for (uint64_t row = first; row < next; ++row) {
        add_row(rebuilt, row, Offset{static_cast<int64_t>(row)});
      }
      Block slice = whole.slice(first, next - first);
      ASSERT_EQ(slice.bytes(), rebuilt.bytes());
      ASSERT_EQ(body_of(slice), body_of(rebuilt)) << first << " " << next;
      add_row(slice, 40, Offset{40});
      add_row(rebuilt, 40, Offset{40});
      ASSERT_EQ(body_of(slice), body_of(rebuilt));
    }
  }
}

TEST(Block, WithoutARowIsWhatItWouldBeBuiltFromTheOthers) {
  const BlockSchema schema(make_table(every_type()));
  constexpr uint64_t rows = 17;
  Block whole(schema);
  for (uint64_t row = 0; row < rows; ++row) add_row(whole, row, Offset{static_cast<int64_t>(row)});
  for (uint64_t gone = 0; gone < rows; ++gone) {
    Block rebuilt(schema);
    for (uint64_t row = 0; row < rows; ++row) {
      if (row != gone) add_row(rebuilt, row, Offset{static_cast<int64_t>(row)});
    }
    Block rest = whole.slice(0, gone);
    rest.append_rows(whole, gone + 1, rows - gone - 1);
    ASSERT_EQ(rest.bytes(), rebuilt.bytes());
    ASSERT_EQ(body_of(rest), body_of(rebuilt)) << gone;
    for (uint64_t row = 0; row + 1 < rows; ++row) {
      ASSERT_EQ(rest.offset_of(row), rebuilt.offset_of(row));
    }
  }
}

TEST(Block, StartsAnewAfterClearAndKeepsItsMemory) {
  const BlockSchema schema(make_table(every_type()));
  Block block(schema);
  Block fresh(schema);
  for (uint64_t row = 0; row < 50; ++row) add_row(block, row, Offset{static_cast<int64_t>(row)});
  const uint64_t memory = block.memory();
  EXPECT_GT(memory, block.bytes());
  block.clear();
  EXPECT_EQ(block.rows(), 0u);
  EXPECT_EQ(block.bytes(), 0u);
  EXPECT_EQ(block.memory(), memory);
  add_row(block, 3, Offset{3});
  add_row(fresh, 3, Offset{3});
  EXPECT_EQ(body_of(block), body_of(fresh));
}

TEST(Block, CountsTheBytesOfItsBody) {
  const BlockSchema schema(
      make_table({make_column("a", "UInt8", "1"), make_column("b", "String")}));
  Block block(schema);
  for (int row = 0; row < 10; ++row) {
    if (row == 3) {
      block.append_missing(0);
    } else {
      block.column(0).append_fixed(uint8_t{1});
    }
    block.column(1).append_string("xy");
    block.end_row(Offset{row});
  }
  EXPECT_EQ(block.bytes(), 10u + 10u + 30u);
  const std::string headers = "\3\12\2v0\5UInt8\2m0\5UInt8\2v1\6String";
  EXPECT_EQ(body_of(block).size(), headers.size() + block.bytes());
}

TEST(Block, KeepsTheTextOfRowsWhereNativeCannotSayThem) {
  const BlockSchema schema(make_table({make_column("a", "Dynamic")}));
  Block block(schema);
  block.append_line("{\"a\":1}");
  block.end_row(Offset{4});
  block.append_line("{\"a\":");
  block.rollback_row();
  block.append_line("{}");
  block.end_row(Offset{9});
  block.append_line("{\"a\":\n2}");
  block.end_row(Offset{10});
  EXPECT_EQ(body_of(block), "{\"a\":1}\n{}\n{\"a\":\n2}\n");
  EXPECT_EQ(block.bytes(), 20u);
  EXPECT_EQ(body_of(block.slice(1, 2)), "{}\n{\"a\":\n2}\n");
  EXPECT_EQ(body_of(block.slice(0, 1)), "{\"a\":1}\n");
  EXPECT_EQ(block.slice(1, 2).offset_of(1), Offset{10});
  EXPECT_EQ(block.slice(1, 0).rows(), 0u);
  block.clear();
  block.append_line("[]");
  block.rollback_row();
  EXPECT_EQ(block.bytes(), 0u);
}

TEST(BlockDeathTest, NoticesARowWithTwoValuesInAColumn) {
  const BlockSchema schema(make_table({make_column("a", "UInt8")}));
  Block block(schema);
  block.column(0).append_fixed(uint8_t{1});
  block.column(0).append_fixed(uint8_t{2});
  EXPECT_DEATH(block.end_row(Offset{0}), "block.cpp");
}

TEST(BlockDeathTest, NoticesATextRowWithoutText) {
  const BlockSchema schema(make_table({make_column("a", "Dynamic")}));
  Block block(schema);
  EXPECT_DEATH(block.end_row(Offset{0}), "block.cpp");
}

}  // namespace
}  // namespace sluice
