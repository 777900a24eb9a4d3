// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>

namespace sluice {

/// Copies `count` bytes that are at least `Chunk` and at most twice as many.
template <size_t Chunk>
inline void copy_two_chunks(char* to, const char* from, size_t count) {
  char head[Chunk];
  char tail[Chunk];
  std::memcpy(head, from, Chunk);
  std::memcpy(tail, from + count - Chunk, Chunk);
  std::memcpy(to, head, Chunk);
  std::memcpy(to + count - Chunk, tail, Chunk);
}

/// memcpy() for lengths that are mostly short and known at run time only: no call up to 32 bytes.
inline void copy_bytes(char* to, const char* from, size_t count) {
  if (count > 32) {
    std::memcpy(to, from, count);
  } else if (count >= 16) {
    copy_two_chunks<16>(to, from, count);
  } else if (count >= 8) {
    copy_two_chunks<8>(to, from, count);
  } else if (count >= 4) {
    copy_two_chunks<4>(to, from, count);
  } else if (count >= 2) {
    copy_two_chunks<2>(to, from, count);
  } else if (count == 1) {
    *to = *from;
  }
}

}  // namespace sluice
