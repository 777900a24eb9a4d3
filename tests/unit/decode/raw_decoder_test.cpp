// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/decode/decoding.hpp"

namespace sluice::test {
namespace {

TEST(RawTable, KeepsTheOneStringWithoutADefault) {
  const auto table =
      filled_table(table_of({column("at", "DateTime", "now()"), column("n", "UInt8"),
                             column("v", "LowCardinality(Nullable(String))"),
                             column("note", "String", "'x'"), column("d", "Dynamic")}),
                   {}, RecordFormat::raw);
  ASSERT_TRUE(table.ok());
  ASSERT_EQ(table->columns.size(), 1u);
  EXPECT_EQ(table->columns[0].name, "v");
  EXPECT_EQ(BlockSchema(*table).format(), InsertFormat::native);
}

TEST(RawTable, SaysWhichColumnsThereAreToChooseFrom) {
  const auto two = filled_table(table_of({column("a", "String"), column("b", "Nullable(String)")}),
                                {}, RecordFormat::raw);
  ASSERT_FALSE(two.ok());
  EXPECT_EQ(two.error().code, Errc::config);
  EXPECT_NE(two.error().message.find("t.t has a, b"), std::string::npos) << two.error().message;
  const auto none = filled_table(table_of({column("a", "UInt8"), column("f", "FixedString(3)")}),
                                 {}, RecordFormat::raw);
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("t.t has none"), std::string::npos) << none.error().message;
}

TEST(RawDecoder, KeepsEveryByte) {
  const BlockSchema schema(table_of({column("v", "String")}));
  const auto layout = lay_out(schema.table(), {}, RecordFormat::raw).value();
  const auto decoder = make_raw_decoder(schema, layout, "events");
  Block block(schema);
  for (const std::string_view value : {std::string_view("\0\xff\n\"{", 5), std::string_view("")}) {
    ASSERT_TRUE(decoder->decode(value, block));
    block.end_row({static_cast<int64_t>(block.rows())});
  }
  EXPECT_EQ(bytes_of(block.column(0)), std::string("\5\0\xff\n\"{\0", 7));
}

TEST(RawDecoder, FillsColumnsOfKafkaBesideTheValue) {
  const ColumnOptions options{.rules = {{"body", {.kind = ColumnSource::Kind::value}, ""}}};
  const Table whole =
      table_of({column("note", "String"), column("body", "String"), column("_offset", "UInt64")});
  const auto table = filled_table(whole, options, RecordFormat::raw);
  ASSERT_TRUE(table.ok());
  ASSERT_EQ(table->columns.size(), 2u);
  const BlockSchema schema(*table);
  const auto layout = lay_out(*table, options, RecordFormat::raw).value();
  const auto decoder = make_raw_decoder(schema, layout, "events");
  Block block(schema);
  Record record;
  record.offset = Offset{7};
  record.value = "x";
  ASSERT_TRUE(decoder->decode(record, block));
  block.end_row(record.offset);
  EXPECT_EQ(bytes_of(block.column(0)), "\1x");
  EXPECT_EQ(bytes_of(block.column(1)), bytes_of(uint64_t{7}));
}

}  // namespace
}  // namespace sluice::test
