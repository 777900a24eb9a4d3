// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/environment.hpp"
#include "cli/flags.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// `sluice completion bash|zsh|fish` prints the shell's script; `sluice completion pipelines` the
/// names of the configuration, one a line, and nothing when it cannot be read. Returns the exit
/// code.
[[nodiscard]] int run_completion_command(const Invocation& invocation,
                                         const Environment& environment, Problems problems);

}  // namespace sluice::cli
