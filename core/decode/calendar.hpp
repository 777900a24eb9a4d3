// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace sluice {

/// A day of the proleptic Gregorian calendar.
struct Day {
  int32_t year = 0;
  uint32_t month = 0;
  uint32_t day = 0;
};

[[nodiscard]] constexpr bool is_leap_year(int32_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

[[nodiscard]] constexpr uint32_t days_of_month(int32_t year, uint32_t month) {
  if (month == 2) return is_leap_year(year) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/// Whether the day exists, in the years 1 to 9999.
[[nodiscard]] constexpr bool exists(const Day& day) {
  return day.year >= 1 && day.year <= 9999 && day.month >= 1 && day.month <= 12 && day.day >= 1 &&
         day.day <= days_of_month(day.year, day.month);
}

/// Days since 1970-01-01 of a day that exists.
[[nodiscard]] constexpr int32_t days_since_epoch(const Day& day) {
  // Years begin in March here, so that the leap day is the last of its year.
  const int32_t year = day.month <= 2 ? day.year - 1 : day.year;
  const auto month = static_cast<int32_t>(day.month <= 2 ? day.month + 9 : day.month - 3);
  const int32_t day_of_year = (153 * month + 2) / 5 + static_cast<int32_t>(day.day) - 1;
  constexpr int32_t days_to_epoch = 719468;  // from 0000-03-01
  return 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - days_to_epoch;
}

}  // namespace sluice
