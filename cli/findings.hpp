// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace sluice::cli {

/// One thing that `sluice check` looked at.
struct Finding {
  enum class Level : uint8_t { ok, warning, error };
  Level level = Level::ok;
  std::string subject;  ///< "config", or a pipeline's name
  std::string text;
  std::string fix;                 ///< empty where there is nothing to do
  nlohmann::ordered_json details;  ///< more for scripts: null or an object
};

/// What a check found, in order, and the exit code that follows from it.
class Findings {
 public:
  void ok(std::string subject, std::string text, nlohmann::ordered_json details = nullptr);
  void warning(std::string subject, std::string text, std::string fix = {},
               nlohmann::ordered_json details = nullptr);
  void error(std::string subject, const Error& error, nlohmann::ordered_json details = nullptr);
  /// From now on, and of what was found, warnings count as errors of the configuration.
  void be_strict() { strict_ = true; }

  /// 0 without errors, else the worst error's.
  [[nodiscard]] int exit_code() const;
  /// A line for each with ✓, ! or ✗ (+, ! or x), fixes below them, then how many errors and
  /// warnings.
  [[nodiscard]] std::string text(bool unicode) const;
  /// {"type":"check","v":1,"exit_code":0,"errors":0,"warnings":0,"findings":[…]}
  [[nodiscard]] nlohmann::ordered_json json() const;

 private:
  [[nodiscard]] size_t count(Finding::Level level) const;

  std::vector<Finding> findings_;
  std::vector<int> codes_;
  bool strict_ = false;
};

}  // namespace sluice::cli
