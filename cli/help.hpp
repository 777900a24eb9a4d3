// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/deliver/retry.hpp"

namespace sluice::cli {

/// `sluice --help`.
[[nodiscard]] std::string help_text();

/// `sluice help TOPIC`: a command or a topic of its own; nothing when there is none of that name.
[[nodiscard]] std::optional<std::string> help_text(std::string_view topic);

/// `sluice help errors`: what every error of ClickHouse, HTTP, libcurl and Kafka means.
[[nodiscard]] std::string errors_help();
/// What sluice does after an attempt that ended so, in plain words.
[[nodiscard]] std::string error_action(const Attempt& attempt);

/// What `sluice help` knows besides the overview.
[[nodiscard]] std::vector<std::string> help_topics();

}  // namespace sluice::cli
