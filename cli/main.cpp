// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <vector>

#include "cli/app.hpp"
#include "cli/environment.hpp"
#include "cli/exit_code.hpp"

namespace {

constexpr std::string_view bug_report =
    "error[internal]: sluice found a bug in itself and stopped; nothing was committed that is not "
    "in ClickHouse\n"
    "  fix: please report the lines above with 'sluice --version'; running the command again is "
    "safe\n"
    "exit 70\n";

/// A failed CHECK, or an exception nobody expected, ends here: the promised code, not a signal.
void end_with_bug(int /*signal*/) {
  const ssize_t written = ::write(STDERR_FILENO, bug_report.data(), bug_report.size());
  static_cast<void>(written);
  ::_exit(sluice::cli::exit_code::internal);
}

void set_up_process() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGABRT, end_with_bug);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // Passwords are in our memory: no core dump, no debugger of another process of this user.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

}  // namespace

int main(int argument_count, char** arguments) {
  set_up_process();
  return sluice::cli::run_app({arguments + 1, arguments + argument_count},
                              sluice::cli::Environment::of_process());
}
