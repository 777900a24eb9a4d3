// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/model/data_type.hpp"
#include "core/model/quote.hpp"

namespace sluice {

namespace {

constexpr unsigned depth_max = 100;
constexpr uint32_t fixed_string_size_max = 0xFFFFFF;  // ClickHouse's own limit

struct PlainFamily {
  std::string_view name;
  TypeKind kind;
  uint32_t width;
};

constexpr std::array plain_families{
    PlainFamily{"Bool", TypeKind::boolean, 1},
    PlainFamily{"Int8", TypeKind::int8, 1},
    PlainFamily{"Int16", TypeKind::int16, 2},
    PlainFamily{"Int32", TypeKind::int32, 4},
    PlainFamily{"Int64", TypeKind::int64, 8},
    PlainFamily{"Int128", TypeKind::int128, 16},
    PlainFamily{"Int256", TypeKind::int256, 32},
    PlainFamily{"UInt8", TypeKind::uint8, 1},
    PlainFamily{"UInt16", TypeKind::uint16, 2},
    PlainFamily{"UInt32", TypeKind::uint32, 4},
    PlainFamily{"UInt64", TypeKind::uint64, 8},
    PlainFamily{"UInt128", TypeKind::uint128, 16},
    PlainFamily{"UInt256", TypeKind::uint256, 32},
    PlainFamily{"BFloat16", TypeKind::bfloat16, 2},
    PlainFamily{"Float32", TypeKind::float32, 4},
    PlainFamily{"Float64", TypeKind::float64, 8},
    PlainFamily{"String", TypeKind::string, 0},
    PlainFamily{"Date", TypeKind::date, 2},
    PlainFamily{"Date32", TypeKind::date32, 4},
    PlainFamily{"DateTime", TypeKind::datetime, 4},
    PlainFamily{"Time", TypeKind::time, 4},
    PlainFamily{"UUID", TypeKind::uuid, 16},
    PlainFamily{"IPv4", TypeKind::ipv4, 4},
    PlainFamily{"IPv6", TypeKind::ipv6, 16},
    PlainFamily{"IntervalNanosecond", TypeKind::int64, 8},
    PlainFamily{"IntervalMicrosecond", TypeKind::int64, 8},
    PlainFamily{"IntervalMillisecond", TypeKind::int64, 8},
    PlainFamily{"IntervalSecond", TypeKind::int64, 8},
    PlainFamily{"IntervalMinute", TypeKind::int64, 8},
    PlainFamily{"IntervalHour", TypeKind::int64, 8},
    PlainFamily{"IntervalDay", TypeKind::int64, 8},
    PlainFamily{"IntervalWeek", TypeKind::int64, 8},
    PlainFamily{"IntervalMonth", TypeKind::int64, 8},
    PlainFamily{"IntervalQuarter", TypeKind::int64, 8},
    PlainFamily{"IntervalYear", TypeKind::int64, 8},
};

/// Geometric types: arrays of points, so many deep.
struct GeoFamily {
  std::string_view name;
  unsigned arrays;
};

constexpr std::array geo_families{
    GeoFamily{"Point", 0},           GeoFamily{"Ring", 1},    GeoFamily{"LineString", 1},
    GeoFamily{"MultiLineString", 2}, GeoFamily{"Polygon", 2}, GeoFamily{"MultiPolygon", 3},
};

DataType json_or_unknown(std::string_view family) {
  DataType type;
  type.kind = family == "JSON" ? TypeKind::json : TypeKind::other;
  return type;
}

template <class Families>
auto find_family(const Families& families, std::string_view name) {
  const auto found = std::find_if(families.begin(), families.end(),
                                  [name](const auto& family) { return family.name == name; });
  return found == families.end() ? nullptr : &*found;
}

DataType array_of(DataType element) {
  DataType type;
  type.kind = TypeKind::array;
  type.name = "Array(" + element.name + ")";
  type.elements.push_back(std::move(element));
  return type;
}

DataType geo_type(unsigned arrays) {
  DataType number;
  number.kind = TypeKind::float64;
  number.name = "Float64";
  number.width = 8;
  DataType type;
  type.kind = TypeKind::tuple;
  type.name = "Point";
  type.elements = {number, number};
  for (; arrays != 0; --arrays) type = array_of(std::move(type));
  return type;
}

bool starts_identifier(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         character == '_';
}

bool continues_identifier(char character) {
  return starts_identifier(character) || (character >= '0' && character <= '9');
}

/// The name as it may stand in a message: short, without control characters.
std::string printable(std::string_view text) {
  constexpr size_t size_max = 200;
  std::string result;
  for (const char character : text.substr(0, size_max)) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += character;
    }
  }
  return text.size() > size_max ? result + "..." : result;
}

