// SPDX-License-Identifier: Apache-2.0
#include "cli/backfill_range.hpp"

#include <charconv>

#include "cli/text.hpp"
#include "cli/units.hpp"

namespace sluice::cli {
namespace {

std::optional<int64_t> parse_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// An edge of the form with offsets; `none` is what an empty text means.
std::optional<RangeEdge> parse_offset_edge(std::string_view text, RangeEdge::Kind none) {
  if (text.empty()) return RangeEdge{.kind = none, .offset = {}};
  if (text == "start") return RangeEdge{.kind = RangeEdge::Kind::start, .offset = {}};
  if (text == "end") return RangeEdge{.kind = RangeEdge::Kind::end, .offset = {}};
  const auto offset = parse_number(text);
  if (!offset) return std::nullopt;
  return RangeEdge{.kind = RangeEdge::Kind::offset, .offset = Offset{*offset}};
}

std::optional<RangeEdge> parse_time_edge(std::string_view text, WallTime now,
                                         RangeEdge::Kind none) {
  if (text.empty()) return RangeEdge{.kind = none, .offset = {}};
  return parse_edge(text, now);
}

}  // namespace

bool AskedRange::empty() const {
  if (from.kind == RangeEdge::Kind::end || to.kind == RangeEdge::Kind::start) return true;
  if (from.kind != to.kind) return false;
  if (from.kind == RangeEdge::Kind::offset) return to.offset <= from.offset;
  return from.kind == RangeEdge::Kind::time && to.time <= from.time;
}

std::optional<RangeEdge> parse_edge(std::string_view text, WallTime now) {
  if (text == "start") return RangeEdge{.kind = RangeEdge::Kind::start, .offset = {}};
  if (text == "end") return RangeEdge{.kind = RangeEdge::Kind::end, .offset = {}};
  const auto time = parse_time(text, now);
  if (!time) return std::nullopt;
  return RangeEdge{.kind = RangeEdge::Kind::time,
                   .offset = {},
                   .time = *time,
                   .relative = text == "now" || text.starts_with('-')};
}

std::optional<AskedRange> parse_range(std::string_view text, WallTime now) {
  AskedRange out;
  out.text = text;
  const bool timed = text.starts_with('@');
  const std::string_view body = timed ? text.substr(1) : text;
  // A time may hold colons itself: the one that separates leaves a time on both sides.
  for (size_t colon = body.find(':'); colon != std::string_view::npos;
       colon = body.find(':', colon + 1)) {
    const std::string_view left = body.substr(0, colon);
    const std::string_view right = body.substr(colon + 1);
    const auto from = timed ? parse_time_edge(left, now, RangeEdge::Kind::start)
                            : parse_offset_edge(left, RangeEdge::Kind::start);
    const auto to = timed ? parse_time_edge(right, now, RangeEdge::Kind::end)
                          : parse_offset_edge(right, RangeEdge::Kind::end);
    if (!from || !to) continue;
    out.from = *from;
    out.to = *to;
    return out;
  }
  return std::nullopt;
}

std::optional<std::set<PartitionId>> parse_partitions(std::string_view text) {
  constexpr int64_t partitions_max = 100'000;
  std::set<PartitionId> out;
  for (const std::string& part : split(text, ',')) {
    const size_t dash = part.find('-');
    const auto first = parse_number(trim(std::string_view(part).substr(0, dash)));
    const auto last = dash == std::string::npos
                          ? first
                          : parse_number(trim(std::string_view(part).substr(dash + 1)));
    if (!first || !last || *last < *first || *last >= partitions_max) return std::nullopt;
    for (int64_t id = *first; id <= *last; ++id) out.insert({static_cast<int32_t>(id)});
  }
  return out;
}

}  // namespace sluice::cli
