// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "cli/app.hpp"
#include "cli/bug_report.hpp"
#include "cli/environment.hpp"
#include "cli/exit_code.hpp"
#include "core/base/crash_point.hpp"

namespace {

/// A caller may have closed a standard stream. The next file we open would get its number, and
/// what is meant for people would land in it: a reject file, or a connection. A result that is
/// written to a closed standard output is an error all the same.
void open_standard_streams() {
  for (int descriptor = 0; descriptor <= STDERR_FILENO; ++descriptor) {
    const bool closed = ::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF;
    const int flags = descriptor == STDOUT_FILENO ? O_RDONLY : O_RDWR;
    if (closed && ::open("/dev/null", flags) != descriptor) ::_exit(sluice::cli::exit_code::io);
  }
}

void set_up_process() {
  open_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
  sluice::cli::report_bugs();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // Passwords are in our memory: no core dump, no debugger of another process of this user.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

void arm_crash_point(const sluice::cli::Environment& environment) {
  for (const bool freezes : {false, true}) {
    const auto wanted = environment.get(freezes ? "SLUICE_FREEZE_AT" : "SLUICE_CRASH_AT");
    if (!wanted) continue;
    const size_t colon = wanted->find(':');
    const int count = colon == std::string::npos ? 1 : std::atoi(wanted->c_str() + colon + 1);
    sluice::CrashPoints::instance().arm(wanted->substr(0, colon), count, freezes);
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  set_up_process();
  const auto environment = sluice::cli::Environment::of_process();
  arm_crash_point(environment);
  return sluice::cli::run_app({arguments + 1, arguments + argument_count}, environment);
}
