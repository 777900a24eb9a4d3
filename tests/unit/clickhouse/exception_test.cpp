// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/exception.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// Texts are verbatim those of ClickHouse 26.7 unless a test says otherwise.
namespace sluice::clickhouse {
namespace {

using testing::HasSubstr;
using testing::Not;

Exception exception_of(std::string body, std::string code) {
  HttpReply reply;
  reply.status = 500;
  reply.exception_code = std::move(code);
  reply.body = std::move(body);
  const auto found = find_exception(reply);
  EXPECT_TRUE(found.has_value());
  return found.value_or(Exception{});
}

Insert insert_of(uint64_t rows, std::vector<InsertColumn> columns = {}) {
  Insert insert;
  insert.format = InsertFormat::json_each_row;
  insert.rows = rows;
  insert.columns = std::move(columns);
  return insert;
}

const char* const bad_number =
    "Code: 27. DB::Exception: Cannot parse input: expected 'false' before: 'oo\"}\\n': (while "
    "reading the value of key a): (at row 3)\n: While executing JSONEachRowRowInputFormat. "
    "(CANNOT_PARSE_INPUT_ASSERTION_FAILED) (version 26.7.2.1)";
const char* const violation =
    "Code: 469. DB::Exception: Constraint `pos` for table t.m "
    "(4c6528bb-dfa5-46c3-a6f4-5bb6cb0b92ff) is violated at row 8. Expression: (a != 13). Column "
    "values: a = 13, b = 'is violated at row 2'. (VIOLATED_CONSTRAINT) (version 26.7.2.1)";

TEST(ExceptionTest, IsTakenApart) {
  const Exception exception = exception_of(
      "Code: 60. DB::Exception: Table t.x does not exist. (UNKNOWN_TABLE) (version 26.7.2.1)",
      "60");
  EXPECT_EQ(exception.code, 60);
  EXPECT_EQ(exception.name, "UNKNOWN_TABLE");
  EXPECT_EQ(exception.text, "Table t.x does not exist");
}

TEST(ExceptionTest, TheHeaderDecidesTheCode) {
  EXPECT_EQ(exception_of("Code: 60. DB::Exception: x. (Y) (version 1)", "252").code, 252);
  EXPECT_EQ(exception_of("Code: 60. DB::Exception: x. (Y) (version 1)", "").code, 60);
  EXPECT_EQ(exception_of("", "241").code, 241);
  EXPECT_EQ(exception_of("nonsense", "garbage").code, 0);
}

TEST(ExceptionTest, IsFoundBehindTheMarkerOfALateOne) {
  HttpReply reply;
  reply.status = 200;
  reply.body =
      "1\t2\n\r\n__exception__\r\nvtgnrzyqnmlkjwmd\r\nCode: 395. DB::Exception: Value passed to "
      "'throwIf' function is non-zero. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.7.2.1)";
  const auto exception = find_exception(reply);
  ASSERT_TRUE(exception.has_value());
  EXPECT_EQ(exception->code, 395);
  reply.body = "\r\n__exception__\r\ncut he";
  ASSERT_TRUE(find_exception(reply).has_value());
  EXPECT_EQ(find_exception(reply)->code, 0);
}

TEST(ExceptionTest, IsReadFromAServerOf2018) {
  const Exception exception = exception_of(
      "Code: 60, e.displayText() = DB::Exception: Table default.nosuch doesn't exist., e.what() = "
      "DB::Exception\n",
      "");
  EXPECT_EQ(exception.code, 60);
  EXPECT_EQ(exception.text, "Table default.nosuch doesn't exist");
}

TEST(ExceptionTest, AnswersWithoutOneHaveNone) {
  HttpReply reply;
  reply.status = 200;
  EXPECT_FALSE(find_exception(reply).has_value());
  reply.body = "1\tsome Code: 5. DB::Exception: in the data\n";
  EXPECT_FALSE(find_exception(reply).has_value());
  reply.status = 502;
  reply.body = "<html><h1>502 Bad Gateway</h1></html>";
  EXPECT_FALSE(find_exception(reply).has_value());
}

TEST(BlamedRowTest, IsCountedFromZero) {
  EXPECT_EQ(blamed_row(exception_of(bad_number, "27"), insert_of(10)), 2U);
  EXPECT_EQ(blamed_row(exception_of(violation, "469"), insert_of(10)), 7U);
}

TEST(BlamedRowTest, MustBeARowOfTheInsert) {
  EXPECT_EQ(blamed_row(exception_of(bad_number, "27"), insert_of(2)), std::nullopt);
  EXPECT_EQ(
      blamed_row(exception_of("Code: 27. DB::Exception: x: (at row 0)\n", "27"), insert_of(2)),
      std::nullopt);
  EXPECT_EQ(blamed_row(exception_of("Code: 27. DB::Exception: x: (at row "
                                    "99999999999999999999999)\n",
                                    "27"),
                       insert_of(2)),
            std::nullopt);
  EXPECT_EQ(blamed_row(exception_of("Code: 27. DB::Exception: x", "27"), insert_of(2)),
            std::nullopt);
}

TEST(BlamedRowTest, IsNotTakenFromWhatARecordSays) {
  const Exception quoted = exception_of(
      "Code: 376. DB::Exception: Cannot parse uuid (at row 1) (while reading the value of key "
      "x): (at row 1)\n: (while reading the value of key a): (at row 3)\n: While executing "
      "JSONEachRowRowInputFormat. (CANNOT_PARSE_UUID) (version 26.7.2.1)",
      "376");
  EXPECT_EQ(blamed_row(quoted, insert_of(10)), 2U);
  EXPECT_EQ(blamed_column(quoted, insert_of(10)), "a");
}

TEST(BlamedRowTest, OnlyReadersOfTextNumberRows) {
  Insert native = insert_of(10);
  native.format = InsertFormat::native;
  EXPECT_EQ(blamed_row(exception_of(bad_number, "27"), native), std::nullopt);
  EXPECT_EQ(blamed_row(exception_of(violation, "469"), native), 7U);
  // What a cast or a DEFAULT quotes stands in the middle.
  const Exception cast = exception_of(
      "Code: 6. DB::Exception: Cannot parse UInt32 value here: \"x (at row 2)\": while executing "
      "CAST. (CANNOT_PARSE_TEXT) (version 26.7.2.1)",
      "6");
  EXPECT_EQ(blamed_row(cast, insert_of(10)), std::nullopt);
  const Exception forged = exception_of(
      "Code: 6. DB::Exception: Cannot parse string 'x: (at row 2)\n: While executing A' as UInt32: "
      "while executing CAST. (CANNOT_PARSE_TEXT) (version 26.7.2.1)",
      "6");
  EXPECT_EQ(blamed_row(forged, insert_of(10)), std::nullopt);
}

TEST(BlamedRowTest, AViewCountsRowsOfItsOwn) {
  const Exception exception = exception_of(
      "Code: 469. DB::Exception: Constraint `pos` for table t.mvt (x) is violated at row 1. "
      "Expression: (a > 0). Column values: a = 0: while pushing to view t.mv "
      "(6c1b5e33-0000-0000-0000-000000000000). (VIOLATED_CONSTRAINT) (version 26.7.2.1)",
      "469");
  EXPECT_EQ(failing_view(exception), "t.mv");
  EXPECT_EQ(blamed_row(exception, insert_of(10)), std::nullopt);
}

TEST(FailingViewTest, IsNamedLast) {
  const auto view_in = [](const std::string& text) {
    return failing_view(exception_of("Code: 1. DB::Exception: " + text, "1"));
  };
  EXPECT_EQ(view_in("Cannot parse: while pushing to view t.mv. (NAME) (version 26.7.2.1)"), "t.mv");
  EXPECT_EQ(view_in("x: while pushing to view t.`m'v x`. (NAME) (version 26.7.2.1)"), "t.`m'v x`");
  EXPECT_EQ(view_in("x: while pushing to view t.mv (6c1b5e33-0000-0000-0000-000000000000). (NAME) "
                    "(version 26.7.2.1)"),
            "t.mv");
  EXPECT_EQ(view_in("no view. (NAME) (version 26.7.2.1)"), "");
}

TEST(FailingViewTest, IsNotTakenFromWhatARecordSays) {
  const auto view_in = [](const std::string& text) {
    return failing_view(exception_of("Code: 1. DB::Exception: " + text + " (version 26.7)", "1"));
  };
  EXPECT_EQ(view_in("Cannot parse uuid : while pushing to view t.mv: (at row 3)\n: While "
                    "executing X. (NAME)"),
            "");
  EXPECT_EQ(view_in("is violated at row 1. Expression: (a > 0). Column values: s = ': while "
                    "pushing to view t.mv'. (NAME)"),
            "");
  EXPECT_EQ(view_in("Cannot parse uuid : while pushing to view t.`mv: while converting column "
                    "\"a\". (NAME)"),
            "");
}

TEST(BlamedColumnTest, IsOneOfTheInsert) {
  const std::string text =
      "Code: 6. DB::Exception: Cannot parse string 'x' as UInt8: syntax error at begin of string: "
      "while converting column \"v1\" from type String to type UInt8: While executing Native. "
      "(CANNOT_PARSE_TEXT) (version 26.7.2.1)";
  const Exception exception = exception_of(text, "6");
  const std::vector<InsertColumn> plain{{"v1", "UInt8", false, ""}, {"b", "UInt8", false, ""}};
  EXPECT_EQ(blamed_column(exception, insert_of(5, plain)), "v1");
  const std::vector<InsertColumn> others{{"a", "UInt8", false, ""}};
  EXPECT_EQ(blamed_column(exception, insert_of(5, others)), "") << "not a column we sent";
  const std::vector<InsertColumn> flagged{{"a", "UInt8", false, ""}, {"b", "UInt8", true, "1"}};
  EXPECT_EQ(blamed_column(exception, insert_of(5, flagged)), "b") << "the body calls it v1";
}

TEST(PresentableTest, ShowsAPlainText) {
  const Exception exception = exception_of(
      "Code: 252. DB::Exception: Too many parts (300 with average size of 1.00 KiB) in table "
      "'t.x (bee3)'. Merges are processing significantly slower than inserts. (TOO_MANY_PARTS) "
      "(version 26.7.2.1)",
      "252");
  EXPECT_EQ(presentable(exception, TextPolicy::shown),
            "Too many parts (300 with average size of 1.00 KiB) in table 't.x (bee3)'. Merges are "
            "processing significantly slower than inserts");
}

TEST(PresentableTest, OneLineEscapedAndBounded) {
  const Exception exception = exception_of(
      "Code: 241. DB::Exception: a\x1b[2Jb" + std::string(5000, 'x') + "\nsecond", "241");
  const std::string text = presentable(exception, TextPolicy::shown);
  EXPECT_THAT(text, HasSubstr("a\\x1b[2Jb"));
  EXPECT_THAT(text, Not(HasSubstr("second")));
  EXPECT_LE(text.size(), 1024U);
}

TEST(PresentableTest, RecordContentStaysOut) {
  EXPECT_EQ(presentable(exception_of(bad_number, "27"), TextPolicy::withheld), "");
  EXPECT_EQ(presentable(exception_of(violation, "469"), TextPolicy::withheld),
            "constraint `pos` (a != 13)");
  const Exception view = exception_of(
      "Code: 395. DB::Exception: amount too small: while executing 'FUNCTION throwIf(less(a : 0, "
      "5_UInt8 : 1), 'amount too small'_String : 2) -> throwIf(...)'. "
      "(FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.7.2.1)",
      "395");
  EXPECT_EQ(presentable(view, TextPolicy::withheld), "amount too small");
  const Exception unexpected =
      exception_of("Code: 469. DB::Exception: SECRET is violated. Column values: SECRET", "469");
  EXPECT_EQ(presentable(unexpected, TextPolicy::withheld), "");
}

TEST(PresentableTest, QuotedPartsOfAnUnknownTextAreMasked) {
  const Exception exception = exception_of(
      "Code: 9999. DB::Exception: Cannot do 'SEC\\'RET' with \"SECRET\" and 'SECRET", "9999");
  const std::string text = presentable(exception, TextPolicy::masked);
  EXPECT_THAT(text, Not(HasSubstr("SECRET")));
  EXPECT_THAT(text, Not(HasSubstr("RET'")));
  EXPECT_THAT(text, HasSubstr("Cannot do '…' with \"…\" and '…"));
  const Exception before = exception_of("Code: 9999. DB::Exception: bad before: SECRET", "9999");
  EXPECT_EQ(presentable(before, TextPolicy::masked), "bad");
}

}  // namespace
}  // namespace sluice::clickhouse
