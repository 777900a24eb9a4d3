// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "core/deliver/retry.hpp"

namespace sluice::cli {

/// `sluice --help`.
[[nodiscard]] std::string help_text();
/// `sluice help TOPIC`, `sluice COMMAND --help`: nothing when there is none of that name.
[[nodiscard]] std::optional<std::string> help_text(std::string_view topic);
/// `sluice -h` (null) and `sluice COMMAND -h`: what fits on one screen.
[[nodiscard]] std::string short_help(const Command* command);

/// `sluice help errors`: what every error of ClickHouse, HTTP, libcurl and Kafka means.
[[nodiscard]] std::string errors_help();
/// What sluice does after an attempt that ended so, in plain words.
[[nodiscard]] std::string error_action(const Attempt& attempt);

/// Something there is help on besides commands.
struct HelpTopic {
  std::string_view name;
  std::string_view summary;
  std::string (*text)();
};
[[nodiscard]] std::span<const HelpTopic> all_help_topics();
/// What `sluice help` knows besides the overview: commands and topics.
[[nodiscard]] std::vector<std::string> help_words();

/// A command's help taken apart.
struct HelpParts {
  std::string_view intro;               ///< what it does
  std::vector<std::string_view> usage;  ///< "sluice sync [PIPELINE...] [FLAGS]"
  std::string_view details;             ///< may be empty
};
[[nodiscard]] HelpParts help_parts(const Command& command);

/// Whether the command has the flag; null has those of all commands.
[[nodiscard]] bool has_flag(const Command* command, const Flag& flag);
/// Headings of the flags of a command, or of those of all (null), in order.
[[nodiscard]] std::vector<std::string_view> flag_headings(const Command* command);

}  // namespace sluice::cli
