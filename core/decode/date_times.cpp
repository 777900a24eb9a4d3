// SPDX-License-Identifier: Apache-2.0
#include "core/decode/date_times.hpp"

#include <array>
#include <optional>

#include "core/base/text.hpp"
#include "core/decode/calendar.hpp"
#include "core/decode/digits.hpp"

namespace sluice {

namespace {

constexpr int64_t seconds_of_day = 86400;
constexpr size_t fraction_digits_max = 19;

constexpr auto months =
    std::to_array<std::string_view>({"january", "february", "march", "april", "may", "june", "july",
                                     "august", "september", "october", "november", "december"});
constexpr auto weekdays = std::to_array<std::string_view>(
    {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"});

struct NamedOffset {
  std::string_view name;
  int64_t seconds;
};
constexpr auto named_offsets =
    std::to_array<NamedOffset>({{"utc", 0}, {"gmt", 0}, {"msk", 3 * 3600}, {"msd", 4 * 3600}});

bool is_word(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (to_lower(text[i]) != lower[i]) return false;
  }
  return true;
}

/// Position of the name, whole or its first three letters, in the list.
template <size_t N>
std::optional<size_t> find_name(const std::array<std::string_view, N>& names,
                                std::string_view word) {
  for (size_t i = 0; i < N; ++i) {
    if (is_word(word, names[i]) || is_word(word, names[i].substr(0, 3))) return i;
  }
  return std::nullopt;
}

size_t count_letters(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && is_letter(text[count])) ++count;
  return count;
}

bool take_spaces(std::string_view& text) {
  const bool any = !text.empty() && text.front() == ' ';
  while (take_char(text, ' ')) {
  }
  return any;
}

bool is_date_separator(char c) { return c == '-' || c == '/' || c == '.'; }

/// Reads one text from its beginning to its end. A read_ function says whether what it reads stood
/// there; where not, the text may be cut anywhere, but for read_zone() and read_offset().
class Reader {
 public:
  Reader(std::string_view text, bool fine) : text_(text), fine_(fine) {}

  Fault read(TimeText& time);

 private:
  bool read_unix_time(TimeText& time);
  bool read_date();
  bool read_year_first();
  bool read_compact();
  bool read_day_first();
  bool read_day_and_name();
  bool read_name_first();
  bool read_month_name();
  bool read_number(uint32_t& value);
  bool read_year();
  bool read_short_year();
  bool read_separator_before_time();
  bool read_time();
  bool read_clock();
  void read_half_of_day();
  bool read_fraction();
  bool read_zone();
  bool read_offset();
  [[nodiscard]] Fault check() const;

