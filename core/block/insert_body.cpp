// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/base/check.hpp"
#include "core/block/block.hpp"
#include "core/block/varint.hpp"

namespace sluice {

namespace {

/// Flags of rows after the last one without a value.
constexpr std::array<char, 4096> zeros{};

void append_varint(std::string& text, uint64_t value) {
  char bytes[varint_size_max];
  text.append(bytes, write_varint(bytes, value));
}

void append_string(std::string& text, std::string_view value) {
  append_varint(text, value.size());
  text += value;
}

std::string column_header(std::string_view name, std::string_view type) {
  std::string header;
  append_string(header, name);
  append_string(header, type);
  return header;
}

}  // namespace

InsertBody::InsertBody(const std::vector<const Block*>& blocks, Insert& insert) {
  CHECK(!blocks.empty());
  insert.format = blocks.front()->schema().format();
  insert.columns.clear();
  insert.pieces.clear();
  insert.rows = 0;
  for (const Block* block : blocks) {
    CHECK(&block->schema() == &blocks.front()->schema() && !block->row_is_open());
    insert.rows += block->rows();
  }
  CHECK(insert.rows != 0);
  if (insert.format == InsertFormat::native) {
    add_native(blocks, insert);
  } else {
    for (const Block* block : blocks) insert.pieces.push_back(block->lines_.view());
  }
  insert.bytes = 0;
  for (const std::string_view piece : insert.pieces) insert.bytes += piece.size();
}

std::vector<InsertBody::BodyColumn> InsertBody::choose_columns(
    const std::vector<const Block*>& blocks, uint64_t rows) {
  std::vector<BodyColumn> chosen;
  for (size_t index = 0; index < blocks.front()->columns_.size(); ++index) {
    uint64_t missing = 0;
    for (const Block* block : blocks) missing += block->missing_[index].count;
    if (missing != rows) chosen.push_back({index, missing != 0});
  }
  if (chosen.empty()) chosen.push_back({0, true});
  return chosen;
}

void InsertBody::add_native(const std::vector<const Block*>& blocks, Insert& insert) {
  const BlockSchema& schema = blocks.front()->schema();
  const std::vector<BodyColumn> columns = choose_columns(blocks, insert.rows);
  for (const auto& [index, flagged] : columns) {
    const TableColumn& column = schema.columns()[index];
    insert.columns.push_back({.name = column.name,
                              .type = schema.wire_type(index),
                              .flagged = flagged,
                              .default_expression = flagged ? column.default_expression : "",
                              .cast_type = column.type.holds_json() ? column.type.name : ""});
  }
  headers_.reserve(blocks.size() * (1 + 2 * columns.size()));
  for (const Block* block : blocks) {
    if (block->rows() != 0) add_block(*block, columns, insert);
  }
}

void InsertBody::add_block(const Block& block, const std::vector<BodyColumn>& columns,
                           Insert& insert) {
  const auto is_flagged = [](const BodyColumn& column) { return column.flagged; };
  const auto flags = std::count_if(columns.begin(), columns.end(), is_flagged);
  const bool plain = insert.plain();
  std::string header;
  append_varint(header, columns.size() + static_cast<size_t>(flags));
  append_varint(header, block.rows());
  add_header(std::move(header), insert.pieces);
  for (size_t position = 0; position < columns.size(); ++position) {
    const auto [index, flagged] = columns[position];
    const std::string number = std::to_string(position);
    const std::string name = plain ? insert.columns[position].name : "v" + number;
    add_header(column_header(name, block.schema().wire_type(index)), insert.pieces);
    block.columns_[index].add_pieces(insert.pieces);
    if (!flagged) continue;
    add_header(column_header("m" + number, "UInt8"), insert.pieces);
    add_flags(block, index, insert.pieces);
  }
}

void InsertBody::add_header(std::string header, Pieces& pieces) {
  CHECK(headers_.size() < headers_.capacity());
  pieces.push_back(headers_.emplace_back(std::move(header)));
}

void InsertBody::add_flags(const Block& block, size_t column, Pieces& pieces) {
  const std::string_view flags = block.missing_[column].flags.view();
  if (!flags.empty()) pieces.push_back(flags);
  for (uint64_t left = block.rows() - flags.size(); left != 0;) {
    const uint64_t count = std::min<uint64_t>(left, zeros.size());
    pieces.emplace_back(zeros.data(), count);
    left -= count;
  }
}

}  // namespace sluice
