// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/retry.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sluice {
namespace {

using Next = Retry::Next;

constexpr TimePoint start{};

TimePoint at(Milliseconds offset) { return start + offset; }

Attempt attempt(AttemptClass kind, bool ambiguous = false, Milliseconds retry_after = {}) {
  return {.kind = kind, .ambiguous = ambiguous, .retry_after = retry_after};
}

RetryOptions endless() {
  RetryOptions options;
  options.time_max = Milliseconds{0};
  return options;
}

TEST(RetryTest, SuccessIsDone) {
  Retry retry({}, start, 1);
  EXPECT_EQ(retry.after(attempt(AttemptClass::success), start).next, Next::done);
  EXPECT_EQ(retry.attempts(), 1U);
  EXPECT_FALSE(retry.ambiguous());
}

TEST(RetryTest, WhatOnlyAnotherStepCuresIsHandedOnAtOnce) {
  EXPECT_EQ(Retry({}, start, 1).after(attempt(AttemptClass::isolate), start).next, Next::isolate);
  EXPECT_EQ(Retry({}, start, 1).after(attempt(AttemptClass::split), start).next, Next::split);
  EXPECT_EQ(Retry({}, start, 1).after(attempt(AttemptClass::fatal), start).next, Next::fatal);
  EXPECT_EQ(Retry({}, start, 1).after(attempt(AttemptClass::refresh_schema), start).next,
            Next::refresh_schema);
}

TEST(RetryTest, WaitsGrowUpToTheCapAndAreSpread) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Retry retry(endless(), start, seed);
    int64_t most = 100;
    for (int failure = 0; failure < 40; ++failure) {
      const auto decision = retry.after(attempt(AttemptClass::retry), start);
      ASSERT_EQ(decision.next, Next::again);
      EXPECT_GE(decision.wait.count(), 10);
      EXPECT_LE(decision.wait.count(), most);
      most = std::min<int64_t>(most * 2, 30'000);
    }
  }
}

TEST(RetryTest, SendersThatFailTogetherDoNotComeBackTogether) {
  std::set<int64_t> waits;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Retry retry(endless(), start, seed);
    for (int failure = 0; failure < 8; ++failure) {
      static_cast<void>(retry.after(attempt(AttemptClass::retry), start));
    }
    waits.insert(retry.after(attempt(AttemptClass::retry), start).wait.count());
  }
  EXPECT_GT(waits.size(), 15U);
}

