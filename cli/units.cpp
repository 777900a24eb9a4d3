// SPDX-License-Identifier: Apache-2.0
#include "cli/units.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <utility>

#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr size_t fraction_digits_max = 9;

bool is_digit(char character) { return character >= '0' && character <= '9'; }

/// A decimal number without sign: whole + fraction / scale.
struct Decimal {
  uint64_t whole = 0;
  uint64_t fraction = 0;
  uint64_t scale = 1;
};

/// Takes digits (with single underscores between them) off the front.
std::optional<std::string> take_digits(std::string_view& text) {
  std::string digits;
  while (!text.empty() && (is_digit(text[0]) || text[0] == '_')) {
    const bool lone = text[0] == '_' && (digits.empty() || text.size() < 2 || !is_digit(text[1]));
    if (lone) return std::nullopt;
    if (text[0] != '_') digits += text[0];
    text.remove_prefix(1);
  }
  if (digits.empty()) return std::nullopt;
  return digits;
}

std::optional<uint64_t> to_number(std::string_view digits) {
  uint64_t number = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (status != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::optional<Decimal> take_decimal(std::string_view& text) {
  const auto whole = take_digits(text);
  if (!whole) return std::nullopt;
  Decimal decimal;
  const auto number = to_number(*whole);
  if (!number) return std::nullopt;
  decimal.whole = *number;
  if (text.empty() || text[0] != '.') return decimal;
  text.remove_prefix(1);
  const auto fraction = take_digits(text);
  if (!fraction || fraction->size() > fraction_digits_max) return std::nullopt;
  decimal.fraction = to_number(*fraction).value_or(0);
  for (size_t index = 0; index < fraction->size(); ++index) decimal.scale *= 10;
  return decimal;
}

/// decimal × unit where it is whole and fits.
std::optional<uint64_t> times(const Decimal& decimal, uint64_t unit) {
  constexpr uint64_t limit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (decimal.whole > limit / unit) return std::nullopt;
  const uint64_t whole = decimal.whole * unit;
  const auto part = static_cast<uint64_t>(static_cast<long double>(decimal.fraction) *
                                          static_cast<long double>(unit) /
                                          static_cast<long double>(decimal.scale));
  return whole > limit - part ? std::nullopt : std::optional(whole + part);
}

template <size_t count>
std::optional<uint64_t> unit_value(
    std::string_view name, const std::array<std::pair<std::string_view, uint64_t>, count>& units) {
  for (const auto& [unit, value] : units) {
    if (unit == name) return value;
  }
  return std::nullopt;
}

std::string_view take_letters(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() && ((text[length] >= 'a' && text[length] <= 'z') ||
                                  (text[length] >= 'A' && text[length] <= 'Z'))) {
    ++length;
  }
  const std::string_view letters = text.substr(0, length);
  text.remove_prefix(length);
  return letters;
}

/// Exactly `length` digits off the front.
std::optional<int> take_fixed(std::string_view& text, size_t length) {
  if (text.size() < length) return std::nullopt;
  int number = 0;
  for (size_t index = 0; index < length; ++index) {
    if (!is_digit(text[index])) return std::nullopt;
    number = number * 10 + (text[index] - '0');
  }
  text.remove_prefix(length);
  return number;
}

bool take_character(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<WallTime> take_date(std::string_view& text) {
  const auto year = take_fixed(text, 4);
  if (!year || !take_character(text, "-")) return std::nullopt;
  const auto month = take_fixed(text, 2);
  if (!month || !take_character(text, "-")) return std::nullopt;
  const auto day = take_fixed(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return WallTime(std::chrono::sys_days(date).time_since_epoch());
}

/// Milliseconds of ".123456", truncated.
std::optional<Milliseconds> take_fraction(std::string_view& text) {
  const auto digits = take_digits(text);
  if (!digits) return std::nullopt;
  const std::string padded = (*digits + "000").substr(0, 3);
  return Milliseconds(static_cast<int64_t>(to_number(padded).value_or(0)));
}

/// HH:MM[:SS[.fraction]]
std::optional<Milliseconds> take_clock(std::string_view& text) {
  const auto hour = take_fixed(text, 2);
  if (!hour || !take_character(text, ":")) return std::nullopt;
  const auto minute = take_fixed(text, 2);
  if (!minute) return std::nullopt;
  int second = 0;
  Milliseconds fraction{0};
  if (take_character(text, ":")) {
    const auto read = take_fixed(text, 2);
    if (!read) return std::nullopt;
    second = *read;
    if (take_character(text, ".")) {
      const auto part = take_fraction(text);
      if (!part) return std::nullopt;
      fraction = *part;
    }
  }
  if (*hour > 23 || *minute > 59 || second > 60) return std::nullopt;
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(second) +
         fraction;
}

/// Z, +HH:MM, -HHMM, or nothing at all.
std::optional<Milliseconds> take_zone(std::string_view& text) {
  if (text.empty() || take_character(text, "Zz")) return Milliseconds(0);
  const bool west = text[0] == '-';
  if (!take_character(text, "+-")) return std::nullopt;
  const auto hour = take_fixed(text, 2);
  if (!hour) return std::nullopt;
  take_character(text, ":");
  const auto minute = take_fixed(text, 2);
  if (!minute || *hour > 23 || *minute > 59) return std::nullopt;
  const Milliseconds offset = std::chrono::hours(*hour) + std::chrono::minutes(*minute);
  return west ? -offset : offset;
}

std::optional<WallTime> parse_calendar(std::string_view text) {
  const auto date = take_date(text);
  if (!date) return std::nullopt;
  if (text.empty()) return date;
  if (!take_character(text, "Tt ")) return std::nullopt;
  const auto clock = take_clock(text);
  if (!clock) return std::nullopt;
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  return *date + *clock - *zone;
}

}  // namespace

std::optional<Milliseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, uint64_t>, 5> units{
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  constexpr uint64_t longest = 36'500ull * 86'400'000;
  if (text == "0") return Milliseconds(0);
  if (text.empty()) return std::nullopt;
  uint64_t total = 0;
  while (!text.empty()) {
    const auto number = take_decimal(text);
    if (!number) return std::nullopt;
    const auto unit = unit_value(take_letters(text), units);
    if (!unit) return std::nullopt;
    const auto part = times(*number, *unit);
    if (!part || *part > longest || total + *part > longest) return std::nullopt;
    total += *part;
  }
  return Milliseconds(static_cast<int64_t>(total));
}

std::optional<uint64_t> parse_size(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, uint64_t>, 11> units{
      {{"", 1},
       {"B", 1},
       {"kB", 1000},
       {"KB", 1000},
       {"MB", 1'000'000},
       {"GB", 1'000'000'000},
       {"TB", 1'000'000'000'000},
       {"KiB", 1ull << 10},
       {"MiB", 1ull << 20},
       {"GiB", 1ull << 30},
       {"TiB", 1ull << 40}}};
  const auto number = take_decimal(text);
  if (!number) return std::nullopt;
  if (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  const auto unit = unit_value(take_letters(text), units);
  if (!unit || !text.empty()) return std::nullopt;
  return times(*number, *unit);
}

std::optional<uint64_t> parse_count(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, uint64_t>, 6> units{
      {{"", 1},
       {"k", 1000},
       {"K", 1000},
       {"M", 1'000'000},
       {"G", 1'000'000'000},
       {"B", 1'000'000'000}}};
  const auto number = take_decimal(text);
  if (!number) return std::nullopt;
  const auto unit = unit_value(take_letters(text), units);
  if (!unit || !text.empty()) return std::nullopt;
  if (*unit == 1 && number->fraction != 0) return std::nullopt;
  return times(*number, *unit);
}

std::optional<WallTime> parse_time(std::string_view text, WallTime now) {
  if (text == "now") return now;
  if (!text.empty() && text[0] == '-') {
    const auto ago = parse_duration(text.substr(1));
    if (!ago) return std::nullopt;
    return now - *ago;
  }
  const bool all_digits = text.find_first_not_of("0123456789") == std::string_view::npos;
  if (all_digits && (text.size() == 10 || text.size() == 13)) {
    const auto number = static_cast<int64_t>(to_number(text).value_or(0));
    return WallTime(Milliseconds(text.size() == 10 ? number * 1000 : number));
  }
  return parse_calendar(text);
}

}  // namespace sluice::cli
