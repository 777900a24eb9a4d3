// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/block/block.hpp"
#include "core/decode/column_layout.hpp"
#include "core/decode/fault.hpp"
#include "core/model/record.hpp"

namespace sluice {

/// Fills the columns whose values are not in a record's value: Kafka's metadata, the value as a
/// whole, and whether a key is deleted. What a record does not have (a key, a time, a header)
/// leaves the column its default, or null where it is Nullable.
class MetadataColumns {
 public:
  /// `schema` must outlive it.
  MetadataColumns(const BlockSchema& schema, const ColumnLayout& layout, std::string topic);

  [[nodiscard]] bool empty() const { return fills_.empty(); }
  /// Appends to the open row (native). After a fault the row must be rolled back.
  [[nodiscard]] Fault append(const Record& record, Block& block);
  /// Adds members to the text of an object, each with a comma before it (json_each_row).
  [[nodiscard]] Fault append(const Record& record, std::string& members);
  /// Of the last fault.
  [[nodiscard]] const TableColumn& fault_column() const { return *fault_column_; }

 private:
  struct Fill {
    size_t column;
    ColumnSource source;
    const TableColumn* table_column;
    bool required;  ///< rows are replaced by it
  };
  struct Origin;

  [[nodiscard]] Origin origin_of(const Record& record) const;
  [[nodiscard]] Fault append(const Fill& fill, const Origin& from, Column& column) const;
  [[nodiscard]] Fault append(const Fill& fill, const Origin& from, std::string& members) const;

  std::vector<Fill> fills_;
  bool needs_headers_ = false;
  std::string topic_;
  SnapshotStamp snapshot_;
  const TableColumn* fault_column_ = nullptr;
};

/// Appends `text` as a JSON string; bytes that are not UTF-8 stay as they are, as ClickHouse reads
/// them.
void append_json_string(std::string_view text, std::string& out);

}  // namespace sluice
