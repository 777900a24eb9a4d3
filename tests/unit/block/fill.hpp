// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <random>
#include <string>
#include <vector>

#include "core/block/block.hpp"

namespace sluice::test {

/// One column of a table, from its type's name.
inline TableColumn make_column(const std::string& name, const std::string& type,
                               const std::string& default_expression = "") {
  TableColumn column;
  column.name = name;
  column.type = parse_data_type(type).value();
  if (!default_expression.empty()) column.default_kind = DefaultKind::expression;
  column.default_expression = default_expression;
  return column;
}

inline Table make_table(std::vector<TableColumn> columns) {
  Table table;
  table.database = "d";
  table.name = "t";
  table.columns = std::move(columns);
  return table;
}

/// The bytes an INSERT of these blocks sends.
inline std::string body_of(const std::vector<const Block*>& blocks, Insert& insert) {
  const InsertBody body(blocks, insert);
  std::string bytes;
  for (const std::string_view piece : insert.pieces) bytes += piece;
  return bytes;
}

inline std::string body_of(const Block& block) {
  Insert insert;
  return body_of({&block}, insert);
}

/// Appends random values; stops in the middle of one when `nodes_left` runs out, as a decoder does
/// that meets an error.
class Filler {
 public:
  explicit Filler(uint64_t seed, int nodes = 1'000'000) : random_(seed), nodes_left_(nodes) {}

  bool fill_row(Block& block) {
    for (size_t index = 0; index < block.schema().columns().size(); ++index) {
      if (random_() % 4 == 0) {
        block.append_missing(index);
      } else if (!fill(block.column(index))) {
        return false;
      }
    }
    return true;
  }

  bool fill(Column& column) {
    if (--nodes_left_ < 0) return false;
    if (column.nullable() && random_() % 3 == 0) {
      column.append_null();
      return true;
    }
    switch (column.kind()) {
      case TypeKind::array:
      case TypeKind::map:
        return fill_array(column);
      case TypeKind::tuple:
        for (size_t i = 0; i < column.children(); ++i) {
          if (!fill(column.child(i))) return false;
        }
        column.append_tuple();
        return true;
      case TypeKind::string:
        column.append_string(std::string(random_() % 7 == 0 ? 200 : random_() % 5, letter()));
        return true;
      case TypeKind::enum8:
        column.append_fixed(static_cast<int8_t>(column.type().enum_values.back().second));
        return true;
      default:
        return fill_fixed(column);
    }
  }

 private:
  bool fill_array(Column& column) {
    for (uint64_t left = random_() % 4; left != 0; --left) {
      for (size_t i = 0; i < column.children(); ++i) {
        if (!fill(column.child(i))) return false;
      }
    }
    column.append_array();
    return true;
  }

  bool fill_fixed(Column& column) {
    std::array<char, 64> bytes{};
    for (char& byte : bytes) byte = letter();
    column.append_fixed_bytes(bytes.data());
    return true;
  }

  char letter() { return static_cast<char>('a' + random_() % 26); }

  std::mt19937_64 random_;
  int nodes_left_;
};

/// Types that nest every kind in every other.
inline const std::vector<std::string> nested_types = {
    "UInt8",
    "Nullable(UInt64)",
    "String",
    "LowCardinality(Nullable(String))",
    "FixedString(3)",
    "Enum8('a' = 1, 'b' = 2)",
    "Decimal(76, 3)",
    "Array(String)",
    "Array(Array(Nullable(Int16)))",
    "Tuple()",
    "Tuple(UInt8, String)",
    "Array(Tuple(a String, b Array(UInt8), c Tuple()))",
    "Map(LowCardinality(String), Array(Nullable(String)))",
    "Map(String, Map(UInt8, Tuple(x Array(String), y Nullable(UUID))))",
    "Nested(a UInt8, b Array(String))",
    "Nullable(Tuple(a String, b Nullable(UInt8), c Array(String)))",
    "Polygon",
    "SimpleAggregateFunction(groupArrayArray, Array(LowCardinality(String)))",
};

}  // namespace sluice::test
