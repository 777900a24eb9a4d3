// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_man.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/file.hpp"
#include "cli/manual.hpp"
#include "cli/output.hpp"
#include "cli/settings.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

Error unknown_page(const std::vector<std::string>& arguments) {
  if (arguments.size() > 1) {
    return {Errc::usage, "usage", "man shows one page", "write it as: sluice man [COMMAND]"};
  }
  std::vector<std::string> topics;
  for (const ManualPage& page : manual_pages()) {
    if (!page.topic.empty()) topics.push_back(page.topic);
  }
  std::string hint = did_you_mean(arguments.front(), topics);
  if (hint.empty()) hint = "there are: " + join(topics, ", ");
  return {Errc::usage, "usage",
          fmt::format("there is no manual page on '{}'", escape_control(arguments.front(), 64)),
          hint};
}

/// Becomes `man`, which reads the page from memory. Returns only when that failed.
Error open_man(const std::string& page) {
  const FileDescriptor memory(::memfd_create("sluice.1", 0));
  if (!memory.open()) {
    return {Errc::io, "man", "no memory file for the page: " + system_message(errno), ""};
  }
  if (auto written = write_all(memory.get(), page, "the page"); !written) return written.error();
  const std::string path = fmt::format("/proc/self/fd/{}", memory.get());
  ::execlp("man", "man", "-l", path.c_str(), nullptr);
  return {Errc::io, "man", "man cannot be started: " + system_message(errno),
          "install man-db, or see sluice help"};
}

}  // namespace

int run_man_command(const Invocation& invocation, const Environment& environment,
                    Problems problems) {
  const OutputSettings output = read_output_settings(invocation.flags, environment, problems);
  const auto& arguments = invocation.arguments;
  const auto page = arguments.size() > 1
                        ? std::nullopt
                        : manual_page(arguments.empty() ? std::string_view() : arguments.front());
  if (!page) return fail(unknown_page(arguments), output, environment);
  if (::isatty(STDOUT_FILENO) == 1) return fail(open_man(*page), output, environment);
  Output out;
  out.write(*page);
  const auto written = out.status();
  return written.ok() ? exit_code::ok : fail(written.error(), output, environment);
}

}  // namespace sluice::cli
