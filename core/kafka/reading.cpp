// SPDX-License-Identifier: Apache-2.0
// The part of Consumer that reads records off the partitions' queues.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/kafka/consumer.hpp"
#include "core/kafka/message.hpp"

namespace sluice::kafka {
namespace {

constexpr size_t read_batch_max = 1024;

TimePoint now() { return SystemClock().now(); }

// The messages of one call, freed one by one as they are taken and at the latest here.
class Batch {
 public:
  explicit Batch(std::span<rd_kafka_message_t*> messages) : messages_(messages) {}
  ~Batch() {
    for (size_t i = taken_; i < messages_.size(); ++i) rd_kafka_message_destroy(messages_[i]);
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Messages of one fetch share its memory, so each is freed before the next is looked at.
  MessageHandle next() {
    return MessageHandle(taken_ == messages_.size() ? nullptr : messages_[taken_++]);
  }

 private:
  std::span<rd_kafka_message_t*> messages_;
  size_t taken_ = 0;
};

// Errors after which librdkafka goes on behind records that it could not deliver.
bool skips_records(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__BAD_MSG || code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
         code == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED || code == RD_KAFKA_RESP_ERR__UNDERFLOW ||
         code == RD_KAFKA_RESP_ERR_INVALID_MSG || code == RD_KAFKA_RESP_ERR__INCONSISTENT;
}

}  // namespace

Result<size_t> Consumer::read(PartitionId partition, size_t records_max, RecordListener& listener) {
  const auto at = assignment_.find(partition);
  if (closed_ || at == assignment_.end()) return size_t{0};
  Assigned& assigned = at->second;
  if (assigned.broken) return *client_->failure();
  stop_at_ends();
  size_t records = 0;
  while (records < records_max && !assigned.rest.empty()) {
    const MessageHandle message = std::move(assigned.rest.front());
    assigned.rest.pop_front();
    if (TRY(take(assigned, *message, listener))) ++records;
  }
  messages_.resize(read_batch_max);
  while (records < records_max && !assigned.fetched) {
    const size_t wanted = std::min(read_batch_max, records_max - records);
    const ssize_t got =
        rd_kafka_consume_batch_queue(assigned.queue.get(), 0, messages_.data(), wanted);
    if (got <= 0) break;
    Batch batch({messages_.data(), static_cast<size_t>(got)});
    while (const MessageHandle message = batch.next()) {
      if (TRY(take(assigned, *message, listener))) ++records;
    }
    if (static_cast<size_t>(got) < wanted) break;
  }
  note_read(assigned, records_max, records);
  return records;
}

// Whether it was a record that the listener got.
Result<bool> Consumer::take(Assigned& assigned, const rd_kafka_message_t& message,
                            RecordListener& listener) {
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    TRY(take_error(assigned, message, listener));
    return false;
  }
  const Offset offset{message.offset};
  // Fetched before the partition was assigned anew, or fetched twice.
  if (offset < assigned.next) return false;
  assigned.next = offset.next();
  assigned.at_end = false;
  assigned.bytes_since_end += message.len + message.key_len;
  ++assigned.records_since_end;
  const MessageHeaders headers(message);
  listener.record(record_of(message, headers));
  return true;
}

Result<void> Consumer::take_error(Assigned& assigned, const rd_kafka_message_t& message,
                                  RecordListener& listener) {
  const PartitionId partition{message.partition};
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    assigned.at_end = true;
    assigned.bytes_since_end = 0;
    assigned.records_since_end = 0;
    assigned.next = std::max(assigned.next, Offset{message.offset});
    listener.reached(partition, Offset{message.offset});
    return {};
  }
  if (is_unknown_topic(message.err)) {
    suspect_topic();
    return {};
  }
  const std::string text = printable(rd_kafka_message_errstr(&message), 300);
  // The broker's own errors leave the position where it is; librdkafka asks again.
  const bool harmless = is_transient(message.err) ||
                        (message.err > RD_KAFKA_RESP_ERR_NO_ERROR && !skips_records(message.err)) ||
                        message.err == RD_KAFKA_RESP_ERR_UNKNOWN;
  auto refusal = refusal_of(message.err, place());
  if (harmless && !refusal && message.err != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
    client_->log(5, fmt::format("{}[{}]: {}", options_.topic, partition.value, text));
    return {};
  }
  assigned.broken = true;
  if (refusal) {
    client_->fail(*std::move(refusal));
  } else if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
    client_->fail(out_of_range(message));
  } else if (message.err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
    client_->fail({.code = Errc::config,
                   .slug = "kafka-record-too-large",
                   .message = fmt::format("a record of {}[{}] is too large to fetch: {}",
                                          options_.topic, partition.value, text),
                   .fix = "raise the Kafka property receive.message.max.bytes"});
  } else {
    client_->fail(
        {.code = Errc::data_loss,
         .slug = "kafka-records-unreadable",
         .message = fmt::format("{}[{}]@{} cannot be read: {}", options_.topic, partition.value,
                                message.offset, text),
         .fix = "check the broker's disks and replicas; to give the records up, move the group "
                "behind them with kafka-consumer-groups --reset-offsets"});
  }
  return *client_->failure();
}

