// SPDX-License-Identifier: Apache-2.0
// The part of Consumer that notices brokers and topics that went away.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/kafka/consumer.hpp"

namespace sluice::kafka {
namespace {

constexpr Milliseconds quiet_interval{5000};  // without an answer, before we ask for one
constexpr Milliseconds probe_interval{2000};
constexpr Milliseconds probe_patience_first{100};
constexpr Milliseconds probe_patience_max{2000};
constexpr Milliseconds probe_patience_last{5000};

TimePoint now() { return SystemClock().now(); }

Milliseconds since(TimePoint then, TimePoint time) {
  return std::chrono::duration_cast<Milliseconds>(time - then);
}

}  // namespace

// Asks for the end of these partitions, or for the topic when there are none.
bool Consumer::probe(std::span<const PartitionId> partitions, Milliseconds patience) {
  bool answered = false;
  if (partitions.empty()) {
    const std::optional<bool> exists = Lookups(*client_, place(), patience).topic_exists();
    if (exists && !*exists) suspect_topic();
    answered = exists.has_value();
  } else {
    const PartitionList list = partition_list(options_.topic, partitions, RD_KAFKA_OFFSET_END);
    const rd_kafka_resp_err_t code =
        rd_kafka_offsets_for_times(client_->get(), list.get(), as_timeout(patience));
    answered =
        code == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[0].err == RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  if (answered) client_->health().note_answer(now());
  return answered;
}

Result<void> Consumer::check_reachable() {
  const TimePoint time = now();
  BrokerHealth& health = client_->health();
  const Milliseconds quiet = since(health.last_answer(), time);
  if (quiet < (health.troubled() ? Milliseconds{1000} : quiet_interval)) {
    return check_stuck_partitions(time);
  }
  const bool too_long = options_.unavailable_max.count() > 0 && quiet >= options_.unavailable_max;
  if (!too_long && time - last_probe_ < probe_interval) return {};
  last_probe_ = time;
  // Short at first, since the pipeline waits meanwhile; longer before anything is concluded.
  probe_patience_ = std::clamp(probe_patience_ * 2, probe_patience_first, probe_patience_max);
  if (probe({}, too_long ? probe_patience_last : probe_patience_)) {
    probe_patience_ = Milliseconds{0};
    return {};
  }
  if (auto refusal = health.refusal(now())) return *std::move(refusal);
  if (too_long) return health.unreachable(since(health.last_answer(), now()));
  return {};
}

// A partition whose leader is away while other brokers answer.
Result<void> Consumer::check_stuck_partitions(TimePoint time) {
  if (options_.unavailable_max.count() <= 0) return {};
  for (auto& [partition, assigned] : assignment_) {
    if (!assigned.empty_since || time - assigned.last_read > Milliseconds{1000}) continue;
    if (time - *assigned.empty_since < options_.unavailable_max) continue;
    const PartitionId id = partition;
    if (probe({&id, 1}, probe_patience_last)) {
      client_->log(4, fmt::format("{}[{}]: no record came for {} though the broker answers",
                                  options_.topic, id.value, in_words(options_.unavailable_max)));
      assigned.empty_since = time;
      continue;
    }
    return Error{
        .code = Errc::unavailable,
        .slug = "kafka-partition-unreachable",
        .message = fmt::format("the leader of {}[{}] has not answered for {}", options_.topic,
                               id.value, in_words(options_.unavailable_max)),
        .fix = "check that every partition has a leader, then try again"};
  }
  return {};
}

void Consumer::suspect_topic() {
  if (!topic_missing_since_) topic_missing_since_ = now();
}

// A broker that has just started may not know its topics yet, so it has to stay unknown a while.
Result<void> Consumer::check_topic() {
  constexpr Milliseconds interval{1000};
  constexpr Milliseconds patience{5000};
  const TimePoint time = now();
  if (!topic_missing_since_ || time - last_topic_check_ < interval) return {};
  last_topic_check_ = time;
  const std::optional<bool> exists = Lookups(*client_, place(), Milliseconds{500}).topic_exists();
  if (!exists) return {};
  if (*exists) {
    topic_missing_since_.reset();
    return {};
  }
  if (time - *topic_missing_since_ < patience) return {};
  return topic_missing(options_.topic, {});
}

}  // namespace sluice::kafka
