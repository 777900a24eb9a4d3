// SPDX-License-Identifier: Apache-2.0
#include "core/decode/time_zone.hpp"

#include <gtest/gtest.h>

#include "core/decode/calendar.hpp"

namespace sluice {
namespace {

int64_t local(int32_t year, uint32_t month, uint32_t day, int64_t hour, int64_t minute) {
  return int64_t{days_since_epoch({year, month, day})} * 86400 + hour * 3600 + minute * 60;
}

/// How many minutes local time is ahead of what became of it.
int64_t offset(const char* zone, int64_t local_seconds) {
  int64_t utc = 0;
  EXPECT_EQ(TimeZone(zone).to_utc(local_seconds, utc), Fault::none) << zone;
  return (local_seconds - utc) / 60;
}

TEST(TimeZone, UtcNeedsNoData) {
  EXPECT_TRUE(TimeZone("UTC").is_utc());
  EXPECT_TRUE(TimeZone("Etc/UTC").is_utc());
  EXPECT_FALSE(TimeZone("Europe/London").is_utc());
  EXPECT_EQ(offset("UTC", local(9999, 12, 31, 23, 59)), 0);
}

TEST(TimeZone, KnowsSummerAndWinter) {
  EXPECT_EQ(offset("Europe/Berlin", local(2024, 1, 1, 0, 0)), 60);
  EXPECT_EQ(offset("Europe/Berlin", local(2024, 7, 1, 0, 0)), 120);
  EXPECT_EQ(offset("America/New_York", local(2024, 7, 1, 0, 0)), -240);
  EXPECT_EQ(offset("Asia/Kathmandu", local(2024, 7, 1, 0, 0)), 345);
  EXPECT_EQ(offset("Asia/Kathmandu", local(2250, 7, 1, 0, 0)), 345);
}

TEST(TimeZone, OfATimeThatComesTwiceItIsTheFirst) {
  EXPECT_EQ(offset("Europe/Berlin", local(2024, 10, 27, 1, 59)), 120);
  EXPECT_EQ(offset("Europe/Berlin", local(2024, 10, 27, 2, 30)), 120);
  EXPECT_EQ(offset("Europe/Berlin", local(2024, 10, 27, 3, 0)), 60);
}

TEST(TimeZone, ATimeThatNeverComesIsTakenAsIfTheClocksWereSet) {
  EXPECT_EQ(offset("Europe/Berlin", local(2024, 3, 31, 1, 59)), 60);
  EXPECT_EQ(offset("Europe/Berlin", local(2024, 3, 31, 2, 30)), 120);
  EXPECT_EQ(offset("Europe/Berlin", local(2024, 3, 31, 3, 0)), 120);
  EXPECT_EQ(offset("America/Sao_Paulo", local(2018, 11, 4, 0, 30)), -120);  // at midnight
}

TEST(TimeZone, RefusesWhereItsDataEnd) {
  int64_t utc = 0;
  EXPECT_EQ(TimeZone("Nowhere/Nothing").to_utc(0, utc), Fault::zone_unknown);
  EXPECT_EQ(TimeZone("").to_utc(0, utc), Fault::zone_unknown);
  EXPECT_EQ(TimeZone("../../etc/passwd").to_utc(0, utc), Fault::zone_unknown);
  EXPECT_EQ(TimeZone("Europe/Berlin").to_utc(local(2037, 7, 1, 0, 0), utc), Fault::none);
  EXPECT_EQ(TimeZone("Europe/Berlin").to_utc(local(2038, 7, 1, 0, 0), utc),
            Fault::zone_beyond_rules);
  EXPECT_EQ(TimeZone("Europe/Berlin").to_utc(local(1899, 12, 31, 0, 0), utc),
            Fault::zone_beyond_rules);
  EXPECT_EQ(TimeZone("Europe/Berlin").to_utc(local(1945, 5, 24, 12, 0), utc),
            Fault::zone_beyond_rules);  // the clocks were changed on that day
  EXPECT_EQ(TimeZone("Europe/Berlin").to_utc(local(1945, 5, 23, 12, 0), utc), Fault::none);
}

TEST(TimeZone, DaysOfManyYearsDoNotDisturbEachOther) {
  TimeZone zone("Europe/Berlin");
  for (int round = 0; round < 2; ++round) {
    for (int32_t year = 1971; year < 2037; ++year) {
      int64_t utc = 0;
      ASSERT_EQ(zone.to_utc(local(year, 1, 15, 12, 0), utc), Fault::none);
      EXPECT_EQ(local(year, 1, 15, 11, 0), utc);
    }
  }
}

}  // namespace
}  // namespace sluice
