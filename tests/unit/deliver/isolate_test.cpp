// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/isolate.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Isolate, ANamedRowIsSentAloneBetweenItsNeighbours) {
  const Part part{{0, 0, 10}, {1, 5, 3}};
  EXPECT_EQ(divide(part, 11),
            (std::vector<Part>{{{0, 0, 10}, {1, 5, 1}}, {{1, 6, 1}}, {{1, 7, 1}}}));
  EXPECT_EQ(divide(part, 0), (std::vector<Part>{{{0, 0, 1}}, {{0, 1, 9}, {1, 5, 3}}}));
  EXPECT_EQ(divide(part, 12), (std::vector<Part>{{{0, 0, 10}, {1, 5, 2}}, {{1, 7, 1}}}));
}

TEST(Isolate, WithoutANameItHalves) {
  EXPECT_EQ(divide({{0, 0, 5}}, std::nullopt), (std::vector<Part>{{{0, 0, 2}}, {{0, 2, 3}}}));
}

TEST(Isolate, ARowBeyondThePartIsNotBelieved) {
  EXPECT_EQ(divide({{0, 0, 2}}, 99), (std::vector<Part>{{{0, 0, 1}}, {{0, 1, 1}}}));
}

TEST(Isolate, AnyRowIsFoundByHalvingAndNoOtherIsTouched) {
  for (uint64_t culprit = 0; culprit < 37; ++culprit) {
    std::deque<Part> parts{{{0, 0, 20}, {1, 0, 17}}};
    uint64_t good = 0;
    std::vector<Part> found;
    while (!parts.empty()) {
      const Part part = parts.front();
      parts.pop_front();
      bool has = false;
      for (const Segment& s : part) {
        const uint64_t base = s.block == 0 ? 0 : 20;
        has = has || (culprit >= base + s.first && culprit < base + s.first + s.count);
      }
      if (!has) {
        good += part_rows(part);
      } else if (part_rows(part) == 1) {
        found.push_back(part);
      } else {
        const auto pieces = divide(part, std::nullopt);
        parts.insert(parts.begin(), pieces.begin(), pieces.end());
      }
    }
    EXPECT_EQ(good, 36u);
    EXPECT_EQ(found.size(), 1u);
  }
}

TEST(Isolate, DroppingABlockLeavesTheOthers) {
  std::deque<Part> parts{{{0, 4, 2}, {1, 0, 3}}, {{0, 6, 1}}};
  EXPECT_EQ(drop_block(parts, 0), 3u);
  EXPECT_EQ(parts, (std::deque<Part>{{{1, 0, 3}}}));
}

}  // namespace
}  // namespace sluice
