// SPDX-License-Identifier: Apache-2.0
#include "core/batch/batcher.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

class BatcherTest : public ::testing::Test {
 protected:
  static Table table() {
    Table numbers{.database = "t", .name = "n", .uuid = {}, .engine = {}, .engine_full = {},
                  .server_time_zone = "UTC", .columns = {}};
    numbers.columns.push_back(
        {.name = "n", .type = parse_data_type("UInt64").value(), .default_expression = {}});
    return numbers;
  }
  void add(Batcher& batcher, int partition, int rows, Milliseconds at = Milliseconds{0}) {
    PartitionBlock& block = batcher.open(PartitionId{partition}, 1, start + at);
    for (int row = 0; row < rows; ++row) {
      block.block.column(0).append_fixed<uint64_t>(1);
      block.block.end_row(Offset{static_cast<int64_t>(block.block.rows())});
    }
  }

  BlockSchema schema{table()};
  TimePoint start{std::chrono::hours{1}};
};

TEST_F(BatcherTest, AFullBlockIsCutAlone) {
  Batcher batcher(schema, {.rows_max = 10});
  add(batcher, 0, 10);
  add(batcher, 1, 3);
  EXPECT_TRUE(batcher.full(batcher.open(PartitionId{0}, 1, start)));
  const Batch batch = batcher.cut(PartitionId{0}, CutTrigger::rows);
  EXPECT_EQ(batch.rows(), 10u);
  EXPECT_EQ(batch.trigger, CutTrigger::rows);
  EXPECT_EQ(batcher.rows(), 3u);
}

TEST_F(BatcherTest, BytesFillABlockToo) {
  Batcher batcher(schema, {.rows_max = 1000, .bytes_max = 80});
  add(batcher, 0, 10);
  EXPECT_TRUE(batcher.full(batcher.open(PartitionId{0}, 1, start)));
  EXPECT_EQ(batcher.cut(PartitionId{0}, CutTrigger::rows).trigger, CutTrigger::bytes);
}

TEST_F(BatcherTest, SixtyFourSlowPartitionsMakeOneBatchASecond) {
  Batcher batcher(schema, {});
  for (int partition = 0; partition < 64; ++partition) {
    add(batcher, partition, 2, Milliseconds{partition});
  }
  EXPECT_TRUE(batcher.cut_aged(start + Milliseconds{999}, {}).empty());
  const auto batches = batcher.cut_aged(start + Milliseconds{1000}, {});
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].rows(), 128u);
  EXPECT_EQ(batcher.rows(), 0u);
}

TEST_F(BatcherTest, SmallBlocksAreCombinedOnlyUpToTheLimits) {
  Batcher batcher(schema, {.rows_max = 10});
  for (int partition = 0; partition < 5; ++partition) add(batcher, partition, 4);
  const auto batches = batcher.cut_all(CutTrigger::end);
  ASSERT_EQ(batches.size(), 3u);
  for (const Batch& batch : batches) EXPECT_LE(batch.rows(), 10u);
}

TEST_F(BatcherTest, APartitionThatIsFarBehindIsFilledInsteadOfCutByAge) {
  Batcher batcher(schema, {});
  add(batcher, 0, 5);
  add(batcher, 1, 5);
  const auto batches = batcher.cut_aged(start + Milliseconds{1500}, {PartitionId{0}});
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].blocks[0].partition, PartitionId{1});
  EXPECT_TRUE(batcher.cut_aged(start + Milliseconds{4900}, {PartitionId{0}}).empty());
  EXPECT_EQ(batcher.cut_aged(start + Milliseconds{5000}, {PartitionId{0}}).size(), 1u);
}

TEST_F(BatcherTest, TheLargestBlockIsTheOneToCutUnderPressure) {
  Batcher batcher(schema, {});
  add(batcher, 0, 5);
  add(batcher, 7, 50'000);
  add(batcher, 3, 10);
  EXPECT_EQ(batcher.largest(), PartitionId{7});
}

TEST_F(BatcherTest, AnAbandonedBlockIsGone) {
  Batcher batcher(schema, {});
  add(batcher, 0, 5);
  EXPECT_EQ(batcher.abandon(PartitionId{0}), 5u);
  EXPECT_EQ(batcher.rows(), 0u);
  EXPECT_FALSE(batcher.largest());
}

}  // namespace
}  // namespace sluice
