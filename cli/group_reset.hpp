// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/environment.hpp"
#include "cli/reload.hpp"
#include "core/base/clock.hpp"
#include "core/base/result.hpp"

namespace sluice::cli {

/// `--reset-to`: moves the groups of all pipelines of the run, once somebody has agreed, and says
/// of each on stderr that it is done. None moves when it is seen before that one cannot: a group
/// that is in use, a batch or a snapshot that is under way, another program's metadata, a pipeline
/// that loads everything or many topics, a service that would do it at every start.
[[nodiscard]] Result<void> reset_groups(const Configuration& configuration,
                                        const Environment& environment, const Clock& clock);

}  // namespace sluice::cli
