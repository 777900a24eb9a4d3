// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cli/environment.hpp"
#include "cli/settings.hpp"

namespace sluice::cli {

/// What the thing behind standard error can show.
struct TerminalFacts {
  bool terminal = false;
  bool color = false;
  bool unicode = false;
  bool movement = false;  ///< lines can be drawn again: a real terminal, and not CI's
};

/// Order: --color, SLUICE_COLOR, NO_COLOR, CLICOLOR_FORCE or FORCE_COLOR, then the terminal.
[[nodiscard]] TerminalFacts terminal_facts(bool is_terminal, const Environment& environment,
                                           const Setting<ColorMode>& color);

/// Standard error: lines that stay and, on a terminal, a block of live lines below them. Off a
/// terminal no escape byte is ever written, unless colour was forced. Thread-safe.
class Screen {
 public:
  Screen(const TerminalFacts& facts, const Environment& environment);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  [[nodiscard]] const TerminalFacts& facts() const { return facts_; }
  [[nodiscard]] size_t width() const;

  /// Writes text that stays, above the live lines. Line breaks end lines.
  void write(std::string_view text);
  /// Replaces the live lines. Does nothing where lines cannot be drawn again.
  void show_live(std::vector<std::string> lines);
  /// The live lines stay as they are from now on.
  void keep_live();
  /// Shows the cursor again. Async-signal-safe, for the moment before an immediate exit.
  void restore() noexcept;

 private:
  [[nodiscard]] std::string erase_live() const;
  [[nodiscard]] std::string draw_live();
  [[nodiscard]] size_t height() const;
  void put(std::string_view bytes) const;

  TerminalFacts facts_;
  size_t width_hint_ = 0;
  std::mutex mutex_;
  std::vector<std::string> live_;
  std::vector<size_t> drawn_columns_;  ///< of each live line as it was last drawn
  std::atomic<bool> cursor_hidden_{false};
};

/// `text` cut to `columns`; escape sequences of colours take none.
[[nodiscard]] std::string cut_to_width(std::string_view text, size_t columns);

}  // namespace sluice::cli
