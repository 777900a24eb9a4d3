// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/types.hpp"
#include "core/block/block.hpp"

namespace sluice {

/// When a batch is cut: at whichever comes first.
struct BatchLimits {
  uint64_t rows_max = 250'000;
  uint64_t bytes_max = 64ull << 20;  ///< encoded, uncompressed
  Milliseconds age_max{1000};        ///< since the first row of the block was read
  bool one_partition = false;        ///< no batch holds rows of several partitions
};

/// Why a batch was cut.
enum class CutTrigger : uint8_t { rows, bytes, age, memory, rebalance, shutdown, end };
[[nodiscard]] std::string_view to_string(CutTrigger trigger);

/// Rows of one partition on their way into a batch.
struct PartitionBlock {
  PartitionId partition;
  Epoch epoch = 0;
  Block block;
  TimePoint opened;
  int64_t timestamp_first_ms = -1;  ///< smallest record timestamp; -1: none known
  int64_t timestamp_last_ms = -1;   ///< largest
  bool whole = false;               ///< only cut() cuts it
  // Of the cut block, for exactly-once:
  OffsetRange offsets{};  ///< that it takes
  uint64_t records = 0;   ///< in them
  uint32_t crc = 0;       ///< over these

  void saw_timestamp(int64_t timestamp_ms) {
    if (timestamp_ms < 0) return;
    if (timestamp_first_ms < 0 || timestamp_ms < timestamp_first_ms)
      timestamp_first_ms = timestamp_ms;
    if (timestamp_ms > timestamp_last_ms) timestamp_last_ms = timestamp_ms;
  }
};

/// What one INSERT carries: one full block, or several small ones of different partitions.
struct Batch {
  uint64_t id = 0;
  CutTrigger trigger = CutTrigger::rows;
  std::vector<PartitionBlock> blocks;
  std::string label;  ///< partitions and offset ranges, for logs

  [[nodiscard]] uint64_t rows() const;
  [[nodiscard]] uint64_t memory() const;
  [[nodiscard]] int64_t timestamp_first_ms() const;  ///< smallest of the blocks'; -1: unknown
  [[nodiscard]] int64_t timestamp_last_ms() const;
};

/// Holds the open block of every partition and decides when batches are cut.
///
///   rows / bytes   the full block alone, at once
///   age            all blocks that need not wait to be filled, together, as few batches as the
///                  limits allow: 64 slow partitions still make one INSERT a second
///   memory         the largest block
///   rebalance, shutdown, end   the named or all blocks, together
///
/// While there is a backlog of more than a batch, a partition that has more to read is not cut by
/// age but filled, for at most fill_age_max. Pure; lives on the pipeline thread.
class Batcher {
 public:
  static constexpr Milliseconds fill_age_max{5000};

  Batcher(const BlockSchema& schema, const BatchLimits& limits);

  /// The open block of a partition, opened now when there is none.
  PartitionBlock& open(PartitionId partition, Epoch epoch, TimePoint now);
  [[nodiscard]] uint64_t rows_max() const { return limits_.rows_max; }
  /// After a row was added to it: whether the block has reached a limit.
  [[nodiscard]] bool full(const PartitionBlock& block) const {
    return block.block.rows() >= limits_.rows_max || block.block.bytes() >= limits_.bytes_max;
  }

  /// Cuts the partition's block alone. It must hold rows.
  [[nodiscard]] Batch cut(PartitionId partition, CutTrigger trigger);
  /// Cuts what is due by age at `now`; `behind` are the partitions that will fill a block soon.
  [[nodiscard]] std::vector<Batch> cut_aged(TimePoint now, const std::set<PartitionId>& behind);
  /// Cuts the blocks of the given partitions, or of all.
  [[nodiscard]] std::vector<Batch> cut_all(CutTrigger trigger,
                                           const std::set<PartitionId>* only = nullptr);
  /// The partition whose block holds the most memory; nothing when no rows are open.
  [[nodiscard]] std::optional<PartitionId> largest() const;
  /// Drops the partition's block; returns how many rows it held.
  uint64_t abandon(PartitionId partition);

  /// A batch is done: its memory may serve new blocks.
  void recycle(Batch batch);
  /// Gives the memory of recycled blocks back, and of open ones without a row: a record that became
  /// none may have made them large. Their addresses are void.
  void release_unused() {
    spares_.clear();
    std::erase_if(open_, [](const auto& entry) { return entry.second.block.rows() == 0; });
  }

  /// Shows every open block.
  template <class See>
  void visit(const See& see) const {
    for (const auto& [partition, block] : open_) see(block);
  }
  [[nodiscard]] uint64_t rows() const;
  [[nodiscard]] uint64_t memory() const;  ///< of open and recycled blocks
  [[nodiscard]] std::optional<TimePoint> oldest() const;

 private:
  Batch start_batch(CutTrigger trigger);
  std::vector<Batch> combine(std::vector<PartitionBlock> blocks, CutTrigger trigger);

  const BlockSchema& schema_;
  BatchLimits limits_;
  std::map<PartitionId, PartitionBlock> open_;
  std::vector<Block> spares_;
  uint64_t next_id_ = 1;
};

}  // namespace sluice
