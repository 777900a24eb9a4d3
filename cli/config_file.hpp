// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/config_value.hpp"
#include "cli/environment.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// The configuration as the files give it.
struct ConfigFiles {
  ConfigValue root = ConfigValue::make_table({});
  std::vector<std::string> used;  ///< in the order they were laid over each other, drop-ins last
};

/// Reads the named files, each laid over those before it: "-" is standard input, "none" means no
/// file at all. Without names the first that exists of ./sluice.toml,
/// $XDG_CONFIG_HOME/sluice/sluice.toml (or ~/.config/…), `system_folder`/sluice.toml is read.
/// Drop-ins `system_folder`/conf.d/*.toml belong to the system's file: they are laid over it, in
/// name order, whenever it is the one in use, or when it is missing and no other file was found.
///
/// A file that everyone may write is refused: a password command in it would run as us.
[[nodiscard]] ConfigFiles read_config_files(const std::vector<Setting<std::string>>& named,
                                            const Environment& environment,
                                            const std::string& system_folder, Problems& problems);

}  // namespace sluice::cli
