// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace sluice {

/// One condition that a promise depends on, and whether it holds.
struct Requirement {
  enum class State {
    met,
    doubtful,  ///< holds as far as can be seen, or costs something; nothing is refused for it
    unmet,     ///< the promise cannot be kept
  };
  std::string id;  ///< "P3": delivery.md section 4.5
  State state = State::met;
  std::string text;  ///< what was found and what it means
  std::string fix;   ///< the statement or setting that mends it; empty for `met`
};

}  // namespace sluice
