// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/environment.hpp"
#include "cli/flags.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// `sluice status`: tells how far each selected pipeline is, without taking part. Returns the exit
/// code: 0 when all is healthy and every threshold is met, 4 when not, else why it is not known.
/// `invocation.flags` already has what the environment says; `problems` is what was wrong with
/// that.
[[nodiscard]] int run_status_command(const Invocation& invocation, const Environment& environment,
                                     Problems problems);

}  // namespace sluice::cli
