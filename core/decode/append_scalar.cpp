// SPDX-License-Identifier: Apache-2.0
#include "core/decode/append_scalar.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <string>

#include "core/decode/append_time.hpp"
#include "core/decode/dates.hpp"
#include "core/decode/decimals.hpp"
#include "core/decode/digits.hpp"
#include "core/decode/floats.hpp"
#include "core/decode/integers.hpp"
#include "core/decode/network.hpp"

namespace sluice {

namespace {

using Kind = Scalar::Kind;

/// Numbers are also taken from strings, but those never hold escapes for ClickHouse's reader.
Fault number_text(const Scalar& scalar, std::string_view& text) {
  if (scalar.kind == Kind::boolean) return Fault::wrong_kind;
  if (scalar.escaped) return Fault::not_a_number;
  text = scalar.text;
  return Fault::none;
}

/// true and false are also numbers, in quotes or not.
bool is_true_or_false(const Scalar& scalar) {
  return scalar.kind == Kind::boolean ||
         (scalar.kind == Kind::string && (scalar.text == "true" || scalar.text == "false"));
}

Fault append_bool(const Scalar& scalar, Column& column) {
  const bool number = scalar.kind == Kind::number && (scalar.text == "0" || scalar.text == "1");
  if (scalar.kind != Kind::boolean && !number) return Fault::wrong_kind;
  column.append_fixed(static_cast<uint8_t>(scalar.text == "true" || scalar.text == "1"));
  return Fault::none;
}

Fault append_integer(bool is_signed, const Scalar& scalar, const ValuePlan& plan, Column& column) {
  Wide value;
  if (is_true_or_false(scalar)) {
    value.words[0] = scalar.text == "true" ? 1 : 0;
  } else {
    if (scalar.escaped) return Fault::not_a_number;
    const Fault fault = parse_integer(scalar.text, is_signed, plan.width * 8, value);
    if (fault != Fault::none) return fault;
  }
  column.append_fixed_bytes(value.words.data());
  return Fault::none;
}

template <class Float>
Fault append_float(const Scalar& scalar, Column& column) {
  Float value = scalar.text == "true" ? Float{1} : Float{0};
  if (!is_true_or_false(scalar)) {
    std::string_view text;
    Fault fault = number_text(scalar, text);
    if (fault == Fault::none) fault = parse_float(text, value);
    if (fault != Fault::none) return fault;
  }
  column.append_fixed(value);
  return Fault::none;
}

Fault append_bfloat16(const Scalar& scalar, Column& column) {
  constexpr uint16_t one = 0x3F80;
  uint16_t bits = scalar.text == "true" ? one : uint16_t{0};
  if (!is_true_or_false(scalar)) {
    std::string_view text;
    Fault fault = number_text(scalar, text);
    if (fault == Fault::none) fault = parse_bfloat16(text, bits);
    if (fault != Fault::none) return fault;
  }
  column.append_fixed(bits);
  return Fault::none;
}

Fault append_decimal(const ValuePlan& plan, const Scalar& scalar, Column& column) {
  std::string_view text;
  Fault fault = number_text(scalar, text);
  Wide value;
  if (fault == Fault::none) fault = parse_decimal(text, plan.precision, plan.scale, value);
  if (fault == Fault::none) column.append_fixed_bytes(value.words.data());
  return fault;
}

Fault append_text(const Scalar& scalar, Column& column) {
  if (!scalar.escaped) {
    column.append_string(scalar.text);
    return Fault::none;
  }
  size_t size = 0;
  char* out = column.reserve_string(scalar.text.size());
  const Fault fault = unescape(scalar.text, out, size);
  if (fault == Fault::none) column.end_string(size);
  return fault;
}

/// What a string stands for; `plain` is kept for the time that `text` is used.
Fault plain_text(const Scalar& scalar, std::string& plain, std::string_view& text) {
  text = scalar.text;
  if (!scalar.escaped) return Fault::none;
  plain.resize(scalar.text.size());
  size_t size = 0;
  const Fault fault = unescape(scalar.text, plain.data(), size);
  text = std::string_view(plain).substr(0, size);
  return fault;
}

Fault append_fixed_text(const ValuePlan& plan, const Scalar& scalar, Column& column) {
  if (scalar.kind != Kind::string) return Fault::wrong_kind;
  std::string plain;
  std::string_view text;
  const Fault fault = plain_text(scalar, plain, text);
  if (fault != Fault::none) return fault;
  if (text.size() > plan.width) return Fault::too_long;
  std::string padded(text);
  padded.resize(plan.width);
  column.append_fixed_bytes(padded.data());
  return Fault::none;
}

Fault append_enum_value(const ValuePlan& plan, size_t index, Column& column) {
  const int16_t value = plan.type->enum_values[index].second;
  if (plan.kind == TypeKind::enum8) {
    column.append_fixed(static_cast<int8_t>(value));
  } else {
    column.append_fixed(value);
  }
  return Fault::none;
}

/// By its name, or by its number with or without quotes.
Fault append_enum(const ValuePlan& plan, const Scalar& scalar, Column& column) {
  if (scalar.kind == Kind::boolean) return Fault::wrong_kind;
  std::string plain;
  std::string_view text;
  const Fault fault = plain_text(scalar, plain, text);
  if (fault != Fault::none) return fault;
  if (scalar.kind == Kind::string) {
    const size_t index = plan.names.find(text);
    if (index != NameIndex::none) return append_enum_value(plan, index, column);
  }
  int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return Fault::not_in_enum;
  }
  for (size_t index = 0; index < plan.type->enum_values.size(); ++index) {
    if (plan.type->enum_values[index].second == number) {
      return append_enum_value(plan, index, column);
    }
  }
  return Fault::not_in_enum;
}

Fault append_uuid(const Scalar& scalar, Column& column) {
  std::array<uint64_t, 2> halves{};
  if (scalar.kind != Kind::string) return Fault::wrong_kind;
  if (!parse_uuid(scalar.text, halves)) return Fault::not_a_uuid;
  column.append_fixed_bytes(halves.data());
  return Fault::none;
}

Fault append_ipv4(const Scalar& scalar, Column& column) {
  uint32_t address = 0;
  if (scalar.kind != Kind::string) return Fault::wrong_kind;
  if (!parse_ipv4(scalar.text, address)) return Fault::not_an_address;
  column.append_fixed(address);
  return Fault::none;
}

Fault append_ipv6(const Scalar& scalar, Column& column) {
  std::array<uint8_t, 16> address{};
  if (scalar.kind != Kind::string) return Fault::wrong_kind;
  if (!parse_ipv6(scalar.text, address)) return Fault::not_an_address;
  column.append_fixed_bytes(address.data());
  return Fault::none;
}

}  // namespace

