// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "cli/environment.hpp"
#include "cli/flags.hpp"
#include "cli/problem.hpp"
#include "cli/reload.hpp"

namespace sluice::cli {

/// `sluice sync`: copies every selected pipeline up to its present end. Returns the exit code.
/// `invocation.flags` already has what the environment says; `problems` is what was wrong with
/// that.
[[nodiscard]] int run_tail_command(const Invocation& invocation, const Environment& environment,
                                   Problems problems);
[[nodiscard]] int run_sync_command(const Invocation& invocation, const Environment& environment,
                                   Problems problems);

/// Runs the pipelines of `configuration` and reports. Returns the exit code.
[[nodiscard]] int run_configuration(const Invocation& invocation, const Environment& environment,
                                    std::unique_ptr<Configuration> configuration);

}  // namespace sluice::cli
