// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice {

[[nodiscard]] constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// How many digits `text` begins with.
[[nodiscard]] constexpr size_t count_digits(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  return count;
}

/// Takes the first `count` characters off `text` and returns them.
constexpr std::string_view take(std::string_view& text, size_t count) {
  const std::string_view taken = text.substr(0, count);
  text.remove_prefix(taken.size());
  return taken;
}

/// Takes the digits off that `text` begins with.
constexpr std::string_view take_digits(std::string_view& text) {
  return take(text, count_digits(text));
}

/// Takes `c` off where `text` begins with it.
constexpr bool take_char(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// The value of a few digits; too many overflow.
template <class T>
[[nodiscard]] constexpr T digits_value(std::string_view digits) {
  T value = 0;
  for (const char digit : digits) {
    value = static_cast<T>(value * T{10} + static_cast<T>(digit - '0'));
  }
  return value;
}

}  // namespace sluice
