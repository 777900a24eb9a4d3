// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/block/buffer.hpp"
#include "core/block/copy_bytes.hpp"
#include "core/block/varint.hpp"
#include "core/model/data_type.hpp"

namespace sluice {

/// Values of one column in the layout of ClickHouse's Native format, growing.
///
/// LowCardinality is taken off (the server casts). Nullable is a flag of the node: `nulls` holds
/// one byte a row and `data` a default for null rows.
///
///   fixed width   data: values, little endian
///   string, json  data: varint length, bytes, for each row
///   array         offsets: cumulative uint64 element counts; child(0)
///   tuple         child(0) … child(n-1); an empty Tuple() is one zero byte a row in data
///   map           offsets; child(0) keys, child(1) values
///
/// One node of a value is appended with exactly one of the append_ functions; arrays and maps
/// append their elements to the children first and then call append_array(); tuples append to each
/// child and then call append_tuple(). Not thread-safe.
class Column {
 public:
  /// `type` must be encodable and outlive the column.
  explicit Column(const DataType& type);

  [[nodiscard]] TypeKind kind() const { return kind_; }  ///< never nullable, low_cardinality
  [[nodiscard]] const DataType& type() const { return *type_; }  ///< of kind(), wrappers taken off
  [[nodiscard]] bool nullable() const { return nullable_; }
  [[nodiscard]] uint64_t rows() const { return rows_; }
  [[nodiscard]] Column& child(size_t index) { return children_[index]; }
  [[nodiscard]] const Column& child(size_t index) const { return children_[index]; }
  [[nodiscard]] size_t children() const { return children_.size(); }
  [[nodiscard]] uint64_t bytes() const;   ///< encoded
  [[nodiscard]] uint64_t memory() const;  ///< held

  /// `value` must have type().width bytes.
  template <class T>
  void append_fixed(T value) {
    data_.append_value(value);
    end_value();
  }
  /// Fixed-width bytes; `bytes` must be type().width of them.
  void append_fixed_bytes(const void* bytes) {
    data_.append(bytes, width_);
    end_value();
  }
  void append_string(std::string_view value) {
    char* begin = reserve_string(value.size()) - 1;
    copy_bytes(begin + 1, value.data(), value.size());
    if (value.size() < 0x80) [[likely]] {
      *begin = static_cast<char>(value.size());
      data_.end_at(begin + 1 + value.size());
      end_value();
    } else {
      end_string(value.size());
    }
  }
  /// A string written in place: up to `size_max` bytes may be written to what is returned (and
  /// `slack` bytes of rubbish behind them), then end_string() says how many they were. A string
  /// that is begun and not ended leaves no trace.
  char* reserve_string(size_t size_max, size_t slack = 0) {
    return data_.reserve(size_max + slack + varint_size_max) + 1;
  }
  void end_string(size_t size) {
    if (size < 0x80) [[likely]] {
      char* begin = data_.reserve(0);
      *begin = static_cast<char>(size);
      data_.end_at(begin + 1 + size);
    } else {
      end_long_string(size);
    }
    end_value();
  }
  void append_array();  ///< the elements appended to the children since the last call are one value
  void append_tuple();  ///< each child has got one value more
  void append_null();   ///< nullable() only
  void append_default();  ///< null where nullable, else the type's default (enum: its first value)
  /// As append_default(), but an enum that has a value 0 gets that one. ClickHouse's JSON reader
  /// stores this for null where a column is not Nullable, and append_default() for no value at all.
  void append_zero();

  /// Rolling back: mark() before a top-level value is appended, rollback() to be as then. Only
  /// whole values may be marked (arrays: no element without its append_array()). Returns by how
  /// much bytes() has grown since the last mark.
  uint64_t mark() {
    uint64_t grown = data_.size() - mark_.data + (rows_ - mark_.rows) * row_overhead_;
    mark_.data = data_.size();
    mark_.rows = rows_;
    if (!children_.empty()) [[unlikely]]
      grown += mark_children();
    return grown;
  }
  void rollback();
  /// Whether every row has the same number of bytes, so that truncate() can do without a mark.
  [[nodiscard]] bool fixed_width() const { return width_ != 0; }
  /// Bytes of one row, null flag included; fixed_width() only.
  [[nodiscard]] uint64_t row_bytes() const { return width_ + row_overhead_; }
  /// Forgets all rows but the first `rows`; fixed_width() only.
  void truncate(uint64_t rows);

  /// Appends copies of these rows of another column of the same type, and marks.
  void append_rows(const Column& from, uint64_t first, uint64_t count);
  void clear();
  /// Adds this column's data, without header, to a body in Native order.
  void add_pieces(std::vector<std::string_view>& pieces) const;

 private:
  struct Mark {
    size_t data = 0;
    uint64_t rows = 0;
  };

  void end_value() {
    if (nullable_) nulls_.append_value(uint8_t{0});
    ++rows_;
  }
  void end_long_string(size_t size);
  void append_enum(int16_t value);
  void append_blank(bool zero_enums);
  uint64_t mark_children();
  [[nodiscard]] uint64_t elements_before(uint64_t row) const;
  [[nodiscard]] size_t data_position(uint64_t row) const;
  void append_offsets(const Column& from, uint64_t first, uint64_t count);

  // What the hot path touches comes first, in as few cache lines as possible.
  Buffer data_;
  uint64_t rows_ = 0;
  Mark mark_;
  TypeKind kind_;
  bool nullable_ = false;
  bool nested_ = false;       ///< has children
  uint8_t row_overhead_ = 0;  ///< bytes of one row in nulls_ and offsets_
  uint32_t width_ = 0;
  std::vector<Column> children_;
  Buffer nulls_;
  Buffer offsets_;
  const DataType* type_;
};

}  // namespace sluice
