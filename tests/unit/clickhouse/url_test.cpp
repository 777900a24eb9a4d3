// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::clickhouse {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(EndpointTest, TakesSchemeHostAndPort) {
  const auto endpoint = parse_endpoint("https://ClickHouse.example:9443");
  ASSERT_TRUE(endpoint.ok());
  EXPECT_EQ(endpoint->origin, "https://ClickHouse.example:9443");
  EXPECT_TRUE(endpoint->tls);
  EXPECT_FALSE(endpoint->loopback);
}

TEST(EndpointTest, KnowsClickHousesOwnPorts) {
  EXPECT_EQ(parse_endpoint("http://db")->origin, "http://db:8123");
  EXPECT_EQ(parse_endpoint("http://db/")->origin, "http://db:8123");
  EXPECT_EQ(parse_endpoint("https://db")->origin, "https://db:8443");
  EXPECT_EQ(parse_endpoint("https://db:443")->origin, "https://db:443");
  EXPECT_EQ(parse_endpoint("http://db:80")->origin, "http://db:80");
}

TEST(EndpointTest, TakesAddresses) {
  const auto ipv6 = parse_endpoint("http://[2001:db8::1]:8123");
  ASSERT_TRUE(ipv6.ok());
  EXPECT_EQ(ipv6->origin, "http://[2001:db8::1]:8123");
  EXPECT_EQ(ipv6->host, "2001:db8::1");
  EXPECT_TRUE(parse_endpoint("http://[::1]")->loopback);
  EXPECT_TRUE(parse_endpoint("http://127.9.9.9:1")->loopback);
  EXPECT_FALSE(parse_endpoint("http://10.0.0.1")->loopback);
}

TEST(EndpointTest, RefusesEverythingElse) {
  for (const char* url : {"",
                          "db",
                          "db:8123",
                          "/",
                          "http://",
                          "ftp://db",
                          "file:///etc/passwd",
                          "gopher://db",
                          "http://db/path",
                          "http://db/?query=1",
                          "http://db?query=1",
                          "http://db#top",
                          "http://db:99999",
                          "http://db:x",
                          "http://d b",
                          "http://db\r\nX: y",
                          "http://db\n",
                          "http://db\x7f",
                          "http://[::1",
                          "http://[fe80::1%25eth0]",
                          "//db",
                          "http:/db/x"}) {
    const auto endpoint = parse_endpoint(url);
    EXPECT_FALSE(endpoint.ok()) << url;
    if (endpoint.ok()) continue;
    EXPECT_EQ(endpoint.error().code, Errc::config);
    EXPECT_EQ(endpoint.error().slug, "clickhouse-url");
  }
}

TEST(EndpointTest, RefusesAndNeverRepeatsAPassword) {
  for (const char* url : {"http://user:hunter2@db", "http://:hunter2@db", "http://user@db",
                          "http://user:hunter2@db:99999", "htp://user:hunter2@db",
                          "http://user:hunter2@db/path", "user:hunter2@db"}) {
    const auto endpoint = parse_endpoint(url);
    ASSERT_FALSE(endpoint.ok()) << url;
    EXPECT_THAT(endpoint.error().message, Not(HasSubstr("hunter2")));
    EXPECT_THAT(endpoint.error().fix, Not(HasSubstr("hunter2")));
  }
}

TEST(LoopbackTest, IsTheMachineItself) {
  for (const char* host : {"127.0.0.1", "127.255.255.254", "::1", "localhost", "LocalHost"}) {
    EXPECT_TRUE(is_loopback(host)) << host;
  }
  for (const char* host : {"128.0.0.1", "10.0.0.1", "0.0.0.0", "::", "::2", "2001:db8::1",
                           "localhost.example", "127.0.0.1.example", "example", ""}) {
    EXPECT_FALSE(is_loopback(host)) << host;
  }
}

TEST(PercentEncodingTest, LeavesOnlyWhatNeedsNoEncoding) {
  EXPECT_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encoded("a b&c=d+e%/?#"), "a%20b%26c%3Dd%2Be%25%2F%3F%23");
  EXPECT_EQ(percent_encoded(std::string_view("\0\n\xc3\xa9`", 5)), "%00%0A%C3%A9%60");
  std::string query;
  add_parameter(query, "a", "1&b=2");
  add_parameter(query, "c", "");
  EXPECT_EQ(query, "a=1%26b%3D2&c=&");
}

}  // namespace
}  // namespace sluice::clickhouse
