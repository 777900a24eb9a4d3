// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/token.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(InsertToken, BelongsToOneBatchAndOneTable) {
  const std::string nonce = "00112233445566778899aabbccddeeff";
  const std::string orders = "2c9f9a3e-0000-4000-8000-000000000001";
  const std::string copies = "2c9f9a3e-0000-4000-8000-000000000002";
  EXPECT_EQ(insert_token(nonce, orders), "slu1-" + nonce + "-" + orders);
  EXPECT_NE(insert_token(nonce, orders), insert_token(nonce, copies));
  EXPECT_NE(insert_token(nonce, orders),
            insert_token("ff112233445566778899aabbccddeeff", orders));
}

}  // namespace
}  // namespace sluice
