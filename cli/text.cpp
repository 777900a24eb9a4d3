// SPDX-License-Identifier: Apache-2.0
#include "cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

namespace sluice::cli {
namespace {

/// Length of the UTF-8 sequence at the front, 0 when there is no valid one.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t index) { return static_cast<uint8_t>(text[index]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  size_t length = 0;
  uint32_t point = 0;
  if ((lead & 0xe0u) == 0xc0u) {
    length = 2;
    point = lead & 0x1fu;
  } else if ((lead & 0xf0u) == 0xe0u) {
    length = 3;
    point = lead & 0x0fu;
  } else if ((lead & 0xf8u) == 0xf0u) {
    length = 4;
    point = lead & 0x07u;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (size_t index = 1; index < length; ++index) {
    if ((byte(index) & 0xc0u) != 0x80u) return 0;
    point = (point << 6) | (byte(index) & 0x3fu);
  }
  constexpr std::array<uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  return point < smallest[length] || point > 0x10ffff || surrogate ? 0 : length;
}

bool is_control(std::string_view sequence) {
  const auto lead = static_cast<uint8_t>(sequence[0]);
  if (sequence.size() == 1) return lead < 0x20 || lead == 0x7f;
  // C1 controls (U+0080 … U+009F) move cursors on some terminals just as ESC [ does.
  return sequence.size() == 2 && lead == 0xc2 && static_cast<uint8_t>(sequence[1]) < 0xa0;
}

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char character : bytes) {
    switch (character) {
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += fmt::format("\\x{:02x}", static_cast<uint8_t>(character));
    }
  }
}

std::string escape(std::string_view text, size_t bytes_max, bool keep_lines) {
  std::string out;
  while (!text.empty()) {
    if (out.size() >= bytes_max) return out + "…";
    const size_t length = sequence_length(text);
    const std::string_view sequence = text.substr(0, std::max<size_t>(length, 1));
    const bool line_break = keep_lines && sequence == "\n";
    if (length == 0 || (is_control(sequence) && !line_break)) {
      append_escaped(out, sequence);
    } else {
      out += sequence;
    }
    text.remove_prefix(sequence.size());
  }
  return out;
}

std::string three_digits(double number, std::string_view suffix) {
  const int decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}{}", number, decimals, suffix);
}

struct CalendarTime {
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<Milliseconds> clock;
};

CalendarTime calendar(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  return {std::chrono::year_month_day(day), std::chrono::hh_mm_ss<Milliseconds>(time - day)};
}

std::string utc(WallTime time, char separator, std::string_view tail) {
  const CalendarTime parts = calendar(time);
  return fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}", static_cast<int>(parts.date.year()),
                     static_cast<unsigned>(parts.date.month()),
                     static_cast<unsigned>(parts.date.day()), separator,
                     parts.clock.hours().count(), parts.clock.minutes().count(),
                     parts.clock.seconds().count(), tail);
}

}  // namespace

std::string escape_control(std::string_view text, size_t bytes_max) {
  return escape(text, bytes_max, false);
}

std::string escape_control_lines(std::string_view text, size_t bytes_max) {
  return escape(text, bytes_max, true);
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = sequence_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

namespace {

constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t start = 0; start < bytes.size(); start += 3) {
    const std::string_view group = bytes.substr(start, 3);
    uint32_t bits = 0;
    for (size_t index = 0; index < 3; ++index) {
      bits = (bits << 8) | (index < group.size() ? static_cast<uint8_t>(group[index]) : 0u);
    }
    for (size_t index = 0; index < 4; ++index) {
      out += index <= group.size() ? base64_digits[(bits >> (18 - 6 * index)) & 0x3fu] : '=';
    }
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t end = text.find('=');
  const size_t digits = std::min(end, text.size());
  if (text.size() - digits > 2 || text.find_first_not_of('=', digits) != std::string_view::npos) {
    return std::nullopt;
  }
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  for (size_t index = 0; index < digits; ++index) {
    const size_t digit = base64_digits.find(text[index]);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    // From the second digit of four on, each completes a byte.
    const size_t spare = 6 - 2 * (index % 4);
    if (index % 4 != 0) out += static_cast<char>((bits >> spare) & 0xffu);
  }
  return out;
}

std::string valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = sequence_length(bytes);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      bytes.remove_prefix(1);
      continue;
    }
    out += bytes.substr(0, length);
    bytes.remove_prefix(length);
  }
  return out;
}

size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char character) {
    return (static_cast<uint8_t>(character) & 0xc0u) != 0x80u;
  }));
}

std::string aligned(const std::vector<TextRow>& rows, const std::set<size_t>& right) {
  std::vector<size_t> widths(rows.front().size());
  for (const TextRow& row : rows) {
    for (size_t column = 0; column < row.size(); ++column) {
      widths[column] = std::max(widths[column], display_width(row[column]));
    }
  }
  std::string out;
  for (const TextRow& row : rows) {
    std::string line;
    for (size_t column = 0; column < row.size(); ++column) {
      const std::string padding(widths[column] - display_width(row[column]), ' ');
      const bool left = !right.contains(column) || &row == &rows.front();
      line += (column == 0 ? "" : "  ") + (left ? row[column] + padding : padding + row[column]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t position = digits.size(); position > 3;) {
    position -= 3;
    digits.insert(position, 1, ',');
  }
  return digits;
}

std::string short_count(double number) {
  if (number < 999.5) return fmt::format("{:.0f}", number);
  if (number < 999'500) return three_digits(number / 1e3, "k");
  if (number < 999'500'000) return three_digits(number / 1e6, "M");
  return three_digits(number / 1e9, "G");
}

std::string short_bytes(double bytes) {
  if (bytes < 999.5) return fmt::format("{:.0f} B", bytes);
  static constexpr std::array<std::string_view, 5> units{"kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  double value = bytes / 1e3;
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1e3;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, value < 9.95 ? 1 : 0, units[unit]);
}

std::string short_duration(Milliseconds duration) {
  constexpr Milliseconds tenth{100};
  if (duration > Milliseconds{0} && duration < tenth) return fmt::format("{}ms", duration.count());
  if (duration < std::chrono::seconds(60)) {
    return fmt::format("{:.1f}s", static_cast<double>(duration.count()) / 1e3);
  }
  return short_seconds(static_cast<uint64_t>((duration.count() + 500) / 1000));
}

std::string short_seconds(uint64_t seconds) {
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
  return fmt::format("{}h {:02}m", seconds / 3600, seconds / 60 % 60);
}

std::string counted(uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(number), noun, number == 1 ? "" : "s");
}

std::string utc_milliseconds(WallTime time) {
  return utc(time, 'T', fmt::format(".{:03}Z", calendar(time).clock.subseconds().count()));
}

std::string utc_seconds(WallTime time) { return utc(time, 'T', "Z"); }

std::string utc_words(WallTime time) { return utc(time, ' ', " UTC"); }

}  // namespace sluice::cli
