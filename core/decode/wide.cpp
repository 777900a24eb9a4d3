// SPDX-License-Identifier: Apache-2.0
#include "core/decode/wide.hpp"

#include <algorithm>

namespace sluice {

namespace {

__extension__ typedef unsigned __int128 uint128;

constexpr size_t chunk_digits = 18;  // 10 to the power of 18 fits 64 bits

}  // namespace

bool Wide::multiply_add(uint64_t factor, uint64_t addend) {
  uint64_t carry = addend;
  for (uint64_t& word : words) {
    const uint128 product = static_cast<uint128>(word) * factor + carry;
    word = static_cast<uint64_t>(product);
    carry = static_cast<uint64_t>(product >> 64);
  }
  return carry == 0;
}

bool Wide::fits(unsigned bits) const {
  for (unsigned i = 0; i < words.size(); ++i) {
    if (bits >= 64 * (i + 1)) continue;
    const unsigned allowed = bits > 64 * i ? bits - 64 * i : 0;
    if ((words[i] >> allowed) != 0) return false;
  }
  return true;
}

bool Wide::is_power_of_two(unsigned bit) const {
  Wide power;
  power.words[bit / 64] = uint64_t{1} << (bit % 64);
  return *this == power;
}

void Wide::negate() {
  uint64_t carry = 1;
  for (uint64_t& word : words) {
    word = ~word + carry;
    carry = carry != 0 && word == 0 ? 1 : 0;
  }
}

bool append_digits(std::string_view digits, Wide& value) {
  while (!digits.empty()) {
    const size_t count = std::min(digits.size(), chunk_digits);
    uint64_t factor = 1;
    uint64_t chunk = 0;
    for (const char digit : digits.substr(0, count)) {
      factor *= 10;
      chunk = chunk * 10 + static_cast<uint64_t>(digit - '0');
    }
    if (!value.multiply_add(factor, chunk)) return false;
    digits.remove_prefix(count);
  }
  return true;
}

}  // namespace sluice
