// SPDX-License-Identifier: Apache-2.0
#include "core/model/record.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(RejectReason, IsNamedByOneWord) {
  EXPECT_EQ(to_string(RejectReason::none), "none");
  EXPECT_EQ(to_string(RejectReason::decode), "decode");
  EXPECT_EQ(to_string(RejectReason::schema), "schema");
  EXPECT_EQ(to_string(RejectReason::type), "type");
  EXPECT_EQ(to_string(RejectReason::too_large), "too_large");
  EXPECT_EQ(to_string(RejectReason::insert), "insert");
}

TEST(Record, WithoutAValueIsATombstoneAndWithAnEmptyOneIsNot) {
  Record record;
  EXPECT_TRUE(record.tombstone());
  record.value = std::string_view("");
  EXPECT_FALSE(record.tombstone());
}

}  // namespace
}  // namespace sluice
