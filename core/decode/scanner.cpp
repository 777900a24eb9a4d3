// SPDX-License-Identifier: Apache-2.0
#include "core/decode/scanner.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/decode/append_null.hpp"
#include "core/decode/append_scalar.hpp"
#include "core/decode/calendar.hpp"
#include "core/decode/dates.hpp"
#include "core/decode/digits.hpp"

namespace sluice {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr size_t short_record = 16384;  // above it, no room is reserved for strings unseen
constexpr size_t safe_digits = 19;      // always fit 64 bits
constexpr auto powers_of_ten =
    std::to_array<double>({1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                           1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22});

template <class T>
T load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

bool same_bytes(const char* left, const char* right, size_t size) {
#if defined(__SSE2__)
  for (size_t done = 0; done < size; done += 16) {
    const auto equal = _mm_cmpeq_epi8(load<__m128i>(left + done), load<__m128i>(right + done));
    const auto bits = static_cast<uint32_t>(_mm_movemask_epi8(equal));
    const size_t rest = size - done;
    const uint32_t wanted = rest >= 16 ? 0xFFFFU : (1U << rest) - 1;
    if ((bits & wanted) != wanted) return false;
  }
  return true;
#else
  return std::memcmp(left, right, size) == 0;
#endif
}

/// Digits without needless zeros before them, few enough to fit.
bool read_digits(const char*& position, uint64_t& value) {
  const char* begin = position;
  value = 0;
  for (; is_digit(*position); ++position) {
    value = value * 10 + static_cast<uint64_t>(*position - '0');
  }
  const auto count = static_cast<size_t>(position - begin);
  return count == 1 || (count != 0 && count <= safe_digits && *begin != '0');
}

template <class T>
bool read_unsigned(const char*& position, Column& column) {
  uint64_t value = 0;
  if (!read_digits(position, value) || value > std::numeric_limits<T>::max()) return false;
  column.append_fixed(static_cast<T>(value));
  return true;
}

template <class T>
bool read_signed(const char*& position, Column& column) {
  const bool negative = *position == '-';
  if (negative) ++position;
  uint64_t value = 0;
  constexpr auto max = static_cast<uint64_t>(std::numeric_limits<T>::max());
  if (!read_digits(position, value) || value > max + (negative ? 1 : 0)) return false;
  column.append_fixed(static_cast<T>(negative ? -value : value));
  return true;
}

/// Decimal numbers of so few digits that one division rounds them right.
template <class Float>
bool read_float(const char*& position, Column& column) {
  constexpr bool is_double = std::is_same_v<Float, double>;
  constexpr uint64_t exact_max = is_double ? uint64_t{1} << 53 : uint64_t{1} << 24;
  constexpr size_t exact_power = is_double ? 22 : 10;
  const char* begin = position;
  const bool negative = *position == '-';
  if (negative) ++position;
  uint64_t value = 0;
  const char* digits = position;
  if (!read_digits(position, value)) return false;
  size_t places = 0;
  if (*position == '.') {
    const char* fraction = ++position;
    for (; is_digit(*position); ++position) {
      value = value * 10 + static_cast<uint64_t>(*position - '0');
    }
    places = static_cast<size_t>(position - fraction);
    if (places == 0) return false;
  }
  const bool few = static_cast<size_t>(position - digits) <= safe_digits;
  if (!few || value > exact_max || places > exact_power || (*position | 0x20) == 'e') {
    position = begin;
    return false;
  }
  const Float number = static_cast<Float>(value) / static_cast<Float>(powers_of_ten[places]);
  column.append_fixed(negative ? -number : number);
  return true;
}

bool read_bool(const char*& position, Column& column) {
  const bool yes = std::memcmp(position, "true", 4) == 0;
  if (!yes && std::memcmp(position, "false", 5) != 0) return false;
  position += yes ? 4 : 5;
  column.append_fixed(static_cast<uint8_t>(yes));
  return true;
}

/// "hh:mm:ss" in seconds; -1 where it is none.
int64_t read_clock(const char* position) {
  const uint64_t value = load<uint64_t>(position) ^ load<uint64_t>("00:00:00");
  // Digits are 0 to 9 now and colons 0; anything else reaches into the upper half of its byte.
  const uint64_t carried = value + load<uint64_t>("\x06\x06\x0F\x06\x06\x0F\x06\x06");
  if (((value | carried) & 0xF0F0F0F0F0F0F0F0U) != 0) return -1;
  const auto pair = [value](unsigned byte) {
    return static_cast<int64_t>((value >> (8 * byte) & 0xF) * 10 + (value >> (8 * byte + 8) & 0xF));
  };
  const int64_t hours = pair(0);
  const int64_t minutes = pair(3);
  const int64_t seconds = pair(6);
  if (hours > 23 || minutes > 59 || seconds > 59) return -1;
  return hours * 3600 + minutes * 60 + seconds;
}

}  // namespace

