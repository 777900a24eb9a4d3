// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "cli/connections.hpp"
#include "cli/reload.hpp"
#include "cli/settings.hpp"
#include "core/clickhouse/snapshot_tables.hpp"
#include "core/pipeline/full_load.hpp"
#include "core/pipeline/snapshot.hpp"

/// What a run of mode = "full" and its plan (--dry-run) have in common.
namespace sluice::cli {

/// What a load of everything a topic holds needs besides tables of its own.
struct FullPorts {
  const clickhouse::ServerOptions& server;
  clickhouse::SnapshotTablesOptions names;
  Table target;
  std::unique_ptr<SnapshotGroups> groups;
  std::unique_ptr<Source> source;
};

/// Looks at the table. What is given by reference outlives the ports.
[[nodiscard]] Result<FullPorts> open_full(const PipelineSettings& pipeline,
                                          const Settings& settings, const Connections& connections,
                                          const kafka::ClusterOptions& cluster,
                                          const std::stop_token& stop, const Clock& clock);

/// What the load of such a pipeline fills: the table or one like it, with columns of a snapshot.
struct FullColumns {
  Table table;
  ColumnOptions columns;
};
[[nodiscard]] FullColumns full_columns(const PipelineSettings& pipeline, Table target);

/// Of write = "overwrite-delete-stale".
[[nodiscard]] SnapshotOptions snapshot_options(const PipelineSettings& pipeline,
                                               const Table& target, const RunSettings& run,
                                               const std::string& run_id);
/// Of the others.
[[nodiscard]] FullLoadOptions full_load_options(const PipelineSettings& pipeline,
                                                const Table& target, const RunSettings& run,
                                                const std::string& run_id);

/// `sync --full --dry-run`: says of each pipeline what a run would do, or why it would not, and
/// returns the exit code of the worst. Changes nothing in Kafka and ClickHouse.
[[nodiscard]] int show_full_plans(const Configuration& configuration);

}  // namespace sluice::cli
