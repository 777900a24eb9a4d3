// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/isolate.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace sluice {
namespace {

/// The first `rows` rows of the part, and the rest.
std::pair<Part, Part> split(const Part& part, uint64_t rows) {
  Part left;
  Part right;
  for (const Segment& segment : part) {
    const uint64_t taken = std::min(rows, segment.count);
    if (taken > 0) left.push_back({segment.block, segment.first, taken});
    if (taken < segment.count) {
      right.push_back({segment.block, segment.first + taken, segment.count - taken});
    }
    rows -= taken;
  }
  return {std::move(left), std::move(right)};
}

}  // namespace

uint64_t part_rows(const Part& part) {
  uint64_t rows = 0;
  for (const Segment& segment : part) rows += segment.count;
  return rows;
}

std::vector<Part> divide(const Part& part, std::optional<uint64_t> row) {
  const uint64_t rows = part_rows(part);
  CHECK(rows >= 2);
  std::vector<Part> pieces;
  if (!row || *row >= rows) {
    auto [left, right] = split(part, rows / 2);
    pieces.push_back(std::move(left));
    pieces.push_back(std::move(right));
    return pieces;
  }
  auto [before, rest] = split(part, *row);
  auto [suspect, after] = split(rest, 1);
  if (!before.empty()) pieces.push_back(std::move(before));
  pieces.push_back(std::move(suspect));
  if (!after.empty()) pieces.push_back(std::move(after));
  return pieces;
}

uint64_t drop_block(std::deque<Part>& parts, size_t block) {
  uint64_t rows = 0;
  for (Part& part : parts) {
    for (const Segment& segment : part) rows += segment.block == block ? segment.count : 0;
    std::erase_if(part, [&](const Segment& segment) { return segment.block == block; });
  }
  std::erase_if(parts, [](const Part& part) { return part.empty(); });
  return rows;
}

}  // namespace sluice
