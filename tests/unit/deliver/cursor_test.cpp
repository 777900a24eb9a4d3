// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/cursor.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Cursor, CommitsTheEndOfTheSettledPrefix) {
  Cursor cursor(Offset{0});
  cursor.row_to(Offset{100});
  cursor.open_batch(1);
  cursor.row_to(Offset{300});
  cursor.open_batch(2);
  EXPECT_EQ(cursor.committable(), Offset{0});
  cursor.settle(2);
  EXPECT_EQ(cursor.committable(), Offset{0});
  cursor.settle(1);
  EXPECT_EQ(cursor.committable(), Offset{300});
}

TEST(Cursor, RowsInNoBatchHoldTheCommitBack) {
  Cursor cursor(Offset{5});
  cursor.row_to(Offset{8});
  EXPECT_EQ(cursor.committable(), Offset{5});
  EXPECT_FALSE(cursor.idle());
}

TEST(Cursor, WhatIsPassedWithoutRowsMayBeCommittedAtOnce) {
  Cursor cursor(Offset{5});
  cursor.pass_to(Offset{9});
  EXPECT_EQ(cursor.committable(), Offset{9});
  cursor.row_to(Offset{10});
  EXPECT_EQ(cursor.committable(), Offset{9});
  cursor.pass_to(Offset{20});
  EXPECT_EQ(cursor.committable(), Offset{9});
  EXPECT_EQ(cursor.open_batch(1), (OffsetRange{Offset{9}, Offset{20}}));
  cursor.settle(1);
  EXPECT_EQ(cursor.committable(), Offset{20});
}

TEST(Cursor, NeverMovesBack) {
  Cursor cursor(Offset{10});
  cursor.pass_to(Offset{3});
  EXPECT_EQ(cursor.position(), Offset{10});
}

TEST(Cursor, AHoldIsNeverPassed) {
  Cursor cursor(Offset{0});
  cursor.row_to(Offset{50});
  cursor.open_batch(1);
  cursor.hold(Offset{30});
  cursor.settle(1);
  EXPECT_EQ(cursor.committable(), Offset{30});
}

}  // namespace
}  // namespace sluice
