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

/// Hands over the records that are kept in the place and were not replayed; in the order of each
/// partition or of the file. Answers with the number of lines that cannot be read. A file that is
/// not there holds none.
[[nodiscard]] Result<uint64_t> read_kept_rejects(const kafka::ClusterOptions& cluster,
                                                 const RejectSettings& place,
                                                 const KeptRejectsWanted& wanted,
                                                 const std::function<void(KeptReject&&)>& take);

}  // namespace sluice::cli
