// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>

#include <csignal>
#include <vector>

#include "cli/app.hpp"
#include "cli/bug_report.hpp"
#include "cli/environment.hpp"

namespace {

void set_up_process() {
  std::signal(SIGPIPE, SIG_IGN);
  sluice::cli::report_bugs();
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
