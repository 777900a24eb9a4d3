// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/http_headers.hpp"

#include <gtest/gtest.h>

namespace sluice::clickhouse {
namespace {

struct Read {
  HttpReply reply;
  HeaderReader reader{reply};

  explicit Read(std::initializer_list<std::string_view> lines) {
    for (const std::string_view line : lines) EXPECT_TRUE(reader.add(line));
  }
  Read(const Read&) = delete;
  Read& operator=(const Read&) = delete;
};

TEST(HeaderReaderTest, TakesWhatMatters) {
  const Read read{"HTTP/1.1 200 OK\r\n",
                  "X-ClickHouse-Exception-Code: 252\r\n",
                  "x-clickhouse-query-ID:abc\r\n",
                  "Content-Type: text/plain; charset=UTF-8\r\n",
                  "Retry-After: 7\r\n",
                  "Keep-Alive: timeout=30, max=9999\r\n",
                  "Transfer-Encoding: chunked\r\n",
                  "\r\n"};
  EXPECT_EQ(read.reply.exception_code, "252");
  EXPECT_TRUE(read.reply.from_clickhouse);
  EXPECT_EQ(read.reply.content_type, "text/plain; charset=UTF-8");
  EXPECT_EQ(read.reply.retry_after, Milliseconds{7000});
  EXPECT_EQ(read.reader.keep_alive(), std::chrono::seconds(30));
  EXPECT_TRUE(read.reader.finished());
  EXPECT_TRUE(read.reader.framed());
}

TEST(HeaderReaderTest, TheTagThatIsOnEveryAnswerIsNoException) {
  const Read read{"HTTP/1.1 200 OK\r\n", "X-ClickHouse-Exception-Tag: abcdef\r\n", "\r\n"};
  EXPECT_EQ(read.reply.exception_code, "");
  EXPECT_FALSE(read.reply.from_clickhouse);
}

TEST(HeaderReaderTest, AnInterimAnswerIsForgotten) {
  const Read read{"HTTP/1.1 100 Continue\r\n", "X-ClickHouse-Query-Id: x\r\n", "\r\n",
                  "HTTP/1.1 200 OK\r\n"};
  EXPECT_FALSE(read.reply.from_clickhouse);
  EXPECT_FALSE(read.reader.finished());
}

TEST(HeaderReaderTest, AnAnswerWithoutLengthIsNotFramed) {
  const Read read{"HTTP/1.1 200 OK\r\n", "Connection: close\r\n", "\r\n"};
  EXPECT_TRUE(read.reader.finished());
  EXPECT_FALSE(read.reader.framed());
}

TEST(HeaderReaderTest, NonsenseIsPassedOver) {
  const Read read{"HTTP/1.1 200 OK\r\n",      "no colon\r\n",
                  "Retry-After: soon\r\n",    "Keep-Alive: max=5\r\n",
                  "Keep-Alive: timeout=\r\n", ": empty\r\n"};
  EXPECT_FALSE(read.reply.retry_after.has_value());
  EXPECT_FALSE(read.reader.keep_alive().has_value());
}

TEST(HeaderReaderTest, HugeNumbersAreBounded) {
  const Read read{"Retry-After: 99999999\r\n", "Keep-Alive: timeout=99999999999999999999\r\n"};
  EXPECT_EQ(read.reply.retry_after, Milliseconds{86'400'000});
  EXPECT_FALSE(read.reader.keep_alive().has_value());
}

TEST(HeaderReaderTest, TooManyHeadersAreRefused) {
  HttpReply reply;
  HeaderReader reader(reply);
  const std::string line = "X-Filler: " + std::string(1000, 'x') + "\r\n";
  int taken = 0;
  while (reader.add(line) && taken < 1000) ++taken;
  EXPECT_LT(taken, 70);
}

}  // namespace
}  // namespace sluice::clickhouse
