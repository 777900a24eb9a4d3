// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/decode/decoding.hpp"

namespace sluice::test {
namespace {

TEST(RawTable, KeepsTheOneStringWithoutADefault) {
  const auto table = raw_table(table_of({column("at", "DateTime", "now()"), column("n", "UInt8"),
                                         column("v", "LowCardinality(Nullable(String))"),
                                         column("note", "String", "'x'"), column("d", "Dynamic")}));
  ASSERT_TRUE(table.ok());
  ASSERT_EQ(table->columns.size(), 1u);
  EXPECT_EQ(table->columns[0].name, "v");
  EXPECT_EQ(BlockSchema(*table).format(), InsertFormat::native);
}

TEST(RawTable, SaysWhichColumnsThereAreToChooseFrom) {
  const auto two = raw_table(table_of({column("a", "String"), column("b", "Nullable(String)")}));
  ASSERT_FALSE(two.ok());
  EXPECT_EQ(two.error().code, Errc::config);
  EXPECT_NE(two.error().message.find("t.t has a, b"), std::string::npos) << two.error().message;
  const auto none = raw_table(table_of({column("a", "UInt8"), column("f", "FixedString(3)")}));
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("t.t has none"), std::string::npos) << none.error().message;
}

TEST(RawDecoder, KeepsEveryByte) {
  const BlockSchema schema(raw_table(table_of({column("v", "String")})).value());
  const auto decoder = make_raw_decoder();
  Block block(schema);
  for (const std::string_view value : {std::string_view("\0\xff\n\"{", 5), std::string_view("")}) {
    ASSERT_TRUE(decoder->decode(value, block));
    block.end_row({static_cast<int64_t>(block.rows())});
  }
  EXPECT_EQ(bytes_of(block.column(0)), std::string("\5\0\xff\n\"{\0", 7));
}

}  // namespace
}  // namespace sluice::test
