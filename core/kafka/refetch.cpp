// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/refetch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/kafka/message.hpp"

namespace sluice::kafka {
namespace {

TimePoint now() { return SystemClock().now(); }

Error could_not_fetch(const Place& place, PartitionId partition, Offset offset,
                      const std::string& why) {
  return {.code = Errc::unavailable,
          .slug = "kafka-fetch-failed",
          .message = fmt::format("the record {}[{}]@{} could not be read again: {}", place.topic,
                                 partition.value, offset.value, why),
          .fix = "run the command again: the record is not passed over"};
}

}  // namespace

Result<std::unique_ptr<Refetch>> Refetch::open(const ClusterOptions& cluster, const Place& place) {
  const Properties defaults = {{"fetch.wait.max.ms", "10"},
                               {"fetch.error.backoff.ms", "10"},
                               {"fetch.message.max.bytes", "65536"},
                               {"queued.max.messages.kbytes", "1024"},
                               {"check.crcs", "true"},
                               {"isolation.level", "read_committed"}};
  const Properties fixed = {{"enable.partition.eof", "true"},
                            {"auto.offset.reset", "error"},
                            {"enable.auto.commit", "false"},
                            {"enable.auto.offset.store", "false"},
                            {"allow.auto.create.topics", "false"}};
  Conf conf = TRY(make_conf(cluster, Role::consumer, defaults, fixed));
  auto client = TRY(Client::open(Role::consumer, std::move(conf), cluster, {}));
  return std::make_unique<Refetch>(std::move(client), place);
}

Refetch::Refetch(std::unique_ptr<Client> client, Place place)
    : client_(std::move(client)),
      place_(std::move(place)),
      topic_(rd_kafka_topic_new(client_->get(), place_.topic.c_str(), nullptr)) {
  CHECK(topic_ != nullptr);
}

Result<bool> Refetch::fetch(PartitionId partition, Offset offset, RecordListener& listener,
                            Milliseconds timeout) {
  // The simple consumer's functions: they need no group, and no right to one.
  const QueueHandle queue(rd_kafka_queue_new(client_->get()));
  if (rd_kafka_consume_start_queue(topic_.get(), partition.value, offset.value, queue.get()) != 0) {
    return could_not_fetch(place_, partition, offset, reason_of(rd_kafka_last_error()));
  }
  auto found = await(queue.get(), partition, offset, listener, timeout);
  rd_kafka_consume_stop(topic_.get(), partition.value);
  client_->forward_logs();
  return found;
}

Result<bool> Refetch::await(rd_kafka_queue_t* queue, PartitionId partition, Offset offset,
                            RecordListener& listener, Milliseconds timeout) {
  const TimePoint deadline = now() + timeout;
  for (;;) {
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - now());
    if (left.count() <= 0) {
      const auto refusal = client_->health().refusal(now());
      if (refusal) return *refusal;
      const std::string why = client_->health().troubled()
                                  ? client_->health().unreachable(timeout).message
                                  : "no answer within " + in_words(timeout);
      return could_not_fetch(place_, partition, offset, why);
    }
    const Found found =
        TRY(look(queue, partition, offset, listener, std::min(left, Milliseconds{200})));
    if (found != Found::not_yet) return found == Found::record;
    client_->serve(Milliseconds{0});
    if (client_->failure()) return *client_->failure();
  }
}

Result<Refetch::Found> Refetch::look(rd_kafka_queue_t* queue, PartitionId partition, Offset offset,
                                     RecordListener& listener, Milliseconds patience) {
  const MessageHandle message(rd_kafka_consume_queue(queue, as_timeout(patience)));
  if (message == nullptr) return Found::not_yet;
  switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      break;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:      // nothing at or after it (any more)
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:  // deleted
      return Found::nothing;
    default:
      if (auto refusal = refusal_of(message->err, place_)) return *std::move(refusal);
      if (is_transient(message->err)) return Found::not_yet;
      return could_not_fetch(place_, partition, offset, reason_of(message->err));
  }
  if (message->offset < offset.value) return Found::not_yet;
  if (message->offset > offset.value) return Found::nothing;
  const MessageHeaders headers(*message);
  listener.record(record_of(*message, headers));
  return Found::record;
}

}  // namespace sluice::kafka
