// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// Words: what may be printed of texts from outside, and which name was probably meant. Pure.
namespace sluice::kafka {

/// `text` with control characters written as \xNN (line ends and tabs as blanks), cut after
/// `bytes_max`. For everything that a broker, a library or a file name puts into our messages.
[[nodiscard]] std::string escape_text(std::string_view text, size_t bytes_max = 1024);

/// The up to `count_max` of `names` that look most like `name`, best first; none when nothing does.
[[nodiscard]] std::vector<std::string> nearest_names(std::string_view name,
                                                     const std::vector<std::string>& names,
                                                     size_t count_max = 3);

/// "did you mean a, b or c?", empty for no names.
[[nodiscard]] std::string did_you_mean(const std::vector<std::string>& names);

/// "a:1, b:2" split at commas, blanks around the parts removed, empty parts left out.
[[nodiscard]] std::vector<std::string> split_list(std::string_view list);

/// "30 s", "1.5 s", "200 ms".
[[nodiscard]] std::string in_words(long long milliseconds);

}  // namespace sluice::kafka
