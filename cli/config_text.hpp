// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/config_value.hpp"
#include "cli/problem.hpp"

namespace sluice::cli {

/// Parses TOML. `name` names the file in origins and messages. Nothing, and a problem, when the
/// text is not TOML.
[[nodiscard]] std::optional<ConfigValue> parse_toml(const std::string& name, std::string_view text,
                                                    Problems& problems);

/// Parses JSON with the same schema. Values have the position of their key.
[[nodiscard]] std::optional<ConfigValue> parse_json(const std::string& name, std::string_view text,
                                                    Problems& problems);

}  // namespace sluice::cli
