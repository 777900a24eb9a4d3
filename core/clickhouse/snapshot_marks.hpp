// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/clickhouse/snapshot_tables.hpp"
#include "core/pipeline/full_load.hpp"

namespace sluice::clickhouse {

/// The marks of the snapshots in a table with the columns _snapshot_id and _snapshot_time. Asks
/// nothing yet. `clock` outlives it.
[[nodiscard]] Result<std::unique_ptr<SnapshotMarks>> open_snapshot_marks(
    const ServerOptions& server, const SnapshotTablesOptions& options, const Clock& clock);

}  // namespace sluice::clickhouse
