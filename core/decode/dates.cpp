// SPDX-License-Identifier: Apache-2.0
#include "core/decode/dates.hpp"

#include "core/decode/calendar.hpp"
#include "core/decode/digits.hpp"

namespace sluice {

namespace {

bool is_separator(char c) { return c == '-' || c == '/' || c == '.' || c == ':' || c == ' '; }

/// One or two digits.
bool take_short_number(std::string_view& text, uint32_t& value) {
  const size_t count = count_digits(text);
  if (count == 0 || count > 2) return false;
  value = digits_value<uint32_t>(take(text, count));
  return true;
}

bool take_separator(std::string_view& text) {
  if (text.empty() || !is_separator(text.front())) return false;
  text.remove_prefix(1);
  return true;
}

bool split_date(std::string_view text, Day& day) {
  const size_t count = count_digits(text);
  if (count == 8 && text.size() == 8) {
    day.year = digits_value<int32_t>(take(text, 4));
    day.month = digits_value<uint32_t>(take(text, 2));
    day.day = digits_value<uint32_t>(text);
    return true;
  }
  if (count != 4) return false;
  day.year = digits_value<int32_t>(take(text, 4));
  return take_separator(text) && take_short_number(text, day.month) && take_separator(text) &&
         take_short_number(text, day.day) && text.empty();
}

}  // namespace

Fault parse_date(std::string_view text, int32_t& days) {
  Day day;
  if (!split_date(text, day)) return Fault::not_a_date;
  if (!exists(day)) return Fault::no_such_date;
  days = days_since_epoch(day);
  return Fault::none;
}

Fault parse_time(std::string_view text, uint32_t scale, bool fraction, int64_t& ticks) {
  const bool negative = take_char(text, '-');
  const size_t count = count_digits(text);
  if (count == 0 || count > 3) return Fault::not_a_time;
  const auto first = digits_value<int64_t>(take(text, count));
  int64_t seconds = first;
  size_t parts = 1;
  for (; parts < 3 && take_char(text, ':'); ++parts) {
    if (count_digits(text) != 2) return Fault::not_a_time;
    const auto next = digits_value<int64_t>(take(text, 2));
    if (next > 59) return Fault::no_such_date;
    seconds = seconds * 60 + next;
  }
  // Only hours may have three digits or be over 59.
  if (parts != 3 && count > 2) return Fault::not_a_time;
  if (parts != 3 && first > 59) return Fault::no_such_date;
  int64_t part = 0;
  if (fraction && take_char(text, '.')) {
    const Fault fault = scale_fraction(take_digits(text), scale, part);
    if (fault != Fault::none) return fault;
  }
  if (!text.empty()) return Fault::not_a_time;
  ticks = seconds * power_of_ten(scale) + part;
  if (negative) ticks = -ticks;
  return Fault::none;
}

Fault scale_fraction(std::string_view digits, uint32_t scale, int64_t& ticks) {
  const std::string_view kept = digits.substr(0, scale);
  if (digits.find_first_not_of('0', kept.size()) != std::string_view::npos) {
    return Fault::fraction_lost;
  }
  ticks = digits_value<int64_t>(kept) * power_of_ten(scale - static_cast<uint32_t>(kept.size()));
  return Fault::none;
}

}  // namespace sluice
