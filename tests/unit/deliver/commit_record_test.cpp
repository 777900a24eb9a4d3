// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/commit_record.hpp"

#include <gtest/gtest.h>

#include "core/base/crc32c.hpp"

namespace sluice {
namespace {

TEST(Crc32c, MatchesThePublishedCheckValue) { EXPECT_EQ(crc32c("123456789"), 0xE3069283u); }

TEST(CommitRecord, ComesBackAsItWasWritten) {
  CommitRecord record;
  record.run = "01JD6K7M";
  record.range = {Offset{12}, Offset{345}};
  const std::string text = record.encode();
  EXPECT_LT(text.size(), 1500u);
  const CommitRecord back = CommitRecord::decode(text);
  EXPECT_EQ(back.kind, CommitRecord::Kind::ours);
  EXPECT_EQ(back.run, "01JD6K7M");
  EXPECT_EQ(back.range, record.range);
}

TEST(CommitRecord, CarriesARangeAHandoverAndAnIntentAndStaysSmall) {
  CommitRecord record;
  record.run = "01JD6K7M3V0Q9TZ2";
  record.range = {Offset{INT64_MAX - 9}, Offset{INT64_MAX - 1}};
  record.inserted_at_ms = 1'763'740'800'123;
  record.sequence = UINT64_MAX;
  record.fixed = OffsetRange{Offset{0}, Offset{INT64_MAX}};
  record.rows = UINT64_MAX;
  record.asked = "2026-11-01..2026-11-02";
  record.handover =
      Handover{"6c1e8a90-0b1c-4a5e-9d52-0d8c5ef0a001", Offset{77}, 1'763'740'800'123, true};
  Intent intent{.next = Offset{400},
                .nonce = "00112233445566778899aabbccddeeff",
                .records = 250'000,
                .crc = 0xdeadbeef,
                .table_uuid = "6c1e8a90-0b1c-4a5e-9d52-0d8c5ef0a001",
                .at_ms = 1'763'740'800'123,
                .excluded = {}};
  intent.excluded.assign(CommitRecord::excluded_max, Offset{INT64_MAX});
  record.intent = intent;
  const std::string text = record.encode();
  EXPECT_LE(text.size(), CommitRecord::size_max);
  const CommitRecord back = CommitRecord::decode(text);
  ASSERT_EQ(back.kind, CommitRecord::Kind::ours) << text;
  EXPECT_EQ(back.range, record.range);
  EXPECT_EQ(back.inserted_at_ms, record.inserted_at_ms);
  EXPECT_EQ(back.sequence, record.sequence);
  EXPECT_EQ(back.fixed, record.fixed);
  EXPECT_EQ(back.rows, record.rows);
  EXPECT_EQ(back.asked, record.asked);
  EXPECT_EQ(back.handover, record.handover);
  EXPECT_EQ(back.intent, record.intent);
}

TEST(CommitRecord, WhatWasAskedForCannotForgeAField) {
  CommitRecord record;
  record.asked = "a|i=1\n\x7f";
  const CommitRecord back = CommitRecord::decode(record.encode());
  EXPECT_EQ(back.kind, CommitRecord::Kind::ours);
  EXPECT_EQ(back.asked, "a?i=1??");
  EXPECT_FALSE(back.intent);
}

TEST(CommitRecord, EmptyMetadataIsNoRecord) {
  EXPECT_EQ(CommitRecord::decode("").kind, CommitRecord::Kind::none);
}

TEST(CommitRecord, AnotherProgramsTextAndLaterVersionsAreForeign) {
  EXPECT_EQ(CommitRecord::decode("hello").kind, CommitRecord::Kind::foreign);
  EXPECT_EQ(CommitRecord::decode("slu2|D|r|1|2|00000000").kind, CommitRecord::Kind::foreign);
}

TEST(CommitRecord, AFieldOrStateWeDoNotKnowIsForeignNotDamaged) {
  for (const std::string body : {"slu1|I|r|1|2|nonce", "slu1|D|r|1|2|more", "slu1|D|r|x|2",
                                 "slu1|D|r|1|2|z=1", "slu1|D|r|1|2|e=1"}) {
    char crc[10];
    std::snprintf(crc, sizeof crc, "|%08x", crc32c(body));
    EXPECT_EQ(CommitRecord::decode(body + crc).kind, CommitRecord::Kind::foreign) << body;
  }
}

TEST(CommitRecord, EveryFlippedBitIsNoticed) {
  const std::string text =
      CommitRecord{.kind = CommitRecord::Kind::ours, .run = "RUN", .range = {Offset{1}, Offset{2}}}
          .encode();
  for (size_t i = 0; i < text.size() * 8; ++i) {
    std::string flipped = text;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    EXPECT_NE(CommitRecord::decode(flipped).kind, CommitRecord::Kind::ours) << i;
  }
}

}  // namespace
}  // namespace sluice
