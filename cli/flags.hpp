// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/environment.hpp"
#include "cli/origin.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// A set of commands, a bit each. Flags of `everywhere` may stand before the command, too.
using CommandSet = uint32_t;
inline constexpr CommandSet everywhere = ~CommandSet{0};
inline constexpr CommandSet for_sync = 1u << 0;
inline constexpr CommandSet for_tail = 1u << 1;
inline constexpr CommandSet for_check = 1u << 2;
inline constexpr CommandSet for_rejects = 1u << 3;
inline constexpr CommandSet for_backfill = 1u << 4;
inline constexpr CommandSet for_status = 1u << 5;
inline constexpr CommandSet for_init = 1u << 6;
inline constexpr CommandSet for_runs = for_sync | for_tail | for_backfill;

/// One flag: the parser, the help, the environment and the settings all read this table.
struct Flag {
  std::string_view name;   ///< "batch-rows"
  char short_name = 0;     ///< 'b', or 0
  std::string_view value;  ///< "LIST"; empty for a switch
  std::string_view help;
  CommandSet commands = everywhere;
  std::string_view section;    ///< heading in the help
  bool in_environment = true;  ///< whether SLUICE_<NAME> gives it too
};

/// Every flag, in the order of the help.
[[nodiscard]] std::span<const Flag> all_flags();

/// What was given for flags, on the command line or in the environment. A switch has the value
/// "true" for every time it was given.
class FlagValues {
 public:
  void add(std::string_view flag, std::string value, Origin origin);

  [[nodiscard]] bool has(std::string_view flag) const { return !all(flag).empty(); }
  /// The last value counts, so that aliases can be overridden.
  [[nodiscard]] std::optional<Setting<std::string>> last(std::string_view flag) const;
  [[nodiscard]] const std::vector<Setting<std::string>>& all(std::string_view flag) const;

 private:
  std::map<std::string, std::vector<Setting<std::string>>, std::less<>> values_;
};

/// The value of the flag "help" when it was given as -h.
inline constexpr std::string_view short_help_value = "short";

/// Adds what the environment says about the flags of a command that are not on the command line.
void add_environment_flags(const Environment& environment, CommandSet command, FlagValues& flags,
                           Problems& problems);

/// A command line, taken apart.
struct Invocation {
  std::string command;                 ///< "sync"; empty when there is none
  std::vector<std::string> arguments;  ///< of the command: pipelines, help topics
  FlagValues flags;
};

}  // namespace sluice::cli
