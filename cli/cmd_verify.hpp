// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/connections.hpp"
#include "cli/environment.hpp"
#include "cli/settings.hpp"

namespace sluice::cli {

/// `sluice status --verify`: proves of every pipeline's table that each committed record of the
/// range is there exactly once, or among the rejects. 0: proven; 4: not.
[[nodiscard]] int run_verify(const Settings& settings, const Connections& connections,
                             const Environment& environment);

}  // namespace sluice::cli
