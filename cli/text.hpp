// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"

/// Turning values into text for people and back into safe text. Pure.
namespace sluice::cli {

/// Control characters as \n, \x1b, …, and at most `bytes_max` bytes: for text from outside.
[[nodiscard]] std::string escape_control(std::string_view text, size_t bytes_max = 1024);
/// The same, but line breaks stay: for messages of ours that have several lines.
[[nodiscard]] std::string escape_control_lines(std::string_view text, size_t bytes_max = 16384);

[[nodiscard]] bool is_utf8(std::string_view bytes);
[[nodiscard]] std::string base64(std::string_view bytes);
/// The inverse; nothing when it is no base64 with its padding.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);
/// Invalid UTF-8 replaced, so that a JSON writer takes it.
[[nodiscard]] std::string valid_utf8(std::string_view bytes);
/// Columns the text takes on a terminal, every code point counted as one.
[[nodiscard]] size_t display_width(std::string_view text);

using TextRow = std::vector<std::string>;
/// Rows as an aligned table, the first one its head; `right` are the columns of numbers. No blanks
/// at the end of a line.
[[nodiscard]] std::string aligned(const std::vector<TextRow>& rows, const std::set<size_t>& right);

[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);
[[nodiscard]] std::string_view trim(std::string_view text);

/// 12914002 as "12,914,002".
[[nodiscard]] std::string grouped(uint64_t number);
/// 12914002 as "12.9M": three digits.
[[nodiscard]] std::string short_count(double number);
/// 5600120034 as "5.6 GB".
[[nodiscard]] std::string short_bytes(double bytes);
/// 12ms, 31.4s, 1m 39s, 2h 05m.
[[nodiscard]] std::string short_duration(Milliseconds duration);
/// Whole seconds: "11s", "1m 39s".
[[nodiscard]] std::string short_seconds(uint64_t seconds);
/// "1 record", "2 records".
[[nodiscard]] std::string counted(uint64_t number, std::string_view noun);

/// "2026-11-21T02:00:04.112Z"
[[nodiscard]] std::string utc_milliseconds(WallTime time);
/// "2026-11-21T02:00:04Z"
[[nodiscard]] std::string utc_seconds(WallTime time);
/// "2026-11-21 02:00:04 UTC"
[[nodiscard]] std::string utc_words(WallTime time);

}  // namespace sluice::cli
