// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace sluice {
namespace {

/// Length of the valid UTF-8 sequence at the front of `text` that is no control character; 0 when
/// there is none.
size_t printable_sequence(std::string_view text) {
  const auto byte = [&](size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned char lead = byte(0);
  if (lead >= 0x20 && lead < 0x7f) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t index = 1; index < length; ++index) {
    if ((byte(index) & 0xc0U) != 0x80) return 0;
  }
  // Overlong forms, surrogates, beyond Unicode; and C1 controls, which terminals obey.
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)) return 0;
  if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) return 0;
  if (lead == 0xc2 && byte(1) < 0xa0) return 0;
  return length;
}

std::string hexadecimal(char character) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(character);
  return {'\\', 'x', digits[byte >> 4U], digits[byte & 15U]};
}

/// Edits (insert, delete, replace, swap neighbours) from one to the other, case ignored.
size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<size_t> before_last(right.size() + 1);
  std::vector<size_t> last(right.size() + 1);
  std::vector<size_t> row(right.size() + 1);
  for (size_t column = 0; column <= right.size(); ++column) last[column] = column;
  for (size_t line = 1; line <= left.size(); ++line) {
    row[0] = line;
    for (size_t column = 1; column <= right.size(); ++column) {
      const char a = to_lower(left[line - 1]);
      const char b = to_lower(right[column - 1]);
      row[column] = std::min({last[column] + 1, row[column - 1] + 1, last[column - 1] + (a != b)});
      const bool swapped = line > 1 && column > 1 && a == to_lower(right[column - 2]) &&
                           b == to_lower(left[line - 2]);
      if (swapped) row[column] = std::min(row[column], before_last[column - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[right.size()];
}

}  // namespace

std::string printable(std::string_view text, size_t bytes_max) {
  constexpr std::string_view ellipsis = "…";
  std::string result;
  while (!text.empty()) {
    const char first = text.front();
    const size_t length = printable_sequence(text);
    std::string part(text.substr(0, length));
    if (first == '\n' || first == '\r' || first == '\t') {
      part = " ";
    } else if (length == 0) {
      part = hexadecimal(first);
    }
    if (result.size() + part.size() + ellipsis.size() > bytes_max) {
      result += ellipsis;
      break;
    }
    result += part;
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return result;
}

std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& names,
                                       size_t count_max) {
  constexpr size_t length_max = 256;
  if (name.size() > length_max) return {};
  const size_t edits_max = std::max<size_t>(1, name.size() / 3);
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& candidate : names) {
    if (candidate.size() > length_max) continue;
    const size_t edits = edit_distance(name, candidate);
    if (edits <= edits_max) near.emplace_back(edits, candidate);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> result;
  for (auto& [edits, candidate] : near) {
    if (result.size() == count_max) break;
    // Names may come twice.
    if (std::find(result.begin(), result.end(), candidate) != result.end()) continue;
    result.push_back(std::move(candidate));
  }
  return result;
}

std::string did_you_mean(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::string text = "did you mean " + printable(names.front());
  for (size_t index = 1; index < names.size(); ++index) {
    text += index + 1 == names.size() ? " or " : ", ";
    text += printable(names[index]);
  }
  return text + "?";
}

std::string in_words(Milliseconds duration) {
  const int64_t milliseconds = duration.count();
  if (milliseconds < 1000) return fmt::format("{} ms", milliseconds);
  const int64_t seconds = milliseconds / 1000;
  if (seconds < 10 && milliseconds % 1000 >= 100) {
    return fmt::format("{}.{} s", seconds, milliseconds % 1000 / 100);
  }
  if (seconds < 60) return fmt::format("{} s", seconds);
  const int64_t minutes = seconds / 60;
  const auto joined = [](int64_t large, std::string_view unit, int64_t small,
                         std::string_view small_unit) {
    return small == 0 ? fmt::format("{} {}", large, unit)
                      : fmt::format("{} {} {} {}", large, unit, small, small_unit);
  };
  if (minutes < 60) return joined(minutes, "min", seconds % 60, "s");
  return joined(minutes / 60, "h", minutes % 60, "min");
}

std::vector<std::string> split_list(std::string_view list) {
  constexpr std::string_view blanks = " \t\r\n";
  std::vector<std::string> out;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view part = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    const size_t first = part.find_first_not_of(blanks);
    if (first == std::string_view::npos) continue;
    out.emplace_back(part.substr(first, part.find_last_not_of(blanks) - first + 1));
  }
  return out;
}

std::string replaced(std::string text, std::string_view key, std::string_view value) {
  for (size_t found = text.find(key); found != std::string::npos;
       found = text.find(key, found + value.size())) {
    text.replace(found, key.size(), value);
  }
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& character : out) character = to_lower(character);
  return out;
}

}  // namespace sluice
