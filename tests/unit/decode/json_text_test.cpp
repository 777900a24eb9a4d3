// SPDX-License-Identifier: Apache-2.0
#include "core/decode/json_text.hpp"

#include <gtest/gtest.h>

#include "core/decode/fast_numbers.hpp"
#include "core/decode/name_index.hpp"
#include "core/decode/wide.hpp"

namespace sluice {
namespace {

std::string padded(std::string_view text) {
  return std::string(text) + std::string(text_padding, '\0');
}

TEST(JsonText, ReadsScalarsAndStopsBehindThem) {
  for (const char* text : {"0", "-0", "12", "-1.5", "1e5", "1E+5", "0.0e-0", "true", "false",
                           "null", "\"\"", "\"a\"", "\"a\\\"b\""}) {
    const std::string buffer = padded(std::string(text) + ",");
    const char* position = buffer.data();
    Scalar scalar;
    ASSERT_TRUE(read_scalar(position, scalar)) << text;
    EXPECT_EQ(*position, ',') << text;
  }
}

TEST(JsonText, RefusesWhatIsNoScalar) {
  for (const char* text :
       {"",     "-",  "+1",  ".5",   "1.",     "1.e5",      "1e",  "1e+", "tru", "nul", "fals",
        "True", "\"", "\"a", "\"\\", "\"\\\"", "\"a\x1F\"", "nan", "[",   "{",   "'a'"}) {
    const std::string buffer = padded(text);
    const char* position = buffer.data();
    Scalar scalar;
    EXPECT_FALSE(read_scalar(position, scalar)) << text;
  }
  const std::string buffer = padded("012");
  const char* position = buffer.data();
  Scalar scalar;
  ASSERT_TRUE(read_scalar(position, scalar));
  EXPECT_EQ(scalar.text, "0");  // and what follows cannot follow a value
}

TEST(JsonText, FindsTheEndOfStringsAtEveryLength) {
  for (size_t size = 0; size < 70; ++size) {
    for (const std::string_view end : {"\"", "\\n\"", "\\\\\"", "\\\"\""}) {
      const std::string text = std::string(size, 'x') + std::string(end);
      const std::string buffer = padded("\"" + text + "tail\"");
      const char* position = buffer.data();
      Scalar scalar;
      ASSERT_TRUE(read_string(position, scalar));
      EXPECT_EQ(scalar.text, text.substr(0, text.size() - 1));
      EXPECT_EQ(scalar.escaped, end.size() > 1);
    }
  }
}

TEST(JsonText, UnescapesToUtf8) {
  const std::pair<const char*, std::string_view> cases[] = {
      {"", ""},
      {R"(\"\\\/\b\f\n\r\t)", "\"\\/\b\f\n\r\t"},
      {R"(\u007f\u0080\u07FF\u0800\uFFFF)", "\x7F\u0080\u07FF\u0800\uFFFF"},
      {R"(a\ud800\udc00b\uDBFF\uDFFF)", "a\U00010000b\U0010FFFF"}};
  for (const auto& [text, plain] : cases) {
    std::string out(std::strlen(text), '\0');
    size_t size = 0;
    ASSERT_EQ(unescape(text, out.data(), size), Fault::none) << text;
    EXPECT_EQ(out.substr(0, size), plain) << text;
    EXPECT_EQ(check_escapes(text), Fault::none) << text;
  }
  for (const char* text :
       {"\\", "\\x", "\\u", "\\u123", "\\u12G4", "\\ud800\\u", "\\ud800\\uZZZZ"}) {
    std::string out(std::strlen(text), '\0');
    size_t size = 0;
    EXPECT_EQ(unescape(text, out.data(), size), Fault::not_json) << text;
    EXPECT_EQ(check_escapes(text), Fault::not_json) << text;
  }
}

TEST(JsonText, FindsClosingBrackets) {
  const std::string buffer = padded(R"({"a":[1,"]}\"",{}],"b":"{"} ,)");
  const char* end = find_closing_bracket(buffer.data());
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end - buffer.data(), 26);
  EXPECT_EQ(find_closing_bracket(padded("{\"a\":[1}").c_str()), nullptr);
  EXPECT_EQ(find_closing_bracket(padded("[\"a]").c_str()), nullptr);
}

TEST(FastNumbers, ReadDigitsOfEveryCount) {
  std::string digits;
  for (size_t count = 0; count <= 25; ++count) {
    for (const char after : {',', '.', '/', ':', ' ', '\0', '\x80', '\xFF', 'e'}) {
      const std::string buffer = padded(digits + after + "99");
      const Digits eight = read_eight_digits(buffer.data());
      EXPECT_EQ(eight.count, std::min<size_t>(count, 8));
      if (eight.count != 0) {
        EXPECT_EQ(eight.value, std::stoull(digits.substr(0, 8)));
      }
      const Digits all = read_all_digits(buffer.data());
      EXPECT_EQ(all.count, count > 19 ? 0 : count);
      if (all.count != 0) {
        EXPECT_EQ(all.value, std::stoull(digits));
      }
    }
    digits += static_cast<char>('0' + (count * 7 + 9) % 10);
  }
}

TEST(NameIndex, FindsNamesAndNothingElse) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("column_number_" + std::to_string(i));
  names.insert(names.end(), {"", "a", "b", "ab", "ba", "a"});
  const NameIndex index(names);
  for (size_t i = 0; i < 1005; ++i) EXPECT_EQ(index.find(names[i]), i);
  EXPECT_EQ(index.find("a"), 1001u);  // the first of two
  for (const char* name : {"column_number_1000", "column_number_", "A", "aa", "Column_number_1"}) {
    EXPECT_EQ(index.find(name), NameIndex::none);
  }
  EXPECT_EQ(NameIndex().find(""), NameIndex::none);
}

TEST(Wide, CountsBits) {
  Wide value;
  ASSERT_TRUE(append_digits("18446744073709551616", value));
  EXPECT_FALSE(value.fits(64));
  EXPECT_TRUE(value.fits(65));
  EXPECT_TRUE(value.is_power_of_two(64));
  value.negate();
  value.negate();
  EXPECT_TRUE(value.is_power_of_two(64));
  Wide large;
  EXPECT_FALSE(append_digits(std::string(78, '9'), large));
}

}  // namespace
}  // namespace sluice
