// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/conf.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::kafka {
namespace {

using testing::HasSubstr;
using testing::Not;

ClusterOptions cluster(std::string brokers, Properties properties = {}) {
  ClusterOptions options;
  options.brokers = std::move(brokers);
  options.properties = std::move(properties);
  return options;
}

TEST(AllLoopback, IsTrueForThisMachineOnly) {
  EXPECT_TRUE(all_loopback("localhost:9092, 127.0.0.1:1,127.1.2.3,[::1]:9092,::1"));
  EXPECT_TRUE(all_loopback("SASL_PLAINTEXT://localhost:9092"));
  EXPECT_FALSE(all_loopback("localhost:9092,kafka:9092"));
  EXPECT_FALSE(all_loopback("127.evil.example:9092"));
  EXPECT_FALSE(all_loopback("localhost.example:9092"));
  EXPECT_FALSE(all_loopback("[fe80::1]:9092"));
}

TEST(CheckCluster, RefusesAPasswordOnAnOpenLine) {
  const Properties sasl = {{"security.protocol", "sasl_plaintext"},
                           {"sasl.mechanisms", "PLAIN"},
                           {"sasl.username", "u"},
                           {"sasl.password", "canary-1"}};
  const auto refused = check_cluster(cluster("kafka:9092", sasl));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::config);
  EXPECT_THAT(refused.error().message, Not(HasSubstr("canary-1")));
  EXPECT_TRUE(check_cluster(cluster("127.0.0.1:9092", sasl)).ok());

  ClusterOptions allowed = cluster("kafka:9092", sasl);
  allowed.allow_plaintext_auth = true;
  EXPECT_TRUE(check_cluster(allowed).ok());
}

TEST(CheckCluster, RefusesAPasswordOnAnOpenLineNamedInTheBrokerList) {
  EXPECT_FALSE(check_cluster(cluster("SASL_PLAINTEXT://kafka:9092")).ok());
}

TEST(CheckCluster, WantsBrokers) {
  EXPECT_FALSE(check_cluster(cluster("")).ok());
  EXPECT_FALSE(check_cluster(cluster(" , ")).ok());
  EXPECT_TRUE(check_cluster(cluster("kafka:9092")).ok());
}

TEST(CheckCluster, WantsCredentialsWithAMechanismThatHasThem) {
  EXPECT_FALSE(check_cluster(cluster("k:1", {{"security.protocol", "sasl_ssl"},
                                             {"sasl.mechanisms", "PLAIN"},
                                             {"sasl.username", "u"}}))
                   .ok());
}

TEST(CheckCluster, RefusesTokensWithoutASource) {
  EXPECT_FALSE(check_cluster(cluster("k:1", {{"security.protocol", "sasl_ssl"},
                                             {"sasl.mechanisms", "OAUTHBEARER"}}))
                   .ok());
}

TEST(MakeConf, LetsThePropertiesOverrideDefaultsButNotWhatIsFixed) {
  const auto conf =
      make_conf(cluster("k:1", {{"fetch.wait.max.ms", "77"}, {"client.id", "me"}}), Role::consumer,
                {{"fetch.wait.max.ms", "10"}}, {{"enable.auto.commit", "false"}});
  ASSERT_TRUE(conf.ok());
  EXPECT_EQ(conf_number(conf->get(), "fetch.wait.max.ms"), 77);
  EXPECT_EQ(conf_value(conf->get(), "client.id"), "me");
  EXPECT_EQ(conf_value(conf->get(), "enable.auto.commit"), "false");
  EXPECT_EQ(conf_value(conf->get(), "bootstrap.servers"), "k:1");
  EXPECT_EQ(conf_value(conf->get(), "socket.nagle.disable"), "true");
  EXPECT_EQ(conf_value(conf->get(), "log.queue"), "true");
}

TEST(MakeConf, TakesTheLaterOfTwoValuesAndKnowsAliases) {
  const auto conf = make_conf(
      cluster("k:1", {{"fetch.message.max.bytes", "1"}, {"max.partition.fetch.bytes", "2"}}),
      Role::consumer, {{"fetch.message.max.bytes", "262144"}}, {});
  ASSERT_TRUE(conf.ok());
  EXPECT_EQ(conf_number(conf->get(), "fetch.message.max.bytes"), 2);
}

TEST(MakeConf, LeavesOutPropertiesOfTheOtherRole) {
  const Properties both = {{"linger.ms", "123"}, {"fetch.min.bytes", "9"}};
  const auto consumer = make_conf(cluster("k:1", both), Role::consumer, {}, {});
  const auto producer = make_conf(cluster("k:1", both), Role::producer, {}, {});
  EXPECT_NE(conf_value(consumer->get(), "linger.ms"), "123");
  EXPECT_EQ(conf_value(consumer->get(), "fetch.min.bytes"), "9");
  EXPECT_EQ(conf_value(producer->get(), "linger.ms"), "123");
  EXPECT_NE(conf_value(producer->get(), "fetch.min.bytes"), "9");
}

TEST(QueueSizes, StayWithinTheBudgetForAllPartitionsTogether) {
  for (const size_t partitions : {1u, 4u, 50u, 200u, 1000u}) {
    const uint64_t budget = 64ull << 20;
    const QueueSizes sizes = queue_sizes(budget, partitions);
    const uint64_t payload = (sizes.queue_kbytes << 10) + sizes.fetch_bytes;
    EXPECT_LE(payload * partitions, budget / 3) << partitions;
    EXPECT_LE((payload + sizes.queue_messages * message_overhead) * partitions, budget)
        << partitions;
    EXPECT_GE(sizes.queue_kbytes, 10u) << partitions;
    EXPECT_GE(sizes.queue_messages, 32u) << partitions;
    EXPECT_LE(sizes.fetch_bytes, 256u << 10) << partitions;
  }
}

TEST(QueueSizes, NeverFallBelowWhatWorks) {
  const QueueSizes sizes = queue_sizes(1, 10'000);
  EXPECT_GE(sizes.queue_kbytes, 10u);
  EXPECT_GE(sizes.queue_messages, 64u);
  EXPECT_GT(queue_sizes(1ull << 40, 1).queue_kbytes, 1'000'000u);
  EXPECT_LE(queue_sizes(1ull << 40, 1).queue_kbytes, 2'097'151u);
}

TEST(SecretValues, AreThoseOfSecretProperties) {
  EXPECT_EQ(secret_values(cluster("k:1", {{"sasl.username", "user"},
                                          {"sasl.password", "canary-2"},
                                          {"ssl.key.password", "abc"}})),
            std::vector<std::string>{"canary-2"});
}

}  // namespace
}  // namespace sluice::kafka