Scanner::Scanner(const RowPlan& plan, const DecodeOptions& options, UnknownFieldNames& unknown)
    : plan_(plan),
      options_(options),
      unknown_(unknown),
      columns_(static_cast<uint32_t>(plan.columns().size())),
      guesses_(columns_ + UnknownFieldNames::names_max + 2),
      days_(columns_) {}

bool Scanner::scan(std::string_view text, Block& block) {
  const char* position = text.data();
  end_ = position + text.size();
  skip_spaces(position);
  if (*position != '{') return false;
  ++position;
  auto field = static_cast<uint32_t>(guesses_.size() - 1);
  for (uint32_t fields = 0;; ++fields) {
    const Next next = find_field(position, field);
    if (next == Next::unknown || fields > options_.fields_max) return false;
    if (next == Next::end) break;
    if (!read_value(field, position, block)) return false;
  }
  skip_spaces(position);
  return position == end_;
}

/// `field` is the one before and becomes the next.
Scanner::Next Scanner::find_field(const char*& position, uint32_t& field) {
  Guess& guess = guesses_[field];
  if (guess.size != 0 && same_bytes(position, guess.bytes.data(), guess.size)) {
    position += guess.size;
    field = guess.field;
    return Next::field;
  }
  const char* begin = position;
  skip_spaces(position);
  if (*position == '}') {
    ++position;
    return Next::end;
  }
  if (field != guesses_.size() - 1) {
    if (*position != ',') return Next::unknown;
    skip_spaces(++position);
  }
  Scalar key;
  if (!read_string(position, key) || key.escaped) return Next::unknown;
  skip_spaces(position);
  if (*position != ':') return Next::unknown;
  skip_spaces(++position);
  const size_t index = plan_.names().find(key.text);
  if (index != NameIndex::none) {
    field = static_cast<uint32_t>(index);
  } else if (options_.unknown_fields == UnknownFields::error) {
    return Next::unknown;
  } else {
    field = columns_ + static_cast<uint32_t>(unknown_.number_of(key.text));
  }
  const auto size = static_cast<size_t>(position - begin);
  if (size > Guess::size_max) return Next::field;
  std::memcpy(guess.bytes.data(), begin, Guess::size_max);
  guess.size = static_cast<uint32_t>(size);
  guess.field = field;
  return Next::field;
}

bool Scanner::read_value(uint32_t field, const char*& position, Block& block) {
  if (field >= columns_) return skip_unknown(position);
  Column& column = block.column(field);
  if (column.rows() != block.rows()) return false;  // twice in the record
  const char* begin = position;
  bool done = false;
  switch (plan_.column(field).kind) {
    case TypeKind::boolean:
      done = read_bool(position, column);
      break;
    case TypeKind::int8:
      done = read_signed<int8_t>(position, column);
      break;
    case TypeKind::int16:
      done = read_signed<int16_t>(position, column);
      break;
    case TypeKind::int32:
      done = read_signed<int32_t>(position, column);
      break;
    case TypeKind::int64:
      done = read_signed<int64_t>(position, column);
      break;
    case TypeKind::uint8:
      done = read_unsigned<uint8_t>(position, column);
      break;
    case TypeKind::uint16:
      done = read_unsigned<uint16_t>(position, column);
      break;
    case TypeKind::uint32:
      done = read_unsigned<uint32_t>(position, column);
      break;
    case TypeKind::uint64:
      done = read_unsigned<uint64_t>(position, column);
      break;
    case TypeKind::float32:
      done = read_float<float>(position, column);
      break;
    case TypeKind::float64:
      done = read_float<double>(position, column);
      break;
    case TypeKind::string:
      done = read_short_string(position, column);
      break;
    case TypeKind::datetime:
    case TypeKind::datetime64:
      done = read_date_time(field, position, column);
      break;
    default:
      break;
  }
  if (done) return true;
  position = begin;
  return read_other(field, position, block);
}

