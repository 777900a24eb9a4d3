// SPDX-License-Identifier: Apache-2.0
#include "core/block/block.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace sluice {

BlockSchema::BlockSchema(Table table) : table_(std::move(table)), format_(InsertFormat::native) {
  bool encodable = true;
  for (const TableColumn& column : table_.columns) {
    if (!column.insertable()) continue;
    columns_.push_back(column);
    encodable = encodable && column.encodable();
  }
  if (columns_.empty() || !encodable) format_ = InsertFormat::json_each_row;
  if (format_ != InsertFormat::native) return;
  for (const TableColumn& column : columns_) wire_types_.push_back(column.type.wire_name());
}

Block::Block(const BlockSchema& schema) : schema_(&schema) {
  if (schema.format() != InsertFormat::native) return;
  columns_.reserve(schema.columns().size());
  for (const TableColumn& column : schema.columns()) {
    const Column& added = columns_.emplace_back(column.type);
    if (added.fixed_width()) {
      fixed_row_bytes_ += added.row_bytes();
    } else {
      marked_.push_back(static_cast<uint32_t>(columns_.size() - 1));
    }
  }
  missing_.resize(columns_.size());
}

uint64_t Block::memory() const {
  uint64_t sum =
      lines_.capacity() + line_ends_.capacity() * sizeof(uint64_t) + runs_.capacity() * sizeof(Run);
  for (const Column& column : columns_) sum += column.memory();
  for (const Missing& missing : missing_) sum += missing.flags.capacity();
  return sum;
}

void Block::append_missing(size_t column) {
  columns_[column].append_default();
  if (!schema_->has_default(column)) return;
  Missing& missing = missing_[column];
  missing.flags.append_zeros(rows_ - missing.flags.size());
  missing.flags.append_value(uint8_t{1});
  if (missing.count++ == 0) ++flagged_;
}

void Block::append_line(std::string_view text) {
  CHECK(schema_->format() == InsertFormat::json_each_row);
  lines_.append(text.data(), text.size());
  lines_.append_value('\n');
  line_ends_.push_back(lines_.size());
}

inline void Block::append_offset(Offset offset) {
  if (offset != offset_expected_ || rows_ == 0) [[unlikely]]
    runs_.push_back({rows_, offset});
  offset_expected_ = offset.next();
}

void Block::end_row(Offset offset) {
  Column* const columns = columns_.data();
  const uint64_t rows = rows_ + 1;
  for (Column& column : columns_) {
    if (column.rows() != rows) [[unlikely]]
      complete(static_cast<size_t>(&column - columns));
  }
  uint64_t grown = fixed_row_bytes_;
  for (const uint32_t index : marked_) grown += columns[index].mark();
  bytes_ += grown;
  if (columns_.empty()) {
    CHECK(line_ends_.size() == rows);
    bytes_ = lines_.size();
  }
  append_offset(offset);
  rows_ = rows;
}

/// Gives a column that has no value in this row its default.
void Block::complete(size_t column) {
  CHECK(columns_[column].rows() == rows_);
  append_missing(column);
}

void Block::rollback_row() {
  for (Column& column : columns_) {
    if (column.fixed_width()) {
      column.truncate(rows_);
    } else {
      column.rollback();
    }
  }
  for (Missing& missing : missing_) {
    if (missing.flags.size() <= rows_) continue;
    missing.flags.truncate(rows_);
    if (--missing.count == 0) --flagged_;
  }
  if (columns_.empty()) {
    line_ends_.resize(rows_);
    lines_.truncate(rows_ == 0 ? 0 : line_ends_.back());
  }
}

Offset Block::offset_of(uint64_t row) const {
  CHECK(row < rows_);
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), row,
                       [](uint64_t wanted, const Run& run) { return wanted < run.row; });
  const Run& run = *std::prev(after);
  return Offset{run.offset.value + static_cast<int64_t>(row - run.row)};
}

bool Block::row_is_open() const {
  return std::any_of(columns_.begin(), columns_.end(),
                     [this](const Column& column) { return column.rows() != rows_; }) ||
         (columns_.empty() && line_ends_.size() != rows_);
}

Block Block::slice(uint64_t first, uint64_t count) const {
  Block copy(*schema_);
  copy.append_rows(*this, first, count);
  return copy;
}

void Block::append_rows(const Block& from, uint64_t first, uint64_t count) {
  CHECK(first <= from.rows_ && count <= from.rows_ - first && !row_is_open());
  if (!columns_.empty()) bytes_ = 0;
  for (size_t index = 0; index < columns_.size(); ++index) {
    columns_[index].append_rows(from.columns_[index], first, count);
    bytes_ += columns_[index].bytes();
    const std::string_view flags = from.missing_[index].flags.view();
    if (flags.size() <= first) continue;
    const std::string_view part = flags.substr(first, count);
    // Flags end after the last 1, so that a rollback can tell whose the last one is.
    const size_t last = part.rfind('\1');
    if (last == std::string_view::npos) continue;
    Missing& missing = missing_[index];
    missing.flags.append_zeros(rows_ - missing.flags.size());
    missing.flags.append(part.data(), last + 1);
    if (missing.count == 0) ++flagged_;
    missing.count += static_cast<uint64_t>(std::count(part.begin(), part.end(), '\1'));
  }
  if (columns_.empty()) append_lines(from, first, count);
  for (uint64_t row = first; row < first + count; ++row) {
    append_offset(from.offset_of(row));
    ++rows_;
  }
}

void Block::append_lines(const Block& from, uint64_t first, uint64_t count) {
  if (count == 0) return;
  const uint64_t begin = first == 0 ? 0 : from.line_ends_[first - 1];
  const uint64_t base = lines_.size();
  lines_.append(from.lines_.data() + begin, from.line_ends_[first + count - 1] - begin);
  bytes_ = lines_.size();
  line_ends_.reserve(line_ends_.size() + count);
  for (uint64_t row = first; row < first + count; ++row) {
    line_ends_.push_back(base + from.line_ends_[row] - begin);
  }
}

void Block::clear() {
  for (Column& column : columns_) column.clear();
  for (Missing& missing : missing_) {
    missing.flags.clear();
    missing.count = 0;
  }
  lines_.clear();
  line_ends_.clear();
  runs_.clear();
  rows_ = 0;
  bytes_ = 0;
  flagged_ = 0;
}

}  // namespace sluice
