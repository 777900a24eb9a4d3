// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/clickhouse/sink.hpp"
#include "core/pipeline/snapshot.hpp"

namespace sluice::clickhouse {

struct SnapshotTablesOptions {
  std::string database;
  std::string table;
  std::string cluster;  ///< every DDL goes ON CLUSTER; empty: this server alone

  // Parts of a statement or a message about a table of the database.
  [[nodiscard]] std::string quoted(const std::string& name) const;
  [[nodiscard]] std::string shown(const std::string& name) const;
  [[nodiscard]] std::string on_cluster() const;
};

/// The tables of a snapshot on a server. Asks nothing yet. `clock` outlives it.
[[nodiscard]] Result<std::unique_ptr<SnapshotTables>> open_snapshot_tables(
    const ServerOptions& server, const SnapshotTablesOptions& options, const Clock& clock);

/// ENGINE clause for a second table beside a replicated one: its path in Keeper gets `suffix`
/// where it names the table's own place literally. Nothing when the clause can be taken as it is.
/// Pure.
[[nodiscard]] std::string engine_for_copy(const std::string& engine_full,
                                          const std::string& suffix);

}  // namespace sluice::clickhouse
