// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/reply.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/clickhouse/error_codes.hpp"

namespace sluice::clickhouse {
namespace {

using testing::HasSubstr;
using testing::Not;

const Target target{.origin = "http://db:8123", .table = "shop.orders", .user = "loader"};

Insert insert_of(uint64_t rows) {
  Insert insert;
  insert.format = InsertFormat::json_each_row;
  insert.rows = rows;
  return insert;
}

HttpReply answer(int status, std::string code = "", std::string body = "") {
  HttpReply reply;
  reply.status = status;
  reply.complete = true;
  reply.body_sent = true;
  reply.from_clickhouse = true;
  reply.exception_code = std::move(code);
  reply.body = std::move(body);
  return reply;
}

HttpReply proxy_answer(int status, std::string body = "") {
  HttpReply reply = answer(status, "", std::move(body));
  reply.from_clickhouse = false;
  return reply;
}

HttpReply no_answer(TransportFailure failure, bool body_sent) {
  HttpReply reply;
  reply.failure = failure;
  reply.failure_text = "libcurl says\nso";
  reply.body_sent = body_sent;
  return reply;
}

Verdict judge(const HttpReply& reply, uint64_t rows = 10) {
  return judge_insert(reply, insert_of(rows), target);
}

std::string exception_text(int code, const std::string& text) {
  return "Code: " + std::to_string(code) + ". DB::Exception: " + text + ". (NAME) (version 26.7)";
}

// --- rule 1: success is only this ---------------------------------------------------------------

TEST(JudgeInsertTest, A200WithoutBodyFromClickHouseIsSuccess) {
  EXPECT_EQ(judge(answer(200)).attempt.kind, AttemptClass::success);
}

TEST(JudgeInsertTest, A200WithAnExceptionHeaderIsNone) {
  const Verdict verdict = judge(answer(200, "241", exception_text(241, "Memory limit")));
  EXPECT_EQ(verdict.attempt.kind, AttemptClass::retry_slow);
  EXPECT_EQ(verdict.code, 241);
  EXPECT_TRUE(verdict.attempt.ambiguous);
}

TEST(JudgeInsertTest, A200WithAnExceptionInItsBodyIsNone) {
  EXPECT_EQ(judge(answer(200, "", exception_text(60, "No table"))).code, 60);
  const Verdict late =
      judge(answer(200, "", "\r\n__exception__\r\ntag\r\n" + exception_text(27, "Cannot parse")));
  EXPECT_EQ(late.code, 27);
  EXPECT_TRUE(late.attempt.ambiguous) << "rows before it may be in";
}

TEST(JudgeInsertTest, A200WithAnythingElseInItsBodyIsNone) {
  const Verdict verdict = judge(answer(200, "", "ok\n"));
  EXPECT_EQ(verdict.attempt.kind, AttemptClass::retry);
  EXPECT_TRUE(verdict.attempt.ambiguous);
}

TEST(JudgeInsertTest, A200ThatDidNotArriveWholeIsNone) {
  HttpReply reply = answer(200);
  reply.complete = false;
  EXPECT_EQ(judge(reply).attempt.kind, AttemptClass::retry);
  EXPECT_TRUE(judge(reply).attempt.ambiguous);
}

TEST(JudgeInsertTest, A200OfACaptiveProxyIsFatalWithAHint) {
  const Verdict verdict = judge(proxy_answer(200, "<!DOCTYPE html><h1>Sign in</h1>"));
  EXPECT_EQ(verdict.attempt.kind, AttemptClass::fatal);
  EXPECT_EQ(verdict.error.slug, "not-clickhouse");
  EXPECT_THAT(verdict.error.message, HasSubstr("web page"));
  EXPECT_THAT(verdict.error.fix, HasSubstr("proxy"));
  EXPECT_EQ(judge(proxy_answer(200)).attempt.kind, AttemptClass::fatal) << "empty is no better";
}

TEST(JudgeInsertTest, OtherSuccessesOfHttpAreNone) {
  for (const int status : {201, 202, 204, 206}) {
    EXPECT_EQ(judge(answer(status)).attempt.kind, AttemptClass::fatal) << status;
  }
}

TEST(JudgeInsertTest, AnInsertKnownFromBeforeIsSuccess) {
  EXPECT_EQ(judge(answer(500, "389", exception_text(389, "dropped"))).attempt.kind,
            AttemptClass::success);
}

// --- rule 2: the code first, the status only without one -----------------------------------------

TEST(JudgeInsertTest, EveryKnownCodeIsJudgedByTheTable) {
  for (const ErrorCode& entry : error_codes()) {
    const std::string code = std::to_string(entry.code);
    for (const int status : {400, 403, 404, 500, 503}) {
      const Verdict verdict = judge(answer(status, code, exception_text(entry.code, "text")));
      EXPECT_EQ(verdict.attempt.kind, entry.kind) << code;
      EXPECT_EQ(verdict.attempt.ambiguous, entry.ambiguous) << code;
      if (entry.kind == AttemptClass::success) continue;
      EXPECT_EQ(verdict.code, entry.code);
      EXPECT_EQ(verdict.error.code, entry.errc) << code;
      EXPECT_EQ(verdict.error.slug, entry.slug) << code;
      EXPECT_THAT(verdict.error.message, HasSubstr(code + " " + std::string(entry.name)));
      EXPECT_THAT(verdict.error.fix, Not(HasSubstr("{")));
    }
  }
}

TEST(JudgeInsertTest, ACodeOnlyInTheBodyCountsToo) {
  HttpReply reply = proxy_answer(500, exception_text(252, "Too many parts (300)"));
  EXPECT_EQ(judge(reply).attempt.kind, AttemptClass::retry_slow);
}

TEST(JudgeInsertTest, TheStatusDecidesWithoutACode) {
  for (const int status : {408, 500, 502, 503, 504, 507, 599}) {
    const Verdict verdict = judge(proxy_answer(status, "<html>"));
    EXPECT_EQ(verdict.attempt.kind, AttemptClass::retry) << status;
    EXPECT_TRUE(verdict.attempt.ambiguous) << status;
    EXPECT_EQ(verdict.error.code, Errc::unavailable);
  }
  EXPECT_EQ(judge(proxy_answer(429)).attempt.kind, AttemptClass::retry_slow);
  for (const int status : {301, 302, 307, 308, 400, 404, 405, 411, 414, 431}) {
    EXPECT_EQ(judge(proxy_answer(status)).attempt.kind, AttemptClass::fatal) << status;
    EXPECT_EQ(judge(proxy_answer(status)).error.code, Errc::config) << status;
  }
  for (const int status : {401, 403, 407}) {
    EXPECT_EQ(judge(proxy_answer(status)).attempt.kind, AttemptClass::fatal) << status;
    EXPECT_EQ(judge(proxy_answer(status)).error.code, Errc::no_permission) << status;
  }
}

TEST(JudgeInsertTest, AProxysBodyLimitIsSplit) {
  const Verdict verdict = judge(proxy_answer(413, "<html>413</html>"));
  EXPECT_EQ(verdict.attempt.kind, AttemptClass::split);
  EXPECT_FALSE(verdict.attempt.ambiguous);
  EXPECT_EQ(verdict.error.slug, "insert-too-large");
}

TEST(JudgeInsertTest, TheServersWishForTheNextAttemptIsKept) {
  HttpReply busy = proxy_answer(503);
  busy.retry_after = Milliseconds{7000};
  EXPECT_EQ(judge(busy).attempt.retry_after, Milliseconds{7000});
  HttpReply overloaded = answer(500, "202", exception_text(202, "Too many queries"));
  overloaded.retry_after = Milliseconds{3000};
  EXPECT_EQ(judge(overloaded).attempt.retry_after, Milliseconds{3000});
}

// --- rule 3 and rule 0
// ----------------------------------------------------------------------------

TEST(JudgeInsertTest, AnUnknownCodeIsTriedAgain) {
  const Verdict verdict = judge(answer(500, "4711", exception_text(4711, "News 'SECRET'")));
  EXPECT_EQ(verdict.attempt.kind, AttemptClass::retry);
  EXPECT_TRUE(verdict.attempt.ambiguous);
  EXPECT_THAT(verdict.error.message, HasSubstr("4711 NAME"));
  EXPECT_THAT(verdict.error.message, Not(HasSubstr("SECRET")));
  EXPECT_EQ(judge(answer(500, "garbage")).attempt.kind, AttemptClass::retry);
}

TEST(JudgeInsertTest, NothingLandedWhenNoByteOfTheBodyWasSent) {
  for (const auto failure : {TransportFailure::resolve, TransportFailure::connect,
                             TransportFailure::tls, TransportFailure::timeout}) {
    const Verdict verdict = judge(no_answer(failure, false));
    EXPECT_EQ(verdict.attempt.kind, AttemptClass::retry);
    EXPECT_FALSE(verdict.attempt.ambiguous);
    EXPECT_EQ(verdict.error.code, Errc::unavailable);
    EXPECT_EQ(verdict.error.slug, "clickhouse-unreachable");
    EXPECT_THAT(verdict.error.message, HasSubstr("http://db:8123"));
    EXPECT_THAT(verdict.error.message, HasSubstr("libcurl says so"));
  }
}

TEST(JudgeInsertTest, AnythingMayHaveLandedAfterThat) {
  for (const auto failure : {TransportFailure::timeout, TransportFailure::lost,
                             TransportFailure::connect, TransportFailure::oversized}) {
    EXPECT_TRUE(judge(no_answer(failure, true)).attempt.ambiguous);
    EXPECT_EQ(judge(no_answer(failure, true)).attempt.kind, AttemptClass::retry);
  }
}

TEST(JudgeInsertTest, ABadCertificateIsNeverTriedAgain) {
  const Verdict verdict = judge(no_answer(TransportFailure::certificate, false));
  EXPECT_EQ(verdict.attempt.kind, AttemptClass::fatal);
  EXPECT_EQ(verdict.error.code, Errc::config);
  EXPECT_EQ(verdict.error.slug, "tls-certificate");
  EXPECT_EQ(judge(no_answer(TransportFailure::unusable, false)).attempt.kind, AttemptClass::fatal);
}

TEST(JudgeInsertTest, AStopIsNoFailureOfTheServer) {
  const Verdict verdict = judge(no_answer(TransportFailure::cancelled, true));
  EXPECT_EQ(verdict.error.code, Errc::cancelled);
  EXPECT_TRUE(verdict.attempt.ambiguous);
}

// --- single codes
// ---------------------------------------------------------------------------------

TEST(JudgeInsertTest, TheTwoMeaningsOf252AreToldApart) {
  const Verdict parts = judge(answer(500, "252",
                                     exception_text(252,
                                                    "Too many parts (300 with average size of "
                                                    "324.00 B) in table 't.x (b)'. Merges are "
                                                    "processing significantly slower")));
  EXPECT_EQ(parts.attempt.kind, AttemptClass::retry_slow);
  EXPECT_EQ(parts.error.slug, "too-many-parts");
  const Verdict total = judge(
      answer(500, "252", exception_text(252, "Too many parts (9) in all partitions in total")));
  EXPECT_EQ(total.attempt.kind, AttemptClass::retry_slow);
  const Verdict partitions = judge(
      answer(500, "252",
             exception_text(252, "Too many partitions for single INSERT block (more than 100)")));
  EXPECT_EQ(partitions.attempt.kind, AttemptClass::split);
  EXPECT_EQ(partitions.error.slug, "too-many-partitions");
  EXPECT_THAT(partitions.error.fix, HasSubstr("shop.orders"));
}

TEST(JudgeInsertTest, ARefusedRowIsNamedWithoutItsContent) {
  const Verdict verdict = judge(
      answer(400, "27",
             "Code: 27. DB::Exception: Cannot parse input: expected 'false' before: 'SECRET': "
             "(while reading the value of key amount): (at row 3)\n: While executing "
             "JSONEachRowRowInputFormat. (CANNOT_PARSE_INPUT_ASSERTION_FAILED) (version 26.7)"));
  EXPECT_EQ(verdict.attempt.kind, AttemptClass::isolate);
  EXPECT_EQ(verdict.row, 2U);
  EXPECT_EQ(verdict.error.code, Errc::rejected);
  EXPECT_EQ(verdict.error.message,
            "ClickHouse refused a row of an insert into shop.orders: 27 "
            "CANNOT_PARSE_INPUT_ASSERTION_FAILED in column amount in row 3 of the insert");
}

TEST(JudgeInsertTest, AFailingViewComesAfterItsTable) {
  const Verdict verdict = judge(
      answer(500, "469",
             "Code: 469. DB::Exception: Constraint `pos` for table t.mvt (x) is violated at row "
             "1. Expression: (a > 0). Column values: a = SECRET: while pushing to view t.mv "
             "(6c1b5e33-0000-0000-0000-000000000000). (VIOLATED_CONSTRAINT) (version 26.7)"));
  EXPECT_EQ(verdict.attempt.kind, AttemptClass::fatal) << "every half would add its rows again";
  EXPECT_EQ(verdict.error.code, Errc::rejected);
  EXPECT_EQ(verdict.error.slug, "view-refused");
  EXPECT_TRUE(verdict.attempt.ambiguous) << "the table has the row";
  EXPECT_FALSE(verdict.row.has_value());
  EXPECT_THAT(verdict.error.message, HasSubstr("while pushing to view t.mv"));
  EXPECT_THAT(verdict.error.message, Not(HasSubstr("SECRET")));
}

TEST(JudgeInsertTest, AFailingViewThatMayHealGetsTheSameInsertAgain) {
  const Verdict verdict = judge(
      answer(500, "241", exception_text(241, "Memory limit exceeded: while pushing to view t.mv")));
  EXPECT_EQ(verdict.attempt.kind, AttemptClass::retry_slow);
  EXPECT_TRUE(verdict.attempt.ambiguous);
}

TEST(JudgeInsertTest, AMissingGrantSaysWhichGrantHelps) {
  const Verdict verdict =
      judge(answer(500, "497", exception_text(497, "loader: Not enough privileges")));
  EXPECT_EQ(verdict.attempt.kind, AttemptClass::fatal);
  EXPECT_EQ(verdict.error.code, Errc::no_permission);
  EXPECT_EQ(verdict.error.fix, "GRANT INSERT ON shop.orders TO loader");
}

TEST(JudgeInsertTest, AWrongPasswordSaysWhoseItIs) {
  const Verdict verdict =
      judge(answer(403, "516", exception_text(516, "loader: Authentication failed")));
  EXPECT_THAT(verdict.error.message, HasSubstr("refuses the login of user loader"));
  EXPECT_EQ(verdict.error.code, Errc::no_permission);
}

// --- queries
// --------------------------------------------------------------------------------------

TEST(JudgeQueryTest, ABodyIsTheResult) {
  EXPECT_EQ(judge_query(answer(200, "", "1\tx\n"), "answer", target).attempt.kind,
            AttemptClass::success);
  EXPECT_EQ(judge_query(answer(200), "answer", target).attempt.kind, AttemptClass::success);
}

TEST(JudgeQueryTest, NamesOfTablesAreNoExceptions) {
  const HttpReply reply = answer(200, "", "Code: 60. DB::Exception: x\t__exception__\n");
  EXPECT_EQ(judge_query(reply, "answer", target).attempt.kind, AttemptClass::success);
}

TEST(JudgeQueryTest, ALateExceptionIsOne) {
  const HttpReply reply = answer(200, "",
                                 "1\n\r\n__exception__\r\ntag\r\nCode: 159. "
                                 "DB::Exception: Timeout. (TIMEOUT_EXCEEDED) (version 1)");
  EXPECT_EQ(judge_query(reply, "answer", target).code, 159);
}

TEST(JudgeQueryTest, SaysWhatFailed) {
  const Verdict verdict =
      judge_query(answer(404, "60", exception_text(60, "Table t.x does not exist")),
                  "describe the table shop.orders", target);
  EXPECT_EQ(verdict.error.message,
            "ClickHouse does not describe the table shop.orders: 60 UNKNOWN_TABLE: Table t.x does "
            "not exist");
  EXPECT_EQ(verdict.error.slug, "table-missing");
}

TEST(JudgeQueryTest, AProxysPageIsNoAnswer) {
  EXPECT_EQ(judge_query(proxy_answer(200, "<html>"), "x", target).attempt.kind,
            AttemptClass::fatal);
  HttpReply cut = answer(200, "", "1\n");
  cut.complete = false;
  EXPECT_EQ(judge_query(cut, "x", target).attempt.kind, AttemptClass::retry);
}

// --- why an attempt is made again
// -----------------------------------------------------------------

TEST(RetryReasonTest, ComesFromTheTransportTheExceptionOrTheStatus) {
  EXPECT_EQ(retry_reason(no_answer(TransportFailure::timeout, true), 0), RetryReason::timeout);
  EXPECT_EQ(retry_reason(no_answer(TransportFailure::connect, false), 0), RetryReason::network);
  EXPECT_EQ(retry_reason(answer(500, "252"), 252), RetryReason::too_many_parts);
  EXPECT_EQ(retry_reason(answer(500, "241"), 241), RetryReason::memory);
  EXPECT_EQ(retry_reason(answer(500, "242"), 242), RetryReason::readonly);
  EXPECT_EQ(retry_reason(answer(500, "999"), 999), RetryReason::other);
  EXPECT_EQ(retry_reason(proxy_answer(502), 0), RetryReason::http_5xx);
  EXPECT_EQ(retry_reason(proxy_answer(429), 0), RetryReason::other);
}

}  // namespace
}  // namespace sluice::clickhouse
