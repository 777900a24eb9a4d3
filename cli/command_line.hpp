// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/flags.hpp"
#include "core/base/result.hpp"

namespace sluice::cli {

/// Takes a command line (without the program's name) apart. Every error is Errc::usage and names
/// what was typed, with the nearest known command or flag; values of flags are never repeated,
/// since a secret may stand among them.
[[nodiscard]] Result<Invocation> parse_command_line(const std::vector<std::string>& arguments);

}  // namespace sluice::cli
