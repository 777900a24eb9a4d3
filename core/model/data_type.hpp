// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"

namespace sluice {

/// The kind of a ClickHouse data type, as far as encoding distinguishes it.
enum class TypeKind : uint8_t {
  boolean,
  int8,
  int16,
  int32,
  int64,
  int128,
  int256,
  uint8,
  uint16,
  uint32,
  uint64,
  uint128,
  uint256,
  bfloat16,
  float32,
  float64,
  decimal32,
  decimal64,
  decimal128,
  decimal256,
  string,
  fixed_string,
  date,
  date32,
  datetime,
  datetime64,
  time,
  time64,
  uuid,
  ipv4,
  ipv6,
  enum8,
  enum16,
  nullable,         ///< elements[0]
  low_cardinality,  ///< elements[0]
  array,            ///< elements[0]
  tuple,            ///< elements, element_names (empty when unnamed)
  map,              ///< elements[0] key, elements[1] value
  json,             ///< an object's text, which the server parses
  other,            ///< Variant, Dynamic, AggregateFunction, or newer than we are
};

/// A ClickHouse data type, parsed from its name.
///
/// Aliases that are stored as another type are resolved to it: Point is a Tuple, Ring and
/// LineString are Array(Point), SimpleAggregateFunction(f, T) is T, Nested(a T, b U) is
/// Array(Tuple(a T, b U)), IntervalDay and its like are Int64.
struct DataType {
  TypeKind kind = TypeKind::other;
  std::string name;        ///< as ClickHouse writes it, e.g. "Array(Nullable(UInt8))"
  uint32_t width = 0;      ///< bytes of one value in Native where it is fixed, else 0
  uint32_t precision = 0;  ///< Decimal digits; DateTime64/Time64: digits after the second
  uint32_t scale = 0;      ///< Decimal: digits after the point
  std::string time_zone;   ///< DateTime, DateTime64: empty means the server's zone
  std::vector<std::pair<std::string, int16_t>> enum_values;  ///< in declaration order
  std::vector<DataType> elements;
  std::vector<std::string> element_names;

  /// The name of the type that goes over the wire: LowCardinality is taken off everywhere, aliases
  /// are resolved, JSON is a String. The server casts it to the column's own type without loss.
  [[nodiscard]] std::string wire_name() const;
  /// Without Nullable and LowCardinality around it.
  [[nodiscard]] const DataType& bare() const;
  /// Whether there is JSON in it: then the statement must CAST, since only a CAST parses text by
  /// the settings that JSONEachRow goes by.
  [[nodiscard]] bool holds_json() const;
  /// Whether this type and everything in it can be encoded here.
  [[nodiscard]] bool encodable() const;
};

/// Parses a type name as DESCRIBE TABLE prints it (on several lines, too; then `name` is on one).
/// An unknown family is no error: it parses to `other` with its name kept. Malformed text
/// (unbalanced parentheses, a bad number, nesting over 100) is Errc::config. Never recurses deeper
/// than the nesting limit.
[[nodiscard]] Result<DataType> parse_data_type(std::string_view name);

}  // namespace sluice
