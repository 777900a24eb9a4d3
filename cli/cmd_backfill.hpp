// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/environment.hpp"
#include "cli/flags.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// `sluice backfill`: a past range again, under a group of its own.
[[nodiscard]] int run_backfill_command(const Invocation& invocation, const Environment& environment,
                                       Problems problems);

}  // namespace sluice::cli
