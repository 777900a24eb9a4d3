// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/body_reader.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace sluice::clickhouse {
namespace {

std::string read_all(BodyReader& reader, size_t step) {
  std::string all;
  std::vector<char> buffer(step);
  while (const size_t count = reader.read(buffer.data(), step)) all.append(buffer.data(), count);
  return all;
}

TEST(BodyReaderTest, JoinsPiecesWhateverTheStep) {
  constexpr std::array<std::string_view, 5> pieces{"abc", "", "d", "efghij", ""};
  for (size_t step = 1; step < 15; ++step) {
    BodyReader reader(pieces);
    EXPECT_EQ(reader.size(), 10U);
    EXPECT_EQ(read_all(reader, step), "abcdefghij");
  }
}

TEST(BodyReaderTest, FillsTheRoomAcrossPieces) {
  constexpr std::array<std::string_view, 3> pieces{"ab", "cd", "ef"};
  BodyReader reader(pieces);
  std::array<char, 5> buffer{};
  EXPECT_EQ(reader.read(buffer.data(), buffer.size()), 5U);
  EXPECT_EQ(std::string_view(buffer.data(), 5), "abcde");
}

TEST(BodyReaderTest, ContinuesFromAnyPosition) {
  constexpr std::array<std::string_view, 4> pieces{"abc", "", "d", "efghij"};
  const std::string whole = "abcdefghij";
  BodyReader reader(pieces);
  for (size_t position = 0; position <= whole.size(); ++position) {
    ASSERT_TRUE(reader.seek(position));
    EXPECT_EQ(read_all(reader, 3), whole.substr(position));
  }
  EXPECT_FALSE(reader.seek(11));
}

TEST(BodyReaderTest, NothingIsNothing) {
  BodyReader reader({});
  char byte = 0;
  EXPECT_EQ(reader.size(), 0U);
  EXPECT_EQ(reader.read(&byte, 1), 0U);
  EXPECT_TRUE(reader.seek(0));
}

}  // namespace
}  // namespace sluice::clickhouse
