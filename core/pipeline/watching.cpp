// SPDX-License-Identifier: Apache-2.0
// The part of PipelineRun that notices what does not happen, and tells how things stand.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/pipeline/run.hpp"

namespace sluice {
namespace {

constexpr Milliseconds group_look_interval{500};
constexpr Milliseconds stall_look_interval{10'000};
constexpr Milliseconds state_interval{1000};

}  // namespace

/// Idle is who has read all there is and committed it.
void PipelineRun::note_idle() {
  const bool idle = assigned_once_ && !stale_ &&
                    std::all_of(sessions_.begin(), sessions_.end(), [](const auto& entry) {
                      const Session& session = entry.second;
                      return session.at_end && session.cursor.idle() && session.committed &&
                             *session.committed >= session.cursor.position();
                    });
  if (!idle) {
    idle_since_.reset();
  } else if (!idle_since_) {
    idle_since_ = ports_.clock.now();
  }
}

void PipelineRun::look_at_group() {
  if (options_.continuous) return;
  if (since(group_look_last_) < group_look_interval) return;
  std::vector<PartitionId> others;
  for (const auto& [partition, plan] : plan_.partitions) {
    if (!sessions_.contains(partition)) others.push_back(partition);
  }
  group_look_last_ = ports_.clock.now();
  if (others.empty()) return;
  const auto committed = ports_.source.committed(others);
  if (!committed.ok()) return;  // the broker is away; poll() says so when it lasts
  for (const auto& [partition, offset] : *committed) group_committed_[partition] = offset.offset;
}

/// Asks the broker about partitions that did not move since the last look: whether they end where
/// we think, and whether the client forgot to fetch (librdkafka has known stalls).
void PipelineRun::look_for_stall() {
  const TimePoint now = ports_.clock.now();
  if (now - stall_look_last_ < stall_look_interval) return;
  stall_look_last_ = now;
  const bool held_back = stale_ || !ready_.empty() || !armed_.empty() || memory_full() || paced();
  std::vector<PartitionId> standing;
  for (auto& [partition, session] : sessions_) {
    const Offset position = session.cursor.position();
    const bool stands = session.standing_at == position && !session.reached() && !held_back;
    session.standing_at = position;
    if (stands) {
      standing.push_back(partition);
    } else {
      session.standing_since.reset();
    }
  }
  if (standing.empty()) return;
  const auto held = ports_.source.watermarks(standing);
  if (!held.ok()) return;  // the broker is away; poll() says so when it lasts
  bool stalled = false;
  for (const auto& [partition, marks] : *held) {
    Session& session = sessions_.at(partition);
    looked_up_[partition] = marks;
    const Offset position = session.cursor.position();
    if (marks.end < (options_.continuous ? position : session.end)) {
      return fail_truncated(partition, marks.end);
    }
    if (marks.end <= position) {
      session.standing_since.reset();
    } else if (!session.standing_since) {
      session.standing_since = now;
    } else if (now - *session.standing_since >= options_.stall_timeout) {
      stalled = true;
      ports_.observer.warning(
          "kafka-stalled",
          fmt::format("{}[{}] stands at offset {} though the partition ends at {}: "
                      "reading it anew",
                      options_.topic, partition.value, position.value, marks.end.value));
    }
  }
  if (stalled) read_anew();
}

void PipelineRun::fail_truncated(PartitionId partition, Offset end) {
  const Session& session = sessions_.at(partition);
  const Offset expected = options_.continuous ? session.cursor.position() : session.end;
  fatal_ = true;
  fail({Errc::data_loss, "partition-truncated",
        fmt::format("{}[{}] ends at offset {} now, but ended at {} before: the topic was truncated "
                    "or created anew",
                    options_.topic, partition.value, end.value, expected.value),
        "find out what happened to the topic; to load all that it holds now: --on-gap continue"});
}

void PipelineRun::read_anew() {
  ports_.observer.reading_anew();
  std::map<PartitionId, Offset> positions;
  for (auto& [partition, session] : sessions_) {
    positions.emplace(partition, session.cursor.position());
    session.standing_since.reset();
  }
  if (Result<void> sought = ports_.source.seek(positions); !sought.ok()) {
    fatal_ = true;
    fail(std::move(sought).error());
  }
}

uint64_t PipelineRun::buffered() const {
  uint64_t ready = 0;
  for (const Batch& batch : ready_) ready += batch.memory();
  for (const Batch& batch : armed_) ready += batch.memory();
  return batcher_->memory() + delivery_->memory() + ready;
}

void PipelineRun::observe_state() {
  const TimePoint now = ports_.clock.now();
  if (now - state_last_ < state_interval) return;
  state_last_ = now;
  std::map<PartitionId, int64_t> oldest;
  const auto see = [&](const PartitionBlock& block) {
    if (block.timestamp_first_ms < 0) return;
    const auto [at, added] = oldest.try_emplace(block.partition, block.timestamp_first_ms);
    if (!added) at->second = std::min(at->second, block.timestamp_first_ms);
  };
  batcher_->visit(see);
  delivery_->visit(see);
  for (const Batch& batch : ready_) std::for_each(batch.blocks.begin(), batch.blocks.end(), see);
  lag_ = 0;
  std::vector<Observer::PartitionState> partitions;
  for (const auto& [partition, session] : sessions_) {
    Observer::PartitionState state{.partition = partition,
                                   .position = session.cursor.position(),
                                   .committed = session.committed,
                                   .held = ports_.source.held(partition),
                                   .oldest_open_timestamp_ms = {}};
    const auto asked = looked_up_.find(partition);
    if (asked != looked_up_.end() && (!state.held || state.held->end < asked->second.end)) {
      state.held = asked->second;
    }
    if (const auto at = oldest.find(partition); at != oldest.end()) {
      state.oldest_open_timestamp_ms = at->second;
    }
    lag_ += backlog(partition, session);
    if (state.held) last_held_[partition] = state.held->end;
    partitions.push_back(state);
  }
  ports_.observer.state({.partitions = partitions,
                         .buffer_bytes = buffered(),
                         .batches_in_flight = delivery_->in_flight(),
                         .holding_back = !ready_.empty() || !armed_.empty() || memory_full()});
}

void PipelineRun::observe_progress() {
  Observer::Progress progress{.counts = counts_, .decode = times_.decode};
  if (options_.continuous) {
    progress.passed = counts_.read;
    progress.target = counts_.read + lag_;
    return ports_.observer.progress(progress);
  }
  for (const auto& [partition, plan] : plan_.partitions) {
    const Offset from = plan.committed ? plan.committed->offset : plan.watermarks.first;
    const uint64_t size = plan.end > from ? static_cast<uint64_t>(plan.end.value - from.value) : 0;
    progress.target += size;
    Offset at = from;
    if (const auto mine = sessions_.find(partition); mine != sessions_.end()) {
      at = mine->second.cursor.position();
    } else if (const auto known = group_committed_.find(partition);
               known != group_committed_.end()) {
      at = known->second;
    }
    if (at > from) progress.passed += std::min(size, static_cast<uint64_t>(at.value - from.value));
  }
  ports_.observer.progress(progress);
}

}  // namespace sluice
