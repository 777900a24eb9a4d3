// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

/// Longest encoding of a 64-bit number.
inline constexpr size_t varint_size_max = 10;

/// Writes `value` as LEB128 (seven bits a byte, low ones first) and returns how many bytes it took,
/// varint_size_max at most.
inline size_t write_varint(char* bytes, uint64_t value) {
  size_t size = 0;
  while (value >= 0x80) {
    bytes[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes[size++] = static_cast<char>(value);
  return size;
}

/// Reads what write_varint() wrote and moves `bytes` behind it.
inline uint64_t read_varint(const char*& bytes) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(*bytes++);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

}  // namespace sluice
