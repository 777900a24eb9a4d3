// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/environment.hpp"
#include "cli/flags.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// `sluice rejects`: lists the rejected records of the selected pipelines, or sends them through
/// their pipelines again (--replay). Returns the exit code. `invocation.flags` already has what the
/// environment says; `problems` is what was wrong with that.
[[nodiscard]] int run_rejects_command(const Invocation& invocation, const Environment& environment,
                                      Problems problems);

}  // namespace sluice::cli
