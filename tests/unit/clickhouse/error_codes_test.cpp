// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/error_codes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace sluice::clickhouse {
namespace {

struct Expectation {
  std::vector<int> codes;
  AttemptClass kind;
  bool ambiguous;
  Errc errc;
};

// delivery.md section 2, written down a second time.
const std::vector<Expectation>& expectations() {
  static const std::vector<Expectation> all{
      {{159, 209, 210, 198, 279, 297, 425, 1000, 1001, 1002, 107, 499, 243, 204, 242, 225, 244, 999,
        254, 265, 369, 416, 529, 473, 384, 236,  285,  286,  289, 319, 335, 216, 394, 500, 733},
       AttemptClass::retry,
       true,
       Errc::unavailable},
      {{202, 203, 439, 201, 252, 745, 364, 574, 700, 749, 762},
       AttemptClass::retry_slow,
       false,
       Errc::unavailable},
      {{241, 173}, AttemptClass::retry_slow, true, Errc::unavailable},
      {{3, 32, 33}, AttemptClass::resend, true, Errc::rejected},
      {{6,   25,  26,  27,  38,  41,  53,  69,  70,  72,  117, 128, 130, 131,
        190, 321, 349, 376, 407, 441, 467, 469, 395, 563, 632, 675, 676, 691},
       AttemptClass::isolate,
       false,
       Errc::rejected},
      {{158, 307, 396}, AttemptClass::split, false, Errc::config},
      {{8, 10, 16, 20, 47, 15, 44}, AttemptClass::refresh_schema, false, Errc::config},
      {{60, 81, 218}, AttemptClass::retry_briefly, false, Errc::config},
      {{164}, AttemptClass::retry_briefly, false, Errc::no_permission},
      {{36, 46, 48, 50, 62, 73, 80, 89, 115, 229, 344, 359, 452, 471, 472, 774},
       AttemptClass::fatal,
       false,
       Errc::config},
      {{192, 193, 194, 195, 291, 497, 516, 673, 720, 767},
       AttemptClass::fatal,
       false,
       Errc::no_permission},
      {{372, 373}, AttemptClass::fatal, false, Errc::internal},
      {{389}, AttemptClass::success, false, Errc::unavailable},
  };
  return all;
}

TEST(ErrorCodesTest, EveryCodeOfTheTableMeansWhatTheDesignSays) {
  for (const Expectation& expected : expectations()) {
    for (const int code : expected.codes) {
      const ErrorCode& entry = error_code(code);
      EXPECT_EQ(entry.code, code);
      EXPECT_EQ(entry.kind, expected.kind) << code;
      EXPECT_EQ(entry.ambiguous, expected.ambiguous) << code;
      EXPECT_EQ(entry.errc, expected.errc) << code;
    }
  }
}

TEST(ErrorCodesTest, NoCodeIsInTheTableThatIsNotInThisTest) {
  std::set<int> known;
  for (const Expectation& expected : expectations()) {
    known.insert(expected.codes.begin(), expected.codes.end());
  }
  for (const ErrorCode& entry : error_codes()) EXPECT_EQ(known.count(entry.code), 1U) << entry.code;
  EXPECT_EQ(error_codes().size(), known.size());
}

TEST(ErrorCodesTest, EveryEntryIsWhole) {
  for (const ErrorCode& entry : error_codes()) {
    EXPECT_FALSE(entry.name.empty()) << entry.code;
    EXPECT_FALSE(entry.slug.empty()) << entry.code;
    EXPECT_FALSE(entry.fix.empty()) << entry.code;
    const bool is_slug = std::all_of(entry.slug.begin(), entry.slug.end(),
                                     [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
    EXPECT_TRUE(is_slug) << entry.slug;
  }
}

TEST(ErrorCodesTest, TextsThatQuoteRecordsAreNeverShown) {
  for (const ErrorCode& entry : error_codes()) {
    if (entry.kind != AttemptClass::isolate) continue;
    EXPECT_EQ(entry.text, TextPolicy::withheld) << entry.code;
  }
  EXPECT_EQ(error_code(62).text, TextPolicy::withheld) << "quotes the beginning of the body";
  EXPECT_EQ(error_code(123456).text, TextPolicy::masked);
}

TEST(ErrorCodesTest, AnUnknownCodeIsTriedAgainAndNeverSkipped) {
  for (const int code : {0, -1, 1, 49, 5000, 123456}) {
    const ErrorCode& entry = error_code(code);
    EXPECT_EQ(entry.kind, AttemptClass::retry);
    EXPECT_TRUE(entry.ambiguous);
    EXPECT_EQ(entry.errc, Errc::unavailable);
  }
}

TEST(ErrorCodesTest, ReadOnlyIsWaitedForAMinuteAndCutBodiesAreSentThreeTimes) {
  for (const ErrorCode& entry : error_codes()) {
    const bool twice = entry.code == 164 || entry.code == 3 || entry.code == 32;
    EXPECT_EQ(entry.times, twice ? 2U : 1U) << entry.code;
  }
}

TEST(ErrorCodesTest, TooManyPartitionsIsSplitAndNotWaitedFor) {
  EXPECT_EQ(too_many_partitions().code, 252);
  EXPECT_EQ(too_many_partitions().kind, AttemptClass::split);
  EXPECT_FALSE(too_many_partitions().ambiguous);
}

}  // namespace
}  // namespace sluice::clickhouse
