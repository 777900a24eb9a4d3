// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/commit_record.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Crc32c, MatchesThePublishedCheckValue) { EXPECT_EQ(crc32c("123456789"), 0xE3069283u); }

TEST(CommitRecord, ComesBackAsItWasWritten) {
  const CommitRecord record{CommitRecord::Kind::ours, "01JD6K7M", {Offset{12}, Offset{345}}};
  const std::string text = record.encode();
  EXPECT_LT(text.size(), 1500u);
  const CommitRecord back = CommitRecord::decode(text);
  EXPECT_EQ(back.kind, CommitRecord::Kind::ours);
  EXPECT_EQ(back.run, "01JD6K7M");
  EXPECT_EQ(back.range, record.range);
}

TEST(CommitRecord, EmptyMetadataIsNoRecord) {
  EXPECT_EQ(CommitRecord::decode("").kind, CommitRecord::Kind::none);
}

TEST(CommitRecord, AnotherProgramsTextAndLaterVersionsAreForeign) {
  EXPECT_EQ(CommitRecord::decode("hello").kind, CommitRecord::Kind::foreign);
  EXPECT_EQ(CommitRecord::decode("slu2|D|r|1|2|00000000").kind, CommitRecord::Kind::foreign);
}

TEST(CommitRecord, AFieldOrStateWeDoNotKnowIsForeignNotDamaged) {
  for (const std::string body : {"slu1|I|r|1|2|nonce", "slu1|D|r|1|2|more", "slu1|D|r|x|2"}) {
    char crc[10];
    std::snprintf(crc, sizeof crc, "|%08x", crc32c(body));
    EXPECT_EQ(CommitRecord::decode(body + crc).kind, CommitRecord::Kind::foreign) << body;
  }
}

TEST(CommitRecord, EveryFlippedBitIsNoticed) {
  const std::string text =
      CommitRecord{CommitRecord::Kind::ours, "RUN", {Offset{1}, Offset{2}}}.encode();
  for (size_t i = 0; i < text.size() * 8; ++i) {
    std::string flipped = text;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    EXPECT_NE(CommitRecord::decode(flipped).kind, CommitRecord::Kind::ours) << i;
  }
}

}  // namespace
}  // namespace sluice
