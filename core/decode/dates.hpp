// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "core/decode/fault.hpp"

namespace sluice {

/// Reads the text of a Date or Date32 as ClickHouse's reader does: YYYYMMDD, or year, month and day
/// with one character between them ("2024-01-02", "2024/1/2"). Stricter: the day must exist, where
/// ClickHouse takes February 30 for March 1; what stands between must be one of - / . : or a space.
[[nodiscard]] Fault parse_date(std::string_view text, int32_t& days);

/// Reads the text of a Time or Time64 as ClickHouse's reader does: hours:minutes:seconds,
/// minutes:seconds or seconds, minutes and seconds of two digits, with an optional minus; a
/// fraction of a second where `scale` is not 0 or `fraction` says so. `ticks` are seconds times 10
/// to the power of scale. Stricter: no minute or second over 59, no fraction that the scale cannot
/// keep.
[[nodiscard]] Fault parse_time(std::string_view text, uint32_t scale, bool fraction,
                               int64_t& ticks);

/// A fraction of a second, given by its digits, in units of 10 to the power of -scale; scale is at
/// most 9. Digits other than 0 that are finer are fraction_lost.
[[nodiscard]] Fault scale_fraction(std::string_view digits, uint32_t scale, int64_t& ticks);

/// 10 to the power of `exponent`, at most 18.
[[nodiscard]] constexpr int64_t power_of_ten(uint32_t exponent) {
  int64_t power = 1;
  for (uint32_t i = 0; i < exponent; ++i) power *= 10;
  return power;
}

}  // namespace sluice
