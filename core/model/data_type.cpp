// SPDX-License-Identifier: Apache-2.0
#include "core/model/data_type.hpp"

#include <algorithm>

#include "core/base/check.hpp"
#include "core/model/quote.hpp"

namespace sluice {

namespace {

std::string enum_name(const DataType& type) {
  std::string text = type.kind == TypeKind::enum8 ? "Enum8(" : "Enum16(";
  for (size_t i = 0; i < type.enum_values.size(); ++i) {
    const auto& [name, value] = type.enum_values[i];
    if (i != 0) text += ", ";
    text += in_quotes(name, '\'') + " = " + std::to_string(value);
  }
  return text + ")";
}

std::string decimal_name(const DataType& type) {
  return "Decimal(" + std::to_string(type.precision) + ", " + std::to_string(type.scale) + ")";
}

std::string datetime_name(const DataType& type) {
  if (type.time_zone.empty()) return "DateTime";
  return "DateTime(" + in_quotes(type.time_zone, '\'') + ")";
}

std::string datetime64_name(const DataType& type) {
  std::string text = "DateTime64(" + std::to_string(type.precision);
  if (!type.time_zone.empty()) text += ", " + in_quotes(type.time_zone, '\'');
  return text + ")";
}

/// "Family(element, …)"; names are always quoted, so that none can be mistaken for a keyword.
std::string composite_name(std::string_view family, const DataType& type) {
  std::string text(family);
  text += '(';
  for (size_t i = 0; i < type.elements.size(); ++i) {
    if (i != 0) text += ", ";
    if (!type.element_names.empty()) text += in_quotes(type.element_names[i], '`') + " ";
    text += type.elements[i].wire_name();
  }
  return text + ")";
}

/// Name of a kind that takes no parameters.
std::string_view plain_name(TypeKind kind) {
  switch (kind) {
    case TypeKind::boolean:
      return "Bool";
    case TypeKind::int8:
      return "Int8";
    case TypeKind::int16:
      return "Int16";
    case TypeKind::int32:
      return "Int32";
    case TypeKind::int64:
      return "Int64";
    case TypeKind::int128:
      return "Int128";
    case TypeKind::int256:
      return "Int256";
    case TypeKind::uint8:
      return "UInt8";
    case TypeKind::uint16:
      return "UInt16";
    case TypeKind::uint32:
      return "UInt32";
    case TypeKind::uint64:
      return "UInt64";
    case TypeKind::uint128:
      return "UInt128";
    case TypeKind::uint256:
      return "UInt256";
    case TypeKind::bfloat16:
      return "BFloat16";
    case TypeKind::float32:
      return "Float32";
    case TypeKind::float64:
      return "Float64";
    case TypeKind::string:
    case TypeKind::json:
      return "String";
    case TypeKind::date:
      return "Date";
    case TypeKind::date32:
      return "Date32";
    case TypeKind::time:
      return "Time";
    case TypeKind::uuid:
      return "UUID";
    case TypeKind::ipv4:
      return "IPv4";
    case TypeKind::ipv6:
      return "IPv6";
    default:
      CHECK(false);
  }
}

}  // namespace

std::string DataType::wire_name() const {
  switch (kind) {
    case TypeKind::decimal32:
    case TypeKind::decimal64:
    case TypeKind::decimal128:
    case TypeKind::decimal256:
      return decimal_name(*this);
    case TypeKind::fixed_string:
      return "FixedString(" + std::to_string(width) + ")";
    case TypeKind::datetime:
      return datetime_name(*this);
    case TypeKind::datetime64:
      return datetime64_name(*this);
    case TypeKind::time64:
      return "Time64(" + std::to_string(precision) + ")";
    case TypeKind::enum8:
    case TypeKind::enum16:
      return enum_name(*this);
    case TypeKind::nullable:
      return composite_name("Nullable", *this);
    case TypeKind::low_cardinality:
      return elements.front().wire_name();
    case TypeKind::array:
      return composite_name("Array", *this);
    case TypeKind::tuple:
      return composite_name("Tuple", *this);
    case TypeKind::map:
      return composite_name("Map", *this);
    case TypeKind::other:
      return name;
    default:
      return std::string(plain_name(kind));
  }
}

bool DataType::encodable() const {
  // Cast to LowCardinality by the server, -0 would become 0.
  if (kind == TypeKind::low_cardinality) {
    const DataType& inner = elements[0];
    const TypeKind of = inner.kind == TypeKind::nullable ? inner.elements[0].kind : inner.kind;
    if (of == TypeKind::float32 || of == TypeKind::float64 || of == TypeKind::bfloat16) {
      return false;
    }
  }
  return kind != TypeKind::other &&
         std::all_of(elements.begin(), elements.end(),
                     [](const DataType& element) { return element.encodable(); });
}

const DataType& DataType::bare() const {
  const bool wrapped = kind == TypeKind::nullable || kind == TypeKind::low_cardinality;
  return wrapped ? elements.front().bare() : *this;
}

bool DataType::holds_json() const {
  return kind == TypeKind::json ||
         std::any_of(elements.begin(), elements.end(),
                     [](const DataType& element) { return element.holds_json(); });
}

}  // namespace sluice
