// SPDX-License-Identifier: Apache-2.0
//
// Builds the body of an INSERT with core/block from values on stdin, for test_native_blocks.py.
//
//   stdin   {"columns": [{"name", "type", "default"}], "blocks": [[{column: value, …}, …], …]}
//           value := "text" of a String, {"bytes": "hex"} of a fixed-width type, null,
//                    [element, …] of an Array or Tuple, [[key, value], …] of a Map
//           a column that a row does not name is missing; {"zero": true} asks for append_zero()
//   stdout  {"columns": [{"name", "type", "wire", "flagged", "default"}], "rows", "format"}, a line
//           feed, the body

#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/block/block.hpp"

namespace {

using nlohmann::json;
using sluice::Block;
using sluice::Column;
using sluice::TypeKind;

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

void append(Column& column, const json& value) {
  if (value.is_null()) return column.append_null();
  if (value.is_object() && value.contains("zero")) return column.append_zero();
  switch (column.kind()) {
    case TypeKind::string:
      return column.append_string(value.get<std::string>());
    case TypeKind::array:
      for (const json& element : value) append(column.child(0), element);
      return column.append_array();
    case TypeKind::map:
      for (const json& entry : value) {
        append(column.child(0), entry.at(0));
        append(column.child(1), entry.at(1));
      }
      return column.append_array();
    case TypeKind::tuple:
      CHECK(value.size() == column.children());
      for (size_t i = 0; i < value.size(); ++i) append(column.child(i), value.at(i));
      return column.append_tuple();
    default: {
      const std::string bytes = from_hex(value.at("bytes").get<std::string>());
      CHECK(bytes.size() == column.type().width);
      return column.append_fixed_bytes(bytes.data());
    }
  }
}

sluice::Table table_of(const json& columns) {
  sluice::Table table;
  for (const json& description : columns) {
    sluice::TableColumn column;
    column.name = description.at("name").get<std::string>();
    column.default_expression = description.value("default", "");
    if (!column.default_expression.empty()) column.default_kind = sluice::DefaultKind::expression;
    auto type = sluice::parse_data_type(description.at("type").get<std::string>());
    if (!type.ok()) std::cerr << type.error().message << "\n";
    column.type = std::move(type).value();
    table.columns.push_back(std::move(column));
  }
  return table;
}

void append_row(Block& block, const json& row) {
  if (block.schema().format() != sluice::InsertFormat::native) return block.append_line(row.dump());
  for (size_t index = 0; index < block.schema().columns().size(); ++index) {
    const auto found = row.find(block.schema().columns()[index].name);
    if (found != row.end()) append(block.column(index), *found);
  }
}

json description_of(const sluice::Insert& insert, const sluice::BlockSchema& schema) {
  json columns = json::array();
  for (const sluice::InsertColumn& column : insert.columns) {
    size_t index = 0;
    while (schema.columns()[index].name != column.name) ++index;
    columns.push_back({{"name", column.name},
                       {"type", schema.columns()[index].type.name},
                       {"wire", schema.wire_type(index)},
                       {"flagged", column.flagged},
                       {"default", column.default_expression}});
  }
  const bool native = insert.format == sluice::InsertFormat::native;
  return {
      {"columns", columns}, {"rows", insert.rows}, {"format", native ? "Native" : "JSONEachRow"}};
}

}  // namespace

int main() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const json input = json::parse(text);
  const sluice::BlockSchema schema(table_of(input.at("columns")));
  std::vector<Block> blocks;
  int64_t offset = 0;
  for (const json& rows : input.at("blocks")) {
    Block& block = blocks.emplace_back(schema);
    for (const json& row : rows) {
      append_row(block, row);
      block.end_row(sluice::Offset{offset++});
    }
  }
  std::vector<const Block*> pointers;
  for (const Block& block : blocks) pointers.push_back(&block);
  sluice::Insert insert;
  const sluice::InsertBody body(pointers, insert);
  std::cout << description_of(insert, schema).dump() << "\n";
  for (const std::string_view piece : insert.pieces) std::cout << piece;
  return std::cout.flush() ? 0 : 1;
}
