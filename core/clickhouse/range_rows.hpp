// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/clickhouse/server.hpp"
#include "core/clickhouse/sink.hpp"
#include "core/model/table.hpp"

namespace sluice::clickhouse {

/// Columns that tell where a row came from; empty names where the table has none.
struct OriginColumns {
  std::string topic;
  std::string partition;
  std::string offset;
  std::string snapshot;  ///< not empty in the rows of a snapshot that was appended

  [[nodiscard]] bool known() const { return !partition.empty() && !offset.empty(); }
};

/// Those of the table: columns _topic, _partition and _offset, and _snapshot_id where snapshots are
/// appended. Pure.
[[nodiscard]] OriginColumns origin_columns(const Table& table);

/// Rows of a table that came from these offsets of a topic, but for those of appended snapshots:
/// each of these holds all records once more.
struct RangeRows {
  std::string database;
  std::string table;
  std::string topic;
  OriginColumns columns;
  std::map<PartitionId, OffsetRange> offsets;
};

/// The SQL condition that rows are of the topic and of no snapshot.
[[nodiscard]] std::string of_topic(const RangeRows& rows);

/// How many of them the table holds; a replica catches up with the others first. Nothing where its
/// columns cannot tell; 0 of an empty table is always known.
[[nodiscard]] Result<std::optional<uint64_t>> count_range_rows(const ServerOptions& server,
                                                               const RangeRows& rows,
                                                               const Clock& clock);

/// The same over a connection that is there.
[[nodiscard]] Result<std::optional<uint64_t>> count_range_rows(Server& server, const Table& table,
                                                               const RangeRows& rows);

/// Where the rows of each partition of the topic end: the greatest offset, and one. The columns
/// must be known; `rows.offsets` plays no part. Errc::config when rows do not tell their topic. A
/// replica catches up with the others first, or that is the error.
[[nodiscard]] Result<std::map<PartitionId, Offset>> ends_of_rows(const ServerOptions& server,
                                                                 const RangeRows& rows,
                                                                 const Clock& clock);

/// Deletes them, and returns once no reader sees one any more. The columns must be known.
[[nodiscard]] Result<void> delete_range_rows(const ServerOptions& server, const RangeRows& rows,
                                             const Clock& clock);

}  // namespace sluice::clickhouse
