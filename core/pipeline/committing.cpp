// SPDX-License-Identifier: Apache-2.0
// The part of PipelineRun that commits offsets.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/deliver/commit_record.hpp"
#include "core/pipeline/run.hpp"

namespace sluice {
namespace {

constexpr Milliseconds commit_interval{1000};

}  // namespace

std::vector<CommitRequest> PipelineRun::commit_requests() const {
  std::vector<CommitRequest> requests;
  for (const auto& [partition, session] : sessions_) {
    const Offset offset = session.cursor.committable();
    if (session.committed && *session.committed >= offset) continue;
    CommitRecord record;
    record.run = options_.run_id;
    record.range = {session.start, offset};
    record.inserted_at_ms = session.inserted_at_ms;
    record.fixed = session.fixed;
    if (session.fixed) record.asked = options_.asked;
    requests.push_back({.partition = partition,
                        .epoch = session.epoch,
                        .offset = offset,
                        .metadata = session.foreign_metadata.value_or(record.encode())});
  }
  return requests;
}

void PipelineRun::commit_if_due() {
  // A partition that the group has no offset for gets one before its first row is sent, so that a
  // crash between the INSERT and its commit never looks like a first start again.
  const bool first = std::any_of(sessions_.begin(), sessions_.end(),
                                 [](const auto& entry) { return !entry.second.committed; });
  const TimePoint now = ports_.clock.now();
  if (now - commit_last_ >= commit_interval || first || all_settled()) commit_now(commit_timeout);
}

bool PipelineRun::commit_now(Milliseconds timeout) {
  const std::vector<CommitRequest> requests = commit_requests();
  commit_last_ = ports_.clock.now();
  if (requests.empty()) return true;
  if (rejects_unflushed_) {
    if (Result<void> flushed = ports_.rejects->flush(); !flushed.ok()) {
      reading_ = false;
      fatal_ = true;
      fail(std::move(flushed).error());
      return false;
    }
    rejects_unflushed_ = false;
  }
  const TimePoint start = ports_.clock.now();
  auto outcomes = ports_.source.commit(requests, timeout);
  times_.commit += since(start);
  if (!outcomes.ok()) {
    reading_ = false;
    fatal_ = true;
    fail(std::move(outcomes).error());
    return false;
  }
  bool all = true;
  for (const CommitOutcome& outcome : *outcomes) {
    apply_commit(outcome);
    all = all && outcome.result == CommitResult::ok;
  }
  ports_.observer.committed(*outcomes);
  return all;
}

void PipelineRun::apply_commit(const CommitOutcome& outcome) {
  const auto found = sessions_.find(outcome.partition);
  if (found == sessions_.end()) return;
  switch (outcome.result) {
    case CommitResult::ok:
      found->second.committed = outcome.offset;
      group_committed_[outcome.partition] = outcome.offset;
      ranges_.at(outcome.partition).next = outcome.offset;
      commit_failing_since_.reset();
      return;
    case CommitResult::fenced:
      // The group gave the partition away; the next poll() will say so.
      return;
    case CommitResult::unknown: {
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
