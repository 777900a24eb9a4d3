// SPDX-License-Identifier: Apache-2.0
// The part of PipelineRun that commits offsets.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/crash_point.hpp"
#include "core/pipeline/run.hpp"

namespace sluice {
namespace {

constexpr Milliseconds commit_interval{1000};

}  // namespace

std::vector<CommitRequest> PipelineRun::commit_requests(bool all) const {
  std::vector<CommitRequest> requests;
  for (const auto& [partition, session] : sessions_) {
    const Offset offset = session.cursor.committable();
    if (session.committed && *session.committed >= offset && !session.renews) continue;
    // The record of an open intent stays until its batch has an end.
    if (session.open || session.replay || session.fenced) continue;
    // The intent that comes next says it, too.
    const bool soon = exact() && session.committed && delivery_->has_room();
    if (soon && waits_to_be_sent(partition)) continue;
    const bool busy = since(session.landed_at) < commit_interval;
    if (soon && busy && !all) continue;
    requests.push_back(
        {.partition = partition,
         .epoch = session.epoch,
         .offset = offset,
         .metadata = session.foreign_metadata.value_or(record_of(session, offset, std::nullopt))});
  }
  return requests;
}

void PipelineRun::commit_if_due() {
  // A partition that the group has no offset for gets one before its first row is sent, so that a
  // crash between the INSERT and its commit never looks like a first start again.
  const bool first = std::any_of(sessions_.begin(), sessions_.end(),
                                 [](const auto& entry) { return !entry.second.committed; });
  const TimePoint now = ports_.clock.now();
  if (now - commit_last_ >= commit_interval || first || all_settled()) {
    commit_now(commit_timeout, all_settled());
  }
}

bool PipelineRun::commit_now(Milliseconds timeout, bool all) {
  const std::vector<CommitRequest> requests = commit_requests(all);
  commit_last_ = ports_.clock.now();
  if (requests.empty()) return true;
  const auto outcomes = send_commits(requests, timeout);
  if (!outcomes) return false;
  crash_point("committed");
  return std::all_of(outcomes->begin(), outcomes->end(), [](const CommitOutcome& outcome) {
    return outcome.result == CommitResult::ok;
  });
}

/// Nothing when the run cannot go on.
std::optional<std::vector<CommitOutcome>> PipelineRun::send_commits(
    std::span<const CommitRequest> requests, Milliseconds timeout) {
  // What a failed flush has lost no second one brings back.
  if (rejects_lost_) return std::nullopt;
  if (rejects_unflushed_) {
    if (Result<void> flushed = ports_.rejects->flush(); !flushed.ok()) {
      rejects_lost_ = true;
      reading_ = false;
      fatal_ = true;
      fail(std::move(flushed).error());
      return std::nullopt;
    }
    rejects_unflushed_ = false;
    crash_point("rejects-kept");
  }
  const TimePoint start = ports_.clock.now();
  auto outcomes = ports_.source.commit(requests, timeout);
  times_.commit += since(start);
  if (!outcomes.ok()) {
    reading_ = false;
    fatal_ = true;
    commits_unknown_ = exact();
    fail(std::move(outcomes).error());
    return std::nullopt;
  }
  for (const CommitOutcome& outcome : *outcomes) apply_commit(outcome);
  ports_.observer.committed(*outcomes);
  return std::move(*outcomes);
}

void PipelineRun::apply_commit(const CommitOutcome& outcome) {
  const auto found = sessions_.find(outcome.partition);
  if (found == sessions_.end()) return;
  switch (outcome.result) {
    case CommitResult::ok:
      found->second.committed = outcome.offset;
      found->second.renews = false;
      sequences_[outcome.partition] = ++found->second.sequence;
      group_committed_[outcome.partition] = outcome.offset;
      ranges_.at(outcome.partition).next = outcome.offset;
      starts_.erase(outcome.partition);
      commit_failing_since_.reset();
      return;
    case CommitResult::fenced:
      // The group gave the partition away; the next poll() will say so.
      found->second.fenced = exact();
      return;
    case CommitResult::unknown: {
      if (exact()) {
        // A late copy of this commit could undo a later one: only a new generation is safe.
        fatal_ = commits_unknown_ = true;
        return fail({Errc::unavailable, "commit-unknown",
                     fmt::format("whether an offset of group {} was committed is unknown: the "
                                 "group is joined anew, which settles it",
                                 options_.group),
                     "run it again: it continues where it stood"});
      }
      const TimePoint now = ports_.clock.now();
      if (!commit_failing_since_) commit_failing_since_ = now;
      const bool too_long = options_.unavailable_max.count() > 0 &&
                            now - *commit_failing_since_ > options_.unavailable_max;
      if (too_long) {
        fatal_ = true;
        fail({Errc::unavailable, "kafka-commit-failed",
              fmt::format("the offsets of group {} could not be committed for {} s", options_.group,
                          options_.unavailable_max.count() / 1000),
              "run it again when the brokers answer; what was inserted since the last commit "
              "will be inserted again"});
      }
      return;
    }
  }
}

}  // namespace sluice
