// SPDX-License-Identifier: Apache-2.0
#include "core/model/offset_ranges.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace sluice {

void append(OffsetRanges& ranges, OffsetRange range) {
  if (range.empty()) return;
  CHECK(ranges.empty() || ranges.back().next <= range.first);
  if (!ranges.empty() && ranges.back().next == range.first) {
    ranges.back().next = range.next;
  } else {
    ranges.push_back(range);
  }
}

uint64_t count_of(const OffsetRanges& ranges) {
  uint64_t count = 0;
  for (const OffsetRange& range : ranges) {
    count += static_cast<uint64_t>(range.next.value - range.first.value);
  }
  return count;
}

bool contains(const OffsetRanges& ranges, Offset offset) {
  const auto behind = std::upper_bound(
      ranges.begin(), ranges.end(), offset,
      [](Offset wanted, const OffsetRange& range) { return wanted < range.first; });
  return behind != ranges.begin() && offset < std::prev(behind)->next;
}

OffsetRanges without(const OffsetRanges& ranges, const OffsetRanges& other) {
  OffsetRanges left;
  auto removed = other.begin();
  for (OffsetRange range : ranges) {
    while (removed != other.end() && removed->next <= range.first) ++removed;
    for (auto hole = removed; hole != other.end() && hole->first < range.next; ++hole) {
      append(left, {range.first, std::max(range.first, hole->first)});
      range.first = std::max(range.first, hole->next);
    }
    append(left, range);
  }
  return left;
}

OffsetRanges common(const OffsetRanges& ranges, const OffsetRanges& other) {
  return without(ranges, without(ranges, other));
}

OffsetRanges covering(const OffsetRanges& ranges, int64_t gap_max) {
  OffsetRanges wide;
  for (const OffsetRange& range : ranges) {
    if (!wide.empty() && range.first.value - wide.back().next.value <= gap_max) {
      wide.back().next = range.next;
    } else {
      wide.push_back(range);
    }
  }
  return wide;
}

}  // namespace sluice
