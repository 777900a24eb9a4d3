// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/tsv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::clickhouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(TsvTest, ReadsRowsAndFields) {
  EXPECT_THAT(parse_tsv("a\tb\n\tc\n"), ElementsAre(TsvRow{"a", "b"}, TsvRow{"", "c"}));
  EXPECT_THAT(parse_tsv(""), IsEmpty());
  EXPECT_THAT(parse_tsv("\n"), ElementsAre(TsvRow{""}));
  EXPECT_THAT(parse_tsv("a\t"), ElementsAre(TsvRow{"a", ""}));
  EXPECT_THAT(parse_tsv("a"), ElementsAre(TsvRow{"a"}));
}

TEST(TsvTest, UndoesEscapes) {
  EXPECT_THAT(parse_tsv(R"(a\tb\nc\\d\'e\r\b\f)"
                        "\n"),
              ElementsAre(TsvRow{"a\tb\nc\\d'e\r\b\f"}));
  EXPECT_THAT(parse_tsv("\\0\n"), ElementsAre(TsvRow{std::string(1, '\0')}));
  EXPECT_THAT(parse_tsv("\\N\n"), ElementsAre(TsvRow{"\\N"}));
  EXPECT_THAT(parse_tsv("end\\"), ElementsAre(TsvRow{"end\\"}));
}

}  // namespace
}  // namespace sluice::clickhouse
