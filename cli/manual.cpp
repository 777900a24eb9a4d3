// SPDX-License-Identifier: Apache-2.0
#include "cli/manual.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.hpp"
#include "cli/config_keys.hpp"
#include "cli/flags.hpp"
#include "cli/help.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

// Of the manual, not of the day it was generated: the same tables make the same pages.
constexpr std::string_view manual_date = "2026-11-21";
constexpr size_t source_columns = 76;
constexpr std::string_view toml_topic = "sluice.toml";

/// Text as roff wants it; nothing in it is taken for a request.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char character : text) {
    if (character == '\\') {
      out += "\\e";
    } else if (character == '-') {
      out += "\\-";
    } else if (character == '\'') {
      out += "\\(aq";
    } else if (character == '^') {
      out += "\\(ha";
    } else if (character == '~') {
      out += "\\(ti";
    } else {
      out += character;
    }
  }
  return !out.empty() && out.front() == '.' ? "\\&" + out : out;
}

/// An argument of a macro.
std::string quoted(std::string_view text) {
  std::string out = escaped(text);
  for (size_t at = 0; (at = out.find('"', at)) != std::string::npos; at += 4) {
    out.replace(at, 1, "\\(dq");
  }
  return "\"" + out + "\"";
}

std::string bold(std::string_view text) { return "\\fB" + escaped(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + escaped(text) + "\\fR"; }

/// Running text, broken into lines that an editor likes.
std::string filled(std::string_view text) {
  std::string out;
  std::string line;
  for (const std::string& word : split(text, ' ')) {
    if (word.empty()) continue;
    if (!line.empty() && escaped(line + " " + word).size() > source_columns) {
      out += escaped(line) + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return line.empty() ? out : out + escaped(line) + "\n";
}

std::string item(const std::string& term, std::string_view text) {
  return fmt::format(".TP\n{}\n{}", term, filled(text));
}

size_t indent_of(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

/// The term and the text of "  term    text"; nothing for other lines.
std::optional<std::pair<std::string_view, std::string_view>> list_entry(std::string_view line) {
  const std::string_view rest = trim(line);
  const size_t gap = rest.find("  ");
  if (indent_of(line) != 2 || gap == std::string_view::npos) return std::nullopt;
  return std::pair(rest.substr(0, gap), trim(rest.substr(gap)));
}

/// Help as roff: paragraphs, lists ("  term    text", the text going on further to the right), and
/// indented lines as they are.
class Converter {
 public:
  explicit Converter(std::string_view text) : lines_(split(text, '\n')) {}

  std::string convert() {
    while (at_ < lines_.size()) {
      const std::string_view line = lines_[at_];
      if (line.empty()) {
        gap_ = true;
        ++at_;
      } else if (indent_of(line) == 0) {
        add_paragraph();
      } else if (is_entry()) {
        add_entry();
      } else {
        add_lines();
      }
    }
    return std::move(out_);
  }

 private:
  /// A term whose text stands on the next line, or beside it.
  [[nodiscard]] bool is_entry() const {
    if (list_entry(lines_[at_])) return true;
    return indent_of(lines_[at_]) == 2 && at_ + 1 < lines_.size() &&
           indent_of(lines_[at_ + 1]) >= 10 && !lines_[at_ + 1].empty();
  }
  void begin_paragraph() {
    if (gap_ && !out_.empty()) out_ += ".PP\n";
    gap_ = false;
  }
  void add_paragraph() {
    begin_paragraph();
    std::string text;
    while (at_ < lines_.size() && !lines_[at_].empty() && indent_of(lines_[at_]) == 0) {
      text += lines_[at_++] + " ";
    }
    out_ += filled(text);
  }
  void add_entry() {
    gap_ = false;
    const auto entry = list_entry(lines_[at_]);
    const std::string term(entry ? entry->first : trim(lines_[at_]));
    std::string text(entry ? entry->second : "");
    ++at_;
    while (at_ < lines_.size() && !lines_[at_].empty() && indent_of(lines_[at_]) > 2) {
      text += " " + std::string(trim(lines_[at_++]));
    }
    out_ += item(bold(term), text);
  }
  void add_lines() {
    begin_paragraph();
    out_ += ".EX\n";
    while (at_ < lines_.size()) {
      const bool goes_on = lines_[at_].empty() && at_ + 1 < lines_.size() &&
                           indent_of(lines_[at_ + 1]) > 0 && !lines_[at_ + 1].empty();
      if (indent_of(lines_[at_]) == 0 && !goes_on) break;
      out_ += (lines_[at_].empty() ? "" : escaped(lines_[at_].substr(2))) + "\n";
      ++at_;
    }
    out_ += ".EE\n";
  }

  std::vector<std::string> lines_;
  size_t at_ = 0;
  bool gap_ = false;
  std::string out_;
};

std::string head(std::string_view page, int section, std::string_view summary) {
  std::string title(page);
  std::transform(title.begin(), title.end(), title.begin(), [](char character) {
    return character >= 'a' && character <= 'z' ? static_cast<char>(character - 32) : character;
  });
  return fmt::format(
      ".\\\" SPDX-License-Identifier: Apache-2.0\n"
      ".\\\" Generated from the tables of the command line (sluice man); do not edit.\n"
      ".TH {} {} {} sluice {}\n.SH NAME\n{} \\- {}\n",
      quoted(title), section, manual_date, section == 1 ? "\"User Commands\"" : "\"File Formats\"",
      escaped(page), escaped(summary));
}

std::string flag_term(const Flag& flag) {
  std::string term = bold(fmt::format("--{}", flag.name));
  if (flag.short_name != 0) term = bold(fmt::format("-{}", flag.short_name)) + ", " + term;
  return flag.value.empty() ? term : term + " " + italic(flag.value);
}

/// `with` decides which of a command's flags; null is all commands.
std::string options(const Command* command, bool own) {
  std::string out;
  for (const std::string_view heading : flag_headings(command)) {
    std::string items;
    for (const Flag& flag : all_flags()) {
      const bool wanted = has_flag(command, flag) && (flag.commands != everywhere) == own;
      if (wanted && flag.section == heading) items += item(flag_term(flag), flag.help);
    }
    if (!items.empty()) out += fmt::format(".SS {}\n{}", quoted(heading), items);
  }
  return out;
}

std::string see_also(const std::vector<std::string>& references) {
  std::string out = ".SH SEE ALSO\n";
  for (size_t index = 0; index < references.size(); ++index) {
    const std::string& one = references[index];
    const size_t open = one.find('(');
    out += fmt::format(".BR {} {}{}\n", escaped(one.substr(0, open)), one.substr(open),
                       index + 1 < references.size() ? " ," : "");
  }
  return out;
}

std::string page_of(const Command& command) { return fmt::format("sluice-{}", command.name); }

std::string topic_section(std::string_view name, std::string_view heading) {
  for (const HelpTopic& topic : all_help_topics()) {
    if (topic.name != name) continue;
    return fmt::format(".SH {}\n{}", quoted(heading), Converter(topic.text()).convert());
  }
  return {};
}

std::string main_page() {
  std::string out = head("sluice", 1, "move Kafka topics into ClickHouse tables");
  out +=
      ".SH SYNOPSIS\n.B sluice\n[\\fIFLAGS\\fR] \\fICOMMAND\\fR [\\fIPIPELINE\\fR...] "
      "[\\fIFLAGS\\fR]\n";
  out += ".SH DESCRIPTION\n";
  out += filled(
      "Reads Kafka topics and inserts their records into ClickHouse tables. It keeps no state of "
      "its own: progress lives in an ordinary consumer group, so that the same command typed "
      "again, on any machine, goes on where the last one stopped. A record's offset is committed "
      "only after ClickHouse has acknowledged it, or after it is durably among the rejects.");
  out += ".PP\n" + filled("Results go to stdout, progress and messages to stderr.");
  out += ".SH COMMANDS\n";
  std::vector<std::string> references;
  for (const Command& command : all_commands()) {
    out += item(bold(command.name), command.summary);
    if (!command.help.empty()) references.push_back(page_of(command) + "(1)");
  }
  out += ".SH OPTIONS\nThese go with every command and may stand before it.\n";
  out += options(nullptr, false);
  out += topic_section("formats", "FORMATS");
  out += topic_section("exit-codes", "EXIT STATUS");
  out += topic_section("environment", "ENVIRONMENT");
  references.emplace_back("sluice.toml(5)");
  return out + see_also(references);
}

std::string command_page(const Command& command) {
  const HelpParts parts = help_parts(command);
  std::string out = head(page_of(command), 1, command.summary) + ".SH SYNOPSIS\n";
  for (size_t index = 0; index < parts.usage.size(); ++index) {
    out += (index > 0 ? ".br\n" : "") + bold(parts.usage[index]) + "\n";
  }
  out += ".SH DESCRIPTION\n" + Converter(parts.intro).convert();
  if (!parts.details.empty()) out += ".PP\n" + Converter(parts.details).convert();
  if (!command.examples.empty()) {
    out += ".SH EXAMPLES\n" + Converter(command.examples).convert();
  }
  const std::string own = options(&command, true);
  out += ".SH OPTIONS\n";
  if (!own.empty()) out += own + ".SS \"Of every command\"\n";
  out += "Flags that every command has are in\n.BR sluice (1).\n";
  out += ".SH EXIT STATUS\nExit codes are in\n.BR sluice (1).\n";
  return out + see_also({"sluice(1)", "sluice.toml(5)"});
}

std::string toml_page() {
  std::string out = head(toml_topic, 5, "configuration of sluice");
  for (const HelpTopic& topic : all_help_topics()) {
    if (topic.name != "config") continue;
    // The keys follow below, explained.
    std::string text = topic.text();
    text.resize(std::min(text.find("\nAt the top level:"), text.size()));
    out += ".SH DESCRIPTION\n" + Converter(text).convert();
  }
  out += ".SH KEYS\n";
  std::string_view table = "-";
  for (const ConfigKey& key : all_config_keys()) {
    if (key.table != table) {
      table = key.table;
      out += fmt::format(".SS {}\n",
                         quoted(table.empty() ? "At the top level" : fmt::format("[{}]", table)));
    }
    std::string text(key.help);
    if (!key.fallback.empty()) text += fmt::format(" (default: {})", key.fallback);
    out += item(fmt::format("{} = {}", bold(key.key), italic(key.value)), text);
  }
  return out + see_also({"sluice(1)", "sluice-check(1)"});
}

}  // namespace

std::vector<ManualPage> manual_pages() {
  std::vector<ManualPage> pages{{"", "sluice.1"}};
  for (const Command& command : all_commands()) {
    if (command.help.empty()) continue;
    pages.push_back({std::string(command.name), page_of(command) + ".1"});
  }
  pages.push_back({std::string(toml_topic), fmt::format("{}.5", toml_topic)});
  return pages;
}

std::optional<std::string> manual_page(std::string_view topic) {
  if (topic.empty() || topic == "sluice") return main_page();
  if (topic == toml_topic || topic == "config") return toml_page();
  const Command* command = find_command(topic);
  if (command == nullptr || command->help.empty()) return std::nullopt;
  return command_page(*command);
}

}  // namespace sluice::cli
