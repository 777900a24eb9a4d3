// SPDX-License-Identifier: Apache-2.0
#include "cli/verify.hpp"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

OffsetRange range(int64_t first, int64_t next) { return {Offset{first}, Offset{next}}; }

TEST(JudgeMissing, TellsLostFromRejectedFromGoneFromEmpty) {
  PartitionProof proof;
  // The broker holds [10, 100); records stand at 20 … 24 and 50.
  judge_missing({range(5, 12), range(20, 30), range(50, 51)}, {range(20, 25), range(50, 51)},
                {range(7, 8), range(50, 51)}, range(10, 100), proof);
  EXPECT_EQ(proof.rejected, 2u);
  EXPECT_EQ(proof.gone, (OffsetRanges{range(5, 7), range(8, 10)}));
  EXPECT_EQ(proof.lost, (OffsetRanges{range(20, 25)}));
  EXPECT_EQ(proof.empty, 2u + 5u);
  EXPECT_FALSE(proof.proven());
}

TEST(JudgeMissing, WhatCarriesNoRecordIsProven) {
  PartitionProof proof;
  judge_missing({range(3, 4), range(8, 9)}, {}, {}, range(0, 10), proof);
  EXPECT_EQ(proof.empty, 2u);
  EXPECT_TRUE(proof.proven());
  proof.all_named = false;
  EXPECT_FALSE(proof.proven());
}

TEST(JudgeMissing, NothingMissingNeedsNoBroker) {
  PartitionProof proof;
  judge_missing({}, {}, {}, {}, proof);
  EXPECT_TRUE(proof.proven());
}

TEST(ProofSentence, SaysWhatIsWrongAndWhere) {
  PartitionProof proof;
  proof.partition = PartitionId{3};
  proof.range = range(0, 100);
  proof.rows = 98;
  proof.rejected = 2;
  EXPECT_EQ(proof_sentence("orders", proof),
            "orders[3] [0,100): 98 rows, each record once, 2 records among the rejects");
  proof.lost = {range(5, 6), range(9, 12)};
  proof.doubled = {range(50, 60)};
  EXPECT_EQ(proof_sentence("orders", proof),
            "orders[3] [0,100): 98 rows; 4 offsets lost: [5,6) [9,12); 10 offsets more than once: "
            "[50,60)");
  EXPECT_EQ(proof_json(proof, 1)["lost"].dump(), "[[5,6]]");
}

}  // namespace
}  // namespace sluice::cli
