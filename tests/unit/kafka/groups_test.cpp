// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/groups.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "tests/unit/kafka/mock_kafka.hpp"

// The mock knows offsets of groups, but no listing, describing, deleting or configuration: those
// are held to the real Kafka by integration/test_status.py. A running mock must not be asked to
// describe or delete a group either: librdkafka 2.0.2 may abort on a coordinator that cannot.
namespace sluice::kafka {
namespace {

constexpr Milliseconds patience{10'000};

class GroupAdminTest : public testing::Test {
 protected:
  void SetUp() override { kafka_.create_topic("orders", 2); }

  using Question = std::function<bool(Milliseconds)>;  ///< whether it was answered

  GroupAdmin open() { return GroupAdmin::open(kafka_.options()).value(); }

  static std::vector<Question> questions(GroupAdmin& admin) {
    return {
        [&](Milliseconds brief) { return admin.list("", brief).ok(); },
        [&](Milliseconds brief) { return admin.offsets("g", "orders", brief).ok(); },
        [&](Milliseconds brief) {
          return admin.set_offsets("g", "orders", {{{0}, {Offset{2}, ""}}}, brief).ok();
        },
        [&](Milliseconds brief) {
          return admin.topic_config("orders", "cleanup.policy", brief).ok();
        },
        [&](Milliseconds brief) { return admin.offsets_retention(brief).ok(); },
    };
  }

  static void expect_no_answer(const std::vector<Question>& questions) {
    const Milliseconds brief{400};
    for (size_t i = 0; i < questions.size(); ++i) {
      const TimePoint started = SystemClock().now();
      EXPECT_FALSE(questions[i](brief)) << i;
      EXPECT_LT(SystemClock().now() - started, brief + Milliseconds{10'000}) << i;
    }
  }

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
  expect_no_answer(questions(admin));
}

TEST_F(GroupAdminTest, KeepsTheTimeoutWhenNobodyIsThere) {
  kafka_.stop();
  GroupAdmin admin = open();
  std::vector<Question> all = questions(admin);
  all.push_back([&](Milliseconds brief) { return admin.describe("g", brief).ok(); });
  all.push_back([&](Milliseconds brief) { return admin.remove("g", brief).ok(); });
  expect_no_answer(all);
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
