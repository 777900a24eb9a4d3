// SPDX-License-Identifier: Apache-2.0
#include "core/model/offset_ranges.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <utility>

namespace sluice {
namespace {

OffsetRanges ranges(std::initializer_list<std::pair<int64_t, int64_t>> list) {
  OffsetRanges out;
  for (const auto& [first, next] : list) out.push_back({Offset{first}, Offset{next}});
  return out;
}

TEST(OffsetRanges, TouchingOnesBecomeOne) {
  OffsetRanges grown;
  append(grown, {Offset{3}, Offset{3}});
  append(grown, {Offset{3}, Offset{4}});
  append(grown, {Offset{4}, Offset{6}});
  append(grown, {Offset{7}, Offset{8}});
  EXPECT_EQ(grown, ranges({{3, 6}, {7, 8}}));
  EXPECT_EQ(count_of(grown), 4u);
  EXPECT_TRUE(contains(grown, Offset{5}));
  EXPECT_FALSE(contains(grown, Offset{6}));
  EXPECT_FALSE(contains(grown, Offset{2}));
}

TEST(OffsetRanges, OneSetWithoutAnother) {
  const OffsetRanges all = ranges({{0, 10}, {20, 30}});
  EXPECT_EQ(without(all, {}), all);
  EXPECT_EQ(without(all, all), ranges({}));
  EXPECT_EQ(without(all, ranges({{0, 1}, {4, 5}, {9, 25}, {40, 50}})),
            ranges({{1, 4}, {5, 9}, {25, 30}}));
  EXPECT_EQ(common(all, ranges({{5, 25}, {29, 40}})), ranges({{5, 10}, {20, 25}, {29, 30}}));
  EXPECT_EQ(common(all, {}), ranges({}));
}

TEST(OffsetRanges, FewerThatHoldThemAll) {
  const OffsetRanges all = ranges({{0, 1}, {3, 4}, {10, 11}});
  EXPECT_EQ(covering(all, 2), ranges({{0, 4}, {10, 11}}));
  EXPECT_EQ(covering(all, 100), ranges({{0, 11}}));
  EXPECT_EQ(covering({}, 1), ranges({}));
}

}  // namespace
}  // namespace sluice
