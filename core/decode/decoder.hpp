// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/block/block.hpp"
#include "core/model/record.hpp"

namespace sluice {

/// What the value of a record is.
enum class RecordFormat : uint8_t { json, raw };
/// What to do with a field that no column is named after.
enum class UnknownFields : uint8_t { ignore, error };
/// What to do with null for a column that is not Nullable.
enum class Nulls : uint8_t { column_default, reject };

struct DecodeOptions {
  UnknownFields unknown_fields = UnknownFields::ignore;
  Nulls nulls = Nulls::column_default;
  uint32_t depth_max = 128;     ///< nesting of one record
  uint32_t fields_max = 10000;  ///< fields of one record
};

/// Why a value did not become a row. Valid until the next call of the decoder.
struct DecodeError {
  RejectReason reason = RejectReason::none;
  std::string column;   ///< the column at fault, may be empty
  std::string message;  ///< e.g. "number out of range for UInt8"; never the record's content
};

/// Turns the bytes of a record's value into one row of a Block.
///
/// What lands must equal what ClickHouse's own JSONEachRow reader stores; what that reader refuses
/// is refused (modes.md section 5). One decoder per pipeline thread; not thread-safe.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// Appends `value` to `block` without ending the row: the caller calls end_row() on success. On
  /// failure the block is as before and error() says why. `value` needs no padding.
  [[nodiscard]] virtual bool decode(std::string_view value, Block& block) = 0;
  [[nodiscard]] virtual const DecodeError& error() const = 0;
  /// Names of fields that no column is named after, seen since the last call, each name once per
  /// decoder (at most 100 names).
  [[nodiscard]] virtual std::vector<std::string> take_unknown_fields() = 0;
};

/// A decoder for format = "json" into blocks of `schema`, which must outlive it.
[[nodiscard]] std::unique_ptr<Decoder> make_json_decoder(const BlockSchema& schema,
                                                         const DecodeOptions& options);

/// For format = "raw": the table with only the column that takes the whole value. That is the one
/// String (Nullable and LowCardinality count, too) that has no DEFAULT; ClickHouse fills the other
/// columns with their defaults. Errc::config where there is none or more than one.
[[nodiscard]] Result<Table> raw_table(Table table);

/// A decoder for format = "raw" into blocks of a schema made of raw_table(): every byte of a value
/// lands as it is, and no value is refused.
[[nodiscard]] std::unique_ptr<Decoder> make_raw_decoder();

}  // namespace sluice
