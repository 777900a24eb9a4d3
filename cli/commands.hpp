// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/environment.hpp"
#include "cli/flags.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// One command: the parser, the help and the dispatcher all read this table.
struct Command {
  std::string_view name;
  CommandSet bit = 0;            ///< which Flag::commands speak of it
  std::string_view summary;      ///< a line of the overview
  std::string_view help;         ///< what stands above its flags; empty: the overview is its help
  bool takes_arguments = false;  ///< pipelines, topics
  /// Does it and returns the exit code; null for version and help, which the app does itself.
  int (*run)(const Invocation& invocation, const Environment& environment,
             Problems problems) = nullptr;
  /// Command lines and what they do, as "  sluice sync    everything\n"; may be empty.
  std::string_view examples = {};
  /// What its arguments may be; null where they are pipelines.
  std::vector<std::string> (*argument_words)() = nullptr;
};

/// Every command, in the order of the help.
[[nodiscard]] std::span<const Command> all_commands();
/// Null when there is none of that name.
[[nodiscard]] const Command* find_command(std::string_view name);
[[nodiscard]] std::vector<std::string> command_names();

}  // namespace sluice::cli
