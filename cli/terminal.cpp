// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "cli/file.hpp"
#include "cli/units.hpp"
#include "core/base/text.hpp"

namespace sluice::cli {
namespace {

constexpr std::string_view hide_cursor = "\x1b[?25l";
constexpr std::string_view show_cursor = "\x1b[?25h";

bool is_on(const Environment& environment, std::string_view name) {
  const auto value = environment.get(name);
  return value && *value != "0";
}

bool wants_color(bool terminal, const Environment& environment, const Setting<ColorMode>& color) {
  if (color.value != ColorMode::automatic) return color.value == ColorMode::always;
  if (environment.has("NO_COLOR")) return false;
  if (is_on(environment, "CLICOLOR_FORCE") || is_on(environment, "FORCE_COLOR")) return true;
  return terminal && environment.get("TERM") != "dumb";
}

bool speaks_unicode(const Environment& environment) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto value = environment.get(name);
    if (!value) continue;
    const std::string text = lower(*value);
    return text.find("utf-8") != std::string::npos || text.find("utf8") != std::string::npos;
  }
  return false;
}

/// What a line with escape sequences of colours takes on the screen.
size_t columns_of(std::string_view line) {
  size_t columns = 0;
  bool escape = false;
  for (const char byte : line) {
    const bool starts_character = (static_cast<uint8_t>(byte) & 0xc0u) != 0x80u;
    if (byte == '\x1b') escape = true;
    if (!escape && starts_character) ++columns;
    if (escape && byte == 'm') escape = false;
  }
  return columns;
}

winsize window() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) size = {};
  return size;
}

}  // namespace

TerminalFacts terminal_facts(bool is_terminal, const Environment& environment,
                             const Setting<ColorMode>& color) {
  TerminalFacts facts;
  facts.terminal = is_terminal;
  facts.color = wants_color(is_terminal, environment, color);
  facts.unicode = speaks_unicode(environment);
  // CI often gives its jobs a terminal that nobody watches.
  facts.movement = is_terminal && environment.get("TERM") != "dumb" && !environment.has("CI");
  return facts;
}

Screen::Screen(const TerminalFacts& facts, const Environment& environment) : facts_(facts) {
  width_hint_ =
      static_cast<size_t>(parse_count(environment.get("COLUMNS").value_or("")).value_or(0));
}

Screen::~Screen() { restore(); }

size_t Screen::width() const {
  const winsize size = window();
  if (size.ws_col > 0) return size.ws_col;
  return width_hint_ > 0 ? width_hint_ : 80;
}

size_t Screen::height() const {
  const winsize size = window();
  return size.ws_row > 0 ? size.ws_row : 24;
}

void Screen::put(std::string_view bytes) const {
  // There is nobody to tell when standard error itself is gone.
  (void)write_all(STDERR_FILENO, bytes, "standard error");
}

// A terminal that became narrower since has wrapped the lines.
std::string Screen::erase_live() const {
  if (drawn_columns_.empty()) return {};
  const size_t columns = width();
  size_t rows = 0;
  for (const size_t drawn : drawn_columns_) {
    rows += std::max<size_t>(1, (drawn + columns - 1) / columns);
  }
  return fmt::format("\x1b[{}A\r\x1b[J", rows);
}

std::string Screen::draw_live() {
  std::string text;
  drawn_columns_.clear();
  const size_t room = width() - 1;
  for (const std::string& line : live_) {
    text += cut_to_width(line, room) + "\n";
    drawn_columns_.push_back(std::min(room, columns_of(line)));
  }
  return text;
}

void Screen::write(std::string_view text) {
  const std::lock_guard lock(mutex_);
  std::string out = erase_live();
  out += text;
  if (!out.empty() && out.back() != '\n') out += '\n';
  put(out + draw_live());
}

void Screen::show_live(std::vector<std::string> lines) {
  if (!facts_.movement) return;
  const std::lock_guard lock(mutex_);
  const size_t room = std::max<size_t>(height(), 4) - 2;
  if (lines.size() > room) {
    const size_t hidden = lines.size() - room + 1;
    lines.resize(room - 1);
    lines.push_back(fmt::format("… and {} more", hidden));
  }
  std::string out = cursor_hidden_.exchange(true) ? "" : std::string(hide_cursor);
  out += erase_live();
  live_ = std::move(lines);
  put(out + draw_live());
}

void Screen::keep_live() {
  {
    const std::lock_guard lock(mutex_);
    live_.clear();
    drawn_columns_.clear();
  }
  restore();
}

void Screen::restore() noexcept {
  if (!cursor_hidden_.exchange(false)) return;
  const ssize_t written = ::write(STDERR_FILENO, show_cursor.data(), show_cursor.size());
  static_cast<void>(written);
}

std::string cut_to_width(std::string_view text, size_t columns) {
  std::string out;
  size_t used = 0;
  bool colored = false;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '\x1b') {
      const size_t end = std::min(text.find('m', at), text.size() - 1);
      out += text.substr(at, end - at + 1);
      at = end + 1;
      colored = true;
      continue;
    }
    if (used == columns) break;
    size_t length = 1;
    while (at + length < text.size() &&
           (static_cast<uint8_t>(text[at + length]) & 0xc0u) == 0x80u) {
      ++length;
    }
    out += text.substr(at, length);
    at += length;
    ++used;
  }
  if (colored) out += "\x1b[0m";
  return out;
}

}  // namespace sluice::cli
