// SPDX-License-Identifier: Apache-2.0
#include "core/model/quote.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Quote, ReadsBackEveryByteItWrote) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const char quote : {'\'', '`', '"'}) {
    const std::string text = in_quotes(all, quote) + "rest";
    size_t position = 0;
    std::string value;
    ASSERT_TRUE(read_quoted(text, position, value));
    EXPECT_EQ(value, all);
    EXPECT_EQ(text.substr(position), "rest");
  }
}

TEST(Quote, ReadsTheEscapesOfClickHouse) {
  const std::string text = R"('\a\e\v\x4A\x4g\/\"\-\N''x')";
  size_t position = 0;
  std::string value;
  ASSERT_TRUE(read_quoted(text, position, value));
  EXPECT_EQ(value, "\a\x1b\vJ\\x4g/\"\\-'x");
}

TEST(Quote, NoticesAMissingEnd) {
  for (const std::string text : {"'", "'abc", "'abc\\'", "'abc\\", "'\\x", "'\\x4", "''' "}) {
    size_t position = 0;
    std::string value;
    EXPECT_FALSE(read_quoted(text, position, value)) << text;
    EXPECT_LE(position, text.size());
  }
}

}  // namespace
}  // namespace sluice
