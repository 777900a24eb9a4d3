// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/settings.hpp"
#include "core/base/result.hpp"

namespace sluice::cli {

/// What a person is asked before something that is hard to undo.
struct Question {
  std::string would;    ///< "this would load 5 records into db.t"
  std::string fix;      ///< how to say yes where nobody can be asked
  std::string shown;    ///< printed before; lines
  std::string asked;    ///< "load it?"
  std::string refused;  ///< "nothing was loaded"
};

/// Asks on the terminal, once. Errc::usage when the answer is no, or when nobody is there to answer
/// and --yes was not given.
[[nodiscard]] Result<void> confirm(const OutputSettings& settings, const Question& question);

}  // namespace sluice::cli
