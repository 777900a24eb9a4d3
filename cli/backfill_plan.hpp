// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/settings.hpp"
#include "core/deliver/commit_record.hpp"
#include "core/kafka/groups.hpp"
#include "core/pipeline/load_groups.hpp"
#include "core/pipeline/ports.hpp"

/// What a backfill would read, and how that is shown.
namespace sluice::cli {

/// One partition of a plan.
struct BackfillRow {
  PartitionId partition;
  Watermarks held;
  OffsetRange range;
  std::optional<WallTime> starts;  ///< timestamp of the first record of the range
  bool partial = false;            ///< records before it may have been deleted
  uint64_t live = 0;  ///< offsets of the asked range that are left to the live group, see below
};

/// What a backfill is going to read, or has begun to read.
struct BackfillPlan {
  std::string id;
  std::string group;
  std::string asked;  ///< of its commit records
  std::vector<BackfillRow> rows;
  uint64_t bytes_estimate = 0;
  std::map<PartitionId, Witness> witnesses;  ///< at most one: see core/pipeline/witness.hpp
  std::string timestamp_type;                ///< CreateTime, LogAppendTime; empty: not known

  [[nodiscard]] uint64_t records() const { return records_of(fixed()); }
  [[nodiscard]] std::map<PartitionId, OffsetRange> fixed() const {
    std::map<PartitionId, OffsetRange> out;
    for (const BackfillRow& row : rows) out.emplace(row.partition, row.range);
    return out;
  }
  /// Ranges of one record each, which the plan has fetched already.
  [[nodiscard]] std::map<PartitionId, OffsetRange> first_records() const {
    std::map<PartitionId, OffsetRange> out;
    for (const BackfillRow& row : rows) {
      if (row.range.empty()) continue;
      out.emplace(row.partition, OffsetRange{row.range.first, row.range.first.next()});
    }
    return out;
  }
  [[nodiscard]] uint64_t live() const {
    uint64_t sum = 0;
    for (const BackfillRow& row : rows) sum += row.live;
    return sum;
  }
  /// Partitions that may no longer hold the start of the range.
  [[nodiscard]] size_t partial_count() const;
};

/// Asks the broker where the range lies in each partition now. `id` and `group` are left out. What
/// the live group has not committed yet it loads itself, into the same table: there the range ends
/// where that group stands, unless duplicates are allowed.
[[nodiscard]] Result<BackfillPlan> make_backfill_plan(Source& source, kafka::GroupAdmin& groups,
                                                      const PipelineSettings& pipeline,
                                                      const BackfillSettings& asked);

/// "1 partition no longer holds the start of the range"
[[nodiscard]] std::string partial_words(const BackfillPlan& plan);
[[nodiscard]] std::string plan_text(const BackfillPlan& plan, const PipelineSettings& pipeline,
                                    const BackfillSettings& asked);
[[nodiscard]] nlohmann::ordered_json plan_json(const BackfillPlan& plan,
                                               const PipelineSettings& pipeline,
                                               const BackfillSettings& asked);

}  // namespace sluice::cli
