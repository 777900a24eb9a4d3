// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/environment.hpp"

namespace sluice::cli {

/// The whole program but for process-wide set-up: takes the arguments (without the program's name)
/// and returns the exit code.
[[nodiscard]] int run_app(const std::vector<std::string>& arguments,
                          const Environment& environment);

}  // namespace sluice::cli
