// SPDX-License-Identifier: Apache-2.0
#include "cli/app.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/bug_report.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "cli/settings.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"
#include "cli/version.hpp"
#include "core/kafka/properties.hpp"

namespace sluice::cli {
namespace {

int print(const std::string& text, const OutputSettings& output, const Environment& environment) {
  Output out;
  out.write(text);
  const auto status = out.status();
  return status.ok() ? exit_code::ok : fail(status.error(), output, environment);
}

/// What a command line that cannot be read says about the form of errors: `-o json` is honoured
/// even beside a flag that does not exist.
OutputSettings guess_output(const std::vector<std::string>& arguments,
                            const Environment& environment) {
  FlagValues flags;
  for (size_t index = 0; index < arguments.size(); ++index) {
    const std::string& word = arguments[index];
    const bool next = index + 1 < arguments.size();
    const Origin origin = Origin::flag("--output");
    if ((word == "-o" || word == "--output") && next)
      flags.add("output", arguments[index + 1], origin);
    if (word.rfind("--output=", 0) == 0) flags.add("output", word.substr(9), origin);
    if (word.rfind("-o", 0) == 0 && word.size() > 2) flags.add("output", word.substr(2), origin);
  }
  Problems ignored;
  add_environment_flags(environment, 0, flags, ignored);
  return read_output_settings(flags, environment, ignored);
}

int show_help(const Invocation& invocation, const OutputSettings& output,
              const Environment& environment) {
  const auto flag = invocation.flags.last("help");
  if (flag && flag->value == short_help_value) {
    return print(short_help(find_command(invocation.command)), output, environment);
  }
  const std::string topic = flag                           ? invocation.command
                            : invocation.arguments.empty() ? ""
                                                           : invocation.arguments.front();
  if (!flag && invocation.arguments.size() > 1) {
    return fail(Error{Errc::usage, "usage", "help is shown on one command or topic at a time",
                      "leave out all words but one"},
                output, environment);
  }
  if (topic.empty()) return print(help_text(), output, environment);
  if (const auto text = help_text(topic)) return print(*text, output, environment);
  std::string hint = did_you_mean(topic, help_words());
  if (hint.empty()) hint = "there is help on: " + join(help_words(), ", ");
  return fail(Error{Errc::usage, "usage",
                    fmt::format("there is no help on '{}'", escape_control(topic, 64)), hint},
              output, environment);
}

int show_version(const OutputSettings& output, const Environment& environment) {
  const bool json = is_json(output.format);
  return print(json ? version_json().dump() + "\n" : version_text(), output, environment);
}

int show_properties(const OutputSettings& output, const Environment& environment) {
  const auto names = kafka::property_names();
  if (!is_json(output.format)) return print(join(names, "\n") + "\n", output, environment);
  return print(nlohmann::ordered_json(names).dump() + "\n", output, environment);
}

bool asks_for_properties(const FlagValues& flags) {
  const auto& given = flags.all("kafka");
  return std::any_of(given.begin(), given.end(),
                     [](const auto& one) { return one.value == "list"; });
}

}  // namespace

int run_app(const std::vector<std::string>& arguments, const Environment& environment) {
  auto invocation = parse_command_line(arguments);
  if (!invocation) {
    return fail(invocation.error(), guess_output(arguments, environment), environment);
  }
  Problems problems;
  const Command* command = find_command(invocation->command);
  add_environment_flags(environment, command == nullptr ? 0 : command->bit, invocation->flags,
                        problems);
  const OutputSettings output = read_output_settings(invocation->flags, environment, problems);
  if (invocation->flags.has("help") || invocation->command == "help") {
    return show_help(*invocation, output, environment);
  }
  set_bug_report_json(is_json(output.format));
  const bool shows_version = invocation->flags.has("version") || invocation->command == "version";
  const bool runs = command != nullptr && command->run != nullptr;
  if (runs && !shows_version && !asks_for_properties(invocation->flags)) {
    return command->run(*invocation, environment, std::move(problems));
  }
  if (!problems.empty()) return fail(problems, output, environment);
  if (shows_version) return show_version(output, environment);
  if (asks_for_properties(invocation->flags)) return show_properties(output, environment);
  return fail(Error{Errc::usage, "usage", "no command was given",
                    "say what to do: sluice sync, or see sluice --help"},
              output, environment);
}

}  // namespace sluice::cli
