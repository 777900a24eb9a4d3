// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/block/block.hpp"
#include "core/decode/gear.hpp"

namespace sluice::test {

inline TableColumn column(std::string name, std::string_view type,
                          std::string default_expression = "") {
  const auto kind = default_expression.empty() ? DefaultKind::none : DefaultKind::expression;
  return {std::move(name), parse_data_type(type).value(), kind, std::move(default_expression)};
}

inline Table table_of(std::vector<TableColumn> columns, std::string time_zone = "UTC") {
  Table table;
  table.database = "t";
  table.name = "t";
  table.server_time_zone = std::move(time_zone);
  table.columns = std::move(columns);
  return table;
}

/// The bytes of a number as they stand in memory and in Native.
template <class T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string bytes_of(const Column& column) {
  std::vector<std::string_view> pieces;
  column.add_pieces(pieces);
  std::string bytes;
  for (const std::string_view piece : pieces) bytes += piece;
  return bytes;
}

/// A table, a block of it and a decoder that fills it.
class Decoding {
 public:
  explicit Decoding(std::vector<TableColumn> columns, Gear gear = Gear::both,
                    const DecodeOptions& options = {}, std::string time_zone = "UTC")
      : schema_(table_of(std::move(columns), std::move(time_zone))),
        block_(schema_),
        decoder_(make_json_decoder(schema_, options, gear)) {}

  /// With columns that are filled otherwise than by name; the records are those of topic "events".
  Decoding(Table table, const ColumnOptions& columns, Gear gear = Gear::both,
           const DecodeOptions& options = {})
      : schema_(std::move(table)),
        block_(schema_),
        decoder_(make_json_decoder(schema_, options,
                                   lay_out(schema_.table(), columns, RecordFormat::json).value(),
                                   "events", gear)) {}

  /// Decodes one record; a good one becomes a row.
  bool decode(std::string_view value) {
    Record record;
    record.value = value;
    return decode(record);
  }
  bool decode(const Record& record) {
    if (!decoder_->decode(record, block_)) return false;
    block_.end_row({static_cast<int64_t>(block_.rows())});
    return true;
  }

  [[nodiscard]] Decoder& decoder() { return *decoder_; }
  [[nodiscard]] const DecodeError& error() const { return decoder_->error(); }
  [[nodiscard]] Block& block() { return block_; }
  [[nodiscard]] uint64_t rows() const { return block_.rows(); }
  [[nodiscard]] std::string bytes(size_t index = 0) const { return bytes_of(block_.column(index)); }
  [[nodiscard]] uint64_t rows_of(size_t index) const { return block_.column(index).rows(); }

 private:
  BlockSchema schema_;
  Block block_;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace sluice::test
