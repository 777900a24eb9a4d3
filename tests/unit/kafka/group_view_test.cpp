// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/group_view.hpp"

#include <gtest/gtest.h>

#include "core/kafka/groups.hpp"
#include "tests/unit/kafka/mock_kafka.hpp"

namespace sluice::kafka {
namespace {

constexpr Milliseconds patience{10'000};

TEST(GroupView, SeesWhereAGroupStandsWithoutJoiningIt) {
  MockKafka kafka;
  kafka.create_topic("orders", 3);
  kafka.produce("orders", 0, 5);
  kafka.produce("orders", 1, 2);
  const WallTime produced = SystemClock().wall();
  auto admin = GroupAdmin::open(kafka.options());
  ASSERT_TRUE(admin.ok());
  ASSERT_TRUE(admin->set_offsets("g", "orders", {{{0}, {Offset{4}, "note"}}}, patience).ok());

  auto view = GroupView::open(kafka.options(), "g");
  ASSERT_TRUE(view.ok());
  const auto partitions = view->partitions("orders", patience);
  ASSERT_TRUE(partitions.ok());
  EXPECT_EQ(partitions->size(), 3u);
  const auto marks = view->watermarks("orders", *partitions, patience);
  ASSERT_TRUE(marks.ok());
  EXPECT_EQ(marks->at({0}).end, Offset{5});
  const auto committed = view->committed("orders", *partitions, patience);
  ASSERT_TRUE(committed.ok());
  EXPECT_EQ(committed->size(), 1u);
  EXPECT_EQ(committed->at({0}).metadata, "note");

  // Of partition 2 nothing follows; that is no unknown.
  const auto times =
      view->first_times("orders", {{{0}, Offset{4}}, {{1}, Offset{0}}, {{2}, Offset{0}}}, patience);
  ASSERT_EQ(times.size(), 3u);
  EXPECT_LE(*times.at({0}), produced);
  EXPECT_GT(*times.at({0}), produced - std::chrono::minutes(1));
  EXPECT_TRUE(times.at({1}).has_value());
  EXPECT_FALSE(times.at({2}).has_value());
}

TEST(GroupView, KeepsTheTimeoutWhenNobodyAnswers) {
  MockKafka kafka;
  kafka.create_topic("orders", 2);
  kafka.produce("orders", 0, 1);
  auto view = GroupView::open(kafka.options(), "g");
  ASSERT_TRUE(view.ok());
  const std::vector<PartitionId> both{{0}, {1}};
  ASSERT_TRUE(view->committed("orders", both, patience).ok());
  kafka.slow_down(60'000);
  const Milliseconds brief{400};
  const TimePoint started = SystemClock().now();
  EXPECT_FALSE(view->partitions("orders", brief).ok());
  EXPECT_FALSE(view->watermarks("orders", both, brief).ok());
  EXPECT_FALSE(view->committed("orders", both, brief).ok());
  EXPECT_FALSE(view->offsets_at("orders", both, WallTime{}, brief).ok());
  EXPECT_TRUE(view->first_times("orders", {{{0}, Offset{0}}}, brief).empty());
  EXPECT_LT(SystemClock().now() - started, 5 * brief + Milliseconds{10'000});
}

}  // namespace
}  // namespace sluice::kafka