Fault append_scalar(const ValuePlan& plan, const Scalar& scalar, Column& column) {
  switch (plan.kind) {
    case TypeKind::boolean:
      return append_bool(scalar, column);
    case TypeKind::int8:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::int128:
    case TypeKind::int256:
      return append_integer(true, scalar, plan, column);
    case TypeKind::uint8:
    case TypeKind::uint16:
    case TypeKind::uint32:
    case TypeKind::uint64:
    case TypeKind::uint128:
    case TypeKind::uint256:
      return append_integer(false, scalar, plan, column);
    case TypeKind::bfloat16:
      return append_bfloat16(scalar, column);
    case TypeKind::float32:
      return append_float<float>(scalar, column);
    case TypeKind::float64:
      return append_float<double>(scalar, column);
    case TypeKind::decimal32:
    case TypeKind::decimal64:
    case TypeKind::decimal128:
    case TypeKind::decimal256:
      return append_decimal(plan, scalar, column);
    case TypeKind::string:
      return append_text(scalar, column);
    case TypeKind::fixed_string:
      return append_fixed_text(plan, scalar, column);
    case TypeKind::date:
    case TypeKind::date32:
    case TypeKind::datetime:
    case TypeKind::datetime64:
    case TypeKind::time:
    case TypeKind::time64:
      return append_time(plan, scalar, column);
    case TypeKind::uuid:
      return append_uuid(scalar, column);
    case TypeKind::ipv4:
      return append_ipv4(scalar, column);
    case TypeKind::ipv6:
      return append_ipv6(scalar, column);
    case TypeKind::enum8:
    case TypeKind::enum16:
      return append_enum(plan, scalar, column);
    default:
      return Fault::wrong_kind;
  }
}

}  // namespace sluice
