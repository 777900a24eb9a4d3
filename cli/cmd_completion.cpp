// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_completion.hpp"

#include <fmt/format.h>

#include "cli/completion.hpp"
#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/settings.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr std::string_view pipelines_word = "pipelines";

Error unknown_shell(const std::vector<std::string>& arguments) {
  if (arguments.size() != 1) {
    return {Errc::usage, "usage", "completion needs the name of one shell",
            "write it as: sluice completion " + join(completion_shells(), "|")};
  }
  std::string hint = did_you_mean(arguments.front(), completion_shells());
  if (hint.empty()) hint = "there are: " + join(completion_shells(), ", ");
  return {Errc::usage, "usage",
          fmt::format("no completion for '{}'", escape_control(arguments.front(), 64)), hint};
}

}  // namespace

int run_completion_command(const Invocation& invocation, const Environment& environment,
                           Problems problems) {
  const OutputSettings output = read_output_settings(invocation.flags, environment, problems);
  const std::string wanted =
      invocation.arguments.size() == 1 ? invocation.arguments.front() : std::string();
  Output out;
  if (wanted == pipelines_word) {
    for (const std::string& name :
         configured_pipelines(invocation.flags, environment, system_config_folder)) {
      out.write(name + "\n");
    }
  } else if (const auto script = completion_script(wanted)) {
    out.write(*script);
  } else {
    return fail(unknown_shell(invocation.arguments), output, environment);
  }
  const auto written = out.status();
  return written.ok() ? exit_code::ok : fail(written.error(), output, environment);
}

}  // namespace sluice::cli
