// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/environment.hpp"
#include "cli/flags.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// `sluice init`: proposes a configuration and a table for a topic, from a sample of its records;
/// with --create it makes the table. The result is on stdout and writes no file. Returns the exit
/// code.
[[nodiscard]] int run_init_command(const Invocation& invocation, const Environment& environment,
                                   Problems problems);

}  // namespace sluice::cli
