// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/block/block.hpp"
#include "core/decode/column_layout.hpp"
#include "core/model/record.hpp"

namespace sluice {

/// What to do with a field that no column takes; `keep`: the layout has a column for them.
enum class UnknownFields : uint8_t { ignore, error, keep };
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

/// Turns a record into one row of a Block.
///
/// What lands must equal what ClickHouse's own JSONEachRow reader stores; what that reader refuses
/// is refused (modes.md section 5). One decoder per pipeline thread; not thread-safe.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// Appends `record` to `block` without ending the row: the caller calls end_row() on success. On
  /// failure the block is as before and error() says why. Views need no padding. A tombstone only
  /// where the layout is one of overwrite.
  [[nodiscard]] virtual bool decode(const Record& record, Block& block) = 0;
  /// A record that is nothing but a value.
  [[nodiscard]] bool decode(std::string_view value, Block& block) {
    Record record;
    record.value = value;
    return decode(record, block);
  }
  [[nodiscard]] virtual const DecodeError& error() const = 0;
  /// Names of fields that no column takes, seen since the last call, each name once per decoder (at
  /// most 100 names).
  [[nodiscard]] virtual std::vector<std::string> take_unknown_fields() = 0;
  /// How many fields no column took, in all rows since the last call.
  [[nodiscard]] virtual uint64_t take_unknown_count() = 0;
};

/// A decoder for `format` into blocks of `schema`, which must outlive it. `layout` is that of the
/// schema's table; `topic` is for columns that take it. Of raw records every byte lands as it is,
/// and no value is refused.
[[nodiscard]] std::unique_ptr<Decoder> make_decoder(const BlockSchema& schema, RecordFormat format,
                                                    const DecodeOptions& options,
                                                    const ColumnLayout& layout,
                                                    const std::string& topic);

}  // namespace sluice