/// DESCRIBE TABLE breaks the lines of long types (print_pretty_type_names); this undoes it.
std::string on_one_line(std::string_view text) {
  std::string line;
  std::string ignored;
  for (size_t position = 0; position < text.size();) {
    const char character = text[position];
    const size_t begin = position;
    if (character == '\'' || character == '`' || character == '"') {
      if (!read_quoted(text, position, ignored)) position = text.size();
      line += text.substr(begin, position - begin);
    } else if (character == '\n') {
      position = std::min(text.find_first_not_of("\n ", position), text.size());
      if (!line.empty() && line.back() == ',') line += ' ';
    } else {
      line += character;
      ++position;
    }
  }
  return line;
}

/// Recursive descent over one type name; `depth` bounds the recursion.
///
///   type      := family [ "(" arguments ")" ]
///   element   := [ name ] type
///   name      := identifier | `quoted` | "quoted"
///   enum item := 'quoted' = number
class TypeParser {
 public:
  explicit TypeParser(std::string_view text) : text_(text) {}

  Result<DataType> parse() {
    DataType type = TRY(parse_type(0));
    skip_spaces();
    if (position_ != text_.size()) return malformed("unexpected text");
    return type;
  }

 private:
  Result<DataType> parse_type(unsigned depth);
  Result<DataType> parse_family(std::string_view family, unsigned depth);
  Result<DataType> parse_json_or_unknown(std::string_view family, unsigned depth);
  Result<DataType> parse_fixed_string();
  Result<DataType> parse_datetime();
  Result<DataType> parse_datetime64();
  Result<DataType> parse_time64();
  Result<DataType> parse_decimal();
  Result<DataType> parse_short_decimal(uint32_t precision);
  Result<DataType> parse_enum(TypeKind kind);
  Result<DataType> parse_nullable(unsigned depth);
  Result<DataType> parse_low_cardinality(unsigned depth);
  Result<DataType> parse_array(unsigned depth);
  Result<DataType> parse_map(unsigned depth);
  Result<DataType> parse_tuple(unsigned depth);
  Result<DataType> parse_nested(unsigned depth);
  Result<DataType> parse_simple_aggregate(unsigned depth);
  Result<void> parse_elements(DataType& type, unsigned depth);
  Result<std::string> parse_element_name();
  Result<std::string> parse_quoted(char quote);
  Result<int64_t> parse_number(int64_t least, int64_t most);
  Result<void> skip_arguments(unsigned depth, std::string_view stops);

  void skip_spaces() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }
  /// The next character that is no space; '\0' at the end.
  char peek() {
    skip_spaces();
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool take(char character) {
    if (position_ >= text_.size() || peek() != character) return false;
    ++position_;
    return true;
  }
  Result<void> expect(char character) {
    if (take(character)) return {};
    return malformed(fmt::format("expected '{}'", character));
  }
  std::string_view identifier() {
    const size_t begin = position_;
    if (position_ < text_.size() && starts_identifier(text_[position_])) {
      while (position_ < text_.size() && continues_identifier(text_[position_])) ++position_;
    }
    return text_.substr(begin, position_ - begin);
  }
  [[nodiscard]] Error malformed(std::string_view what) const {
    return Error{Errc::config, "type-malformed",
                 fmt::format("cannot read the column type \"{}\": {} at character {}",
                             printable(text_), what, position_ + 1),
                 "check with DESCRIBE TABLE that the server really names this type"};
  }

  std::string_view text_;
  size_t position_ = 0;
};

Result<DataType> TypeParser::parse_type(unsigned depth) {
  if (depth >= depth_max) return malformed("types are nested too deeply");
  skip_spaces();
  const size_t begin = position_;
  const std::string_view family = identifier();
  if (family.empty()) return malformed("expected a type");
  DataType type = TRY(parse_family(family, depth));
  type.name = text_.substr(begin, position_ - begin);
  return type;
}

Result<DataType> TypeParser::parse_family(std::string_view family, unsigned depth) {
  const bool has_arguments = position_ < text_.size() && text_[position_] == '(';
  if (!has_arguments) {
    if (const PlainFamily* plain = find_family(plain_families, family)) {
      DataType type;
      type.kind = plain->kind;
      type.width = plain->width;
      return type;
    }
    if (const GeoFamily* geo = find_family(geo_families, family)) return geo_type(geo->arrays);
    return json_or_unknown(family);
  }
  if (family == "Nullable") return parse_nullable(depth);
  if (family == "LowCardinality") return parse_low_cardinality(depth);
  if (family == "Array") return parse_array(depth);
  if (family == "Tuple") return parse_tuple(depth);
  if (family == "Map") return parse_map(depth);
  if (family == "Nested") return parse_nested(depth);
  if (family == "SimpleAggregateFunction") return parse_simple_aggregate(depth);
  if (family == "FixedString") return parse_fixed_string();
  if (family == "DateTime") return parse_datetime();
  if (family == "DateTime64") return parse_datetime64();
  if (family == "Time64") return parse_time64();
  if (family == "Decimal") return parse_decimal();
  if (family == "Decimal32") return parse_short_decimal(9);
  if (family == "Decimal64") return parse_short_decimal(18);
  if (family == "Decimal128") return parse_short_decimal(38);
  if (family == "Decimal256") return parse_short_decimal(76);
  if (family == "Enum8") return parse_enum(TypeKind::enum8);
  if (family == "Enum16") return parse_enum(TypeKind::enum16);
  return parse_json_or_unknown(family, depth);
}

