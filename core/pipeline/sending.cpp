// SPDX-License-Identifier: Apache-2.0
// The part of PipelineRun that cuts batches, sends them, and takes what became of them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/crash_point.hpp"
#include "core/pipeline/run.hpp"

namespace sluice {

/// Of the first batches of a group: whether no field of their records has a column.
bool PipelineRun::refuse_defaults(const std::vector<Batch>& batches) {
  tell_unknown_fields();
  if (field_columns_.empty() || fields_told_.empty()) return false;
  uint64_t rows = 0;
  for (const Batch& batch : batches) rows += batch.rows();
  abandon_rows(rows);
  fatal_ = true;
  const std::string table = schema_->table().full_name();
  fail({Errc::config, "no-column-for-any-field",
        fmt::format("no field of the first records of {} has a column in {}, so that every row "
                    "would be of defaults; fields: {}",
                    options_.topic, table, fmt::join(fields_told_, ", ")),
        fmt::format("give {} columns of these names, or name the field of each column with map; "
                    "where such rows are wanted, write out unknown_fields = \"ignore\"",
                    table)});
  return true;
}

void PipelineRun::enqueue(std::vector<Batch> batches) {
  if (awaits_field_ && !batches.empty()) {
    if (refuse_defaults(batches)) return;
    awaits_field_ = false;
  }
  for (Batch& batch : batches) {
    for (PartitionBlock& block : batch.blocks) {
      Session* session = owned(block.partition, block.epoch);
      CHECK(session != nullptr);
      const OffsetRange range = session->cursor.open_batch(batch.id);
      if (exact()) {
        block.offsets = range;
        block.records = session->records;
        block.crc = session->crc;
      }
      batch.label += fmt::format("{}{}[{}] [{},{})", batch.label.empty() ? "" : " ", options_.topic,
                                 block.partition.value, range.first.value, range.next.value);
    }
    ready_.push_back(std::move(batch));
  }
}

/// Offsets of the partition that are still to be read, as far as is known.
uint64_t PipelineRun::backlog(PartitionId partition, const Session& session) const {
  Offset end = session.end;
  if (options_.continuous) {
    if (session.at_end) return 0;
    const std::optional<Watermarks> held = ports_.source.held(partition);
    end = held ? held->end : session.cursor.position();
  }
  const int64_t left = end.value - session.cursor.position().value;
  return left > 0 ? static_cast<uint64_t>(left) : 0;
}

/// With a backlog of more than a batch, partitions that have more to read fill their blocks.
std::set<PartitionId> PipelineRun::partitions_to_fill() const {
  std::set<PartitionId> behind;
  uint64_t sum = 0;
  for (const auto& [partition, session] : sessions_) {
    const uint64_t left = backlog(partition, session);
    if (left == 0) continue;
    sum += left;
    behind.insert(partition);
  }
  if (sum <= options_.batch.rows_max) behind.clear();
  return behind;
}

void PipelineRun::cut_due() {
  const bool reached_all =
      !sessions_.empty() && std::all_of(sessions_.begin(), sessions_.end(),
                                        [](const auto& entry) { return entry.second.reached(); });
  if (reached_all) return enqueue(batcher_->cut_all(CutTrigger::end));
  enqueue(batcher_->cut_aged(ports_.clock.now(), partitions_to_fill()));
}

void PipelineRun::send_ready() {
  if (exact()) return arm_ready();
  while (!ready_.empty() && delivery_->has_room()) {
    delivery_->submit(std::move(ready_.front()));
    ready_.pop_front();
  }
}

void PipelineRun::abandon_rows(uint64_t rows) {
  CHECK(counts_.open >= rows);
  counts_.open -= rows;
  counts_.read -= rows;
}

Session* PipelineRun::owned(PartitionId partition, Epoch epoch) {
  const auto found = sessions_.find(partition);
  return found != sessions_.end() && found->second.epoch == epoch ? &found->second : nullptr;
}

void PipelineRun::settle(Delivery::Outcomes outcomes) {
  if (!outcomes.landed.empty()) crash_point("landed");
  for (const Delivery::Landed& landed : outcomes.landed) {
    counts_.open -= landed.rows;
    counts_.inserted += landed.rows;
    ++counts_.inserts;
    counts_.wire_bytes += landed.outcome.wire_bytes;
    times_.compress += landed.outcome.compress_time;
    times_.send += landed.outcome.send_time;
    counts_.retries += landed.outcome.attempts - 1;
    ports_.observer.inserted({.rows = landed.rows,
                              .bytes = landed.bytes,
                              .wire_bytes = landed.outcome.wire_bytes,
                              .attempts = landed.outcome.attempts,
                              .duration = landed.outcome.duration,
                              .trigger = to_string(landed.trigger),
                              .label = landed.label,
                              .oldest_timestamp_ms = landed.timestamp_first_ms,
                              .newest_timestamp_ms = landed.timestamp_last_ms});
  }
  for (const Delivery::Culprit& culprit : outcomes.culprits) reject_culprit(culprit);
  for (const Delivery::Refusal& refusal : outcomes.refusals) take_refusal(refusal);
  abandon_rows(outcomes.rows_abandoned);
  for (Batch& batch : outcomes.settled) {
    for (const PartitionBlock& block : batch.blocks) {
      Session* session = owned(block.partition, block.epoch);
      if (session == nullptr) continue;
      session->cursor.settle(batch.id);
      session->rows += block.block.rows();
      session->open.reset();
      session->landed_at = ports_.clock.now();
      if (stale_partitions_.erase(block.partition) > 0) stale_in_a_row_ = 0;
      session->inserted_at_ms = ports_.clock.wall().time_since_epoch().count();
    }
    batcher_->recycle(std::move(batch));
  }
  stale_partitions_.merge(outcomes.stale_partitions);
  if (outcomes.stale && !stale_) stale_ = std::move(outcomes.stale);
  for (Delivery::Unsendable& batch : outcomes.unsendable) take_back(std::move(batch));
  if (outcomes.error) {
    reading_ = false;
    fatal_ = true;
    fail(std::move(*outcomes.error));
  }
}

}  // namespace sluice
