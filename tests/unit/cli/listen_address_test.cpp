// SPDX-License-Identifier: Apache-2.0
#include "cli/listen_address.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/unit/cli/folder.hpp"

namespace sluice::cli {
namespace {

TEST(ListenAddressTest, HostsPortsAndPathsAreTakenApart) {
  const auto v4 = parse_listen_address("127.0.0.1:9464");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->host, "127.0.0.1");
  EXPECT_EQ(v4->port, "9464");
  const auto v6 = parse_listen_address("[::1]:0");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  const auto all = parse_listen_address(":9464");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->host, "");
  const auto path = parse_listen_address("unix:/run/sluice.sock");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->path, "/run/sluice.sock");
}

TEST(ListenAddressTest, OnlyLoopbackAndUnixSocketsAreLocal) {
  for (const char* text : {"127.0.0.1:1", "127.3.2.1:1", "[::1]:1", "localhost:1", "unix:/x"}) {
    EXPECT_TRUE(parse_listen_address(text)->local()) << text;
  }
  for (const char* text : {"0.0.0.0:1", "[::]:1", ":1", "10.0.0.1:1", "example.org:1"}) {
    EXPECT_FALSE(parse_listen_address(text)->local()) << text;
  }
}

TEST(ListenAddressTest, WhatIsNoAddressIsRefused) {
  const std::string long_path = "unix:/" + std::string(200, 'x');
  for (const std::string& text :
       {std::string(), std::string("9464"), std::string("localhost"), std::string("a:"),
        std::string("a:b"), std::string("a:65536"), std::string("a:-1"), std::string("::1:9464"),
        std::string("[::1]"), std::string("[127.0.0.1]:1"), std::string("unix:"),
        std::string("http://a:1"), std::string("u@a:1"), long_path}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
}

TEST(ListenAddressTest, APortThatIsTakenIsUnavailable) {
  const auto first = listen_on(*parse_listen_address("127.0.0.1:0"));
  ASSERT_TRUE(first.ok());
  const auto second = listen_on(*parse_listen_address(first->described));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::unavailable);
  EXPECT_NE(second.error().message.find(first->described), std::string::npos);
}

TEST(ListenAddressTest, AnAddressOfAnotherMachineIsAConfigurationError) {
  const auto listener = listen_on(*parse_listen_address("192.0.2.1:9464"));
  ASSERT_FALSE(listener.ok());
  EXPECT_EQ(listener.error().code, Errc::config);
}

class UnixSocketTest : public InFolder {};

TEST_F(UnixSocketTest, TheSocketOfAProcessThatIsGoneIsReplacedAndALivingOneIsNot) {
  const auto address = parse_listen_address("unix:" + (folder_ / "s").string());
  { ASSERT_TRUE(listen_on(*address).ok()); }  // its file stays, nobody listens
  const auto again = listen_on(*address);
  ASSERT_TRUE(again.ok()) << again.error().message;
  const auto beside = listen_on(*address);
  ASSERT_FALSE(beside.ok());
  EXPECT_EQ(beside.error().code, Errc::unavailable);
}

TEST_F(UnixSocketTest, AFileThatIsNoSocketStays) {
  write("s", "precious");
  const auto listener = listen_on(*parse_listen_address("unix:" + (folder_ / "s").string()));
  ASSERT_FALSE(listener.ok());
  EXPECT_EQ(listener.error().code, Errc::config);
  EXPECT_TRUE(std::filesystem::is_regular_file("s"));
}

}  // namespace
}  // namespace sluice::cli
