// SPDX-License-Identifier: Apache-2.0
#include "cli/help.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/flags.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr size_t flag_columns = 35;
constexpr size_t help_columns = 100;
constexpr size_t screen_columns = 80;

constexpr std::string_view overview_head = R"(sluice moves Kafka topics into ClickHouse tables.

Usage: sluice [FLAGS] COMMAND [PIPELINE...] [FLAGS]
)";

constexpr std::string_view overview_examples = R"(
  sluice sync                      every pipeline of ./sluice.toml
  sluice sync orders 'web*'        some of them
  sluice sync -b localhost:9092 --clickhouse http://localhost:8123 -t orders --table shop.orders

A run that is typed again goes on where the last one stopped: progress lives in the consumer group.
)";

constexpr std::string_view usage_word = "Usage: ";

std::string flag_names(const Flag& flag) {
  std::string names = fmt::format("--{}", flag.name);
  if (flag.short_name != 0) names = fmt::format("-{}, {}", flag.short_name, names);
  return flag.value.empty() ? names : fmt::format("{} {}", names, flag.value);
}

std::string flag_line(const Flag& flag) {
  const std::string names = (flag.short_name == 0 ? "    " : "") + flag_names(flag);
  const std::string indent(flag_columns + 2, ' ');
  std::string out = fmt::format("  {:<{}}", names, flag_columns);
  if (names.size() + 2 > flag_columns) out = "  " + names + "\n" + indent;
  std::string line;
  std::string_view rest = flag.help;
  while (indent.size() + rest.size() > help_columns) {
    const size_t blank = rest.rfind(' ', help_columns - indent.size());
    line += fmt::format("{}\n{}", rest.substr(0, blank), indent);
    rest.remove_prefix(blank + 1);
  }
  return out + line + std::string(rest) + "\n";
}

/// The flags of a command, or of all commands (null), under their headings, in the table's order.
std::string flag_sections(const Command* command) {
  std::string out;
  for (const std::string_view heading : flag_headings(command)) {
    out += fmt::format("\n{}:\n", heading);
    for (const Flag& flag : all_flags()) {
      if (has_flag(command, flag) && flag.section == heading) out += flag_line(flag);
    }
  }
  return out;
}

/// Only the names of a command's own flags, as many on a line as fit.
std::string own_flags(const Command& command) {
  std::string out;
  std::string line = "Flags:";
  for (const Flag& flag : all_flags()) {
    if (flag.commands == everywhere || !has_flag(&command, flag)) continue;
    const std::string names = flag_names(flag);
    if (line.size() + 2 + names.size() > screen_columns) {
      out += line + "\n";
      line = "      ";
    }
    line += "  " + names;
  }
  return out.empty() && line == "Flags:" ? "" : "\n" + out + line + "\n";
}

std::string usage_lines(const HelpParts& parts) {
  std::string out;
  for (const std::string_view form : parts.usage) {
    out += fmt::format("{}{}\n", out.empty() ? usage_word : "       ", form);
  }
  return out;
}

std::string command_list() {
  std::string out = "\nCommands:\n";
  for (const Command& command : all_commands()) {
    out += fmt::format("  {:<10}  {}\n", command.name, command.summary);
  }
  return out;
}

std::string topic_list() {
  std::string names;
  for (const HelpTopic& topic : all_help_topics()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", topic.name);
  }
  return names;
}

}  // namespace

bool has_flag(const Command* command, const Flag& flag) {
  return flag.commands == everywhere || (command != nullptr && (flag.commands & command->bit) != 0);
}

std::vector<std::string_view> flag_headings(const Command* command) {
  std::vector<std::string_view> headings;
  for (const Flag& flag : all_flags()) {
    const bool known = std::find(headings.begin(), headings.end(), flag.section) != headings.end();
    if (has_flag(command, flag) && !known) headings.push_back(flag.section);
  }
  return headings;
}

HelpParts help_parts(const Command& command) {
  HelpParts parts;
  const size_t usage = std::min(command.help.find(usage_word), command.help.size());
  parts.intro = trim(command.help.substr(0, usage));
  std::string_view rest = command.help.substr(usage);
  while (!rest.empty() && rest.front() != '\n') {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = trim(rest.substr(0, end));
    if (line.starts_with(usage_word)) line.remove_prefix(usage_word.size());
    parts.usage.push_back(line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  while (!rest.empty() && rest.front() == '\n') rest.remove_prefix(1);
  parts.details = rest;
  return parts;
}

std::string help_text() {
  return std::string(overview_head) + std::string(overview_examples) + command_list() +
         flag_sections(nullptr) +
         fmt::format("\nFlags of a command: sluice COMMAND --help.\nMore: sluice help {}\n",
                     topic_list());
}

std::optional<std::string> help_text(std::string_view topic) {
  for (const HelpTopic& one : all_help_topics()) {
    if (one.name == topic) return one.text();
  }
  const Command* command = find_command(topic);
  if (command == nullptr) return std::nullopt;
  if (command->help.empty()) return help_text();
  const HelpParts parts = help_parts(*command);
  std::string out = fmt::format("{}\n\n{}", parts.intro, usage_lines(parts));
  if (!command->examples.empty()) out += fmt::format("\n{}", command->examples);
  if (!parts.details.empty()) out += fmt::format("\n{}", parts.details);
  return out + flag_sections(command) + fmt::format("\nSee also: sluice help {}\n", topic_list());
}

std::string short_help(const Command* command) {
  if (command == nullptr || command->help.empty()) {
    return std::string(overview_head) + std::string(overview_examples) + command_list() +
           fmt::format("\nMore: sluice --help, sluice COMMAND -h, sluice help {}\n", topic_list());
  }
  std::string out = fmt::format("sluice {}: {}\n\n{}", command->name, command->summary,
                                usage_lines(help_parts(*command)));
  if (!command->examples.empty()) out += fmt::format("\n{}", command->examples);
  return out + own_flags(*command) +
         fmt::format("\nWhat they mean, and the flags of every command: sluice {} --help\n",
                     command->name);
}

std::vector<std::string> help_words() {
  std::vector<std::string> words = command_names();
  for (const HelpTopic& topic : all_help_topics()) words.emplace_back(topic.name);
  return words;
}

}  // namespace sluice::cli
