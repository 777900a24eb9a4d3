// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::cli {

/// The script that completes command lines in "bash", "zsh" or "fish", made of the same tables as
/// the parser; nothing for another shell. It asks `sluice completion pipelines` for names.
[[nodiscard]] std::optional<std::string> completion_script(std::string_view shell);

/// bash, zsh, fish
[[nodiscard]] std::vector<std::string> completion_shells();

/// Where the script belongs: "sluice", "_sluice", "sluice.fish".
[[nodiscard]] std::string completion_file(std::string_view shell);

}  // namespace sluice::cli
