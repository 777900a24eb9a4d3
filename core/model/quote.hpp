// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace sluice {

/// `text` between two `quote` characters (' or `), escaped as ClickHouse writes names and literals.
[[nodiscard]] std::string in_quotes(std::string_view text, char quote);

/// Reads what in_quotes() or a person wrote, from the opening quote at `position` on, and moves
/// `position` behind the closing one. Knows all of ClickHouse's escapes and doubled quotes. False
/// when the closing quote is missing.
[[nodiscard]] bool read_quoted(std::string_view text, size_t& position, std::string& value);

}  // namespace sluice