/// Any scalar, the way the slow gear does it.
bool Scanner::read_other(uint32_t field, const char*& position, Block& block) {
  Scalar scalar;
  if (!read_scalar(position, scalar)) return false;
  const Fault fault = scalar.kind == Scalar::Kind::null
                          ? append_null(plan_, field, options_.nulls, block)
                          : append_scalar(plan_.column(field), scalar, block.column(field));
  return fault == Fault::none;
}

bool Scanner::skip_unknown(const char*& position) const {
  Scalar scalar;
  if (!read_scalar(position, scalar)) return false;
  return !scalar.escaped || check_escapes(scalar.text) == Fault::none;
}

/// A string without escapes, copied while its end is looked for.
bool Scanner::read_short_string(const char*& position, Column& column) const {
  const auto rest = static_cast<size_t>(end_ - position);
  if (*position != '"' || rest > short_record) return false;
  const char* from = position + 1;
  char* begin = column.reserve_string(rest, 16);
  char* to = begin;
  while (true) {
    const uint32_t ends = find_string_ends(from);
    std::memcpy(to, from, 16);
    if (ends == 0) {
      from += 16;
      to += 16;
      continue;
    }
    const auto last = static_cast<size_t>(__builtin_ctz(ends));
    if (from[last] != '"') return false;
    column.end_string(static_cast<size_t>(to - begin) + last);
    position = from + last + 1;
    return true;
  }
}

/// "YYYY-MM-DD hh:mm:ss", with T, a fraction or Z or without.
bool Scanner::read_date_time(size_t index, const char*& position, Column& column) {
  const ValuePlan& plan = plan_.column(index);
  DayText& day = days_[index];
  const char* text = position + 1;
  if (*position != '"' || (text[10] != ' ' && text[10] != 'T')) return false;
  if (std::memcmp(day.text.data(), text, day.text.size()) != 0 && !read_day(day, text)) {
    return false;
  }
  const int64_t clock = read_clock(text + 11);
  if (clock < 0) return false;
  text += 19;
  const bool fine = plan.kind == TypeKind::datetime64;
  const uint32_t scale = fine ? plan.precision : 0;
  int64_t fraction = 0;
  uint32_t places = 0;
  if (*text == '.') {
    for (++text; places < scale && is_digit(*text); ++text, ++places) {
      fraction = fraction * 10 + (*text - '0');
    }
    if (places == 0 || is_digit(*text)) return false;
  }
  const bool utc = *text == 'Z';
  if (utc) ++text;
  if (*text != '"') return false;
  int64_t seconds = day.seconds + clock;
  if (!utc && plan.zone->to_utc(seconds, seconds) != Fault::none) return false;
  // Ten thousand years in nanoseconds do not fit; two hundred do.
  constexpr int64_t seconds_max = int64_t{200} * 365 * 86400;
  if (seconds < 0 || seconds > (fine ? seconds_max : int64_t{UINT32_MAX})) return false;
  position = text + 1;
  if (!fine) {
    column.append_fixed(static_cast<uint32_t>(seconds));
    return true;
  }
  column.append_fixed(seconds * power_of_ten(scale) + fraction * power_of_ten(scale - places));
  return true;
}

bool Scanner::read_day(DayText& day, const char* position) const {
  const std::string_view text(position, day.text.size());
  if (count_digits(text) != 4 || text[4] != '-' || count_digits(text.substr(5)) != 2 ||
      text[7] != '-' || count_digits(text.substr(8)) != 2) {
    return false;
  }
  const Day date{digits_value<int32_t>(text.substr(0, 4)),
                 digits_value<uint32_t>(text.substr(5, 2)),
                 digits_value<uint32_t>(text.substr(8, 2))};
  if (!exists(date)) return false;
  std::memcpy(day.text.data(), position, day.text.size());
  day.seconds = int64_t{days_since_epoch(date)} * 86400;
  return true;
}

}  // namespace sluice
