// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "core/base/result.hpp"
#include "core/kafka/source.hpp"
#include "core/pipeline/snapshot.hpp"

namespace sluice::kafka {

/// The consumer groups of a snapshot of this topic. Every call gives up after `timeout`.
/// Waiting ends when `stop` is requested, with Errc::cancelled.
[[nodiscard]] Result<std::unique_ptr<SnapshotGroups>> open_snapshot_groups(
    const ClusterOptions& cluster, const std::string& topic, std::stop_token stop,
    Milliseconds timeout = Milliseconds{20'000});

}  // namespace sluice::kafka
