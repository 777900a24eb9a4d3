// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PrintableTest, KeepsTextAndEscapesWhatATerminalObeys) {
  EXPECT_EQ(printable("plain ünïcödé 日本 😀"), "plain ünïcödé 日本 😀");
  EXPECT_EQ(printable("a\nb\r\tc"), "a b  c");
  EXPECT_EQ(printable("a\r\nb\tc"), "a  b c");
  EXPECT_EQ(printable("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(printable(std::string_view("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b") << "C1: CSI in one character";
}

TEST(PrintableTest, EscapesBrokenUtf8) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("\xc3"), "\\xc3");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond Unicode";
  EXPECT_EQ(printable("\xe0\x80\x80"), "\\xe0\\x80\\x80") << "overlong";
}

TEST(PrintableTest, IsBounded) {
  const std::string text = printable(std::string(5000, 'x'));
  EXPECT_LE(text.size(), 1024U);
  EXPECT_GT(text.size(), 1000U);
  EXPECT_LE(printable(std::string(5000, '\x1b'), 100).size(), 100U);
  EXPECT_EQ(printable("äöü", 8), "äö…");
}

TEST(NearestNamesTest, FindsWhatWasMeant) {
  const std::vector<std::string> names{"shop.orders", "shop.customers", "web.clicks",
                                       "shop.order_items"};
  EXPECT_THAT(nearest_names("shop.order", names), ElementsAre("shop.orders"));
  EXPECT_THAT(nearest_names("shop.ordres", names), ElementsAre("shop.orders"));
  EXPECT_THAT(nearest_names("SHOP.ORDERS", names), ElementsAre("shop.orders"));
  EXPECT_THAT(nearest_names("completely.different", names), IsEmpty());
  EXPECT_THAT(nearest_names("ab", {"ba", "a", "abc", "x"}, 2), ElementsAre("a", "abc"));
  EXPECT_THAT(nearest_names(std::string(100'000, 'x'), names), IsEmpty());
  EXPECT_THAT(nearest_names("x", {}), IsEmpty());
  EXPECT_THAT(nearest_names("", {"orders"}), IsEmpty());
  EXPECT_THAT(nearest_names("payments", {"orders", "users"}), IsEmpty());
  EXPECT_THAT(nearest_names("ORDRES", {"orders", "order-lines", "border", "users"}),
              ElementsAre("orders"));
  EXPECT_THAT(nearest_names(std::string(1'000'000, 'x'), {"orders", std::string(1'000'000, 'x')}),
              IsEmpty());
  EXPECT_THAT(nearest_names("order", {"orders", "order-lines", "border", "orders"}),
              ElementsAre("border", "orders"))
      << "each once";
}

TEST(DidYouMeanTest, IsASentence) {
  EXPECT_EQ(did_you_mean({}), "");
  EXPECT_EQ(did_you_mean({"a"}), "did you mean a?");
  EXPECT_EQ(did_you_mean({"a", "b"}), "did you mean a or b?");
  EXPECT_EQ(did_you_mean({"a", "b", "c\x1b"}), "did you mean a, b or c\\x1b?");
}

TEST(InWordsTest, NamesTwoUnitsAtMost) {
  EXPECT_EQ(in_words(Milliseconds{0}), "0 ms");
  EXPECT_EQ(in_words(Milliseconds{999}), "999 ms");
  EXPECT_EQ(in_words(Milliseconds{1500}), "1.5 s");
  EXPECT_EQ(in_words(Milliseconds{2003}), "2 s");
  EXPECT_EQ(in_words(Milliseconds{17'003}), "17 s");
  EXPECT_EQ(in_words(Milliseconds{30'900}), "30 s");
  EXPECT_EQ(in_words(Milliseconds{300'000}), "5 min");
  EXPECT_EQ(in_words(Milliseconds{301'000}), "5 min 1 s");
  EXPECT_EQ(in_words(Milliseconds{5'400'000}), "1 h 30 min");
}

TEST(SplitListTest, TakesBlanksAndEmptyPartsAway) {
  EXPECT_THAT(split_list(" a:1, b:2 ,,c "), ElementsAre("a:1", "b:2", "c"));
  EXPECT_THAT(split_list(" , "), IsEmpty());
}

TEST(ReplacedTest, ReplacesEveryKeyOnce) {
  EXPECT_EQ(replaced("{a} and {a}", "{a}", "{a}x"), "{a}x and {a}x");
  EXPECT_EQ(replaced("none", "{a}", "x"), "none");
}

}  // namespace
}  // namespace sluice