// librdkafka only says that the broker refused the offset; why is in the range that it holds.
Error Consumer::out_of_range(const rd_kafka_message_t& message) {
  const PartitionId partition{message.partition};
  const Offset wanted{message.offset >= 0 ? message.offset : assignment_.at(partition).next.value};
  std::string held = "the broker does not hold it";
  std::string fix = "to go on without it";
  const auto marks = Lookups(*client_, place(), Milliseconds{5000}).watermarks({&partition, 1});
  if (marks) {
    const Watermarks& range = marks->at(partition);
    held = fmt::format("the broker holds [{},{})", range.first.value, range.end.value);
    if (wanted < range.first) {
      held += fmt::format(": {} offsets were deleted before they were read",
                          range.first.value - wanted.value);
      fix = "raise the topic's retention; to go on without what is gone";
    } else if (wanted > range.end) {
      held += ": the partition was truncated or the topic was made anew";
      fix = "find out what happened to the topic; to read what it holds now";
    }
  }
  return {.code = Errc::data_loss,
          .slug = "kafka-offset-out-of-range",
          .message = fmt::format("{}[{}]@{} cannot be read, {}", options_.topic, partition.value,
                                 wanted.value, held),
          .fix = fix + ", move the group with kafka-consumer-groups --reset-offsets"};
}

void Consumer::note_read(Assigned& assigned, size_t wanted, size_t got) {
  constexpr Milliseconds not_looked{1000};
  const TimePoint time = now();
  // Whoever did not look cannot know that nothing came.
  const bool looked_away = time - assigned.last_read > not_looked;
  assigned.last_read = time;
  assigned.read_short = got < wanted;
  if (got > 0) client_->health().note_answer(time);
  if (got > 0 || assigned.at_end) {
    assigned.empty_since.reset();
  } else if (!assigned.empty_since || looked_away) {
    assigned.empty_since = time;
  }
}

// librdkafka fetches ahead as long as a queue has room, and pausing empties the queue: so what is
// wanted is taken out of it first.
void Consumer::stop_at_ends() {
  constexpr Milliseconds interval{1};
  const TimePoint time = now();
  if (time - last_look_at_ends_ < interval) return;
  last_look_at_ends_ = time;
  const PartitionList list(rd_kafka_topic_partition_list_new(1));
  for (auto& [partition, assigned] : assignment_) {
    if (assigned.fetched || assigned.end == no_end || !take_rest(assigned)) continue;
    assigned.fetched = true;
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), partition.value);
  }
  if (list->cnt > 0) rd_kafka_pause_partitions(client_->get(), list.get());
}

// Whether all up to the partition's end was fetched; if so it is out of the queue.
bool Consumer::take_rest(Assigned& assigned) {
  const auto behind = [](const rd_kafka_message_t& message) {
    if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) return Offset{message.offset + 1};
    return Offset{message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF ? message.offset : 0};
  };
  Offset taken = assigned.next;
  for (const MessageHandle& message : assigned.rest) taken = std::max(taken, behind(*message));
  // Offsets may have gaps: then the queue holds more of them than it has messages, and the end is
  // seen only when it is read.
  const auto queued = static_cast<int64_t>(rd_kafka_queue_length(assigned.queue.get()));
  messages_.resize(read_batch_max);
  while (taken < assigned.end && taken.value + queued >= assigned.end.value) {
    const ssize_t got =
        rd_kafka_consume_batch_queue(assigned.queue.get(), 0, messages_.data(), messages_.size());
    for (ssize_t i = 0; i < got; ++i) {
      MessageHandle message(messages_[static_cast<size_t>(i)]);
      if (taken >= assigned.end) continue;
      taken = std::max(taken, behind(*message));
      assigned.rest.push_back(std::move(message));
    }
    if (got < static_cast<ssize_t>(messages_.size())) break;
  }
  return taken >= assigned.end;
}

// librdkafka before 2.2 rests for up to a second when a partition's queue is full and does not see
// that it was emptied; any request to that broker makes its thread look again (hot-path.md 2).
void Consumer::poke_stalled() {
  constexpr Milliseconds interval{10};
  constexpr Milliseconds patience{1};  // the request counts, not the answer
  if (!needs_poke_) return;
  const TimePoint time = now();
  if (time - last_poke_ < interval) return;
  std::vector<PartitionId> stalled;
  for (const auto& [partition, assigned] : assignment_) {
    // A queue that never was near its limit is just waiting for records.
    const bool was_full = assigned.bytes_since_end >= queue_bytes_per_partition_ / 2 ||
                          assigned.records_since_end >= queue_messages_per_partition_ / 2;
    const bool is_read = time - assigned.last_read < 10 * interval;
    if (is_read && assigned.read_short && !assigned.at_end && !assigned.fetched && was_full) {
      stalled.push_back(partition);
    }
  }
  if (stalled.empty()) return;
  last_poke_ = time;
  probe(stalled, patience);
}

}  // namespace sluice::kafka
