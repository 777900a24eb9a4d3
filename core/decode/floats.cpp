// SPDX-License-Identifier: Apache-2.0
#include "core/decode/floats.hpp"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/text.hpp"
#include "core/decode/digits.hpp"

namespace sluice {

namespace {

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (to_lower(text[i]) != lower[i]) return false;
  }
  return true;
}

/// Whether `text` is digits with an optional point and an optional exponent.
bool is_decimal(std::string_view text) {
  size_t digits = take_digits(text).size();
  if (take_char(text, '.')) digits += take_digits(text).size();
  if (digits == 0) return false;
  if (take_char(text, 'e') || take_char(text, 'E')) {
    if (!take_char(text, '-')) take_char(text, '+');
    if (take_digits(text).empty()) return false;
  }
  return text.empty();
}

/// Of a decimal() that does not fit its type: whether it is too large rather than too small.
bool is_huge(std::string_view text) {
  constexpr int64_t exponent_max = 1'000'000'000;
  const std::string_view whole = take_digits(text);
  int64_t magnitude = 0;  // the number is below 10 to this power
  const size_t leading = whole.find_first_not_of('0');
  if (leading != std::string_view::npos) {
    magnitude = static_cast<int64_t>(whole.size() - leading);
  }
  if (take_char(text, '.')) {
    const std::string_view fraction = take_digits(text);
    const size_t zeros = fraction.find_first_not_of('0');
    if (magnitude == 0 && zeros != std::string_view::npos) magnitude = -static_cast<int64_t>(zeros);
  }
  if (text.empty()) return magnitude > 0;
  text.remove_prefix(1);  // the e
  const bool negative = take_char(text, '-');
  if (!negative) take_char(text, '+');
  int64_t exponent = 0;
  for (const char digit : text) {
    if (exponent < exponent_max) exponent = exponent * 10 + (digit - '0');
  }
  return magnitude + (negative ? -exponent : exponent) > 0;
}

template <class Float>
Fault parse(std::string_view text, Float& value) {
  const bool negative = take_char(text, '-');
  if (!negative) take_char(text, '+');
  if (is_decimal(text)) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec == std::errc::result_out_of_range) {
      if (is_huge(text)) return Fault::out_of_range;
      value = 0;
    }
  } else if (equals_ignoring_case(text, "nan")) {
    value = std::numeric_limits<Float>::quiet_NaN();
  } else if (equals_ignoring_case(text, "inf") || equals_ignoring_case(text, "infinity")) {
    value = std::numeric_limits<Float>::infinity();
  } else {
    return Fault::not_a_number;
  }
  if (negative) value = -value;
  return Fault::none;
}

}  // namespace

Fault parse_float(std::string_view text, double& value) { return parse(text, value); }

Fault parse_float(std::string_view text, float& value) { return parse(text, value); }

Fault parse_bfloat16(std::string_view text, uint16_t& bits) {
  float value = 0;
  const Fault fault = parse(text, value);
  uint32_t whole = 0;
  std::memcpy(&whole, &value, sizeof whole);
  bits = static_cast<uint16_t>(whole >> 16);
  return fault;
}

}  // namespace sluice
