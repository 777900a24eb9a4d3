// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/environment.hpp"
#include "cli/flags.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// `sluice man [TOPIC]`: opens the page with man where stdout is a terminal, else prints its roff.
/// Returns the exit code.
[[nodiscard]] int run_man_command(const Invocation& invocation, const Environment& environment,
                                  Problems problems);

}  // namespace sluice::cli
