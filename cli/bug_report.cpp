// SPDX-License-Identifier: Apache-2.0
#include "cli/bug_report.hpp"

#include <unistd.h>

#include <csignal>
#include <string_view>

#include "cli/exit_code.hpp"

namespace sluice::cli {
namespace {

constexpr std::string_view text =
    "error[internal]: sluice found a bug in itself and stopped; nothing is committed that is not "
    "in ClickHouse\n"
    "  fix: please report the lines above and 'sluice --version'; running the command again is "
    "safe\n"
    "exit 70\n";
constexpr std::string_view document =
    R"({"type":"exit_error","v":1,"exit_code":70,"exit_reason":"internal","slug":"internal",)"
    R"("message":"sluice found a bug in itself and stopped; nothing is committed that is not in )"
    R"(ClickHouse","fix":"please report what stands on stderr and 'sluice --version'; running the )"
    R"(command again is safe","pipeline":null})"
    "\n";

volatile std::sig_atomic_t wants_json = 0;

void put(int descriptor, std::string_view bytes) {
  const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
  static_cast<void>(written);
}

/// Runs in signal context: only write() and _exit().
void end_with_bug(int /*signal*/) {
  put(STDERR_FILENO, text);
  if (wants_json != 0) put(STDOUT_FILENO, document);
  ::_exit(exit_code::internal);
}

}  // namespace

void report_bugs() { std::signal(SIGABRT, end_with_bug); }

void set_bug_report_json(bool json) { wants_json = json ? 1 : 0; }

}  // namespace sluice::cli
