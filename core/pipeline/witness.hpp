// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>

#include "core/base/result.hpp"
#include "core/deliver/commit_record.hpp"
#include "core/pipeline/ports.hpp"

/// Whether a topic is still the one that it was: Kafka's clients do not tell a topic that was
/// deleted and made anew from the old one, but its records do.
namespace sluice {

/// The last record of one of the ranges; nothing where none of them ends with one.
[[nodiscard]] Result<std::map<PartitionId, Witness>> take_witness(
    Source& source, const std::map<PartitionId, OffsetRange>& ranges);

/// Whether another record is at its offset now. One that is gone (retention, compaction) says
/// nothing.
[[nodiscard]] Result<bool> contradicted(Source& source, PartitionId partition,
                                        const Witness& witness);

}  // namespace sluice
