// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice {

/// A 256-bit unsigned number, or a signed one in two's complement; lowest 64 bits first, so that
/// its first bytes are what ClickHouse stores for narrower types.
struct Wide {
  std::array<uint64_t, 4> words{};

  bool operator==(const Wide&) const = default;
  [[nodiscard]] bool zero() const { return *this == Wide{}; }
  /// *this = *this * factor + addend; false where that takes more than 256 bits.
  [[nodiscard]] bool multiply_add(uint64_t factor, uint64_t addend);
  /// Whether the unsigned number takes at most `bits` bits, 1 to 256.
  [[nodiscard]] bool fits(unsigned bits) const;
  /// Whether the unsigned number is 2 to the power `bit`.
  [[nodiscard]] bool is_power_of_two(unsigned bit) const;
  /// Two's complement of it.
  void negate();
};

/// Appends decimal digits to `value`; false where that takes more than 256 bits. `digits` must be
/// digits only.
[[nodiscard]] bool append_digits(std::string_view digits, Wide& value);

}  // namespace sluice
