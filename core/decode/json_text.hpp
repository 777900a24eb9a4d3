// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/decode/fault.hpp"

namespace sluice {

/// Zero bytes that must follow every text that is read with these functions: they end every number
/// and every string, and make it safe to look ahead.
inline constexpr size_t text_padding = 64;

/// A JSON value that is no object and no array, as it stands in its text.
struct Scalar {
  enum class Kind : uint8_t { null, boolean, number, string };
  Kind kind = Kind::null;
  bool escaped = false;   ///< a string with a backslash in it
  std::string_view text;  ///< of a string, what is between the quotes
};

/// Characters that end the plain part of a string, in the 16 bytes at `position`: one bit each for
/// quotes, backslashes and control characters.
inline uint32_t find_string_ends(const char* position) {
#if defined(__SSE2__)
  __m128i bytes;
  std::memcpy(&bytes, position, sizeof bytes);
  const __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  const __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
  return static_cast<uint32_t>(
      _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls)));
#else
  uint32_t ends = 0;
  for (uint32_t i = 0; i < 16; ++i) {
    const auto byte = static_cast<unsigned char>(position[i]);
    if (byte == '"' || byte == '\\' || byte < 0x20) ends |= 1U << i;
  }
  return ends;
#endif
}

inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

inline void skip_spaces(const char*& position) {
  while (is_space(*position)) ++position;
}

/// Reads the string whose opening quote is at `position` and moves behind its closing quote. False
/// where there is none or a control character is in it. Escapes are not looked at.
[[nodiscard]] bool read_string(const char*& position, Scalar& scalar);

/// Reads the scalar at `position` and moves behind it. False where no valid one begins there. What
/// follows it and the escapes of a string are not looked at.
[[nodiscard]] bool read_scalar(const char*& position, Scalar& scalar);

/// Whether the escapes in the text of a string are valid: not_json or lone_surrogate where not.
/// Half a pair is valid where it is the second half, as ClickHouse's reader has it.
[[nodiscard]] Fault check_escapes(std::string_view text);

/// Writes what the text of a string stands for to `out`, which needs room for as much as the text
/// is long. `size` is what it took. Faults as check_escapes().
[[nodiscard]] Fault unescape(std::string_view text, char* out, size_t& size);

/// The bracket that closes the one at `position`, of whatever kind; nullptr where there is none.
[[nodiscard]] const char* find_closing_bracket(const char* position);

}  // namespace sluice
