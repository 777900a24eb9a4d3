// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/text.hpp"

#include <gtest/gtest.h>

namespace sluice::kafka {
namespace {

TEST(EscapeText, WritesControlCharactersSoThatATerminalIsNotSteered) {
  EXPECT_EQ(escape_text("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(escape_text(std::string_view("a\0b\x7f", 4)), "a\\x00b\\x7f");
}

TEST(EscapeText, KeepsOneLineOneLine) { EXPECT_EQ(escape_text("a\r\nb\tc"), "a  b c"); }

TEST(EscapeText, KeepsLettersOfEveryLanguage) { EXPECT_EQ(escape_text("größe"), "größe"); }

TEST(EscapeText, CutsWhatIsTooLong) { EXPECT_EQ(escape_text("abcdef", 3), "abc…"); }

TEST(NearestNames, FindsTypingErrorsBestFirst) {
  const std::vector<std::string> names = {"orders", "order-lines", "border", "users", "orders"};
  EXPECT_EQ(nearest_names("order", names), (std::vector<std::string>{"border", "orders"}));
  EXPECT_EQ(nearest_names("ORDRES", names), (std::vector<std::string>{"orders"}));
}

TEST(NearestNames, SuggestsNothingForSomethingElse) {
  EXPECT_TRUE(nearest_names("payments", {"orders", "users"}).empty());
  EXPECT_TRUE(nearest_names("", {"orders"}).empty());
}

TEST(NearestNames, IsNotSlowedDownByAVeryLongName) {
  EXPECT_TRUE(
      nearest_names(std::string(1'000'000, 'x'), {"orders", std::string(1'000'000, 'x')}).empty());
}

TEST(DidYouMean, ReadsLikeASentence) {
  EXPECT_EQ(did_you_mean({}), "");
  EXPECT_EQ(did_you_mean({"a"}), "did you mean a?");
  EXPECT_EQ(did_you_mean({"a", "b"}), "did you mean a or b?");
  EXPECT_EQ(did_you_mean({"a", "b", "c"}), "did you mean a, b or c?");
}

TEST(SplitList, TakesBlanksAndEmptyPartsAway) {
  EXPECT_EQ(split_list(" a:1, b:2 ,,c "), (std::vector<std::string>{"a:1", "b:2", "c"}));
  EXPECT_TRUE(split_list(" , ").empty());
}

TEST(InWords, UsesTheUnitAPersonWould) {
  EXPECT_EQ(in_words(200), "200 ms");
  EXPECT_EQ(in_words(1500), "1.5 s");
  EXPECT_EQ(in_words(30'000), "30 s");
  EXPECT_EQ(in_words(17'003), "17 s");
}

}  // namespace
}  // namespace sluice::kafka
