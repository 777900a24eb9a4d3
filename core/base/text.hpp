// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"

/// Words: what may be printed of texts from outside, and which name was probably meant. Pure.
namespace sluice {

/// `text` with control characters and broken UTF-8 written as \xNN (line ends and tabs as blanks),
/// at most `bytes_max` long. For everything that a server, a library or a file name puts into our
/// messages.
[[nodiscard]] std::string printable(std::string_view text, size_t bytes_max = 1024);

/// The up to `count_max` of `names` that look most like `name`, best first; none when nothing does.
/// Case is ignored; a letter dropped, doubled, swapped or wrong, about one in three.
[[nodiscard]] std::vector<std::string> nearest_names(std::string_view name,
                                                     const std::vector<std::string>& names,
                                                     size_t count_max = 3);

/// "did you mean a, b or c?", empty for no names.
[[nodiscard]] std::string did_you_mean(const std::vector<std::string>& names);

/// "300 ms", "1.5 s", "30 s", "5 min", "1 h 30 min".
[[nodiscard]] std::string in_words(Milliseconds duration);

/// "a:1, b:2" split at commas, blanks around the parts removed, empty parts left out.
[[nodiscard]] std::vector<std::string> split_list(std::string_view list);

/// `text` with every `key` (such as "{table}") replaced by `value`.
[[nodiscard]] std::string replaced(std::string text, std::string_view key, std::string_view value);

/// A-Z as a-z, all else as it is.
[[nodiscard]] constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] std::string lower(std::string_view text);

}  // namespace sluice
