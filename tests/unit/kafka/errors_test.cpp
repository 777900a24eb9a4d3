// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/errors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::kafka {
namespace {

using testing::HasSubstr;

TEST(CommitVerdict, DropsTheSessionWhenTheGroupMovedOn) {
  for (const auto code : {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
                          RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
                          RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, RD_KAFKA_RESP_ERR__STATE}) {
    EXPECT_EQ(commit_verdict(code), CommitVerdict::fenced) << rd_kafka_err2name(code);
  }
}

TEST(CommitVerdict, IsUnknownWhenTheAnswerIsMissing) {
  for (const auto code :
       {RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__WAIT_COORD, RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_UNKNOWN}) {
    EXPECT_EQ(commit_verdict(code), CommitVerdict::unknown) << rd_kafka_err2name(code);
  }
}

TEST(CommitVerdict, EndsOnWhatOnlyAPersonCanRepair) {
  for (const auto code :
       {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, RD_KAFKA_RESP_ERR__FATAL,
        RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE}) {
    EXPECT_EQ(commit_verdict(code), CommitVerdict::fatal) << rd_kafka_err2name(code);
  }
  EXPECT_EQ(commit_verdict(RD_KAFKA_RESP_ERR_NO_ERROR), CommitVerdict::ok);
}

TEST(CommitError, SaysWhatToDo) {
  const Place place{.topic = "orders", .group = "g"};
  EXPECT_EQ(commit_error(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, place).code,
            Errc::no_permission);
  EXPECT_EQ(commit_error(RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE, place).code, Errc::config);
  EXPECT_THAT(commit_error(RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, place).fix,
              HasSubstr("group.instance.id"));
}

TEST(RefusalOf, NamesTheGrantThatIsMissing) {
  const Place place{.topic = "orders", .group = "g1"};
  const auto topic = refusal_of(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, place);
  ASSERT_TRUE(topic.has_value());
  EXPECT_EQ(topic->code, Errc::no_permission);
  EXPECT_THAT(topic->fix, HasSubstr("orders"));
  const auto group = refusal_of(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, place);
  EXPECT_THAT(group->fix, HasSubstr("g1"));
  EXPECT_FALSE(refusal_of(RD_KAFKA_RESP_ERR__TRANSPORT, place).has_value());
}

TEST(TopicMissing, SuggestsTheNearestTopic) {
  EXPECT_THAT(topic_missing("order", {"orders", "users"}).fix, HasSubstr("did you mean orders?"));
  EXPECT_THAT(topic_missing("order", {}).fix, HasSubstr("create the topic"));
}

TEST(IsTransient, CoversBrokersThatMoveAndNoLostData) {
  EXPECT_TRUE(is_transient(RD_KAFKA_RESP_ERR__TRANSPORT));
  EXPECT_TRUE(is_transient(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION));
  EXPECT_TRUE(is_transient(RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT));
  EXPECT_FALSE(is_transient(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET));
  EXPECT_FALSE(is_transient(RD_KAFKA_RESP_ERR__BAD_MSG));
  EXPECT_FALSE(is_transient(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED));
}

}  // namespace
}  // namespace sluice::kafka
