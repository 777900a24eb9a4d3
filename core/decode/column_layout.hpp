// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/model/table.hpp"

namespace sluice {

/// What the value of a record is.
enum class RecordFormat : uint8_t { json, raw };

/// Where the values of a column come from.
struct ColumnSource {
  enum class Kind : uint8_t {
    field,           ///< the record's value, at `pointer`
    unknown_fields,  ///< all fields of the value that no column takes, as one object's text
    topic,
    partition,
    offset,
    timestamp,
    key,
    headers,
    header_names,
    header_values,
    header,         ///< the last one called `header`
    value,          ///< the record's value, every byte of it
    deleted,        ///< overwrite: 1 for a tombstone, else 0
    snapshot_id,    ///< SnapshotStamp::id
    snapshot_time,  ///< SnapshotStamp::time_ms
    nothing,        ///< no record fills it: its default
  };
  Kind kind = Kind::field;
  std::vector<std::string> pointer{};  ///< the reference tokens of a JSON pointer
  std::string header{};

  bool operator==(const ColumnSource&) const = default;
};

/// "/user/tags/0" (RFC 6901); nothing for what is no pointer, and for "", the whole value.
[[nodiscard]] std::optional<std::vector<std::string>> parse_pointer(std::string_view text);
/// "$topic", "$partition", "$offset", "$timestamp", "$key", "$headers", "$value", "$header.<name>".
[[nodiscard]] std::optional<ColumnSource> parse_column_source(std::string_view text);

/// As the configuration writes it: "/user/id", "$offset"; for people where it has no word for it.
[[nodiscard]] std::string to_string(const ColumnSource& source);

/// What the configuration says of one column.
struct ColumnRule {
  std::string column;
  ColumnSource source;
  std::string place;  ///< where it says so, for messages; may be empty

  bool operator==(const ColumnRule& other) const {
    return column == other.column && source == other.source;
  }
};

/// What every row of a snapshot says of it, in the columns _snapshot_id and _snapshot_time.
struct SnapshotStamp {
  std::string id;
  int64_t time_ms = 0;  ///< unix time

  bool operator==(const SnapshotStamp&) const = default;
};

struct ColumnOptions {
  std::vector<ColumnRule> rules;
  /// The last record per key wins, a tombstone deletes: the table must be a
  /// ReplacingMergeTree(version, is_deleted) ordered by the `key` columns.
  bool overwrite = false;
  std::vector<std::string> key{};
  std::string key_place{};                  ///< where `key` is written, for messages
  std::optional<SnapshotStamp> snapshot{};  ///< rows are those of a snapshot: the table has columns

  bool operator==(const ColumnOptions& other) const {
    return rules == other.rules && overwrite == other.overwrite && key == other.key &&
           snapshot == other.snapshot;
  }
};

/// What fills each column of a table.
struct ColumnLayout {
  std::vector<ColumnSource> columns;  ///< as BlockSchema::columns()
  bool overwrite = false;
  std::vector<size_t> key_columns;  ///< of overwrite
  SnapshotStamp snapshot{};         ///< of snapshot_id and snapshot_time

  /// Every column is filled by the field of its name, and that is all.
  [[nodiscard]] static ColumnLayout by_name(const std::vector<TableColumn>& columns);
  /// Columns that fields fill: when no record has one of these fields, the names do not match. None
  /// where columns take something else of records (_offset, a key): rows tell of them all the same.
  [[nodiscard]] std::vector<size_t> columns_of_fields() const;
};

/// Decides what fills each insertable column of `table`: what a rule says; else, where it has one
/// of the names of ClickHouse's own Kafka engine (_topic, _partition, _offset, _timestamp,
/// _timestamp_ms, _key, _headers, _headers.name, _headers.value), that; else the field of its name,
/// or of raw records nothing. The whole raw value goes into the one String column (Nullable and
/// LowCardinality count, too) without a DEFAULT that nothing else fills, unless a rule names
/// another.
///
/// Errc::config for a column that is not there, takes no values or has a type that cannot hold
/// them, and with `overwrite` for a table that cannot replace rows by key: then the fix is the
/// CREATE TABLE of one that can. With `snapshot` for a table without its two columns: the fix is
/// the ALTER.
[[nodiscard]] Result<ColumnLayout> lay_out(const Table& table, const ColumnOptions& options,
                                           RecordFormat format);

/// The table with only those columns that records fill: for raw ones the others are left to
/// ClickHouse. Errors as lay_out().
[[nodiscard]] Result<Table> filled_table(Table table, const ColumnOptions& options,
                                         RecordFormat format);

}  // namespace sluice
