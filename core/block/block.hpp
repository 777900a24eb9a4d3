// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/types.hpp"
#include "core/block/column.hpp"
#include "core/model/insert.hpp"
#include "core/model/table.hpp"

namespace sluice {

/// Which columns of a table records fill, and how the body of an INSERT is made of them.
/// Made once per table; every Block made with it refers to it, so it must stay where it is.
class BlockSchema {
 public:
  /// Native when every insertable column is encodable, else json_each_row (also when there is none:
  /// Native cannot say how many rows no column has).
  explicit BlockSchema(Table table);
  BlockSchema(const BlockSchema&) = delete;
  BlockSchema& operator=(const BlockSchema&) = delete;

  [[nodiscard]] const Table& table() const { return table_; }
  [[nodiscard]] InsertFormat format() const { return format_; }
  /// Insertable columns, in table order. Blocks have one Column for each (native).
  [[nodiscard]] const std::vector<TableColumn>& columns() const { return columns_; }
  /// The column's type in the body: wire_name() of it (native).
  [[nodiscard]] const std::string& wire_type(size_t column) const { return wire_types_[column]; }
  /// Whether the server has to be told which rows have no value for the column.
  [[nodiscard]] bool has_default(size_t column) const {
    return columns_[column].default_kind == DefaultKind::expression;
  }

 private:
  Table table_;
  std::vector<TableColumn> columns_;
  InsertFormat format_;
  std::vector<std::string> wire_types_;
};

/// Rows of one partition, in columns, growing.
///
/// Native: one Column per schema column, plus for columns with a DEFAULT expression one byte a row
/// that says "the record had no value". json_each_row: the records' text, one a line.
///
/// A row is appended column by column by a decoder and counts only after end_row(); rollback_row()
/// forgets what was appended since. Rows remember their offsets (gaps are kept as runs).
///
/// Not thread-safe; once cut it is only read, from any thread.
class Block {
 public:
  explicit Block(const BlockSchema& schema);

  [[nodiscard]] const BlockSchema& schema() const { return *schema_; }
  [[nodiscard]] uint64_t rows() const { return rows_; }
  /// Encoded, uncompressed bytes of all complete rows: what counts against batch_bytes. O(1).
  [[nodiscard]] uint64_t bytes() const { return bytes_ + flagged_ * rows_; }
  /// Bytes of memory held, grown capacity included: what counts against --memory.
  [[nodiscard]] uint64_t memory() const;

  /// `index` as in schema().columns(); not checked.
  [[nodiscard]] Column& column(size_t index) { return columns_.data()[index]; }
  [[nodiscard]] const Column& column(size_t index) const { return columns_.data()[index]; }

  /// The record has no value for this column: appends the type's own default and, where the column
  /// has a DEFAULT expression, marks the row so that the server evaluates it.
  void append_missing(size_t column);
  /// json_each_row: appends the text of one row.
  void append_line(std::string_view text);

  /// The row is complete: every column must have exactly one value more (a CHECK), where a column
  /// with none gets append_missing().
  void end_row(Offset offset);
  /// Forgets what was appended since the last end_row().
  void rollback_row();

  /// Offset of the record that became the given row.
  [[nodiscard]] Offset offset_of(uint64_t row) const;
  /// A copy of rows [first, first + count).
  [[nodiscard]] Block slice(uint64_t first, uint64_t count) const;
  /// Appends copies of these rows of another block of the same schema. Their offsets follow ours.
  void append_rows(const Block& from, uint64_t first, uint64_t count);
  /// Forgets all rows and keeps the memory for the next ones.
  void clear();

 private:
  friend class InsertBody;
  /// Consecutive rows with consecutive offsets.
  struct Run {
    uint64_t row;
    Offset offset;
  };
  /// Of one column with a DEFAULT expression.
  struct Missing {
    Buffer flags;        ///< one byte a row, 1: no value; ends after the last 1
    uint64_t count = 0;  ///< rows flagged
  };

  [[nodiscard]] bool row_is_open() const;
  void complete(size_t column);
  void append_offset(Offset offset);
  void append_lines(const Block& from, uint64_t first, uint64_t count);

  const BlockSchema* schema_;
  std::vector<Column> columns_;
  std::vector<uint32_t> marked_;  ///< columns whose rows differ in size
  uint64_t fixed_row_bytes_ = 0;  ///< of one row in all other columns
  std::vector<Missing> missing_;  ///< per column
  Buffer lines_;                  ///< json_each_row: each ends with a line feed
  std::vector<uint64_t> line_ends_;
  std::vector<Run> runs_;
  uint64_t rows_ = 0;
  uint64_t bytes_ = 0;          ///< of columns or lines, of complete rows
  uint64_t flagged_ = 0;        ///< columns with a row that has no value
  Offset offset_expected_{-1};  ///< the offset that continues the last run
};

/// The body of one INSERT made of one or more blocks of the same schema, as pieces of their buffers
/// (no copy) with small headers between. Fills insert.columns, pieces, rows, bytes, format.
///
///   body  := block…                      one Native block per Block
///   block := varint columns, varint rows, column…
///   column:= string name, string type, data
///
/// A column that is missing in every row of every block is left out; one that is missing in some
/// is flagged (insert.hpp). When that would leave no column, one is kept and flagged.
class InsertBody {
 public:
  /// There must be a row. The blocks must outlive the body and stay unchanged, as must the schema.
  InsertBody(const std::vector<const Block*>& blocks, Insert& insert);
  InsertBody(InsertBody&&) = default;
  InsertBody& operator=(InsertBody&&) = default;

 private:
  /// One column of the table that the body has.
  struct BodyColumn {
    size_t index;  ///< in the schema
    bool flagged;
  };
  using Pieces = std::vector<std::string_view>;

  [[nodiscard]] static std::vector<BodyColumn> choose_columns(
      const std::vector<const Block*>& blocks, uint64_t rows);
  void add_native(const std::vector<const Block*>& blocks, Insert& insert);
  void add_block(const Block& block, const std::vector<BodyColumn>& columns, Insert& insert);
  void add_header(std::string header, Pieces& pieces);
  static void add_flags(const Block& block, size_t column, Pieces& pieces);

  std::vector<std::string> headers_;  ///< never grown once views of it are given out
};

}  // namespace sluice
