// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.hpp"

#include <algorithm>
#include <array>

#include "cli/cmd_check.hpp"
#include "cli/cmd_run.hpp"

namespace sluice::cli {
namespace {

constexpr std::string_view sync_help =
    R"(Copies topics up to their end as it is now, commits, and exits.

Usage: sluice sync [PIPELINE...] [FLAGS]

PIPELINE is a name or a glob; none means all that are enabled. With --topic there is one pipeline
and no configuration is needed. READ = INSERTED + REJECTED + SKIPPED, always.
)";

constexpr std::string_view tail_help = R"(Copies topics and goes on until it is told to stop.

Usage: sluice tail [PIPELINE...] [FLAGS]

Starts at the group's committed offsets, else at the pipeline's start (earliest; --from end for new
records only). SIGTERM and SIGINT finish what is in flight, commit and exit 0; SIGHUP reads the
configuration and secrets again and opens the log file anew.
)";

constexpr std::string_view check_help =
    R"(Validates the configuration: all that is wrong with it is told at once. Moves nothing.

Usage: sluice check [PIPELINE...] [FLAGS]

With --online it also finds each pipeline's table, makes sure that rows may be inserted, and says
how they go there: Native (encoded by sluice), Native with columns that the server parses or whose
DEFAULT it evaluates, or JSONEachRow (parsed by the server), and which columns cause it. Exits with
0, 78 (configuration, table), 77 (a grant) or 75 (ClickHouse unreachable). -o json for scripts.
)";

constexpr std::array commands_table{
    Command{"sync", for_sync, "copy everything up to now, then exit", sync_help, true,
            run_sync_command},
    Command{"tail", for_tail, "keep copying until told to stop", tail_help, true, run_tail_command},
    Command{"check", for_check, "validate the configuration (--online: and the tables)", check_help,
            true, run_check_command},
    Command{"version", 0, "show the versions of sluice and its libraries", "", false, nullptr},
    Command{"help", 0, "show help: sluice help sync, check, formats, exit-codes", "", true,
            nullptr},
};

}  // namespace

std::span<const Command> all_commands() { return commands_table; }

const Command* find_command(std::string_view name) {
  const auto* const found =
      std::find_if(commands_table.begin(), commands_table.end(),
                   [&](const Command& command) { return command.name == name; });
  return found == commands_table.end() ? nullptr : found;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : commands_table) names.emplace_back(command.name);
  return names;
}

}  // namespace sluice::cli
