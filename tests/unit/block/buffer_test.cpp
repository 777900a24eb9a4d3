// SPDX-License-Identifier: Apache-2.0
#include "core/block/buffer.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "core/block/varint.hpp"

namespace sluice {
namespace {

TEST(Buffer, GrowsByDoublingAndKeepsItsMemoryWhenCleared) {
  Buffer buffer;
  std::string expected;
  size_t growths = 0;
  for (int i = 0; i < 100'000; ++i) {
    const size_t before = buffer.capacity();
    buffer.append_value(i);
    expected.append(reinterpret_cast<const char*>(&i), sizeof i);
    growths += buffer.capacity() != before ? 1 : 0;
  }
  EXPECT_EQ(buffer.view(), expected);
  EXPECT_LE(growths, 12u);
  const size_t capacity = buffer.capacity();
  buffer.clear();
  EXPECT_EQ(buffer.size(), 0u);
  EXPECT_EQ(buffer.capacity(), capacity);
}

TEST(Buffer, CopiesAndMoves) {
  Buffer buffer;
  buffer.append("abc", 3);
  Buffer copy(buffer);
  copy.append("d", 1);
  EXPECT_EQ(buffer.view(), "abc");
  EXPECT_EQ(copy.view(), "abcd");
  Buffer moved(std::move(copy));
  EXPECT_EQ(moved.view(), "abcd");
  buffer = moved;
  EXPECT_EQ(buffer.view(), "abcd");
  buffer = std::move(moved);
  EXPECT_EQ(buffer.view(), "abcd");
  const Buffer& self = buffer;
  buffer = self;
  EXPECT_EQ(buffer.view(), "abcd");
}

TEST(Buffer, TakesNothingAndZeros) {
  Buffer buffer;
  buffer.append(nullptr, 0);
  buffer.append_zeros(0);
  EXPECT_EQ(buffer.size(), 0u);
  buffer.append_zeros(1000);
  EXPECT_EQ(buffer.view(), std::string(1000, '\0'));
}

TEST(BufferDeathTest, NoticesAnImpossibleSize) {
  Buffer buffer;
  EXPECT_DEATH(buffer.reserve(std::numeric_limits<size_t>::max()), "buffer.cpp");
}

TEST(Varint, ReadsBackWhatItWrote) {
  for (unsigned shift = 0; shift < 64; ++shift) {
    for (const uint64_t value : {uint64_t{1} << shift, (uint64_t{1} << shift) - 1, ~uint64_t{0}}) {
      char bytes[varint_size_max];
      const size_t size = write_varint(bytes, value);
      ASSERT_LE(size, varint_size_max);
      const char* position = bytes;
      EXPECT_EQ(read_varint(position), value);
      EXPECT_EQ(position, bytes + size);
    }
  }
}

}  // namespace
}  // namespace sluice
