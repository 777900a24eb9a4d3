// SPDX-License-Identifier: Apache-2.0
#include "cli/confirm.hpp"

#include <unistd.h>

#include <iostream>

#include "cli/text.hpp"
#include "core/base/text.hpp"

namespace sluice::cli {

Result<void> confirm(const OutputSettings& settings, const Question& question) {
  if (settings.yes) return {};
  const bool terminal = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
  if (!terminal || settings.no_input) {
    return Error{Errc::usage, "usage", question.would + ", and there is nobody to ask",
                 question.fix};
  }
  std::cerr << escape_control_lines(question.shown) << escape_control(question.asked) << " [y/N] "
            << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (lower(trim(answer)) == "y" || lower(trim(answer)) == "yes") return {};
  return Error{Errc::usage, "usage", question.refused, ""};
}

}  // namespace sluice::cli