TEST(RetryTest, AnOverloadedServerIsSparedForASecondToAMinute) {
  Retry retry(endless(), start, 7);
  int64_t longest = 0;
  for (int failure = 0; failure < 60; ++failure) {
    const auto decision = retry.after(attempt(AttemptClass::retry_slow), start);
    ASSERT_EQ(decision.next, Next::again);
    EXPECT_GE(decision.wait.count(), 1'000);
    EXPECT_LE(decision.wait.count(), 60'000);
    longest = std::max(longest, decision.wait.count());
  }
  EXPECT_GT(longest, 30'000);
}

TEST(RetryTest, TheServersOwnWishIsFollowedButNotForAnHour) {
  Retry retry(endless(), start, 3);
  const auto wish = attempt(AttemptClass::retry, true, Milliseconds{7'000});
  EXPECT_GE(retry.after(wish, start).wait.count(), 7'000);
  const auto hour = attempt(AttemptClass::retry, true, Milliseconds{3'600'000});
  EXPECT_EQ(retry.after(hour, start).wait.count(), 60'000);
}

TEST(RetryTest, GivesUpWhenTheTimeIsOverAndTriesOnceMoreRightBefore) {
  RetryOptions options;
  options.time_max = Milliseconds{10'000};
  Retry retry(options, start, 5);
  for (int failure = 0; failure < 30; ++failure) {
    static_cast<void>(retry.after(attempt(AttemptClass::retry), start));
  }
  const auto late = retry.after(attempt(AttemptClass::retry_slow), at(Milliseconds{9'990}));
  EXPECT_EQ(late.next, Next::again);
  EXPECT_EQ(late.wait, Milliseconds{10});
  EXPECT_EQ(retry.after(attempt(AttemptClass::retry), at(Milliseconds{10'000})).next,
            Next::give_up);
}

TEST(RetryTest, WithoutALimitItNeverGivesUp) {
  Retry retry(endless(), start, 5);
  const auto decision =
      retry.after(attempt(AttemptClass::retry), start + std::chrono::hours(24 * 365));
  EXPECT_EQ(decision.next, Next::again);
}

TEST(RetryTest, AMissingTableMayComeBackForHalfAMinute) {
  Retry retry(endless(), start, 5);
  EXPECT_EQ(retry.after(attempt(AttemptClass::retry_briefly), at(Milliseconds{100'000})).next,
            Next::again);
  EXPECT_EQ(retry.after(attempt(AttemptClass::retry_briefly), at(Milliseconds{129'999})).next,
            Next::again);
  EXPECT_EQ(retry.after(attempt(AttemptClass::retry_briefly), at(Milliseconds{130'000})).next,
            Next::fatal);
}

TEST(RetryTest, TheHalfMinuteStartsAnewAfterAnotherFailure) {
  Retry retry(endless(), start, 5);
  static_cast<void>(retry.after(attempt(AttemptClass::retry_briefly), start));
  static_cast<void>(retry.after(attempt(AttemptClass::retry), at(Milliseconds{20'000})));
  EXPECT_EQ(retry.after(attempt(AttemptClass::retry_briefly), at(Milliseconds{40'000})).next,
            Next::again);
  EXPECT_EQ(retry.after(attempt(AttemptClass::retry_briefly), at(Milliseconds{69'000})).next,
            Next::again);
}

TEST(RetryTest, ACutBodyIsSentOnceMoreAndThenCountsAsBadData) {
  Retry retry(endless(), start, 5);
  EXPECT_EQ(retry.after(attempt(AttemptClass::resend, true), start).next, Next::again);
  EXPECT_EQ(retry.after(attempt(AttemptClass::resend, true), start).next, Next::isolate);
}

TEST(RetryTest, SomeCutBodiesAreSentTwiceMore) {
  Retry retry(endless(), start, 5);
  const Attempt cut{.kind = AttemptClass::resend, .ambiguous = true, .retry_after = {}, .times = 2};
  EXPECT_EQ(retry.after(cut, start).next, Next::again);
  EXPECT_EQ(retry.after(cut, start).next, Next::again);
  EXPECT_EQ(retry.after(cut, start).next, Next::isolate);
}

TEST(RetryTest, AReadOnlyUserIsWaitedForTwiceAsLong) {
  Retry retry(endless(), start, 5);
  const Attempt read_only{
      .kind = AttemptClass::retry_briefly, .ambiguous = false, .retry_after = {}, .times = 2};
  EXPECT_EQ(retry.after(read_only, start).next, Next::again);
  EXPECT_EQ(retry.after(read_only, at(Milliseconds{59'000})).next, Next::again);
  EXPECT_EQ(retry.after(read_only, at(Milliseconds{60'000})).next, Next::fatal);
}

TEST(RetryTest, OneAmbiguousAttemptMakesTheInsertAmbiguous) {
  Retry retry(endless(), start, 5);
  static_cast<void>(retry.after(attempt(AttemptClass::retry, false), start));
  EXPECT_FALSE(retry.ambiguous());
  static_cast<void>(retry.after(attempt(AttemptClass::retry, true), start));
  EXPECT_TRUE(retry.ambiguous());
  static_cast<void>(retry.after(attempt(AttemptClass::success), start));
  EXPECT_TRUE(retry.ambiguous());
  EXPECT_EQ(retry.attempts(), 3U);
}

}  // namespace
}  // namespace sluice
