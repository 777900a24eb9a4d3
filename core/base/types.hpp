// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace sluice {

/// Number of a partition within its topic.
struct PartitionId {
  int32_t value = 0;
  auto operator<=>(const PartitionId&) const = default;
};

/// Position of a record within a partition. Offsets of a partition grow but have gaps
/// (transactions, compaction).
struct Offset {
  int64_t value = 0;
  auto operator<=>(const Offset&) const = default;
  [[nodiscard]] Offset next() const { return Offset{value + 1}; }
};

/// Half-open range of offsets of one partition: `first` is in it, `next` is not.
struct OffsetRange {
  Offset first;
  Offset next;
  auto operator<=>(const OffsetRange&) const = default;
  [[nodiscard]] bool empty() const { return next <= first; }
};

/// Counts assignments of partitions: whatever was read, sent or committed under an older epoch
/// no longer belongs to us.
using Epoch = uint64_t;

}  // namespace sluice

template <>
struct std::hash<sluice::PartitionId> {
  size_t operator()(sluice::PartitionId id) const noexcept {
    return std::hash<int32_t>{}(id.value);
  }
};
