// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::cli {

/// `sluice --help`.
[[nodiscard]] std::string help_text();

/// `sluice help TOPIC`: a command or a topic of its own; nothing when there is none of that name.
[[nodiscard]] std::optional<std::string> help_text(std::string_view topic);

/// What `sluice help` knows besides the overview.
[[nodiscard]] std::vector<std::string> help_topics();

}  // namespace sluice::cli
