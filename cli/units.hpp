// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/clock.hpp"

/// Reading the units people write. Pure; nothing means "not one of these".
namespace sluice::cli {

/// "500ms", "30s", "10m", "2h", "1d", "1h30m", "1.5s"; "0" alone. Never a number without its unit.
[[nodiscard]] std::optional<Milliseconds> parse_duration(std::string_view text);

/// "64MiB" (binary), "1GB" (SI), "512" bytes. A bare "64M" says neither and is refused.
[[nodiscard]] std::optional<uint64_t> parse_size(std::string_view text);

/// "250000", "250_000", "250k", "1M", "1.5M".
[[nodiscard]] std::optional<uint64_t> parse_count(std::string_view text);

/// RFC 3339; "YYYY-MM-DD[THH:MM[:SS]]", read as UTC where it has no offset; 10 digits of unix
/// seconds, 13 of milliseconds; "-24h" before `now`; "now".
[[nodiscard]] std::optional<WallTime> parse_time(std::string_view text, WallTime now);

/// What to write instead, for error messages.
inline constexpr std::string_view duration_example = "write it like 500ms, 30s, 10m, 2h or 1d";
inline constexpr std::string_view size_example = "write it like 64MiB or 1GB";
inline constexpr std::string_view count_example = "write it like 250000, 1_000_000, 250k or 1M";
inline constexpr std::string_view time_example =
    "write it like 2026-11-21, 2026-11-21T02:00:04Z, 1795226404, -24h or now";

}  // namespace sluice::cli
