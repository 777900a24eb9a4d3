// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::cli {

/// The environment variables of the process, taken once at the start. An empty variable counts as
/// unset.
class Environment {
 public:
  Environment() = default;
  explicit Environment(std::map<std::string, std::string> variables);
  static Environment of_process();

  [[nodiscard]] std::optional<std::string> get(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return get(name).has_value(); }
  [[nodiscard]] const std::map<std::string, std::string>& all() const { return variables_; }

 private:
  std::map<std::string, std::string> variables_;  ///< non-empty ones
};

/// "batch-rows" as "SLUICE_BATCH_ROWS".
[[nodiscard]] std::string flag_variable(std::string_view flag);

}  // namespace sluice::cli