  std::string_view text_;
  bool fine_;
  Day day_;
  uint32_t hour_ = 0;
  uint32_t minute_ = 0;
  uint32_t second_ = 0;
  std::string_view fraction_;
  bool has_time_ = false;
  bool has_comma_ = false;  // a comma may stand between this form of date and the time
  bool half_of_day_fits_ = true;
  bool has_offset_ = false;
  bool offset_exists_ = true;
  int64_t offset_ = 0;
};

Fault Reader::read(TimeText& time) {
  take_spaces(text_);
  if (read_unix_time(time)) return Fault::none;
  if (!read_date()) return Fault::not_a_date;
  if (!has_time_) {
    const std::string_view before = text_;
    if (!read_separator_before_time() || !read_time()) text_ = before;
  }
  take_spaces(text_);
  if (read_zone()) take_spaces(text_);
  if (day_.year == 0 && read_year()) take_spaces(text_);
  if (!text_.empty()) return Fault::not_a_date;
  const Fault fault = check();
  if (fault != Fault::none) return fault;
  time.seconds = int64_t{days_since_epoch(day_)} * seconds_of_day +
                 int64_t{hour_ * 3600 + minute_ * 60 + second_} - offset_;
  time.fraction = fraction_;
  time.local = !has_offset_;
  return Fault::none;
}

Fault Reader::check() const {
  if (day_.year == 0) return Fault::not_a_date;
  if (!exists(day_) || !half_of_day_fits_ || !offset_exists_) return Fault::no_such_date;
  if (hour_ > 23 || minute_ > 59 || second_ > 59) return Fault::no_such_date;
  return Fault::none;
}

bool Reader::read_unix_time(TimeText& time) {
  std::string_view rest = text_;
  const std::string_view digits = take_digits(rest);
  const size_t size = digits.size();
  if (size != 9 && size != 10 && size != 13 && size != 16 && size != 19) return false;
  time.fraction = digits.substr(size == 9 ? 9 : 10);
  time.seconds = digits_value<int64_t>(digits.substr(0, size == 9 ? 9 : 10));
  if (size <= 10 && fine_ && take_char(rest, '.')) {
    time.fraction = take_digits(rest);
    if (time.fraction.size() > fraction_digits_max) return false;
  }
  time.local = false;
  return rest.empty();
}

bool Reader::read_date() {
  const size_t digits = count_digits(text_);
  if (digits == 4) return read_year_first();
  if (digits == 8 || digits == 14) return read_compact();
  if (digits == 1 || digits == 2) return read_day_first();
  return digits == 0 && read_name_first();
}

bool Reader::read_number(uint32_t& value) {
  const size_t count = count_digits(text_);
  if (count == 0 || count > 2) return false;
  value = digits_value<uint32_t>(take(text_, count));
  return true;
}

bool Reader::read_year() {
  if (count_digits(text_) != 4) return false;
  day_.year = digits_value<int32_t>(take(text_, 4));
  return true;
}

bool Reader::read_year_first() {
  has_comma_ = true;
  if (!read_year() || text_.empty() || !is_date_separator(text_.front())) return false;
  const char separator = take(text_, 1).front();
  return read_number(day_.month) && take_char(text_, separator) && read_number(day_.day);
}

bool Reader::read_compact() {
  const bool with_time = count_digits(text_) == 14;
  has_comma_ = true;
  day_.year = digits_value<int32_t>(take(text_, 4));
  day_.month = digits_value<uint32_t>(take(text_, 2));
  day_.day = digits_value<uint32_t>(take(text_, 2));
  if (!with_time) return true;
  return read_time();
}

bool Reader::read_day_first() {
  std::string_view after = text_.substr(count_digits(text_));
  if (after.empty() || !is_date_separator(after.front())) return read_day_and_name();
  const char separator = after.front();
  has_comma_ = true;
  if (!read_number(day_.day) || !take_char(text_, separator)) return false;
  if (!read_number(day_.month) && !read_month_name()) return false;
  if (day_.month > 12) std::swap(day_.month, day_.day);
  return take_char(text_, separator) && (read_year() || read_short_year());
}

/// D Month YYYY
bool Reader::read_day_and_name() {
  return read_number(day_.day) && take_spaces(text_) && read_month_name() && take_spaces(text_) &&
         read_year();
}

bool Reader::read_short_year() {
  if (count_digits(text_) != 2) return false;
  const auto year = digits_value<int32_t>(take(text_, 2));
  day_.year = year >= 70 ? 1900 + year : 2000 + year;
  return true;
}

bool Reader::read_month_name() {
  const auto month = find_name(months, text_.substr(0, count_letters(text_)));
  if (!month) return false;
  text_.remove_prefix(count_letters(text_));
  day_.month = static_cast<uint32_t>(*month + 1);
  return true;
}

/// [Weekday[,]] and D Month YYYY, or Month D[,] YYYY, or Month D and the year at the end of all
bool Reader::read_name_first() {
  if (find_name(weekdays, text_.substr(0, count_letters(text_)))) {
    text_.remove_prefix(count_letters(text_));
    take_char(text_, ',');
    take_spaces(text_);
    if (count_digits(text_) != 0) return read_day_and_name();
  }
  if (!read_month_name() || !take_spaces(text_) || !read_number(day_.day)) return false;
  const std::string_view before = text_;
  take_char(text_, ',');
  if (take_spaces(text_) && read_year()) return true;
  text_ = before;
  return text_.starts_with(' ');
}

bool Reader::read_separator_before_time() {
  if (take_char(text_, 'T')) return true;
  if (has_comma_ && take_char(text_, ',')) {
    take_spaces(text_);
    return true;
  }
  return take_spaces(text_);
}

bool Reader::read_time() {
  if (count_digits(text_) == 6) {
    hour_ = digits_value<uint32_t>(take(text_, 2));
    minute_ = digits_value<uint32_t>(take(text_, 2));
    second_ = digits_value<uint32_t>(take(text_, 2));
  } else if (!read_clock()) {
    return false;
  }
  has_time_ = true;
  if (!read_fraction()) return false;
  read_half_of_day();
  return true;
}

bool Reader::read_clock() {
  const bool has_minute = read_number(hour_) && take_char(text_, ':') && read_number(minute_);
  if (!has_minute || !take_char(text_, ':')) return has_minute;
  return read_number(second_);
}

bool Reader::read_fraction() {
  if (!take_char(text_, '.')) return true;
  fraction_ = take_digits(text_);
  return fraction_.size() <= fraction_digits_max;
}

void Reader::read_half_of_day() {
  std::string_view rest = text_;
  take_spaces(rest);
  const std::string_view word = take(rest, count_letters(rest));
  const bool morning = is_word(word, "am");
  const bool evening = is_word(word, "pm");
  if (!morning && !evening) return;
  text_ = rest;
  half_of_day_fits_ = hour_ <= 12;
  if (morning && hour_ == 12) hour_ = 0;
  if (evening && hour_ < 12) hour_ += 12;
}

bool Reader::read_zone() {
  if (take_char(text_, 'Z')) {
    has_offset_ = true;
    return true;
  }
  if (text_.starts_with('+') || text_.starts_with('-')) return read_offset();
  const std::string_view word = text_.substr(0, count_letters(text_));
  for (const NamedOffset& named : named_offsets) {
    if (!is_word(word, named.name)) continue;
    text_.remove_prefix(word.size());
    has_offset_ = true;
    offset_ = named.seconds;
    const bool more = text_.starts_with('+') || text_.starts_with('-');
    return more && named.seconds == 0 ? read_offset() : true;
  }
  return false;
}

bool Reader::read_offset() {
  std::string_view rest = text_;
  const bool negative = take(rest, 1) == "-";
  const std::string_view digits = take_digits(rest);
  if (digits.empty() || digits.size() > 4) return false;
  const size_t hour_digits = digits.size() > 2 ? digits.size() - 2 : digits.size();
  const auto hours = digits_value<int64_t>(digits.substr(0, hour_digits));
  auto minutes = digits_value<int64_t>(digits.substr(hour_digits));
  if (digits.size() <= 2 && take_char(rest, ':')) {
    if (count_digits(rest) != 2) return false;
    minutes = digits_value<int64_t>(take(rest, 2));
  }
  text_ = rest;
  has_offset_ = true;
  offset_exists_ = hours <= 23 && minutes <= 59;
  offset_ = (hours * 60 + minutes) * (negative ? -60 : 60);
  return true;
}

}  // namespace

Fault parse_date_time(std::string_view text, bool fine, TimeText& time) {
  return Reader(text, fine).read(time);
}

}  // namespace sluice
