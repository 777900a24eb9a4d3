// SPDX-License-Identifier: Apache-2.0
// The part of PipelineRun that answers the group: partitions come and go.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/deliver/commit_record.hpp"
#include "core/pipeline/run.hpp"

namespace sluice {
namespace {

constexpr Milliseconds revoke_drain_max{10'000};

}  // namespace

Result<std::vector<OffsetRange>> PipelineRun::assigned(
    std::span<const PartitionId> partitions, std::span<const std::optional<Committed>> committed,
    Epoch epoch) {
  const auto fresh = TRY(ports_.source.watermarks(partitions));
  std::vector<Committed> known;
  for (const auto& one : committed) {
    if (one) known.push_back(*one);
  }
  const std::string uuid = TRY(uuid_now(known, schema_->table().uuid, ports_.sink));
  if (exact() && uuid != schema_->table().uuid) return table_replaced();
  std::vector<OffsetRange> to_read;
  std::vector<Observer::Assignment> told;
  for (size_t i = 0; i < partitions.size(); ++i) {
    const PartitionId partition = partitions[i];
    const auto held = fresh.find(partition);
    const bool planned = plan_.partitions.contains(partition);
    const Watermarks marks = held != fresh.end() ? held->second : Watermarks{};
    if (!committed[i] && had_offset(partition)) TRY(pass_lost_offset(partition, marks));
    std::optional<Committed> stands;
    if (committed[i]) {
      stands = TRY(standing(*committed[i], uuid, ports_.clock.wall()));
    } else if (const auto begun = starts_.find(partition); begun != starts_.end()) {
      // It was ours before, and nothing could be committed since.
      stands = Committed{begun->second, {}};
    }
    Start start{marks.first, {}};
    if (planned || options_.fixed.empty()) {
      start = TRY(start_of(options_, ports_.source, plan_, partition, stands, marks));
    }
    if (start.gap) pass_gap(*start.gap);
    // A hand-over is done once the offset it means is committed itself.
    const bool as_committed = committed[i] && stands && stands->offset == committed[i]->offset;
    const bool intents = exact() && as_committed;
    Session session = take_over(partition, as_committed ? stands : std::nullopt, start, epoch);
    if (intents) TRY(take_intent(partition, *stands, session, marks));
    const Offset replayed = session.replay ? session.replay->next : session.end;
    to_read.push_back({session.start, std::max(session.end, replayed)});
    looked_up_[partition] = marks;
    told.push_back({.partition = partition,
                    .start = session.start,
                    .from_committed = stands.has_value(),
                    .end = options_.continuous ? std::max(session.start, marks.end) : session.end});
    ranges_.try_emplace(partition, OffsetRange{session.start, session.start});
    if (committed[i]) {
      starts_.erase(partition);
    } else {
      starts_[partition] = session.start;
    }
    sessions_.insert_or_assign(partition, std::move(session));
  }
  assigned_once_ = true;
  ports_.observer.assigned(told);
  return to_read;
}

/// Whether the group had an offset of it that this run knows of.
bool PipelineRun::had_offset(PartitionId partition) const {
  if (exact() && sequences_.contains(partition)) return true;
  return group_committed_.contains(partition) && !starts_.contains(partition);
}

/// Kafka forgets the offsets of a topic with the topic: what the group stood at is no offset of the
/// one that is there now, however many records that holds by now.
Result<void> PipelineRun::pass_lost_offset(PartitionId partition, const Watermarks& marks) {
  const std::string what =
      fmt::format("{}[{}]: group {} has no offset any more, though it was committed",
                  options_.topic, partition.value, options_.group);
  if (exact()) {
    return Error{Errc::data_loss, "exactly-once-halted", what,
                 "find out who removed it; a new run takes the group as it is"};
  }
  if (options_.on_gap == OnGap::stop || !options_.fixed.empty()) {
    return Error{Errc::data_loss, "offsets-gone",
                 what + ": the topic was deleted and made anew, or somebody removed the offset",
                 "find out which; to load all that the topic holds now: --on-gap continue, or "
                 "--reset-to earliest"};
  }
  pass_gap({.partition = partition, .lost = {}, .resumed = marks.first});
  group_committed_.erase(partition);
  starts_[partition] = marks.first;
  return {};
}

Session PipelineRun::take_over(PartitionId partition, const std::optional<Committed>& committed,
                               Start start, Epoch epoch) {
  const auto planned = plan_.partitions.find(partition);
  // A run with an end reads what was there when it started.
  Offset end = options_.continuous ? no_end : start.offset;
  if (planned != plan_.partitions.end()) end = std::max(start.offset, planned->second.end);
  Session session(epoch, start.offset, end);
  if (!options_.fixed.empty()) {
    const auto range = options_.fixed.find(partition);
    if (range != options_.fixed.end()) {
      session.fixed = range->second;
    } else {
      session.committed = start.offset;  // none of ours: nothing to read, nothing to commit
    }
  }
  if (!committed || (start.gap && start.offset < committed->offset)) return session;
  session.committed = committed->offset;
  group_committed_[partition] = committed->offset;
  const CommitRecord record = CommitRecord::decode(committed->metadata);
  session.inserted_at_ms = record.inserted_at_ms;
  session.renews = renews_;
  // Our commit of a first start says nothing about what fits.
  const bool has_inserted = record.inserted_at_ms >= 0 || record.intent;
  if (record.kind != CommitRecord::Kind::ours || has_inserted) awaits_field_ = false;
  if (session.fixed) session.witness = record.witness;
  session.sequence = record.sequence;
  session.rows = record.rows;
  if (exact()) return session;  // take_intent() looks at the record
  const bool damaged = record.kind == CommitRecord::Kind::damaged;
  if (damaged || record.kind == CommitRecord::Kind::foreign) {
    session.foreign_metadata = committed->metadata;
    ports_.observer.warning(
        "foreign-commit-metadata",
        fmt::format("{}[{}]: the committed offset of group {} carries metadata that is not "
                    "sluice's ({}); it is kept as it is",
                    options_.topic, partition.value, options_.group,
                    damaged ? "it starts like ours, but its checksum does not match"
                            : "another program's or a later version's"));
  }
  return session;
}

void PipelineRun::pass_gap(const Gap& gap) {
  gaps_.push_back(gap);
  if (!gap.lost.empty())
    counts_.lost += static_cast<uint64_t>(gap.lost.next.value - gap.lost.first.value);
  const std::string what =
      gap.lost.empty() ? "the topic was truncated or created anew"
                       : fmt::format("the records of [{}, {}) were deleted before they were read",
                                     gap.lost.first.value, gap.lost.next.value);
  ports_.observer.warning(
      "offsets-lost", fmt::format("{}[{}]: {}; going on at offset {} (on_gap = continue)",
                                  options_.topic, gap.partition.value, what, gap.resumed.value));
}

void PipelineRun::revoked(std::span<const PartitionId> partitions, bool lost) {
  reading_block_ = nullptr;
  std::set<PartitionId> going(partitions.begin(), partitions.end());
  const auto settled = [&] {
    return std::all_of(going.begin(), going.end(), [&](PartitionId partition) {
      const auto found = sessions_.find(partition);
      return found == sessions_.end() || found->second.cursor.idle() || found->second.replay ||
             found->second.fenced;
    });
  };
  if (!lost && !fatal_) {
    enqueue(batcher_->cut_all(CutTrigger::rebalance, &going));
    const TimePoint deadline =
        ports_.clock.now() + std::min(revoke_drain_max, options_.drain_timeout);
    while (!settled() && ports_.clock.now() < deadline && !fatal_) {
      // What was refused as it is must not be sent as it is, but what is under way has an end.
      if (stale_ && delivery_->empty()) break;
      if (!stale_) send_ready();
      settle(delivery_->collect(Milliseconds{10}));
    }
    withdraw_armed(&going);
  }
  // What is cut but not sent would be read again by the next owner: drop it here.
  const auto drop = [&](Batch& batch) {
    std::erase_if(batch.blocks, [&](const PartitionBlock& block) {
      if (!going.contains(block.partition)) return false;
      abandon_rows(block.block.rows());
      return true;
    });
    return batch.blocks.empty();
  };
  std::erase_if(ready_, drop);
  std::erase_if(armed_, drop);
  if (!lost && (exact() ? !commits_unknown_ : !fatal_))
    commit_now(std::min(revoke_drain_max, commit_timeout));
  for (const PartitionId partition : going) {
    abandon_rows(batcher_->abandon(partition));
    sessions_.erase(partition);
  }
  delivery_->disown(going);
  ports_.observer.revoked(partitions, lost);
}

}  // namespace sluice
