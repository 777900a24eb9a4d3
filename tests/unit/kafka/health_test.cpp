// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::kafka {
namespace {

using testing::HasSubstr;
using testing::Not;

class BrokerHealthTest : public testing::Test {
 protected:
  TimePoint at(int milliseconds) const { return start_ + Milliseconds{milliseconds}; }

  TimePoint start_{};
  BrokerHealth health_{"b1:9092,b2:9092", start_};
};

TEST_F(BrokerHealthTest, NamesEveryBrokerWithItsLastReason) {
  health_.note_error(RD_KAFKA_RESP_ERR__TRANSPORT,
                     "b1:9092/bootstrap: Connect to ipv4#1.2.3.4:9092 failed: Connection refused "
                     "(after 0ms in state CONNECT)",
                     at(1));
  health_.note_error(RD_KAFKA_RESP_ERR__RESOLVE,
                     "sasl_ssl://b2:9092/bootstrap: Failed to resolve 'b2:9092'", at(2));
  health_.note_error(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "2/2 brokers are down", at(3));
  const Error error = health_.unreachable(Milliseconds{30'000});
  EXPECT_EQ(error.code, Errc::unavailable);
  EXPECT_EQ(error.slug, "kafka-unreachable");
  EXPECT_THAT(error.message, HasSubstr("within 30 s"));
  EXPECT_THAT(error.message, HasSubstr("b1:9092 (Connect to ipv4#1.2.3.4:9092 failed: Connection "
                                       "refused)"));
  EXPECT_THAT(error.message, HasSubstr("b2:9092 (Failed to resolve"));
  EXPECT_THAT(error.message, Not(HasSubstr("2/2")));
}

TEST_F(BrokerHealthTest, ForgetsReasonsOnceABrokerAnswers) {
  health_.note_error(RD_KAFKA_RESP_ERR__TRANSPORT, "b1:9092/1: Disconnected", at(1));
  EXPECT_TRUE(health_.troubled());
  health_.note_answer(at(5));
  EXPECT_FALSE(health_.troubled());
  EXPECT_EQ(health_.last_answer(), at(5));
}

TEST_F(BrokerHealthTest, TakesRefusedCredentialsAsFinalOnlyWhenNobodyElseAnswers) {
  health_.note_error(RD_KAFKA_RESP_ERR__AUTHENTICATION,
                     "b1:9092/bootstrap: SASL authentication error: Invalid username", at(0));
  EXPECT_FALSE(health_.refusal(at(500)).has_value());
  const auto refusal = health_.refusal(at(1000));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->code, Errc::no_permission);
  health_.note_answer(at(1100));
  EXPECT_FALSE(health_.refusal(at(9000)).has_value());
}

TEST_F(BrokerHealthTest, TakesASecondRefusalAsFinalAtOnce) {
  for (int i = 0; i < 2; ++i) {
    health_.note_error(RD_KAFKA_RESP_ERR__AUTHENTICATION, "b1:9092/bootstrap: no", at(i));
  }
  EXPECT_TRUE(health_.refusal(at(2)).has_value());
}

TEST_F(BrokerHealthTest, CallsABadCertificateAMatterOfSettingsAtTheStartOnly) {
  const std::string text =
      "ssl://b1:9092/bootstrap: SSL handshake failed: certificate verify failed: broker "
      "certificate could not be verified";
  health_.note_error(RD_KAFKA_RESP_ERR__SSL, text, at(0));
  const auto refusal = health_.refusal(at(1000));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->code, Errc::config);
  EXPECT_EQ(refusal->slug, "kafka-tls");
  EXPECT_THAT(refusal->fix, HasSubstr("ssl.ca.location"));

  health_.note_answer(at(2000));
  health_.note_error(RD_KAFKA_RESP_ERR__SSL, text, at(3000));
  EXPECT_FALSE(health_.refusal(at(9000)).has_value());
}

TEST_F(BrokerHealthTest, WaitsWhenAPeerJustHangsUpDuringTheHandshake) {
  health_.note_error(RD_KAFKA_RESP_ERR__SSL,
                     "ssl://b1:9092/bootstrap: SSL handshake failed: unexpected eof while reading",
                     at(0));
  EXPECT_FALSE(health_.refusal(at(5000)).has_value());
  EXPECT_THAT(health_.unreachable(Milliseconds{5000}).fix, HasSubstr("security.protocol"));
}

TEST_F(BrokerHealthTest, HintsAtTheProtocolThePortSeemsToWant) {
  health_.note_error(RD_KAFKA_RESP_ERR__TRANSPORT,
                     "b1:9092/bootstrap: Disconnected while requesting ApiVersion: might be caused "
                     "by incorrect security.protocol configuration (connecting to a SSL listener?)",
                     at(0));
  EXPECT_THAT(health_.unreachable(Milliseconds{1000}).fix,
              HasSubstr("security.protocol = ssl or sasl_ssl"));
}

TEST_F(BrokerHealthTest, KeepsABoundedNumberOfReasons) {
  for (int i = 0; i < 1000; ++i) {
    health_.note_error(RD_KAFKA_RESP_ERR__TRANSPORT,
                       "broker" + std::to_string(i) + ":9092/1: Disconnected", at(i));
  }
  EXPECT_LT(health_.unreachable(Milliseconds{1000}).message.size(), 1000u);
}

TEST_F(BrokerHealthTest, EscapesWhatABrokerSends) {
  health_.note_error(RD_KAFKA_RESP_ERR__TRANSPORT, "b1:9092/1: \x1b[31mred\nline", at(0));
  EXPECT_THAT(health_.unreachable(Milliseconds{1000}).message, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace sluice::kafka
