// SPDX-License-Identifier: Apache-2.0
#include "core/decode/scanner.hpp"

#include <limits>
#include <type_traits>

#include "core/decode/append_null.hpp"
#include "core/decode/append_scalar.hpp"
#include "core/decode/calendar.hpp"
#include "core/decode/dates.hpp"
#include "core/decode/fast_numbers.hpp"

namespace sluice {

namespace {

constexpr size_t short_record = 16384;  // above it, no room is reserved for strings unseen

// The readers below return where the value ends, or nullptr where it is none that they take; then
// they have appended nothing.

struct Whole {
  const char* end;
  uint64_t value;
};

/// Digits without needless zeros before them, few enough to fit.
inline Whole read_whole(const char* position) {
  const Digits digits = read_all_digits(position);
  const bool whole = digits.count == 1 || (digits.count != 0 && *position != '0');
  return {whole ? position + digits.count : nullptr, digits.value};
}

template <class T>
const char* read_unsigned(const char* position, Column& column) {
  const Whole whole = read_whole(position);
  if (whole.end == nullptr || whole.value > std::numeric_limits<T>::max()) return nullptr;
  column.append_fixed(static_cast<T>(whole.value));
  return whole.end;
}

template <class T>
const char* read_signed(const char* position, Column& column) {
  const bool negative = *position == '-';
  const Whole whole = read_whole(position + (negative ? 1 : 0));
  constexpr auto max = static_cast<uint64_t>(std::numeric_limits<T>::max());
  if (whole.end == nullptr || whole.value > max + (negative ? 1 : 0)) return nullptr;
  column.append_fixed(static_cast<T>(negative ? -whole.value : whole.value));
  return whole.end;
}

/// Decimal numbers of so few digits that one division rounds them right.
template <class Float>
const char* read_float(const char* position, Column& column) {
  constexpr bool is_double = std::is_same_v<Float, double>;
  constexpr uint64_t exact_max = is_double ? uint64_t{1} << 53 : uint64_t{1} << 24;
  const bool negative = *position == '-';
  auto [end, value] = read_whole(position + (negative ? 1 : 0));
  if (end == nullptr || value > exact_max) return nullptr;
  uint32_t places = 0;
  if (*end == '.') {
    const Digits fraction = read_eight_digits(++end);
    places = fraction.count;
    end += places;
    // 2 to the power of 53 times 10 to the power of 8 would overflow; this much cannot.
    if (places == 0 || is_digit(*end) || value >= uint64_t{1} << 36) return nullptr;
    value = value * integer_powers[places] + fraction.value;
    if (value > exact_max) return nullptr;
  }
  if ((*end | 0x20) == 'e') return nullptr;
  const Float number = static_cast<Float>(value) / static_cast<Float>(double_powers[places]);
  column.append_fixed(negative ? -number : number);
  return end;
}

const char* read_bool(const char* position, Column& column) {
  const auto word = load<uint32_t>(position);
  const bool yes = word == load<uint32_t>("true");
  if (!yes && (word != load<uint32_t>("fals") || position[4] != 'e')) return nullptr;
  column.append_fixed(static_cast<uint8_t>(yes));
  return position + (yes ? 4 : 5);
}

/// A string without escapes, copied while its end is looked for.
inline const char* read_short_string(const char* position, const char* end, Column& column) {
  const auto rest = static_cast<size_t>(end - position);
  if (*position != '"' || rest > short_record) return nullptr;
  const char* from = position + 1;
  char* to = column.reserve_string(rest, 16);
  size_t size = 0;
  uint32_t ends = find_string_ends(from);
  std::memcpy(to, from, 16);
  while (ends == 0) {
    size += 16;
    ends = find_string_ends(from + size);
    std::memcpy(to + size, from + size, 16);
  }
  size += static_cast<size_t>(__builtin_ctz(ends));
  if (from[size] != '"') return nullptr;
  column.end_string(size);
  return from + size + 1;
}

/// "hh:mm:ss" in seconds; -1 where it is none.
int64_t read_clock(const char* position) {
  const uint64_t bytes = load<uint64_t>(position) ^ load<uint64_t>("00:00:00");
  // Digits are 0 to 9 now and colons 0; anything else reaches into the upper half of its byte.
  const uint64_t carried = bytes + load<uint64_t>("\x06\x06\x0F\x06\x06\x0F\x06\x06");
  if (((bytes | carried) & 0xF0F0F0F0F0F0F0F0U) != 0) return -1;
  const uint64_t pairs = bytes * 10 + (bytes >> 8);
  const auto hours = static_cast<int64_t>(pairs & 0xFF);
  const auto minutes = static_cast<int64_t>(pairs >> 24 & 0xFF);
  const auto seconds = static_cast<int64_t>(pairs >> 48 & 0xFF);
  if (hours > 23 || minutes > 59 || seconds > 59) return -1;
  return hours * 3600 + minutes * 60 + seconds;
}

/// "YYYY-MM-DD" in seconds since 1970-01-01.
bool read_day(const char* position, int64_t& seconds) {
  const std::string_view text(position, 10);
  if (count_digits(text) != 4 || text[4] != '-' || count_digits(text.substr(5)) != 2 ||
      text[7] != '-' || count_digits(text.substr(8)) != 2) {
    return false;
  }
  const Day day{digits_value<int32_t>(text.substr(0, 4)), digits_value<uint32_t>(text.substr(5, 2)),
                digits_value<uint32_t>(text.substr(8, 2))};
  if (!exists(day)) return false;
  seconds = int64_t{days_since_epoch(day)} * 86400;
  return true;
}

}  // namespace

Scanner::Scanner(const RowPlan& plan, const DecodeOptions& options, UnknownFieldNames& unknown,
                 ObjectReader& reader)
    : plan_(plan),
      options_(options),
      unknown_(unknown),
      reader_(reader),
      columns_(static_cast<uint32_t>(plan.columns().size())),
      known_(static_cast<uint32_t>(plan.names().size())),
      fields_(columns_),
      guesses_(known_ + UnknownFieldNames::names_max + 2) {
  for (size_t index = 0; index < fields_.size(); ++index) {
    Field& field = fields_[index];
    field.plan = &plan.column(index);
    field.kind = field.plan->kind;
    field.scale = field.kind == TypeKind::datetime64 ? field.plan->precision : 0;
    field.ticks = power_of_ten(field.scale);
    field.local_is_utc = field.plan->zone != nullptr && field.plan->zone->is_utc();
  }
}

inline bool Scanner::Guess::matches(const char* position) const {
#if defined(__SSE2__)
  for (uint32_t done = 0; done < size; done += 16) {
    const auto equal =
        _mm_cmpeq_epi8(load<__m128i>(position + done), load<__m128i>(bytes.data() + done));
    const auto differ = ~static_cast<uint32_t>(_mm_movemask_epi8(equal)) & 0xFFFFU;
    if (differ != 0 && done + static_cast<uint32_t>(__builtin_ctz(differ)) < size) return false;
  }
  return size != 0;
#else
  return size != 0 && std::memcmp(position, bytes.data(), size) == 0;
#endif
}

bool Scanner::scan(std::string_view text, Block& block) {
  const char* position = text.data();
  Row row{&block, &block.column(0), block.rows(), position + text.size(), 0};
  const Guess* guesses = guesses_.data();
  skip_spaces(position);
  if (*position++ != '{') return false;
  auto field = static_cast<uint32_t>(guesses_.size() - 1);
  while (true) {
    const Guess& guess = guesses[field];
    if (guess.matches(position)) [[likely]] {
      position += guess.size;
      field = guess.field;
    } else {
      const Key key = learn_key(position, field);
      position = key.end;
      if (position == nullptr) return false;
      field = key.field;
      if (field == no_field) break;
    }
    if (++row.fields > options_.fields_max) return false;
    position = read_value(position, field, row);
    if (position == nullptr) return false;
  }
  skip_spaces(position);
  return position == row.end;
}

/// Reads the key after the field `before`, or the end of the object, and remembers it.
Scanner::Key Scanner::learn_key(const char* position, uint32_t before) {
  constexpr Key unknown{nullptr, no_field};
  const char* begin = position;
  skip_spaces(position);
  if (*position == '}') return {position + 1, no_field};
  if (before != guesses_.size() - 1) {
    if (*position != ',') return unknown;
    skip_spaces(++position);
  }
  Scalar name;
  if (!read_string(position, name) || name.escaped) return unknown;
  skip_spaces(position);
  if (*position != ':') return unknown;
  skip_spaces(++position);
  size_t field = plan_.names().find(name.text);
  if (field == NameIndex::none) {
    if (options_.unknown_fields == UnknownFields::error) return unknown;
    field = known_ + unknown_.number_of(name.text);
  }
  const Key key{position, static_cast<uint32_t>(field)};
  const auto size = static_cast<size_t>(position - begin);
  if (size > Guess::size_max) return key;
  Guess& guess = guesses_[before];
  std::memcpy(guess.bytes.data(), begin, Guess::size_max);
  guess.size = static_cast<uint32_t>(size);
  guess.field = key.field;
  return key;
}

inline const char* Scanner::read_value(const char* position, uint32_t index, Row& row) {
  if (index >= columns_) [[unlikely]]
    return read_outside(position, index, row);
  Column& column = row.columns[index];
  if (column.rows() != row.number) return nullptr;  // twice in the record
  const char* end = read_usual(position, fields_.data()[index], row, column);
  if (end != nullptr) [[likely]]
    return end;
  return read_other(position, index, row);
}

/// The usual forms of the usual types.
inline const char* Scanner::read_usual(const char* position, Field& field, Row& row,
                                       Column& column) {
  switch (field.kind) {
    case TypeKind::boolean:
      return read_bool(position, column);
    case TypeKind::int8:
      return read_signed<int8_t>(position, column);
    case TypeKind::int16:
      return read_signed<int16_t>(position, column);
    case TypeKind::int32:
      return read_signed<int32_t>(position, column);
    case TypeKind::int64:
      return read_signed<int64_t>(position, column);
    case TypeKind::uint8:
      return read_unsigned<uint8_t>(position, column);
    case TypeKind::uint16:
      return read_unsigned<uint16_t>(position, column);
    case TypeKind::uint32:
      return read_unsigned<uint32_t>(position, column);
    case TypeKind::uint64:
      return read_unsigned<uint64_t>(position, column);
    case TypeKind::float32:
      return read_float<float>(position, column);
    case TypeKind::float64:
      return read_float<double>(position, column);
    case TypeKind::string:
      return read_short_string(position, row.end, column);
    case TypeKind::datetime:
    case TypeKind::datetime64:
      return read_date_time(position, field, column);
    default:
      return nullptr;
  }
}

/// Any value, the way the slow gear does it.
const char* Scanner::read_other(const char* position, uint32_t index, Row& row) {
  if (*position == '{' || *position == '[') return read_nested(position, index, row);
  Scalar scalar;
  if (!read_scalar(position, scalar)) return nullptr;
  const Fault fault = scalar.kind == Scalar::Kind::null
                          ? append_null(plan_, index, options_.nulls, *row.block)
                          : append_scalar(plan_.column(index), scalar, row.columns[index]);
  return fault == Fault::none ? position : nullptr;
}

const char* Scanner::read_nested(const char* position, size_t column, Row& row) {
  const char* end = find_closing_bracket(position);
  if (end == nullptr) return nullptr;
  const std::string_view text(position, static_cast<size_t>(++end - position));
  return reader_.read_nested(text, column, row.fields, *row.block) ? end : nullptr;
}

/// The value of a field that is not just that of one column.
const char* Scanner::read_outside(const char* position, uint32_t field, Row& row) {
  return field < known_ ? read_branch(position, field - columns_, row)
                        : read_unknown(position, row);
}

const char* Scanner::read_branch(const char* position, size_t branch, Row& row) {
  if (*position == '{' || *position == '[') {
    const char* end = find_closing_bracket(position);
    if (end == nullptr) return nullptr;
    const std::string_view text(position, static_cast<size_t>(++end - position));
    return reader_.read_branch(text, branch, row.fields, *row.block) ? end : nullptr;
  }
  const char* end = skip_value(position, row);
  for (const size_t column : plan_.branches()[branch].columns) {
    const bool good = end != nullptr && row.columns[column].rows() == row.number &&
                      read_other(position, static_cast<uint32_t>(column), row) != nullptr;
    if (!good) return nullptr;
  }
  return end;
}

/// Its key stands before it: without escapes, so that a quote begins it.
const char* Scanner::read_unknown(const char* position, Row& row) {
  const char* end = skip_value(position, row);
  unknown_.pass();
  if (end == nullptr || options_.unknown_fields != UnknownFields::keep) return end;
  const char* key_end = position - 1;
  while (*key_end != '"') --key_end;
  const char* key = key_end - 1;
  while (*key != '"') --key;
  unknown_.keep({key, static_cast<size_t>(key_end + 1 - key)},
                {position, static_cast<size_t>(end - position)});
  return end;
}

const char* Scanner::skip_value(const char* position, Row& row) {
  if (*position == '{' || *position == '[') {
    return read_nested(position, ObjectReader::no_column, row);
  }
  Scalar scalar;
  if (!read_scalar(position, scalar)) return nullptr;
  return !scalar.escaped || check_escapes(scalar.text) == Fault::none ? position : nullptr;
}

/// "YYYY-MM-DD hh:mm:ss", with T, a fraction or Z or without.
const char* Scanner::read_date_time(const char* position, Field& field, Column& column) {
  const char* text = position + 1;
  if (*position != '"' || (text[10] != ' ' && text[10] != 'T')) return nullptr;
  if (std::memcmp(field.day.data(), text, 10) != 0) [[unlikely]] {
    if (!read_day(text, field.day_seconds)) return nullptr;
    std::memcpy(field.day.data(), text, 10);
  }
  const int64_t clock = read_clock(text + 11);
  if (clock < 0) return nullptr;
  text += 19;
  int64_t fraction = 0;
  if (*text == '.') {
    const Digits digits = read_eight_digits(++text);
    text += digits.count;
    if (digits.count == 0 || digits.count > field.scale || is_digit(*text)) return nullptr;
    fraction = static_cast<int64_t>(digits.value * integer_powers[field.scale - digits.count]);
  }
  const bool utc = *text == 'Z';
  if (utc) ++text;
  if (*text != '"') return nullptr;
  int64_t seconds = field.day_seconds + clock;
  if (!utc && !field.local_is_utc && field.plan->zone->to_utc(seconds, seconds) != Fault::none)
    return nullptr;
  // Ten thousand years in nanoseconds do not fit; those of a DateTime do.
  if (seconds < 0 || seconds > int64_t{UINT32_MAX}) return nullptr;
  if (field.kind == TypeKind::datetime) {
    column.append_fixed(static_cast<uint32_t>(seconds));
  } else {
    column.append_fixed(seconds * field.ticks + fraction);
  }
  return text + 1;
}

}  // namespace sluice
