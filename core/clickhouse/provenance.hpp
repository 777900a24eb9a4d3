// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/clickhouse/range_rows.hpp"
#include "core/clickhouse/sink.hpp"
#include "core/model/offset_ranges.hpp"

namespace sluice::clickhouse {

/// Which offsets of a range a table holds.
struct OffsetsFound {
  uint64_t rows = 0;
  uint64_t offsets = 0;   ///< different ones
  OffsetRanges missing;   ///< no row has them; not all offsets carry a record
  OffsetRanges doubled;   ///< more than one row has them
  bool all_named = true;  ///< false: there were more ranges than were asked for
};

/// Looks which of the offsets are in the table, and which more than once. The columns of `wanted`
/// must be known. The server counts (a bitmap, a bit an offset) and narrows down what does not
/// fit; of each partition up to `ranges_max` missing and doubled ranges come back. A replica that
/// lags behind misses what it does not have yet.
[[nodiscard]] Result<std::map<PartitionId, OffsetsFound>> find_offsets(const ServerOptions& server,
                                                                       const RangeRows& wanted,
                                                                       size_t ranges_max,
                                                                       const Clock& clock);

}  // namespace sluice::clickhouse
