// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "cli/commands.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"
#include "cli/units.hpp"

namespace sluice::cli {
namespace {

/// What an optional duration is without its value.
constexpr std::string_view optional_default = "2s";
constexpr std::string_view whole_range = ":";

Error usage_error(std::string message, std::string fix) {
  return {Errc::usage, "usage", std::move(message), std::move(fix)};
}

struct BoundFlag {
  const Flag* flag = nullptr;
  CLI::Option* option = nullptr;
  std::string_view switch_value = "true";  ///< what a switch is worth when given
};

/// [DURATION]: a flag that may stand without its value.
bool is_optional(const Flag& flag) { return flag.value.starts_with('['); }
/// -h and --help are one flag with two values.
void bind_help(CLI::App& app, const Flag& flag, std::vector<BoundFlag>& bound) {
  bound.push_back({&flag, app.add_flag("-h")->disable_flag_override(), short_help_value});
  bound.push_back({&flag, app.add_flag("--help")->disable_flag_override()});
}

BoundFlag bind(CLI::App& app, const Flag& flag) {
  std::string names = "--" + std::string(flag.name);
  if (flag.short_name != 0) names += std::string(",-") + flag.short_name;
  if (flag.value.empty()) return {&flag, app.add_flag(names)->disable_flag_override()};
  const CLI::callback_t accept_all = [](const CLI::results_t&) { return true; };
  CLI::Option* option = app.add_option(names, accept_all);
  option->type_size(1)
      ->expected(is_optional(flag) ? 0 : 1, 1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return {&flag, option};
}

bool applies(const Flag& flag, const Command* command) {
  if (flag.commands == everywhere) return true;
  return command != nullptr && (flag.commands & command->bit) != 0;
}

std::vector<std::string> flag_words(const Command* command) {
  std::vector<std::string> words;
  for (const Flag& flag : all_flags()) {
    if (applies(flag, command)) words.push_back("--" + std::string(flag.name));
  }
  return words;
}

/// The first command that has a flag of this name, or null.
const Command* command_with(std::string_view word) {
  for (const Command& command : all_commands()) {
    for (const Flag& flag : all_flags()) {
      const bool own = flag.commands != everywhere && applies(flag, &command);
      if (own && word == "--" + std::string(flag.name)) return &command;
    }
  }
  return nullptr;
}

Error unknown_flag(const std::string& token, std::string_view name) {
  const std::string word = escape_control(token.substr(0, token.find('=')), 64);
  const Command* command = find_command(name);
  if (const Command* other = command_with(word)) {
    return usage_error(fmt::format("{} is a flag of {} and stands after it", word, other->name),
                       fmt::format("write it as: sluice {} {} …", other->name, word));
  }
  std::string fix = did_you_mean(word, flag_words(command));
  if (fix.empty())
    fix = name.empty() ? "see sluice --help" : fmt::format("see sluice {} --help", name);
  return usage_error(fmt::format("unknown flag {}", word), fix);
}

Error unknown_command(const std::string& token) {
  const std::string word = escape_control(token, 64);
  std::string fix = did_you_mean(word, command_names());
  return usage_error(fmt::format("unknown command '{}'", word),
                     fix.empty() ? "see sluice --help" : fix);
}

/// CLI11's complaint about a flag, in our words: it knows only too few and too many values.
Error value_error(const CLI::ParseError& error) {
  const std::string text = error.what();
  const size_t begin = std::min(text.find_first_not_of('-'), text.size());
  const std::string name = text.substr(begin, text.find_first_of(": ", begin) - begin);
  for (const Flag& flag : all_flags()) {
    const bool found = name == flag.name || (name.size() == 1 && name[0] == flag.short_name);
    if (!found) continue;
    if (flag.value.empty()) {
      return usage_error(fmt::format("--{} takes no value", flag.name), "leave it out");
    }
    return usage_error(fmt::format("--{} needs a value", flag.name),
                       fmt::format("write it as: --{} {}", flag.name, flag.value));
  }
  return usage_error("the command line cannot be read", "see sluice --help");
}

/// What nothing took: unknown flags and commands.
Result<void> check_leftovers(const CLI::App& app, std::string_view command) {
  const std::vector<std::string> leftovers = app.remaining(true);
  for (const std::string& token : leftovers) {
    if (token.size() > 1 && token[0] == '-' && token != "--") return unknown_flag(token, command);
  }
  for (const std::string& token : leftovers) {
    if (token == "--") continue;
    if (command.empty()) return unknown_command(token);
    return usage_error(fmt::format("unexpected argument '{}'", escape_control(token, 64)),
                       fmt::format("see sluice {} --help", command));
  }
  return {};
}

void collect(const std::vector<BoundFlag>& bound, Invocation& invocation) {
  FlagValues& flags = invocation.flags;
  for (const auto& [flag, option, switch_value] : bound) {
    const Origin origin = Origin::flag("--" + std::string(flag->name));
    if (flag->value.empty()) {
      for (size_t count = 0; count < option->count(); ++count)
        flags.add(flag->name, std::string(switch_value), origin);
    } else {
      for (const std::string& value : option->results()) {
        // What stands behind such a flag may as well be a pipeline.
        const bool of_flag = flag->name == "verify" ? value.find(':') != std::string::npos
                                                    : parse_duration(value).has_value();
        const bool other = is_optional(*flag) && !of_flag;
        const bool alone = value.empty() || value == "true";
        if (other && !alone) invocation.arguments.push_back(value);
        const std::string_view otherwise = flag->name == "verify" ? whole_range : optional_default;
        flags.add(flag->name, other ? std::string(otherwise) : value, origin);
      }
    }
  }
}

}  // namespace

Result<Invocation> parse_command_line(const std::vector<std::string>& arguments) {
  CLI::App app("", "sluice");
  app.set_help_flag();
  app.allow_extras();
  app.require_subcommand(0, 1);
  std::vector<BoundFlag> bound;
  std::vector<std::string> positionals;
  for (const Command& command : all_commands()) {
    CLI::App* parser = app.add_subcommand(std::string(command.name));
    parser->set_help_flag();
    parser->fallthrough();
    parser->allow_extras();
    if (command.takes_arguments) parser->add_option("arguments", positionals);
    for (const Flag& flag : all_flags()) {
      const bool own = flag.commands != everywhere && applies(flag, &command);
      if (own) bound.push_back(bind(*parser, flag));
    }
  }
  for (const Flag& flag : all_flags()) {
    if (flag.commands != everywhere) continue;
    if (flag.name == "help") {
      bind_help(app, flag, bound);
    } else {
      bound.push_back(bind(app, flag));
    }
  }

  Invocation invocation;
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return value_error(error);
  }
  const auto parsed = app.get_subcommands();
  if (!parsed.empty()) invocation.command = parsed.front()->get_name();
  invocation.arguments = positionals;
  collect(bound, invocation);
  TRY(check_leftovers(app, invocation.command));
  return invocation;
}

}  // namespace sluice::cli
