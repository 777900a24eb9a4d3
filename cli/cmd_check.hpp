// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/environment.hpp"
#include "cli/flags.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// `sluice check`: whether the configuration is valid and, with --online, whether the tables are
/// there, may be filled, and in which form rows go into them. Moves nothing. Returns the exit code.
[[nodiscard]] int run_check_command(const Invocation& invocation, const Environment& environment,
                                    Problems problems);

}  // namespace sluice::cli
