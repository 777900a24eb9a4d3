// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/http.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/unit/clickhouse/scripted_server.hpp"

namespace sluice::clickhouse {
namespace {

using testing::HasSubstr;

const std::stop_token never;

HttpOptions options_for(const std::string& url) {
  HttpOptions options;
  options.origin = url;
  options.headers = {"X-ClickHouse-User: loader", "X-ClickHouse-Key: secret"};
  return options;
}

HttpRequest request_of(std::span<const std::string_view> body) {
  HttpRequest request;
  request.parameters = "a=1&";
  request.body = body;
  request.timeout = Milliseconds{60'000};
  return request;
}

ScriptedReply raw(std::string bytes, bool close = true) {
  return {.bytes = std::move(bytes), .close = close};
}

HttpReply reply_to(const ScriptedServer::Script& script) {
  const ScriptedServer server(script);
  HttpClient client(options_for(server.url()));
  constexpr std::array<std::string_view, 1> body{"x"};
  return client.post(request_of(body), never);
}

TEST(HttpClientTest, SendsTheBodyWithItsLengthAndTheCredentialsInHeaders) {
  const ScriptedServer server([](const SeenRequest&) { return clickhouse_reply(200); });
  HttpClient client(options_for(server.url()));
  const std::string large(5'000'000, 'x');
  const std::array<std::string_view, 3> body{"abc", large, "def"};
  HttpRequest request = request_of(body);
  request.content_encoding = "lz4";
  const HttpReply reply = client.post(request, never);
  EXPECT_EQ(reply.failure, TransportFailure::none) << reply.failure_text;
  EXPECT_TRUE(reply.complete);
  EXPECT_TRUE(reply.body_sent);
  EXPECT_TRUE(reply.from_clickhouse);
  EXPECT_EQ(reply.status, 200);
  const SeenRequest seen = server.seen().at(0);
  EXPECT_THAT(seen.head, HasSubstr("POST /?a=1& HTTP/1.1\r\n"));
  EXPECT_TRUE(seen.has("\r\nContent-Length: 5000006\r\n"));
  EXPECT_TRUE(seen.has("\r\nContent-Encoding: lz4\r\n"));
  EXPECT_TRUE(seen.has("\r\nX-ClickHouse-User: loader\r\n"));
  EXPECT_TRUE(seen.has("\r\nX-ClickHouse-Key: secret\r\n"));
  EXPECT_FALSE(seen.has("Expect"));
  EXPECT_FALSE(seen.has("chunked"));
  EXPECT_FALSE(seen.has("Authorization"));
  EXPECT_TRUE(seen.body == "abc" + large + "def");
}

TEST(HttpClientTest, AnEmptyBodyHasALengthToo) {
  const ScriptedServer server([](const SeenRequest&) { return clickhouse_reply(200); });
  HttpClient client(options_for(server.url()));
  EXPECT_EQ(client.post(request_of({}), never).status, 200);
  EXPECT_TRUE(server.seen().at(0).has("\r\nContent-Length: 0\r\n"));
}

TEST(HttpClientTest, KeepsItsConnectionAndForgetsTheEncoding) {
  const ScriptedServer server([](const SeenRequest&) { return clickhouse_reply(200); });
  HttpClient client(options_for(server.url()));
  constexpr std::array<std::string_view, 1> body{"x"};
  HttpRequest request = request_of(body);
  request.content_encoding = "zstd";
  static_cast<void>(client.post(request, never));
  static_cast<void>(client.post(request_of(body), never));
  ASSERT_EQ(server.seen().size(), 2U);
  EXPECT_EQ(server.seen()[1].connection, 1);
  EXPECT_FALSE(server.seen()[1].has("Content-Encoding"));
}

TEST(HttpClientTest, AConnectionTheServerMayHaveClosedIsNotUsedAgain) {
  const ScriptedServer server([](const SeenRequest&) {
    return raw("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 0\r\n\r\n", false);
  });
  HttpClient client(options_for(server.url()));
  static_cast<void>(client.post(request_of({}), never));
  std::this_thread::sleep_for(std::chrono::milliseconds(2'100));
  static_cast<void>(client.post(request_of({}), never));
  EXPECT_EQ(server.seen().at(1).connection, 2);
}

TEST(HttpClientTest, ABodyIsSentAnewOverAConnectionThatDied) {
  int calls = 0;
  const ScriptedServer server([&](const SeenRequest& request) {
    // The second request dies with the connection it went over, without one byte of an answer.
    const bool dies = ++calls == 2 && request.connection == 1;
    return dies ? raw("") : clickhouse_reply(200);
  });
  HttpClient client(options_for(server.url()));
  constexpr std::array<std::string_view, 2> body{"abc", "def"};
  static_cast<void>(client.post(request_of(body), never));
  const HttpReply reply = client.post(request_of(body), never);
  EXPECT_EQ(reply.status, 200) << reply.failure_text;
  EXPECT_EQ(server.seen().back().body, "abcdef");
}

TEST(HttpClientTest, AnswersThatAreCutAreFailures) {
  for (const char* bytes :
       {"", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nDate: x\r\nConn",
        "HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: x\r\n",
        "HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: x\r\nContent-Length: 0\r\n",
        "HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: x\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        "HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"}) {
    const HttpReply reply = reply_to([&](const SeenRequest&) { return raw(bytes); });
    EXPECT_EQ(reply.failure, TransportFailure::lost) << bytes;
    EXPECT_FALSE(reply.complete) << bytes;
    EXPECT_TRUE(reply.body_sent) << bytes;
  }
}

TEST(HttpClientTest, AnAnswerThatDoesNotSayWhereItEndsIsNotComplete) {
  const HttpReply reply = reply_to([](const SeenRequest&) {
    return raw("HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: x\r\n\r\n");
  });
  EXPECT_EQ(reply.failure, TransportFailure::none);
  EXPECT_FALSE(reply.complete);
}

TEST(HttpClientTest, WhatIsNoHttpIsAFailure) {
  const HttpReply reply = reply_to([](const SeenRequest&) { return raw("SSH-2.0-x\r\n"); });
  EXPECT_NE(reply.failure, TransportFailure::none);
}

TEST(HttpClientTest, AnEndlessAnswerIsCutOff) {
  const HttpReply body = reply_to([](const SeenRequest&) {
    return raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" +
               std::string(3'000'000, 'x'));
  });
  EXPECT_EQ(body.failure, TransportFailure::oversized);
  EXPECT_LE(body.body.size(), 1U << 20U);
  const HttpReply headers = reply_to([](const SeenRequest&) {
    std::string bytes = "HTTP/1.1 200 OK\r\n";
    for (int line = 0; line < 100; ++line) bytes += "X-F: " + std::string(1000, 'x') + "\r\n";
    return raw(bytes + "\r\n");
  });
  EXPECT_EQ(headers.failure, TransportFailure::oversized);
}

TEST(HttpClientTest, ARedirectIsNotFollowed) {
  const ScriptedServer server([](const SeenRequest&) {
    return raw("HTTP/1.1 307 X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
  });
  HttpClient client(options_for(server.url()));
  EXPECT_EQ(client.post(request_of({}), never).status, 307);
  EXPECT_EQ(server.seen().size(), 1U);
}

TEST(HttpClientTest, CookiesAreNotKept) {
  const ScriptedServer server(
      [](const SeenRequest&) { return clickhouse_reply(200, "Set-Cookie: id=1; Path=/\r\n"); });
  HttpClient client(options_for(server.url()));
  static_cast<void>(client.post(request_of({}), never));
  static_cast<void>(client.post(request_of({}), never));
  EXPECT_FALSE(server.seen().at(1).has("Cookie"));
}

TEST(HttpClientTest, TheEnvironmentsProxyIsNotUsed) {
  ASSERT_EQ(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
  ASSERT_EQ(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
  const HttpReply reply = reply_to([](const SeenRequest&) { return clickhouse_reply(200); });
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  EXPECT_EQ(reply.status, 200) << reply.failure_text;
}

TEST(HttpClientTest, NobodyListens) {
  HttpClient client(options_for("http://127.0.0.1:1"));
  constexpr std::array<std::string_view, 1> body{"x"};
  const HttpReply reply = client.post(request_of(body), never);
  EXPECT_EQ(reply.failure, TransportFailure::connect);
  EXPECT_FALSE(reply.body_sent);
  EXPECT_THAT(reply.failure_text, HasSubstr("127.0.0.1"));
}

TEST(HttpClientTest, AnUnknownHost) {
  HttpClient client(options_for("http://host.invalid:8123"));
  EXPECT_EQ(client.post(request_of({}), never).failure, TransportFailure::resolve);
}

TEST(HttpClientTest, ASilentServerTimesOut) {
  const ScriptedServer server([](const SeenRequest&) { return raw("", false); });
  HttpClient client(options_for(server.url()));
  constexpr std::array<std::string_view, 1> body{"x"};
  HttpRequest request = request_of(body);
  request.timeout = Milliseconds{2000};
  const HttpReply reply = client.post(request, never);
  EXPECT_EQ(reply.failure, TransportFailure::timeout);
  EXPECT_TRUE(reply.body_sent);
}

TEST(HttpClientTest, AStopEndsAWait) {
  const ScriptedServer server([](const SeenRequest&) { return raw("", false); });
  HttpClient client(options_for(server.url()));
  std::stop_source stop;
  const std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stop.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  const HttpReply reply = client.post(request_of({}), stop.get_token());
  EXPECT_EQ(reply.failure, TransportFailure::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(HttpClientTest, TlsToAServerWithoutIsAHandshakeFailure) {
  const ScriptedServer server([](const SeenRequest&) { return raw("no TLS here"); });
  HttpOptions options = options_for("https" + server.url().substr(4));
  HttpClient client(options);
  HttpRequest request = request_of({});
  request.timeout = Milliseconds{500};
  const TransportFailure failure = client.post(request, never).failure;
  EXPECT_TRUE(failure == TransportFailure::tls || failure == TransportFailure::timeout);
}

TEST(HttpClientTest, ACaFileThatIsNotThereIsACertificateProblem) {
  HttpOptions options = options_for("https://127.0.0.1:1");
  options.ca_file = "/nonexistent/ca.pem";
  const ScriptedServer server([](const SeenRequest&) { return raw(""); });
  options.origin = "https" + server.url().substr(4);
  HttpClient client(options);
  EXPECT_EQ(client.post(request_of({}), never).failure, TransportFailure::certificate);
}

TEST(HeaderValueTest, NothingThatStartsAHeaderOfItsOwn) {
  EXPECT_TRUE(is_header_value("plain pässwörd"));
  EXPECT_TRUE(is_header_value(""));
  for (const std::string_view value : {"a\r\nX: y", "a\n", "\r", "a\tb", " a", "a ", "\x7f"}) {
    EXPECT_FALSE(is_header_value(value)) << value;
  }
  EXPECT_FALSE(is_header_value(std::string_view("a\0b", 3)));
}

TEST(HttpVersionTest, NamesLibcurl) { EXPECT_THAT(http_version_line(), HasSubstr("libcurl ")); }

}  // namespace
}  // namespace sluice::clickhouse