Result<DataType> TypeParser::parse_json_or_unknown(std::string_view family, unsigned depth) {
  TRY(expect('('));
  TRY(skip_arguments(depth, ")"));
  TRY(expect(')'));
  return json_or_unknown(family);
}

/// Moves to the first of `stops` that is in no parentheses and no quotes.
Result<void> TypeParser::skip_arguments(unsigned depth, std::string_view stops) {
  std::string ignored;
  unsigned open = 0;
  while (position_ < text_.size()) {
    const char character = text_[position_];
    if (open == 0 && stops.find(character) != std::string_view::npos) return {};
    if (character == '\'' || character == '`' || character == '"') {
      if (!read_quoted(text_, position_, ignored)) return malformed("a quote is not closed");
      continue;
    }
    if (character == ')' && open == 0) break;
    if (character == '(' && ++open + depth > depth_max) {
      return malformed("types are nested too deeply");
    }
    if (character == ')') --open;
    ++position_;
  }
  return malformed(fmt::format("expected '{}'", stops.back()));
}

Result<DataType> TypeParser::parse_fixed_string() {
  DataType type;
  type.kind = TypeKind::fixed_string;
  TRY(expect('('));
  type.width = static_cast<uint32_t>(TRY(parse_number(1, fixed_string_size_max)));
  TRY(expect(')'));
  return type;
}

Result<DataType> TypeParser::parse_datetime() {
  DataType type;
  type.kind = TypeKind::datetime;
  type.width = 4;
  TRY(expect('('));
  type.time_zone = TRY(parse_quoted('\''));
  TRY(expect(')'));
  return type;
}

Result<DataType> TypeParser::parse_datetime64() {
  DataType type;
  type.kind = TypeKind::datetime64;
  type.width = 8;
  TRY(expect('('));
  type.precision = static_cast<uint32_t>(TRY(parse_number(0, 9)));
  if (take(',')) type.time_zone = TRY(parse_quoted('\''));
  TRY(expect(')'));
  return type;
}

Result<DataType> TypeParser::parse_time64() {
  DataType type;
  type.kind = TypeKind::time64;
  type.width = 8;
  TRY(expect('('));
  type.precision = static_cast<uint32_t>(TRY(parse_number(0, 9)));
  TRY(expect(')'));
  return type;
}

DataType decimal_type(uint32_t precision, uint32_t scale) {
  DataType type;
  type.precision = precision;
  type.scale = scale;
  if (precision <= 9) {
    type.kind = TypeKind::decimal32;
    type.width = 4;
  } else if (precision <= 18) {
    type.kind = TypeKind::decimal64;
    type.width = 8;
  } else if (precision <= 38) {
    type.kind = TypeKind::decimal128;
    type.width = 16;
  } else {
    type.kind = TypeKind::decimal256;
    type.width = 32;
  }
  return type;
}

Result<DataType> TypeParser::parse_decimal() {
  TRY(expect('('));
  const int64_t precision = TRY(parse_number(1, 76));
  TRY(expect(','));
  const int64_t scale = TRY(parse_number(0, precision));
  TRY(expect(')'));
  return decimal_type(static_cast<uint32_t>(precision), static_cast<uint32_t>(scale));
}

Result<DataType> TypeParser::parse_short_decimal(uint32_t precision) {
  TRY(expect('('));
  const int64_t scale = TRY(parse_number(0, precision));
  TRY(expect(')'));
  return decimal_type(precision, static_cast<uint32_t>(scale));
}

Result<DataType> TypeParser::parse_enum(TypeKind kind) {
  DataType type;
  type.kind = kind;
  type.width = kind == TypeKind::enum8 ? 1 : 2;
  const int64_t least = kind == TypeKind::enum8 ? INT8_MIN : INT16_MIN;
  const int64_t most = kind == TypeKind::enum8 ? INT8_MAX : INT16_MAX;
  TRY(expect('('));
  do {
    std::string name = TRY(parse_quoted('\''));
    TRY(expect('='));
    const int64_t value = TRY(parse_number(least, most));
    type.enum_values.emplace_back(std::move(name), static_cast<int16_t>(value));
  } while (take(','));
  TRY(expect(')'));
  return type;
}

