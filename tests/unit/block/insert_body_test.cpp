// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/block/fill.hpp"

namespace sluice {
namespace {

using namespace std::string_literals;
using test::body_of;
using test::make_column;
using test::make_table;

/// A table (a UInt8, b UInt8 DEFAULT a + 1, c UInt8 DEFAULT 3).
class InsertBodyTest : public testing::Test {
 protected:
  /// '.' in `values` is a missing value, a digit itself.
  Block block_of(const std::vector<std::string>& rows) {
    Block block(schema_);
    for (const std::string& values : rows) {
      for (size_t index = 0; index < values.size(); ++index) {
        if (values[index] != '.') block.column(index).append_fixed(values[index]);
      }
      block.end_row(Offset{static_cast<int64_t>(block.rows())});
    }
    return block;
  }

  std::string columns() const {
    std::string text;
    for (const InsertColumn& column : insert_.columns) {
      text += column.name + " " + column.type + (column.flagged ? " flagged " : "") +
              column.default_expression + ";";
    }
    return text;
  }

  const BlockSchema schema_{
      make_table({make_column("a", "LowCardinality(UInt8)"), make_column("b", "UInt8", "a + 1"),
                  make_column("c", "UInt8", "3")})};
  Insert insert_;
};

TEST_F(InsertBodyTest, NamesColumnsAsTheTableDoesWhenEveryRowHasEveryValue) {
  const Block block = block_of({"123", "456"});
  EXPECT_EQ(body_of({&block}, insert_),
            "\3\2\1a\5UInt8"s + "14" + "\1b\5UInt8" + "25" + "\1c\5UInt8" + "36");
  EXPECT_EQ(columns(), "a UInt8;b UInt8;c UInt8;");
  EXPECT_EQ(insert_.format, InsertFormat::native);
  EXPECT_EQ(insert_.rows, 2u);
  EXPECT_EQ(insert_.bytes, 32u);
}

TEST_F(InsertBodyTest, LeavesOutAColumnThatNoRowHas) {
  const Block block = block_of({"1.3", "4.6"});
  EXPECT_EQ(body_of({&block}, insert_), "\2\2\1a\5UInt8"s + "14" + "\1c\5UInt8"s + "36");
  EXPECT_EQ(columns(), "a UInt8;c UInt8;");
}

TEST_F(InsertBodyTest, FlagsAColumnThatSomeRowsLackAndNumbersAllNames) {
  const Block block = block_of({"1.3", "4.6", "7.."});
  EXPECT_EQ(body_of({&block}, insert_),
            "\3\3\2v0\5UInt8"s + "147" + "\2v1\5UInt8"s + "36\0"s + "\2m1\5UInt8"s + "\0\0\1"s);
  EXPECT_EQ(columns(), "a UInt8;c UInt8 flagged 3;");
}

TEST_F(InsertBodyTest, FlagsTheRowsBehindTheLastMissingValueToo) {
  const Block block = block_of({"123", "4.6", "789"});
  EXPECT_EQ(body_of({&block}, insert_), "\4\3\2v0\5UInt8"s + "147" + "\2v1\5UInt8"s + "2\0008"s +
                                            "\2m1\5UInt8"s + "\0\1\0"s + "\2v2\5UInt8"s + "369");
}

TEST_F(InsertBodyTest, DecidesAboutAllBlocksTogether) {
  const Block first = block_of({"1.3"});
  const Block second = block_of({"45.", "78."});
  const Block empty = block_of({});
  EXPECT_EQ(body_of({&first, &empty, &second}, insert_),
            "\5\1\2v0\5UInt8"s + "1" + "\2v1\5UInt8"s + "\0"s + "\2m1\5UInt8"s + "\1" +
                "\2v2\5UInt8"s + "3" + "\2m2\5UInt8"s + "\0"s +  //
                "\5\2\2v0\5UInt8"s + "47" + "\2v1\5UInt8"s + "58" + "\2m1\5UInt8"s + "\0\0"s +
                "\2v2\5UInt8"s + "\0\0"s + "\2m2\5UInt8"s + "\1\1"s);
  EXPECT_EQ(columns(), "a UInt8;b UInt8 flagged a + 1;c UInt8 flagged 3;");
  EXPECT_EQ(insert_.rows, 3u);
}

TEST_F(InsertBodyTest, LeavesOutWhatIsMissingInEveryBlock) {
  const Block first = block_of({"1.3"});
  const Block second = block_of({"4.6"});
  body_of({&first, &second}, insert_);
  EXPECT_EQ(columns(), "a UInt8;c UInt8;");
}

TEST_F(InsertBodyTest, KeepsOneColumnWhenNoRowHasAnything) {
  const BlockSchema schema(
      make_table({make_column("a", "UInt8", "1"), make_column("b", "UInt8", "2")}));
  Block block(schema);
  block.end_row(Offset{0});
  block.end_row(Offset{1});
  EXPECT_EQ(body_of({&block}, insert_), "\2\2\2v0\5UInt8\0\0\2m0\5UInt8\1\1"s);
  EXPECT_EQ(columns(), "a UInt8 flagged 1;");
}

TEST_F(InsertBodyTest, FlagsManyRowsFromFewStoredFlags) {
  Block block(schema_);
  constexpr uint64_t rows = 20'000;
  for (uint64_t row = 0; row < rows; ++row) {
    block.column(0).append_fixed('1');
    if (row != 2) block.column(1).append_fixed('2');
    block.column(2).append_fixed('3');
    block.end_row(Offset{static_cast<int64_t>(row)});
  }
  const std::string body = body_of({&block}, insert_);
  const size_t flags = body.find("\2m1\5UInt8") + 9;
  EXPECT_EQ(body.substr(flags, rows), "\0\0\1"s + std::string(rows - 3, '\0'));
  EXPECT_EQ(body.substr(flags + rows, 9), "\2v2\5UInt8");
  EXPECT_EQ(insert_.bytes, body.size());
}

TEST_F(InsertBodyTest, CopiesNoValues) {
  const Block block = block_of({"123"});
  const InsertBody body({&block}, insert_);
  std::vector<std::string_view> column;
  block.column(1).add_pieces(column);
  const auto is_same = [&](std::string_view piece) { return piece.data() == column[0].data(); };
  EXPECT_EQ(std::count_if(insert_.pieces.begin(), insert_.pieces.end(), is_same), 1);
}

TEST_F(InsertBodyTest, StaysValidWhenMoved) {
  const Block block = block_of({"123", "4.6"});
  const std::string expected = body_of(block);
  InsertBody body({&block}, insert_);
  const InsertBody moved(std::move(body));
  std::string bytes;
  for (const std::string_view piece : insert_.pieces) bytes += piece;
  EXPECT_EQ(bytes, expected);
}

TEST_F(InsertBodyTest, JoinsTheTextOfBlocks) {
  const BlockSchema schema(make_table({make_column("a", "JSON", "'{}'")}));
  Block first(schema);
  Block second(schema);
  const Block empty(schema);
  first.append_line("{}");
  first.end_row(Offset{0});
  second.append_line("{\"a\":1}");
  second.end_row(Offset{0});
  EXPECT_EQ(body_of({&first, &empty, &second}, insert_), "{}\n{\"a\":1}\n");
  EXPECT_EQ(insert_.format, InsertFormat::json_each_row);
  EXPECT_TRUE(insert_.columns.empty());
  EXPECT_EQ(insert_.rows, 2u);
  EXPECT_EQ(insert_.bytes, 11u);
}

}  // namespace
}  // namespace sluice
