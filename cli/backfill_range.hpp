// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/types.hpp"

/// The range of a backfill as people write it. Pure.
namespace sluice::cli {

/// One end of a range.
struct RangeEdge {
  enum class Kind : uint8_t {
    start,   ///< of what the broker holds
    end,     ///< likewise
    offset,  ///< of every partition
    time,
  } kind = Kind::start;
  Offset offset;
  WallTime time{};
  bool relative = false;  ///< a time counted from now: another one when it is typed again
};

/// Half-open.
struct AskedRange {
  RangeEdge from;
  RangeEdge to{.kind = RangeEdge::Kind::end, .offset = {}};
  std::string text;  ///< as it was typed

  [[nodiscard]] bool relative() const { return from.relative || to.relative; }
  /// Whether `to` certainly comes before or with `from`.
  [[nodiscard]] bool empty() const;
};

/// "@2024-05-01:2024-05-08", "@-24h:end", "@2024-05-01:", "100:200", "start:end", ":500".
[[nodiscard]] std::optional<AskedRange> parse_range(std::string_view text, WallTime now);
/// "start", "end" or a time.
[[nodiscard]] std::optional<RangeEdge> parse_edge(std::string_view text, WallTime now);
/// "0,3-5"; nothing when it is not of that form.
[[nodiscard]] std::optional<std::set<PartitionId>> parse_partitions(std::string_view text);

inline constexpr std::string_view range_example =
    "write it like @2024-05-01:2024-05-08, @-24h:end, 1000:2000 or start:end";

}  // namespace sluice::cli
