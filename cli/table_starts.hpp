// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <span>
#include <stop_token>

#include "cli/connections.hpp"
#include "cli/settings.hpp"
#include "core/base/clock.hpp"
#include "core/base/result.hpp"

namespace sluice::cli {

/// `--from table` and `--reset-to table`: where these partitions begin when only the pipeline's
/// table says how far it is. That is behind the greatest offset among the rows; a partition without
/// a row begins at its first record. Errc::config, with what to do, when the table does not prove
/// that each record before is there exactly once or rejected: rows that do not tell where they came
/// from or disappear, records that are missing or doubled, rows of a topic that is gone. Nothing
/// else may insert into the table meanwhile.
[[nodiscard]] Result<std::map<PartitionId, Offset>> starts_of_table(
    const PipelineSettings& pipeline, const Connections& connections,
    std::span<const PartitionId> partitions, const Clock& clock, const std::stop_token& stop);

}  // namespace sluice::cli
