// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/environment.hpp"
#include "cli/problem.hpp"
#include "cli/settings.hpp"

/// Ending before a run has begun: text on stderr and, in the JSON formats, one document on stdout.
namespace sluice::cli {

/// Tells the error and returns its exit code.
[[nodiscard]] int fail(const Error& error, const OutputSettings& output,
                       const Environment& environment);

/// Tells every problem and returns the exit code.
[[nodiscard]] int fail(const Problems& problems, const OutputSettings& output,
                       const Environment& environment);

}  // namespace sluice::cli
