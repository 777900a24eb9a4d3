// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/pipeline/pipeline.hpp"

namespace sluice {

/// What one partition holds for this run.
struct PartitionPlan {
  Watermarks watermarks;               ///< of the broker, at the start of the run
  Offset end;                          ///< read up to here
  std::optional<Committed> committed;  ///< of the group, at the start of the run
  bool beyond_end = false;             ///< the group's offset was of a topic that is gone
  /// Without a committed offset: the table holds everything before, and nothing from here on.
  std::optional<Offset> proven;
};

/// What a run is going to do, decided from one look at the group and the broker before it joins.
struct Plan {
  std::map<PartitionId, PartitionPlan> partitions;
  bool group_is_new = false;  ///< no partition has a committed offset

  /// Whether everything before the end is already committed (or was never there).
  [[nodiscard]] bool done(PartitionId partition, std::optional<Offset> committed) const;
};

/// Where an offset of the group stands for the table that has this UUID: there, or where a snapshot
/// that has taken the table's place ends; nothing where the group had none before a snapshot that
/// never took it. Errc::unavailable while a snapshot may be about to take the table's place.
[[nodiscard]] Result<std::optional<Committed>> standing(const Committed& committed,
                                                        const std::string& table_uuid,
                                                        WallTime now);

/// `described`, or what the server says now where an offset speaks of another table: a snapshot may
/// have taken its place since. Errc::unavailable when the server does not answer at once.
[[nodiscard]] Result<std::string> uuid_now(std::span<const Committed> committed,
                                           const std::string& described, Sink& sink);

/// Takes the end offsets and the group's offsets, and refuses what must be loud: a group without
/// offsets whose table holds rows (Errc::config; what the table itself proves is asked first, where
/// that is the start), offsets the broker no longer holds or never held
/// (Errc::data_loss, with the exact range; not with OnGap::go_on).
[[nodiscard]] Result<Plan> make_plan(const PipelineOptions& options, Source& source, Sink& sink,
                                     const std::string& table_uuid, WallTime now);

struct Start {
  Offset offset;
  std::optional<Gap> gap;  ///< why it is not the committed offset
};

/// Where to start a partition that has this committed offset, or none. `fresh` watermarks are those
/// at assignment time. Errors as make_plan.
[[nodiscard]] Result<Start> start_of(const PipelineOptions& options, Source& source,
                                     const Plan& plan, PartitionId partition,
                                     const std::optional<Committed>& committed,
                                     const Watermarks& fresh);

}  // namespace sluice
