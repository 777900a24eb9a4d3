// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "core/decode/digits.hpp"

namespace sluice {

static_assert(std::endian::native == std::endian::little);

template <class T>
T load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

/// Powers of ten that are exact.
inline constexpr auto double_powers =
    std::to_array<double>({1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                           1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22});
inline constexpr auto integer_powers =
    std::to_array<uint64_t>({1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000});

struct Digits {
  uint64_t value;
  uint32_t count;
};

/// The digits at `position`, up to eight of them, from eight bytes at once.
inline Digits read_eight_digits(const char* position) {
  // A digit is 0 to 9 now; with 0x76 added everything else has the top bit of its byte set.
  const uint64_t bytes = load<uint64_t>(position) ^ 0x3030303030303030U;
  const uint64_t others = ((bytes + 0x7676767676767676U) | bytes) & 0x8080808080808080U;
  if ((others & 0x80U) != 0) return {0, 0};
  const auto count = others == 0 ? 8U : static_cast<uint32_t>(__builtin_ctzll(others)) / 8;
  // Digits move to the end, zeros before them; then neighbours are joined, in three steps.
  uint64_t digits = bytes << (64 - 8 * count);
  digits = (digits * 10 + (digits >> 8)) & 0x00FF00FF00FF00FFU;
  digits = (digits * 100 + (digits >> 16)) & 0x0000FFFF0000FFFFU;
  return {(digits * 10000 + (digits >> 32)) & 0xFFFFFFFFU, count};
}

/// All digits at `position`. More than 19 do not fit and count as none.
inline Digits read_all_digits(const char* position) {
  Digits all = read_eight_digits(position);
  if (all.count < 8) return all;
  const Digits more = read_eight_digits(position + 8);
  all.value = all.value * integer_powers[more.count] + more.value;
  all.count += more.count;
  for (position += all.count; more.count == 8 && is_digit(*position); ++position) {
    if (++all.count > 19) return {0, 0};
    all.value = all.value * 10 + static_cast<uint64_t>(*position - '0');
  }
  return all;
}

}  // namespace sluice
