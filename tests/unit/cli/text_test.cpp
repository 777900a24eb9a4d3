// SPDX-License-Identifier: Apache-2.0
#include "cli/text.hpp"

#include <gtest/gtest.h>

#include "cli/suggest.hpp"

namespace sluice::cli {
namespace {

TEST(Escaping, ControlCharactersCannotReachATerminalOrALog) {
  EXPECT_EQ(escape_control("a\x1b[31mb\nc\td\x7f"), "a\\x1b[31mb\\nc\\td\\x7f");
  EXPECT_EQ(escape_control("\xc2\x9b"
                           "31m"),
            "\\xc2\\x9b31m")
      << "C1 control, eight-bit CSI";
  EXPECT_EQ(escape_control("grün €"), "grün €");
  EXPECT_EQ(escape_control("\xff\xc3"), "\\xff\\xc3") << "not UTF-8";
  EXPECT_EQ(escape_control_lines("a\nb\r"), "a\nb\\r");
}

TEST(Escaping, LongTextIsCut) {
  EXPECT_EQ(escape_control("abcdef", 3), "abc…");
  EXPECT_EQ(escape_control("abc", 3), "abc");
}

TEST(Utf8, SurrogatesOverlongFormsAndCutSequencesAreInvalid) {
  EXPECT_TRUE(is_utf8("grün 🚀"));
  for (const char* bytes : {"\xed\xa0\x80", "\xc0\xaf", "\xe2\x82", "\xf5\x80\x80\x80", "\x80"}) {
    EXPECT_FALSE(is_utf8(bytes));
    EXPECT_TRUE(is_utf8(valid_utf8(bytes)));
  }
}

TEST(Base64, PadsAsTheStandardSays) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64(std::string("\x00\xff\x10", 3)), "AP8Q");
}

TEST(Numbers, AreWrittenForPeople) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(12'914'002), "12,914,002");
  EXPECT_EQ(short_count(12'914'002), "12.9M");
  EXPECT_EQ(short_count(8'310'000), "8.31M");
  EXPECT_EQ(short_count(412'022), "412k");
  EXPECT_EQ(short_count(12'100), "12.1k");
  EXPECT_EQ(short_count(999.6), "1.00k");
  EXPECT_EQ(short_bytes(5'600'120'034), "5.6 GB");
  EXPECT_EQ(short_bytes(312'000'000), "312 MB");
  EXPECT_EQ(short_bytes(17), "17 B");
  EXPECT_EQ(short_duration(Milliseconds(0)), "0.0s");
  EXPECT_EQ(short_duration(Milliseconds(1)), "1ms");
  EXPECT_EQ(short_duration(Milliseconds(100)), "0.1s");
  EXPECT_EQ(short_duration(Milliseconds(31'400)), "31.4s");
  EXPECT_EQ(short_duration(Milliseconds(99'000)), "1m 39s");
  EXPECT_EQ(counted(1, "record"), "1 record");
  EXPECT_EQ(counted(2'000, "record"), "2,000 records");
}

TEST(Times, AreWrittenInUtc) {
  const WallTime time{Milliseconds(1'795'226'404'112)};
  EXPECT_EQ(utc_milliseconds(time), "2026-11-21T02:00:04.112Z");
  EXPECT_EQ(utc_seconds(time), "2026-11-21T02:00:04Z");
  EXPECT_EQ(utc_words(time), "2026-11-21 02:00:04 UTC");
}

TEST(Suggestions, NameTheNearestWordThatCanBeMeant) {
  const std::vector<std::string> known{"sync", "batch", "brokers", "orders"};
  EXPECT_EQ(nearest("snyc", known), "sync") << "letters swapped";
  EXPECT_EQ(nearest("batchs", known), "batch") << "one too many";
  EXPECT_EQ(nearest("brokes", known), "brokers") << "one missing";
  EXPECT_EQ(nearest("ORDERS", known), "orders");
  EXPECT_EQ(nearest("unrelated", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(did_you_mean("batchs", known), "did you mean 'batch'?");
  EXPECT_EQ(did_you_mean("zzzzzz", known), "");
}

}  // namespace
}  // namespace sluice::cli
