// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/group_view.hpp"

#include <algorithm>
#include <utility>

#include "core/kafka/client.hpp"
#include "core/kafka/errors.hpp"
#include "core/kafka/lookups.hpp"

namespace sluice::kafka {
namespace {

constexpr Milliseconds destroy_max{300};
constexpr Milliseconds slice{100};  // after so long the client's own events are looked at

TimePoint now() { return SystemClock().now(); }

/// Partitions of one topic that are read into one queue until this goes.
class Readers {
 public:
  Readers(rd_kafka_t* client, const std::string& topic)
      : topic_(rd_kafka_topic_new(client, topic.c_str(), nullptr)),
        queue_(rd_kafka_queue_new(client)) {}
  ~Readers() {
    for (const PartitionId partition : started_) {
      rd_kafka_consume_stop(topic_.get(), partition.value);
    }
  }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  void start(PartitionId partition, Offset from) {
    if (topic_ == nullptr) return;
    if (rd_kafka_consume_start_queue(topic_.get(), partition.value, from.value, queue_.get()) ==
        0) {
      started_.push_back(partition);
    }
  }
  [[nodiscard]] size_t started() const { return started_.size(); }
  MessageHandle next(Milliseconds patience) {
    return MessageHandle(rd_kafka_consume_queue(queue_.get(), as_timeout(patience)));
  }

 private:
  TopicHandle topic_;
  QueueHandle queue_;
  std::vector<PartitionId> started_;
};

std::optional<WallTime> time_of(const rd_kafka_message_t& message) {
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t milliseconds = rd_kafka_message_timestamp(&message, &type);
  if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || milliseconds < 0) return std::nullopt;
  return WallTime(Milliseconds(milliseconds));
}

}  // namespace

Result<GroupView> GroupView::open(const ClusterOptions& cluster, const std::string& group) {
  TRY(check_cluster(cluster));
  // One record of each partition is all that is ever read.
  const Properties defaults = {{"fetch.wait.max.ms", "50"},
                               {"fetch.error.backoff.ms", "50"},
                               {"fetch.message.max.bytes", "16384"},
                               // Of all partitions: few would keep one waiting for the others.
                               {"queued.min.messages", "100000"},
                               {"queued.max.messages.kbytes", "16384"},
                               {"check.crcs", "true"},
                               {"isolation.level", "read_committed"}};
  const Properties fixed = {{"group.id", group},
                            {"enable.partition.eof", "true"},
                            {"auto.offset.reset", "error"},
                            {"enable.auto.commit", "false"},
                            {"enable.auto.offset.store", "false"},
                            {"allow.auto.create.topics", "false"}};
  Conf conf = TRY(make_conf(cluster, Role::consumer, defaults, fixed));
  return GroupView(group, TRY(Client::open(Role::consumer, std::move(conf), cluster, {})));
}

GroupView::GroupView(std::string group, std::unique_ptr<Client> client)
    : group_(std::move(group)), client_(std::move(client)) {}

GroupView::GroupView(GroupView&&) noexcept = default;

GroupView::~GroupView() {
  if (client_ != nullptr) client_->destroy(destroy_max);
}

Result<std::vector<PartitionId>> GroupView::partitions(const std::string& topic,
                                                       Milliseconds timeout) {
  return Lookups(*client_, {.topic = topic, .group = group_}, timeout).partitions();
}

Result<std::map<PartitionId, Watermarks>> GroupView::watermarks(
    const std::string& topic, std::span<const PartitionId> partitions, Milliseconds timeout) {
  // Two questions, each with a limit of its own.
  return Lookups(*client_, {.topic = topic, .group = group_}, timeout / 2).watermarks(partitions);
}

Result<std::map<PartitionId, Committed>> GroupView::committed(
    const std::string& topic, std::span<const PartitionId> partitions, Milliseconds timeout) {
  return Lookups(*client_, {.topic = topic, .group = group_}, timeout).committed(partitions);
}

Result<std::map<PartitionId, Offset>> GroupView::offsets_at(const std::string& topic,
                                                            std::span<const PartitionId> partitions,
                                                            WallTime time, Milliseconds timeout) {
  return Lookups(*client_, {.topic = topic, .group = group_}, timeout / 2)
      .offsets_at(partitions, time);
}

std::map<PartitionId, std::optional<WallTime>> GroupView::first_times(
    const std::string& topic, const std::map<PartitionId, Offset>& from, Milliseconds timeout) {
  const TimePoint deadline = now() + timeout;
  std::map<PartitionId, std::optional<WallTime>> times;
  std::map<PartitionId, Offset> left = from;
  Readers readers(client_->get(), topic);
  for (const auto& [partition, offset] : from) readers.start(partition, offset);
  while (!left.empty() && readers.started() > 0) {
    const auto patience = std::chrono::duration_cast<Milliseconds>(deadline - now());
    if (patience.count() <= 0 || client_->failure()) break;
    const MessageHandle message = readers.next(std::min(patience, slice));
    client_->serve(Milliseconds{0});
    if (message == nullptr) continue;
    const auto wanted = left.find(PartitionId{message->partition});
    if (wanted == left.end()) continue;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      times[wanted->first] = std::nullopt;  // what follows is no record: markers, aborted ones
      left.erase(wanted);
    } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (message->offset < wanted->second.value) continue;
      if (const auto time = time_of(*message)) times[wanted->first] = time;
      left.erase(wanted);
    } else if (!is_transient(message->err)) {
      left.erase(wanted);
    }
  }
  client_->forward_logs();
  return times;
}

}  // namespace sluice::kafka
