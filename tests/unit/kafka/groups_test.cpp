// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/groups.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kafka/mock_kafka.hpp"

// The mock knows offsets of groups, but no listing, describing, deleting or configuration: those
// are held to the real Kafka by integration/test_status.py. They must not be asked of it either:
// librdkafka 2.0.2 may abort on a coordinator that knows no DescribeGroups.
namespace sluice::kafka {
namespace {

constexpr Milliseconds patience{10'000};

class GroupAdminTest : public testing::Test {
 protected:
  void SetUp() override { kafka_.create_topic("orders", 2); }

  GroupAdmin open() { return GroupAdmin::open(kafka_.options()).value(); }

  MockKafka kafka_;
};

TEST_F(GroupAdminTest, KeepsOffsetsWithTheirMetadata) {
  GroupAdmin admin = open();
  EXPECT_TRUE(admin.offsets("g", "orders", patience)->empty());
  ASSERT_TRUE(admin.set_offsets("g", "orders", {{{1}, {Offset{7}, "slu1|D|x"}}}, patience).ok());
  const auto offsets = admin.offsets("g", "orders", patience);
  ASSERT_TRUE(offsets.ok());
  ASSERT_EQ(offsets->size(), 1u);
  EXPECT_EQ(offsets->at({1}).offset, Offset{7});
  EXPECT_EQ(offsets->at({1}).metadata, "slu1|D|x");
}

TEST_F(GroupAdminTest, CommitsNothingForAGroupWithMembers) {
  kafka_.fail_requests(offset_commit_request, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 1);
  const auto result = open().set_offsets("g", "orders", {{{1}, {Offset{7}, ""}}}, patience);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().slug, "kafka-group-active");
}

TEST_F(GroupAdminTest, TriesAgainWhatPasses) {
  kafka_.fail_requests(offset_commit_request, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 2);
  EXPECT_TRUE(open().set_offsets("g", "orders", {{{1}, {Offset{7}, ""}}}, patience).ok());
}

TEST_F(GroupAdminTest, SaysThatATopicIsMissing) {
  kafka_.fail_topic("orders", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  const auto result = open().offsets("g", "orders", patience);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().slug, "topic-missing");
}

TEST_F(GroupAdminTest, KeepsTheTimeoutWhenNobodyAnswers) {
  GroupAdmin admin = open();
  ASSERT_TRUE(admin.set_offsets("g", "orders", {{{0}, {Offset{1}, ""}}}, patience).ok());
  kafka_.slow_down(60'000);
  const Milliseconds brief{400};
  const TimePoint started = SystemClock().now();
  EXPECT_FALSE(admin.offsets("g", "orders", brief).ok());
  EXPECT_FALSE(admin.set_offsets("g", "orders", {{{0}, {Offset{2}, ""}}}, brief).ok());
  EXPECT_LT(SystemClock().now() - started, 2 * brief + Milliseconds{10'000});
}

TEST_F(GroupAdminTest, OutlivesTheQuestionNobodyWaitsForAnyMore) {
  GroupAdmin admin = open();
  ASSERT_TRUE(admin.set_offsets("g", "orders", {{{0}, {Offset{1}, ""}}}, patience).ok());
  for (int i = 0; i < 3; ++i) {
    kafka_.stop();
    EXPECT_FALSE(
        admin.set_offsets("late", "orders", {{{0}, {Offset{2}, ""}}}, Milliseconds{400}).ok());
    kafka_.start();
    EXPECT_TRUE(admin.set_offsets("g", "orders", {{{0}, {Offset{3 + i}, ""}}}, patience).ok());
    EXPECT_EQ(admin.offsets("g", "orders", patience)->at({0}).offset, Offset{3 + i});
  }
}

}  // namespace
}  // namespace sluice::kafka
