// SPDX-License-Identifier: Apache-2.0
#include "core/decode/decimals.hpp"

#include <algorithm>
#include <optional>

#include "core/decode/digits.hpp"

namespace sluice {

namespace {

constexpr int64_t exponent_max = 100'000;

/// A decimal number as its text gives it: digits * 10^exponent, the digits in two parts.
struct Parts {
  bool negative = false;
  std::string_view whole;     ///< without leading zeros
  std::string_view fraction;  ///< without trailing zeros
  int64_t exponent = 0;       ///< as written
};

std::optional<int64_t> take_exponent(std::string_view& text) {
  const bool negative = take_char(text, '-');
  if (!negative) take_char(text, '+');
  const std::string_view digits = take_digits(text);
  if (digits.empty()) return std::nullopt;
  int64_t exponent = 0;
  for (const char digit : digits) exponent = std::min(exponent * 10 + (digit - '0'), exponent_max);
  return negative ? -exponent : exponent;
}

std::optional<Parts> split(std::string_view text) {
  Parts parts;
  parts.negative = take_char(text, '-');
  if (!parts.negative) take_char(text, '+');
  parts.whole = take_digits(text);
  if (take_char(text, '.')) parts.fraction = take_digits(text);
  if (parts.whole.empty() && parts.fraction.empty()) return std::nullopt;
  if (take_char(text, 'e') || take_char(text, 'E')) {
    const auto exponent = take_exponent(text);
    if (!exponent) return std::nullopt;
    parts.exponent = *exponent;
  }
  if (!text.empty()) return std::nullopt;
  parts.whole.remove_prefix(std::min(parts.whole.find_first_not_of('0'), parts.whole.size()));
  parts.fraction = parts.fraction.substr(0, parts.fraction.find_last_not_of('0') + 1);
  return parts;
}

/// The digits times 10 to the power of `power`. The caller has seen to it that they fit.
Fault to_wide(Parts parts, int64_t power, Wide& value) {
  if (parts.whole.empty() && parts.fraction.empty()) return Fault::none;
  for (; power < 0; ++power) {
    if (!parts.fraction.empty() || parts.whole.back() != '0') return Fault::too_many_digits;
    parts.whole.remove_suffix(1);
  }
  if (!append_digits(parts.whole, value) || !append_digits(parts.fraction, value)) {
    return Fault::out_of_range;
  }
  for (; power > 0; --power) {
    if (!value.multiply_add(10, 0)) return Fault::out_of_range;
  }
  if (parts.negative) value.negate();
  return Fault::none;
}

}  // namespace

Fault parse_decimal(std::string_view text, uint32_t precision, uint32_t scale, Wide& value) {
  value = Wide{};
  if (text.empty()) return Fault::none;
  const auto parts = split(text);
  if (!parts) return Fault::not_a_number;
  const auto before_point = static_cast<int64_t>(parts->whole.size());
  const auto after_point = static_cast<int64_t>(parts->fraction.size());
  const auto digits_max = static_cast<int64_t>(precision);
  // These are ClickHouse's own limits, which take 0.01e3 for a number of three digits.
  if (before_point > digits_max || before_point + parts->exponent > digits_max - scale) {
    return Fault::out_of_range;
  }
  // ClickHouse cuts off what is beyond the precision before it looks at the exponent.
  if (before_point + after_point > digits_max) return Fault::too_many_digits;
  return to_wide(*parts, scale + parts->exponent - after_point, value);
}

}  // namespace sluice
