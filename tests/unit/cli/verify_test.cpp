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

TEST(AllProven, WhatWasNotLookedAtIsNotProven) {
  PipelineProof orders;
  orders.name = "orders";
  orders.topic = "orders";
  orders.partitions.emplace_back().range = range(0, 10);
  orders.partitions.front().rows = 10;
  PipelineProof clicks;
  clicks.name = "clicks";
  clicks.unknown = "group sluice-clicks has no committed offsets";
  EXPECT_EQ(all_proven(std::vector{orders}), true);
  EXPECT_EQ(all_proven(std::vector{orders, clicks}), std::nullopt);
  EXPECT_EQ(verify_text(std::vector{orders, clicks}),
            "orders[0] [0,10): 10 rows, each record once\n"
            "clicks: nothing is proven: group sluice-clicks has no committed offsets\n");
  const auto document = verify_json(std::vector{orders, clicks});
  EXPECT_TRUE(document["proven"].is_null());
  EXPECT_EQ(document["pipelines"][0]["proven"], true);
  EXPECT_TRUE(document["pipelines"][1]["proven"].is_null());
  EXPECT_EQ(document["pipelines"][1]["unknown"], clicks.unknown);
  orders.partitions.front().lost = {range(3, 4)};
  EXPECT_EQ(all_proven(std::vector{clicks, orders}), false);
}

}  // namespace
}  // namespace sluice::cli
