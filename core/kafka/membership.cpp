// SPDX-License-Identifier: Apache-2.0
// The part of Consumer that follows the group: partitions come and go, errors arrive.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/text.hpp"
#include "core/kafka/consumer.hpp"

namespace sluice::kafka {
namespace {

TimePoint now() { return SystemClock().now(); }

Error cannot_assign(const Place& place, const std::string& why) {
  return {
      .code = Errc::failed,
      .slug = "kafka-assign-failed",
      .message = fmt::format("the partitions of topic {} could not be taken: {}", place.topic, why),
      .fix = "run the command again: it continues where it stopped"};
}

// Nothing was fetched under the assignment to come, so whatever is there is left from an earlier
// one. One such record with a high offset would make the records before it look like duplicates.
void drop_messages(rd_kafka_queue_t* queue) {
  std::array<rd_kafka_message_t*, 256> messages{};
  for (;;) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue, 0, messages.data(), messages.size());
    for (ssize_t i = 0; i < count; ++i) rd_kafka_message_destroy(messages[static_cast<size_t>(i)]);
    if (count < static_cast<ssize_t>(messages.size())) return;
  }
}

}  // namespace

void Consumer::on_rebalance(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions) {
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !client_->failure() && !closed_) {
    take_partitions(*partitions);
    return;
  }
  if (code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    // A member that was thrown out is told so with "not lost" and an empty member id.
    give_partitions(code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS ||
                    rd_kafka_assignment_lost(client_->get()) != 0 || member_id().empty());
  }
  // librdkafka waits for this call, also when there is nothing to take back.
  rd_kafka_assign(client_->get(), nullptr);
}

std::string Consumer::member_id() const {
  using MemberId = std::unique_ptr<char, void (*)(char*)>;
  const MemberId id(rd_kafka_memberid(client_->get()),
                    [](char* text) { rd_kafka_mem_free(nullptr, text); });
  return id == nullptr ? "" : id.get();
}

void Consumer::take_partitions(const rd_kafka_topic_partition_list_t& partitions) {
  // An assignment replaces the one before it; the group always takes that one back first.
  if (!assignment_.empty()) give_partitions(true);
  std::vector<PartitionId> ids;
  for (int i = 0; i < partitions.cnt; ++i) ids.push_back({partitions.elems[i].partition});

  Result<void> taken = prepare(ids);
  if (taken.ok()) taken = assign(ids);
  if (taken.ok()) return;
  client_->fail(std::move(taken).error());
  rd_kafka_assign(client_->get(), nullptr);
}

// Asks the group and the listener where to start, and cuts each partition's queue off the main one.
Result<void> Consumer::prepare(std::span<const PartitionId> partitions) {
  ++epoch_;
  member_ = member_id();
  const Milliseconds limit = std::min(lookup_limit(), poll_interval_max_ / 2);
  const auto found = TRY(Lookups(*client_, place(), limit, options_.stop).committed(partitions));
  std::vector<std::optional<Committed>> committed(partitions.size());
  for (size_t i = 0; i < partitions.size(); ++i) {
    const auto at = found.find(partitions[i]);
    if (at != found.end()) committed[i] = at->second;
  }
  const std::vector<OffsetRange> to_read = TRY(listener_->assigned(partitions, committed, epoch_));
  CHECK(to_read.size() == partitions.size());
  for (size_t i = 0; i < partitions.size(); ++i) {
    Assigned& assigned = assignment_[partitions[i]];
    assigned.end = to_read[i].next;
    TRY(open_queue(partitions[i], to_read[i].first, assigned));
  }
  return {};
}

// A partition of which nothing is wanted stays out: librdkafka would fill its queue.
Result<void> Consumer::assign(std::span<const PartitionId> partitions) {
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const PartitionId partition : partitions) {
    const Assigned& assigned = assignment_.at(partition);
    if (assigned.fetched) continue;
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), partition.value)->offset =
        assigned.next.value;
  }
  // Paused is what an earlier assignment had read to its end; it stays so until told otherwise.
  rd_kafka_resume_partitions(client_->get(), list.get());
  const rd_kafka_resp_err_t code = rd_kafka_assign(client_->get(), list.get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return cannot_assign(place(), reason_of(code));
  return {};
}

