// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/properties.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/kafka/property_table.hpp"

namespace sluice::kafka {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(CheckProperty, TakesWhatLibrdkafkaTakes) {
  EXPECT_TRUE(check_property("session.timeout.ms", "10000", false).ok());
  EXPECT_TRUE(check_property("security.protocol", "sasl_ssl", false).ok());
  EXPECT_TRUE(check_property("message.timeout.ms", "1000", false).ok());
  EXPECT_TRUE(check_property("sasl.mechanism", "PLAIN", false).ok());
}

TEST(CheckProperty, NamesTheNearestOfAnUnknownOne) {
  const auto result = check_property("sesion.timeout.ms", "1", false);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Errc::config);
  EXPECT_EQ(result.error().slug, "kafka-property");
  EXPECT_THAT(result.error().message, HasSubstr("sesion.timeout.ms"));
  EXPECT_THAT(result.error().fix, HasSubstr("session.timeout.ms"));
}

TEST(CheckProperty, PassesOnWhyAValueIsRefused) {
  const auto result = check_property("session.timeout.ms", "soon", false);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("session.timeout.ms"));
}

TEST(CheckProperty, NeverRepeatsASecret) {
  const auto result = check_property("sasl.password", std::string("can\0ary", 7), false);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, Not(HasSubstr("can")));
}

TEST(CheckProperty, RefusesWhatSluiceDecides) {
  for (const char* key :
       {"enable.auto.commit", "auto.offset.reset", "group.id", "bootstrap.servers",
        "metadata.broker.list", "enable.partition.eof", "enable.auto.offset.store",
        "allow.auto.create.topics", "acks", "enable.idempotence", "transactional.id",
        "group.protocol", "log.queue", "enable.sasl.oauthbearer.unsecure.jwt"}) {
    const auto result = check_property(key, "true", true);
    ASSERT_FALSE(result.ok()) << key;
    EXPECT_EQ(result.error().code, Errc::config) << key;
    EXPECT_THAT(result.error().message, HasSubstr(key));
    EXPECT_FALSE(result.error().fix.empty()) << key;
  }
}

TEST(CheckProperty, RefusesWhatRunsCodeUnlessAllowed) {
  for (const char* key : {"sasl.kerberos.kinit.cmd", "plugin.library.paths", "ssl.engine.location",
                          "ssl.providers", "interceptors"}) {
    EXPECT_FALSE(check_property(key, "x", false).ok()) << key;
  }
  EXPECT_TRUE(check_property("sasl.kerberos.kinit.cmd", "kinit -R", true).ok());
}

TEST(CheckProperty, RefusesCooperativeAssignment) {
  EXPECT_TRUE(check_property("partition.assignment.strategy", "roundrobin", false).ok());
  EXPECT_FALSE(check_property("partition.assignment.strategy", "cooperative-sticky", false).ok());
  EXPECT_FALSE(
      check_property("partition.assignment.strategy", "range, cooperative-sticky", false).ok());
}

TEST(CheckProperty, RefusesCallbacks) {
  EXPECT_FALSE(check_property("error_cb", "0x1", true).ok());
  EXPECT_FALSE(check_property("opaque", "0x1", true).ok());
}

TEST(IsSecretProperty, KnowsEveryPasswordAndKey) {
  for (const char* key :
       {"sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem",
        "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config"}) {
    EXPECT_TRUE(is_secret_property(key)) << key;
  }
  for (const char* key : {"sasl.username", "ssl.key.location", "ssl.certificate.pem", "client.id",
                          "sasl.oauthbearer.token.endpoint.url"}) {
    EXPECT_FALSE(is_secret_property(key)) << key;
  }
}

TEST(PropertyNames, AreSortedUniqueAndSettable) {
  const std::vector<std::string> names = property_names();
  EXPECT_GT(names.size(), 100u);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  // Without a default they are in no dump of a configuration.
  EXPECT_THAT(names, Contains("bootstrap.servers"));
  EXPECT_THAT(names, Contains("sasl.password"));
  EXPECT_THAT(names, Contains("acks"));
  EXPECT_THAT(names, Not(Contains("error_cb")));
  EXPECT_THAT(names, Not(Contains("opaque")));
  EXPECT_THAT(names, Not(Contains("socket.blocking.max.ms")));
}

TEST(VersionLine, NamesTheLibraryAndItsFeatures) {
  EXPECT_THAT(version_line(), testing::StartsWith("librdkafka "));
  EXPECT_THAT(version_line(), HasSubstr(" sasl_scram"));
  EXPECT_THAT(version_line(), Not(HasSubstr(",")));
}

TEST(ParsePropertyTable, ReadsRolesAndLeavesHeadingsOut) {
  const auto table = parse_property_table(
      "## Global configuration properties\n\n"
      "Property | C/P | Range | Default | Importance | Description\n"
      "---------|-----|-------|--------:|------------|------------\n"
      "b.both   |  *  | 0 .. 1 | 0 | low | Something <br>*Type: integer*\n"
      "a.in     |  C  |  |  | high | Consumers only <br>*Type: string*\n"
      "c.out    |  P  |  |  | high | **DEPRECATED** No longer used. <br>*Type: string*\n"
      "d_cb     |  *  |  |  | low | A callback <br>*Type: see dedicated API*\n"
      "a.in     |  P  |  |  | high | of the other table <br>*Type: string*\n");
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(table[0].name, "a.in");
  EXPECT_TRUE(table[0].for_consumer);
  EXPECT_FALSE(table[0].for_producer);
  EXPECT_EQ(table[1].name, "b.both");
  EXPECT_TRUE(table[1].for_consumer && table[1].for_producer);
  EXPECT_TRUE(table[2].no_longer_used);
}

}  // namespace
}  // namespace sluice::kafka
