// SPDX-License-Identifier: Apache-2.0
#include "cli/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "cli/suggest.hpp"
#include "cli/text.hpp"
#include "core/base/text.hpp"
#include "core/kafka/properties.hpp"

namespace sluice::cli {
namespace {

constexpr size_t snippet_columns_max = 120;

/// Byte position of a column counted in code points from 1.
size_t byte_of_column(std::string_view line, uint32_t column) {
  size_t position = 0;
  for (uint32_t passed = 1; passed < column && position < line.size(); ++passed) {
    ++position;
    while (position < line.size() && (static_cast<uint8_t>(line[position]) & 0xc0u) == 0x80u) {
      ++position;
    }
  }
  return position;
}

/// Whether the line assigns to a name, in TOML or JSON; such a line ends the reach of an earlier
/// assignment.
bool assigns(std::string_view line) {
  const std::string_view text = trim(line);
  const size_t equals = text.find(text.rfind('"', 0) == 0 ? ':' : '=');
  if (equals == std::string_view::npos || equals == 0) return false;
  return text.substr(0, equals).find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.\"' \t") ==
         std::string_view::npos;
}

/// A URL with user and password, or what could be one.
bool has_userinfo(std::string_view line) {
  const size_t scheme = line.find("://");
  return scheme != std::string_view::npos && line.find('@', scheme) != std::string_view::npos;
}

/// The parts of a text that could be names of settings, dots and underscores in them.
std::vector<std::string> names_in(std::string_view text) {
  std::vector<std::string> names(1);
  for (const char character : lower(text)) {
    const bool letter = character >= 'a' && character <= 'z';
    if (letter || character == '.' || character == '_') {
      names.back() += character;
    } else if (!names.back().empty()) {
      names.emplace_back();
    }
  }
  return names;
}

/// A value may go over several lines, so the assignment before the line counts too.
bool secret_reaches(const std::vector<std::string>& lines, size_t index) {
  for (size_t line = index + 1; line > 0; --line) {
    if (may_name_secret(lines[line - 1]) || has_userinfo(lines[line - 1])) return true;
    if (assigns(lines[line - 1])) return false;
  }
  return false;
}

}  // namespace

bool is_secret_name(std::string_view name) {
  static constexpr std::array<std::string_view, 9> words{"password", "passwd", "passphrase",
                                                         "secret",   "token",  "authorization",
                                                         ".key",     "key.",   "credential"};
  const std::string text = lower(name);
  const auto names = names_in(text);
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != std::string::npos; }) ||
         std::any_of(names.begin(), names.end(), kafka::is_secret_property);
}

bool may_name_secret(std::string_view text) {
  static const std::vector<std::string> meant{"password", "passwd", "passphrase",
                                              "secret",   "token",  "credential"};
  if (is_secret_name(text)) return true;
  for (const std::string& name : names_in(text)) {
    std::string word = name;
    std::replace(word.begin(), word.end(), '_', '.');
    for (const std::string& part : split(word, '.')) {
      if (part.find("pass") != std::string::npos || part == "pwd" || part == "pw") return true;
      if (part.size() > 3 && !nearest(part, meant).empty()) return true;
    }
  }
  return false;
}

Error Problem::error() const {
  const std::string place = origin.kind == Origin::Kind::built_in ? "" : origin.describe() + ": ";
  return {code, slug, place + message, hint};
}

void Problems::add_source(const std::string& name, std::string_view text) {
  lines_[name] = split(text, '\n');
  files_.push_back(name);
}

bool Problems::may_hold_secret(const Origin& origin) const {
  const auto found = lines_.find(origin.name);
  if (found == lines_.end() || origin.line == 0) return true;
  if (secret_places_.count(origin.place()) != 0) return true;
  const size_t last = std::min<size_t>(origin.line, found->second.size());
  return last > 0 && secret_reaches(found->second, last - 1);
}

void Problems::add(const Origin& origin, std::string message, std::string hint) {
  const bool usage = origin.kind == Origin::Kind::flag;
  add(Problem{usage ? Errc::usage : Errc::config, usage ? "usage" : "config", origin,
              std::move(message), std::move(hint)});
}

void Problems::close_places() {
  for (const Problem& problem : problems_) {
    const bool place = problem.origin.kind == Origin::Kind::file && problem.origin.line > 0;
    if (place) closed_.insert(problem.origin.describe());
  }
}

void Problems::add(Problem problem) {
  if (closed_.count(problem.origin.describe()) != 0) return;
  const bool known = std::any_of(problems_.begin(), problems_.end(), [&](const Problem& other) {
    return other.message == problem.message && other.origin.describe() == problem.origin.describe();
  });
  if (!known) problems_.push_back(std::move(problem));
}

void Problems::sort() {
  const auto key = [this](const Problem& problem) {
    const bool placed = problem.origin.kind == Origin::Kind::file;
    const auto file = std::find(files_.begin(), files_.end(), problem.origin.name);
    const int unplaced = problem.code == Errc::usage ? 0 : 1;
    return std::tuple(placed ? 2 + (file - files_.begin()) : unplaced, problem.origin.line,
                      problem.origin.column);
  };
  std::stable_sort(
      problems_.begin(), problems_.end(),
      [&](const Problem& left, const Problem& right) { return key(left) < key(right); });
}

Errc Problems::code() const {
  const bool usage = std::any_of(problems_.begin(), problems_.end(), [](const Problem& problem) {
    return problem.code == Errc::usage;
  });
  return usage ? Errc::usage : problems_.empty() ? Errc::config : problems_.front().code;
}

std::string Problems::render(bool color) const {
  std::string out;
  for (const Problem& problem : problems_) out += render(problem, color);
  return out;
}

std::string Problems::render(const Problem& problem, bool color) const {
  const Error error = problem.error();
  const std::string_view red = color ? "\x1b[1;31m" : "";
  const std::string_view plain = color ? "\x1b[0m" : "";
  std::string out = fmt::format("{}error[{}]{}: {}\n", red, error.slug, plain,
                                escape_control_lines(error.message));
  const std::string hint = escape_control_lines(problem.hint);
  const auto found = lines_.find(problem.origin.name);
  const Origin& at = problem.origin;
  const bool shown = at.kind == Origin::Kind::file && found != lines_.end() && at.line > 0 &&
                     at.line <= found->second.size() && !may_hold_secret(at);
  if (!shown) return hint.empty() ? out : out + fmt::format("  fix: {}\n", hint);

  std::string line = found->second[at.line - 1];
  if (!line.empty() && line.back() == '\r') line.pop_back();
  const std::string before =
      escape_control(std::string_view(line).substr(0, byte_of_column(line, at.column)));
  if (display_width(before) >= snippet_columns_max) {
    return hint.empty() ? out : out + fmt::format("  fix: {}\n", hint);
  }
  const size_t width = std::clamp<size_t>(at.width, 1, snippet_columns_max);
  out += fmt::format("  {:>3} | {}\n", at.line, escape_control(line, snippet_columns_max));
  out += fmt::format("      | {}{}{}{}{}{}\n", std::string(display_width(before), ' '), red,
                     std::string(width, '^'), plain, hint.empty() ? "" : " ", hint);
  return out;
}

}  // namespace sluice::cli