// Cuts the partition's queue off the main one, and empties it.
Result<void> Consumer::open_queue(PartitionId partition, Offset start, Assigned& assigned) {
  CHECK(start.value >= 0);
  assigned.epoch = epoch_;
  assigned.next = start;
  assigned.fetched = start >= assigned.end;
  assigned.rest.clear();
  assigned.at_end = false;
  assigned.last_read = now();
  assigned.empty_since.reset();
  assigned.queue.reset(
      rd_kafka_queue_get_partition(client_->get(), options_.topic.c_str(), partition.value));
  if (assigned.queue == nullptr) return cannot_assign(place(), "a partition has no queue");
  rd_kafka_queue_forward(assigned.queue.get(), nullptr);
  drop_messages(assigned.queue.get());
  return {};
}

// An assignment of the same partitions is no matter of the group: the client alone starts anew.
Result<void> Consumer::seek(const std::map<PartitionId, Offset>& positions) {
  CHECK(positions.size() == assignment_.size());
  if (closed_ || positions.empty()) return {};
  std::vector<PartitionId> ids;
  for (const auto& [partition, offset] : positions) ids.push_back(partition);
  rd_kafka_assign(client_->get(), nullptr);
  for (const PartitionId id : ids) TRY(open_queue(id, positions.at(id), assignment_.at(id)));
  return assign(ids);
}

std::optional<Watermarks> Consumer::held(PartitionId partition) const {
  int64_t first = RD_KAFKA_OFFSET_INVALID;
  int64_t end = RD_KAFKA_OFFSET_INVALID;
  if (client_ == nullptr || !assignment_.contains(partition)) return std::nullopt;
  const rd_kafka_resp_err_t code = rd_kafka_get_watermark_offsets(
      client_->get(), options_.topic.c_str(), partition.value, &first, &end);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR || first < 0 || end < 0) return std::nullopt;
  return Watermarks{Offset{first}, Offset{end}};
}

void Consumer::give_partitions(bool lost) {
  std::vector<PartitionId> ids;
  for (const auto& [partition, assigned] : assignment_) ids.push_back(partition);
  if (!ids.empty()) listener_->revoked(ids, lost);
  drop_assignment();
}

void Consumer::drop_assignment() {
  assignment_.clear();
  member_.clear();
}

void Consumer::on_message(const rd_kafka_message_t& message) {
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    // It is missing on its partition's queue now, and going on would lose it.
    client_->fail({.code = Errc::internal,
                   .slug = "kafka-stray-record",
                   .message = fmt::format("the Kafka client delivered {}[{}]@{} out of line",
                                          options_.topic, message.partition, message.offset),
                   .fix = "run the command again: it continues where it stopped"});
    return;
  }
  if (options_.watch != nullptr) options_.watch->client_error(rd_kafka_err2name(message.err));
  const std::string text = printable(rd_kafka_message_errstr(&message), 300);
  if (auto refusal = refusal_of(message.err, place())) {
    client_->fail(*std::move(refusal));
  } else if (message.err == RD_KAFKA_RESP_ERR__FATAL) {
    client_->fail(fatal_error(client_->get(), place()));
  } else if (message.err == RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL ||
             message.err == RD_KAFKA_RESP_ERR_INVALID_GROUP_ID ||
             message.err == RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT ||
             message.err == RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED) {
    client_->fail({.code = Errc::config,
                   .slug = "kafka-group",
                   .message = fmt::format("group {} does not let us in: {}",
                                          printable(options_.group, 200), text),
                   .fix = "give the pipeline a group of its own, used by nothing else"});
  } else if (is_unknown_topic(message.err)) {
    suspect_topic();
  } else {
    client_->log(4, text);
  }
}

}  // namespace sluice::kafka
