// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/types.hpp"

namespace sluice {

/// A set of offsets of one partition: sorted ranges, none empty, none touching the next.
using OffsetRanges = std::vector<OffsetRange>;

/// Adds what lies behind, or at the end of, all that is there already.
void append(OffsetRanges& ranges, OffsetRange range);
[[nodiscard]] uint64_t count_of(const OffsetRanges& ranges);
[[nodiscard]] bool contains(const OffsetRanges& ranges, Offset offset);
/// What is in `ranges` and not in `other`.
[[nodiscard]] OffsetRanges without(const OffsetRanges& ranges, const OffsetRanges& other);
/// What is in both.
[[nodiscard]] OffsetRanges common(const OffsetRanges& ranges, const OffsetRanges& other);
/// Fewer ranges that hold all of these: two become one where at most `gap_max` offsets part them.
[[nodiscard]] OffsetRanges covering(const OffsetRanges& ranges, int64_t gap_max);

}  // namespace sluice
