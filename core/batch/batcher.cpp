// SPDX-License-Identifier: Apache-2.0
#include "core/batch/batcher.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace sluice {

std::string_view to_string(CutTrigger trigger) {
  switch (trigger) {
    case CutTrigger::rows:
      return "rows";
    case CutTrigger::bytes:
      return "bytes";
    case CutTrigger::age:
      return "age";
    case CutTrigger::memory:
      return "memory";
    case CutTrigger::rebalance:
      return "rebalance";
    case CutTrigger::shutdown:
      return "shutdown";
    case CutTrigger::end:
      return "end";
  }
  return "";
}

uint64_t Batch::rows() const {
  uint64_t sum = 0;
  for (const PartitionBlock& part : blocks) sum += part.block.rows();
  return sum;
}

uint64_t Batch::memory() const {
  uint64_t sum = 0;
  for (const PartitionBlock& part : blocks) sum += part.block.memory();
  return sum;
}

int64_t Batch::timestamp_first_ms() const {
  int64_t first = -1;
  for (const PartitionBlock& part : blocks) {
    if (part.timestamp_first_ms < 0) continue;
    if (first < 0 || part.timestamp_first_ms < first) first = part.timestamp_first_ms;
  }
  return first;
}

int64_t Batch::timestamp_last_ms() const {
  int64_t last = -1;
  for (const PartitionBlock& part : blocks) last = std::max(last, part.timestamp_last_ms);
  return last;
}

Batcher::Batcher(const BlockSchema& schema, const BatchLimits& limits)
    : schema_(schema), limits_(limits) {}

PartitionBlock& Batcher::open(PartitionId partition, Epoch epoch, TimePoint now) {
  const auto found = open_.find(partition);
  if (found != open_.end()) {
    CHECK(found->second.epoch == epoch);
    return found->second;
  }
  std::optional<Block> spare;
  if (!spares_.empty()) {
    spare.emplace(std::move(spares_.back()));
    spares_.pop_back();
  }
  PartitionBlock block{.partition = partition,
                       .epoch = epoch,
                       .block = spare ? std::move(*spare) : Block(schema_),
                       .opened = now};
  return open_.emplace(partition, std::move(block)).first->second;
}

Batch Batcher::start_batch(CutTrigger trigger) {
  Batch batch;
  batch.id = next_id_++;
  batch.trigger = trigger;
  return batch;
}

Batch Batcher::cut(PartitionId partition, CutTrigger trigger) {
  const auto found = open_.find(partition);
  CHECK(found != open_.end() && found->second.block.rows() > 0);
  if (trigger == CutTrigger::rows && found->second.block.rows() < limits_.rows_max) {
    trigger = CutTrigger::bytes;
  }
  Batch batch = start_batch(trigger);
  batch.blocks.push_back(std::move(found->second));
  open_.erase(found);
  return batch;
}

std::vector<Batch> Batcher::cut_aged(TimePoint now, const std::set<PartitionId>& behind) {
  const auto age = [&](const PartitionBlock& block) { return now - block.opened; };
  const bool due = std::any_of(open_.begin(), open_.end(), [&](const auto& entry) {
    const bool filling = behind.contains(entry.first);
    return entry.second.block.rows() > 0 && !entry.second.whole &&
           age(entry.second) >=
               (filling ? std::max(limits_.age_max, fill_age_max) : limits_.age_max);
  });
  if (!due) return {};
  std::vector<PartitionBlock> taken;
  for (auto entry = open_.begin(); entry != open_.end();) {
    const bool filling = behind.contains(entry->first) && age(entry->second) < fill_age_max;
    if (filling || entry->second.whole || entry->second.block.rows() == 0) {
      ++entry;
      continue;
    }
    taken.push_back(std::move(entry->second));
    entry = open_.erase(entry);
  }
  return combine(std::move(taken), CutTrigger::age);
}

std::vector<Batch> Batcher::cut_all(CutTrigger trigger, const std::set<PartitionId>* only) {
  std::vector<PartitionBlock> taken;
  for (auto entry = open_.begin(); entry != open_.end();) {
    const PartitionBlock& block = entry->second;
    const bool named = only == nullptr || only->contains(entry->first);
    if (!named || block.whole || block.block.rows() == 0) {
      ++entry;
      continue;
    }
    taken.push_back(std::move(entry->second));
    entry = open_.erase(entry);
  }
  return combine(std::move(taken), trigger);
}

std::vector<Batch> Batcher::combine(std::vector<PartitionBlock> blocks, CutTrigger trigger) {
  std::vector<Batch> batches;
  uint64_t rows = 0;
  uint64_t bytes = 0;
  for (PartitionBlock& block : blocks) {
    const bool fits = !batches.empty() && !limits_.one_partition &&
                      rows + block.block.rows() <= limits_.rows_max &&
                      bytes + block.block.bytes() <= limits_.bytes_max;
    if (!fits) {
      batches.push_back(start_batch(trigger));
      rows = bytes = 0;
    }
    rows += block.block.rows();
    bytes += block.block.bytes();
    batches.back().blocks.push_back(std::move(block));
  }
  return batches;
}

std::optional<PartitionId> Batcher::largest() const {
  std::optional<PartitionId> best;
  uint64_t best_memory = 0;
  for (const auto& [partition, block] : open_) {
    if (block.block.rows() > 0 && !block.whole && block.block.memory() > best_memory) {
      best = partition;
      best_memory = block.block.memory();
    }
  }
  return best;
}

uint64_t Batcher::abandon(PartitionId partition) {
  const auto found = open_.find(partition);
  if (found == open_.end()) return 0;
  const uint64_t rows = found->second.block.rows();
  open_.erase(found);
  return rows;
}

void Batcher::recycle(Batch batch) {
  for (PartitionBlock& part : batch.blocks) {
    if (spares_.size() >= 4) return;
    part.block.clear();
    spares_.push_back(std::move(part.block));
  }
}

uint64_t Batcher::rows() const {
  uint64_t sum = 0;
  for (const auto& [partition, block] : open_) sum += block.block.rows();
  return sum;
}

uint64_t Batcher::memory() const {
  uint64_t sum = 0;
  for (const auto& [partition, block] : open_) sum += block.block.memory();
  for (const Block& spare : spares_) sum += spare.memory();
  return sum;
}

std::optional<TimePoint> Batcher::oldest() const {
  std::optional<TimePoint> oldest;
  for (const auto& [partition, block] : open_) {
    if (block.block.rows() > 0 && (!oldest || block.opened < *oldest)) oldest = block.opened;
  }
  return oldest;
}

}  // namespace sluice
