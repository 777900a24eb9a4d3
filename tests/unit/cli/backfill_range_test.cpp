// SPDX-License-Identifier: Apache-2.0
#include "cli/backfill_range.hpp"

#include <gtest/gtest.h>

#include "cli/units.hpp"

namespace sluice::cli {
namespace {

const WallTime now = *parse_time("2026-11-21T12:00:00Z", {});

WallTime time(const char* text) { return *parse_time(text, now); }

TEST(BackfillRange, OffsetsAreReadAsTheyStand) {
  const auto range = parse_range("100:200", now);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->from.kind, RangeEdge::Kind::offset);
  EXPECT_EQ(range->from.offset, Offset{100});
  EXPECT_EQ(range->to.offset, Offset{200});
  EXPECT_FALSE(range->relative());
}

TEST(BackfillRange, TimesMayHoldColonsThemselves) {
  const auto range = parse_range("@2024-05-01T02:03:04Z:2024-05-08T00:00", now);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->from.time, time("2024-05-01T02:03:04Z"));
  EXPECT_EQ(range->to.time, time("2024-05-08"));
}

TEST(BackfillRange, WhatIsLeftOutIsTheStartOrTheEnd) {
  EXPECT_EQ(parse_range("@2024-05-01:", now)->to.kind, RangeEdge::Kind::end);
  EXPECT_EQ(parse_range(":500", now)->from.kind, RangeEdge::Kind::start);
  EXPECT_EQ(parse_range("start:end", now)->from.kind, RangeEdge::Kind::start);
}

TEST(BackfillRange, ATimeCountedFromNowIsAnotherOneEveryTime) {
  EXPECT_TRUE(parse_range("@-24h:end", now)->relative());
  EXPECT_EQ(parse_range("@-24h:end", now)->from.time, time("2026-11-20T12:00:00Z"));
  EXPECT_FALSE(parse_range("@2024-05-01:end", now)->relative());
}

TEST(BackfillRange, NonsenseIsNothing) {
  for (const char* text : {"", "@", "100", "a:b", "@1:2:3", "-5:10", "@yesterday:end", "1:2:3"}) {
    EXPECT_FALSE(parse_range(text, now)) << text;
  }
}

TEST(BackfillRange, ARangeThatEndsBeforeItBeginsIsEmpty) {
  EXPECT_TRUE(parse_range("200:100", now)->empty());
  EXPECT_TRUE(parse_range("@2024-05-08:2024-05-01", now)->empty());
  EXPECT_TRUE(parse_range("end:start", now)->empty());
  EXPECT_FALSE(parse_range("100:end", now)->empty());
}

TEST(BackfillRange, PartitionsAreListed) {
  EXPECT_EQ(*parse_partitions("0,3-5"), (std::set<PartitionId>{{0}, {3}, {4}, {5}}));
  for (const char* text : {"", "a", "5-3", "-1", "1,,2"})
    EXPECT_FALSE(parse_partitions(text)) << text;
}

}  // namespace
}  // namespace sluice::cli
