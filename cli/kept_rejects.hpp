// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "cli/reject_file.hpp"
#include "cli/settings.hpp"
#include "core/kafka/source.hpp"

namespace sluice::cli {

/// The group that remembers what of a reject topic was replayed.
[[nodiscard]] std::string replay_group(const std::string& group);

struct KeptRejectsWanted {
  std::string group;  ///< that rejected them; empty: every group
  std::optional<WallTime> since;
};

/// What was not handed over.
struct KeptRejectsLeft {
  uint64_t unreadable = 0;       ///< lines of a file
  uint64_t of_other_groups = 0;  ///< records
};

/// Whether the file is there, or what a replay that is under way made of it.
[[nodiscard]] bool reject_file_exists(const std::string& path);

/// Hands over the records that are kept in the place and were not replayed; in the order of each
/// partition or of the file. A file that is not there holds none.
[[nodiscard]] Result<KeptRejectsLeft> read_kept_rejects(
    const kafka::ClusterOptions& cluster, const RejectSettings& place,
    const KeptRejectsWanted& wanted, const std::function<void(KeptReject&&)>& take);

}  // namespace sluice::cli
