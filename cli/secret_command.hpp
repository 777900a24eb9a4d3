// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"

namespace sluice::cli {

/// Runs a program (looked up in PATH, no shell) and returns what it writes to standard output. Its
/// standard input is empty, its standard error is ours. It and its children are killed at
/// `timeout`. A program that cannot be started is Errc::config; one that fails or takes too long is
/// Errc::unavailable, since a vault that is away comes back. Messages never hold the output.
[[nodiscard]] Result<std::string> run_secret_command(const std::vector<std::string>& command,
                                                     Milliseconds timeout, size_t bytes_max);

}  // namespace sluice::cli