Result<DataType> TypeParser::parse_nullable(unsigned depth) {
  DataType type;
  type.kind = TypeKind::nullable;
  TRY(expect('('));
  type.elements.push_back(TRY(parse_type(depth + 1)));
  const TypeKind kind = type.elements.front().kind;
  if (kind == TypeKind::nullable || kind == TypeKind::low_cardinality) {
    return malformed("Nullable of a type that cannot be in it");
  }
  TRY(expect(')'));
  return type;
}

Result<DataType> TypeParser::parse_low_cardinality(unsigned depth) {
  DataType type;
  type.kind = TypeKind::low_cardinality;
  TRY(expect('('));
  type.elements.push_back(TRY(parse_type(depth + 1)));
  if (type.elements.front().kind == TypeKind::low_cardinality) {
    return malformed("LowCardinality of a type that cannot be in it");
  }
  TRY(expect(')'));
  return type;
}

Result<DataType> TypeParser::parse_array(unsigned depth) {
  TRY(expect('('));
  DataType element = TRY(parse_type(depth + 1));
  TRY(expect(')'));
  return array_of(std::move(element));
}

Result<DataType> TypeParser::parse_map(unsigned depth) {
  DataType type;
  type.kind = TypeKind::map;
  TRY(expect('('));
  type.elements.push_back(TRY(parse_type(depth + 1)));
  TRY(expect(','));
  type.elements.push_back(TRY(parse_type(depth + 1)));
  TRY(expect(')'));
  return type;
}

Result<DataType> TypeParser::parse_tuple(unsigned depth) {
  DataType type;
  type.kind = TypeKind::tuple;
  TRY(expect('('));
  if (take(')')) return type;
  TRY(parse_elements(type, depth + 1));
  TRY(expect(')'));
  return type;
}

Result<DataType> TypeParser::parse_nested(unsigned depth) {
  DataType row;
  row.kind = TypeKind::tuple;
  TRY(expect('('));
  const size_t begin = position_;
  TRY(parse_elements(row, depth + 1));
  if (row.element_names.empty()) return malformed("a Nested column has no name");
  row.name = fmt::format("Tuple({})", text_.substr(begin, position_ - begin));
  TRY(expect(')'));
  return array_of(std::move(row));
}

Result<DataType> TypeParser::parse_simple_aggregate(unsigned depth) {
  TRY(expect('('));
  TRY(skip_arguments(depth, ","));
  TRY(expect(','));
  DataType type = TRY(parse_type(depth + 1));
  if (peek() == ',') {  // states of several values are stored in no way we know
    TRY(skip_arguments(depth, ")"));
    type = DataType{};
  }
  TRY(expect(')'));
  return type;
}

/// Elements of a Tuple or Nested, separated by commas: all named or none.
Result<void> TypeParser::parse_elements(DataType& type, unsigned depth) {
  do {
    std::string name = TRY(parse_element_name());
    const bool named = !name.empty();
    if (!type.elements.empty() && named == type.element_names.empty()) {
      return malformed("only some elements have names");
    }
    if (named) type.element_names.push_back(std::move(name));
    type.elements.push_back(TRY(parse_type(depth)));
  } while (take(','));
  return {};
}

/// The name before an element's type; empty where there is none.
Result<std::string> TypeParser::parse_element_name() {
  const char next = peek();
  if (next == '`' || next == '"') return parse_quoted(next);
  const size_t begin = position_;
  const std::string_view name = identifier();
  const bool spaced = position_ < text_.size() && text_[position_] == ' ';
  if (!name.empty() && spaced && starts_identifier(peek())) return std::string(name);
  position_ = begin;
  return std::string();
}

Result<std::string> TypeParser::parse_quoted(char quote) {
  std::string value;
  if (peek() != quote || position_ >= text_.size()) {
    return malformed(fmt::format("expected {}", quote));
  }
  if (!read_quoted(text_, position_, value)) return malformed("a quote is not closed");
  return value;
}

Result<int64_t> TypeParser::parse_number(int64_t least, int64_t most) {
  skip_spaces();
  const bool negative = take('-');
  const size_t begin = position_;
  int64_t value = 0;
  constexpr size_t digits_max = 9;
  while (position_ < text_.size() && position_ - begin < digits_max && text_[position_] >= '0' &&
         text_[position_] <= '9') {
    value = value * 10 + (text_[position_++] - '0');
  }
  if (position_ == begin) return malformed("expected a number");
  if (negative) value = -value;
  if (value < least || value > most) return malformed("a number is out of range");
  return value;
}

}  // namespace

Result<DataType> parse_data_type(std::string_view name) {
  if (name.find('\n') == std::string_view::npos) return TypeParser(name).parse();
  return TypeParser(on_one_line(name)).parse();
}

}  // namespace sluice
