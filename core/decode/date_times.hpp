// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "core/decode/fault.hpp"

namespace sluice {

/// What a text says about a point in time.
struct TimeText {
  int64_t seconds = 0;        ///< since 1970-01-01 00:00:00
  std::string_view fraction;  ///< the digits after the second
  bool local = false;         ///< seconds are of the column's time zone, else of UTC
};

/// Reads the text of a DateTime or DateTime64 as ClickHouse's reader does with
/// date_time_input_format = best_effort, in these forms:
///
///   unix time of 9 or 10 digits; 13, 16 or 19 digits: milli-, micro-, nanoseconds; for DateTime64
///     (`fine`) seconds with a fraction
///   a date: YYYY-MM-DD, YYYYMMDD, DD-MM-YYYY (or / or . between; month and day change places when
///     the month would be over 12; months by name; years of two digits are 1970 to 2069),
///     D Month YYYY, Month D, YYYY; a weekday before it is passed over
///   then, after T, spaces or a comma, a time: h:mm, h:mm:ss, h:mm:ss.fraction, hhmmss, AM or PM
///   then Z, UTC, GMT, MSK, MSD or an offset: +h, +hh, +hmm, +hhmm, +hh:mm
///   Weekday Month D time zone YYYY, as ctime() and date(1) write it
///
/// Stricter than ClickHouse: every other form is not_a_date, above all any without a year, a month
/// and a day (ClickHouse guesses them); a day, a time of day or an offset that does not exist is
/// no_such_date (ClickHouse carries over).
[[nodiscard]] Fault parse_date_time(std::string_view text, bool fine, TimeText& time);

}  // namespace sluice
