// SPDX-License-Identifier: Apache-2.0
#include "cli/units.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace sluice::cli {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;

const WallTime now{seconds(1'795'226'404)};  // 2026-11-21T02:00:04Z

TEST(Durations, AreReadWithTheirUnit) {
  EXPECT_EQ(parse_duration("500ms"), Milliseconds(500));
  EXPECT_EQ(parse_duration("30s"), seconds(30));
  EXPECT_EQ(parse_duration("10m"), std::chrono::minutes(10));
  EXPECT_EQ(parse_duration("2h"), hours(2));
  EXPECT_EQ(parse_duration("1d"), days(1));
  EXPECT_EQ(parse_duration("1h30m"), std::chrono::minutes(90));
  EXPECT_EQ(parse_duration("1.5s"), Milliseconds(1500));
  EXPECT_EQ(parse_duration("0"), Milliseconds(0));
}

TEST(Durations, WithoutAUnitOrWithNonsenseAreRefused) {
  for (const char* text : {"", "5", "s", "5x", "-5s", "5 s", "1.5", "5s ", "9999999999999d", "1e3s",
                           "999999999999999999999s", "1__0s", "_1s", "1_s", "1.s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Sizes, KeepBinaryAndDecimalUnitsApart) {
  EXPECT_EQ(parse_size("64MiB"), 64u << 20);
  EXPECT_EQ(parse_size("1GB"), 1'000'000'000u);
  EXPECT_EQ(parse_size("512"), 512u);
  EXPECT_EQ(parse_size("1.5KiB"), 1536u);
  EXPECT_EQ(parse_size("4_096 B"), 4096u);
}

TEST(Sizes, ThatSayNeitherAreRefused) {
  for (const char* text : {"64M", "1g", "", "MiB", "-1MiB", "1 MiB x", "99999999999TiB", "1mib"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Counts, TakeUnderscoresAndSuffixes) {
  EXPECT_EQ(parse_count("1_000_000"), 1'000'000u);
  EXPECT_EQ(parse_count("1M"), 1'000'000u);
  EXPECT_EQ(parse_count("250k"), 250'000u);
  EXPECT_EQ(parse_count("1.5M"), 1'500'000u);
  EXPECT_EQ(parse_count("0"), 0u);
  for (const char* text : {"", "1.5", "-1", "1 000", "1MM", "18446744073709551616", "0x10"}) {
    EXPECT_FALSE(parse_count(text)) << text;
  }
}

TEST(Times, WithoutAZoneAreUtc) {
  EXPECT_EQ(parse_time("2026-11-21", now), WallTime(seconds(1'795'219'200)));
  EXPECT_EQ(parse_time("2026-11-21T02:00", now), WallTime(seconds(1'795'226'400)));
  EXPECT_EQ(parse_time("2026-11-21T02:00:04", now), now);
  EXPECT_EQ(parse_time("2026-11-21 02:00:04", now), now);
}

TEST(Times, OffsetsAndFractionsCount) {
  EXPECT_EQ(parse_time("2026-11-21T02:00:04Z", now), now);
  EXPECT_EQ(parse_time("2026-11-21T03:00:04+01:00", now), now);
  EXPECT_EQ(parse_time("2026-11-20T22:30:04-0330", now), now);
  EXPECT_EQ(parse_time("2026-11-21T02:00:04.5Z", now), now + Milliseconds(500));
  EXPECT_EQ(parse_time("2026-11-21T02:00:04.123456Z", now), now + Milliseconds(123));
}

TEST(Times, UnixTimeRelativeTimeAndNow) {
  EXPECT_EQ(parse_time("1795226404", now), now);
  EXPECT_EQ(parse_time("1795226404000", now), now);
  EXPECT_EQ(parse_time("-24h", now), now - hours(24));
  EXPECT_EQ(parse_time("now", now), now);
}

TEST(Times, NonsenseIsRefused) {
  for (const char* text : {"", "yesterday", "2026-13-01", "2026-02-30", "2026-11-21T25:00", "-24",
                           "2026-11-21T02:00:04+1", "2026-11-21x", "123", "2026-11-21T02:00:04Zz",
                           "2026/11/21", "21-11-2026", "--1h"}) {
    EXPECT_FALSE(parse_time(text, now)) << text;
  }
}

}  // namespace
}  // namespace sluice::cli
