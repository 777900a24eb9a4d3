// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/witness.hpp"

#include <algorithm>
#include <optional>

#include "core/base/crc32c.hpp"

namespace sluice {
namespace {

class Looked final : public RecordListener {
 public:
  void record(const Record& record) override {
    seen = Witness{record.offset, record.timestamp_ms, crc32c(record.value, crc32c(record.key))};
  }
  void reached(PartitionId /*partition*/, Offset /*offset*/) override {}

  std::optional<Witness> seen;
};

Result<std::optional<Witness>> look(Source& source, PartitionId partition, Offset offset) {
  constexpr Milliseconds patience{10'000};
  Looked looked;
  const bool there = TRY(source.fetch(partition, offset, looked, patience));
  return there ? looked.seen : std::nullopt;
}

}  // namespace

Result<std::map<PartitionId, Witness>> take_witness(
    Source& source, const std::map<PartitionId, OffsetRange>& ranges) {
  constexpr int looks_max = 4;  // the last offset of a transaction is no record
  int looks = 0;
  for (const auto& [partition, range] : ranges) {
    for (int64_t at = range.next.value - 1; at >= range.first.value && looks < looks_max; --at) {
      ++looks;
      const auto seen = TRY(look(source, partition, Offset{at}));
      if (seen) return std::map<PartitionId, Witness>{{partition, *seen}};
    }
    looks = 0;
  }
  return std::map<PartitionId, Witness>();
}

Result<bool> contradicted(Source& source, PartitionId partition, const Witness& witness) {
  const auto seen = TRY(look(source, partition, witness.offset));
  return seen && *seen != witness;
}

}  // namespace sluice
