// SPDX-License-Identifier: Apache-2.0
// The part of Consumer that commits offsets.
#include <algorithm>
#include <utility>

#include "core/kafka/consumer.hpp"

namespace sluice::kafka {
namespace {

TimePoint now() { return SystemClock().now(); }

rd_kafka_resp_err_t element_error(const rd_kafka_topic_partition_list_t* list,
                                  const std::string& topic, PartitionId partition) {
  if (list == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& element = list->elems[i];
    if (element.partition == partition.value && topic == element.topic) return element.err;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

// What can be said without asking the broker: it checks the member and its generation, but not who
// owns a partition, so a late commit would move a partition of somebody else back.
CommitResult Consumer::gate(const CommitRequest& request, const std::string& member) const {
  const auto at = assignment_.find(request.partition);
  if (at == assignment_.end() || at->second.epoch != request.epoch) return CommitResult::fenced;
  if (member.empty() || member != member_) return CommitResult::fenced;
  if (rd_kafka_assignment_lost(client_->get()) != 0) return CommitResult::fenced;
  return CommitResult::ok;
}

Result<std::vector<CommitOutcome>> Consumer::commit(std::span<const CommitRequest> requests,
                                                    Milliseconds timeout) {
  std::vector<CommitOutcome> outcomes;
  outcomes.reserve(requests.size());
  for (const CommitRequest& request : requests) {
    CHECK(request.offset.value >= 0);
    outcomes.push_back({request.partition, request.offset, CommitResult::fenced});
  }
  if (closed_ || client_ == nullptr || assignment_.empty() || requests.empty()) return outcomes;
  const std::string member = member_id();
  for (size_t i = 0; i < requests.size(); ++i) outcomes[i].result = gate(requests[i], member);
  const bool any = std::any_of(outcomes.begin(), outcomes.end(), [](const CommitOutcome& outcome) {
    return outcome.result == CommitResult::ok;
  });
  if (!any) return outcomes;
  // Whoever was stopped for long has to hear from the group first: poll(), then ask again.
  const bool stale = now() - last_poll_ > poll_interval_max_ / 2;
  if (!stale) TRY(send_commit(requests, outcomes, timeout));
  for (CommitOutcome& outcome : outcomes) {
    if (stale && outcome.result == CommitResult::ok) outcome.result = CommitResult::unknown;
  }
  return outcomes;
}

// Sends those whose outcome is `ok` so far, and replaces it by the broker's answer.
Result<void> Consumer::send_commit(std::span<const CommitRequest> requests,
                                   std::vector<CommitOutcome>& outcomes, Milliseconds timeout) {
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(requests.size())));
  for (size_t i = 0; i < requests.size(); ++i) {
    if (outcomes[i].result != CommitResult::ok) continue;
    const CommitRequest& request = requests[i];
    add_offset(*list, options_.topic, request.partition, request.offset, request.metadata);
  }
  // A queue of our own, since the synchronous call waits for ever when the coordinator is away. A
  // late answer goes down with the queue.
  const QueueHandle queue(rd_kafka_queue_new(client_->get()));
  rd_kafka_resp_err_t code =
      rd_kafka_commit_queue(client_->get(), list.get(), queue.get(), nullptr, nullptr);
  EventHandle event;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    event.reset(rd_kafka_queue_poll(queue.get(), as_timeout(timeout)));
    code = event == nullptr ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event.get());
  }
  client_->forward_logs();
  const rd_kafka_topic_partition_list_t* answered =
      event == nullptr ? nullptr : rd_kafka_event_topic_partition_list(event.get());
  for (CommitOutcome& outcome : outcomes) {
    if (outcome.result != CommitResult::ok) continue;
    // The call's own error counts where the partition has none: some answers carry only that one.
    rd_kafka_resp_err_t reason = element_error(answered, options_.topic, outcome.partition);
    if (reason == RD_KAFKA_RESP_ERR_NO_ERROR) reason = code;
    if (is_unknown_topic(reason)) suspect_topic();
    const CommitVerdict verdict = commit_verdict(reason);
    if (reason == RD_KAFKA_RESP_ERR__FATAL) return fatal_error(client_->get(), place());
    if (verdict == CommitVerdict::fatal) return commit_error(reason, place());
    outcome.result = verdict == CommitVerdict::ok       ? CommitResult::ok
                     : verdict == CommitVerdict::fenced ? CommitResult::fenced
                                                        : CommitResult::unknown;
    if (outcome.result == CommitResult::ok) client_->health().note_answer(now());
  }
  return {};
}

}  // namespace sluice::kafka
