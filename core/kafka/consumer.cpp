// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/consumer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/kafka/statistics.hpp"

namespace sluice::kafka {
namespace {

TimePoint now() { return SystemClock().now(); }

Result<void> check_names(const SourceOptions& options) {
  constexpr std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  const std::string& topic = options.topic;
  // librdkafka takes "^…" for a pattern; Kafka has no topic of such a name.
  if (topic.empty() || topic.size() > 249 || topic == "." || topic == ".." ||
      topic.find_first_not_of(allowed) != std::string::npos) {
    return Error{.code = Errc::config,
                 .slug = "topic-name",
                 .message = fmt::format("'{}' is no name of a Kafka topic", printable(topic, 100)),
                 .fix = "use letters, digits, '.', '_' and '-', at most 249"};
  }
  if (options.group.empty() || options.group.find('\0') != std::string::npos) {
    return Error{.code = Errc::config,
                 .slug = "group-name",
                 .message = "the consumer group has no name",
                 .fix = "give the pipeline a group"};
  }
  return {};
}

const Properties& fixed_properties() {
  static const Properties properties = {
      {"enable.auto.commit", "false"},       {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},        {"enable.partition.eof", "true"},
      {"allow.auto.create.topics", "false"},
  };
  return properties;
}

}  // namespace

Result<std::unique_ptr<Source>> open_source(const ClusterOptions& cluster,
                                            const SourceOptions& options) {
  TRY(check_names(options));
  TRY(check_cluster(cluster));
  auto consumer = std::make_unique<Consumer>(cluster, options);
  TRY(consumer->open());
  return std::unique_ptr<Source>(std::move(consumer));
}

Consumer::Consumer(ClusterOptions cluster, SourceOptions options)
    : cluster_(std::move(cluster)),
      options_(std::move(options)),
      queue_bytes_max_(options_.queue_bytes_max) {}

Result<void> Consumer::open() {
  Conf conf = TRY(make_conf(cluster_, Role::consumer, {}, fixed_properties()));
  counter_ = TRY(Client::open(Role::consumer, std::move(conf), cluster_, watching_callbacks()));
  return {};
}

Client::Callbacks Consumer::watching_callbacks() const {
  Client::Callbacks callbacks;
  ClientWatch* const watch = options_.watch;
  if (watch == nullptr) return callbacks;
  callbacks.error = [watch](std::string_view name) { watch->client_error(name); };
  callbacks.statistics = [watch](std::string_view json) {
    if (const auto found = parse_statistics(json)) watch->client_statistics(*found);
  };
  return callbacks;
}

Milliseconds Consumer::lookup_limit() const {
  constexpr Milliseconds longest{30'000};
  return options_.unavailable_max.count() > 0 ? std::min(longest, options_.unavailable_max)
                                              : longest;
}

Result<Conf> Consumer::consumer_conf(size_t partitions) {
  const QueueSizes sizes = queue_sizes(options_.queue_bytes_max, partitions);
  Properties defaults = {
      {"isolation.level", "read_committed"},
      {"check.crcs", "true"},
      {"partition.assignment.strategy", "range,roundrobin"},
      {"session.timeout.ms", "45000"},
      {"heartbeat.interval.ms", "3000"},
      {"max.poll.interval.ms", "300000"},
      {"fetch.wait.max.ms", std::to_string(options_.fetch_wait_max.count())},
      {"fetch.min.bytes", "1"},
      {"fetch.message.max.bytes", std::to_string(sizes.fetch_bytes)},
      {"fetch.max.bytes", std::to_string(64ull << 20)},
      {"queued.min.messages", std::to_string(sizes.queue_messages)},
      {"queued.max.messages.kbytes", std::to_string(sizes.queue_kbytes)},
  };
  if (options_.watch != nullptr) {
    defaults.emplace_back("statistics.interval.ms", statistics_interval_ms);
  }
  // Without it a full queue makes librdkafka rest for up to a second, hence poke_stalled().
  constexpr const char* backoff = "fetch.queue.backoff.ms";
  needs_poke_ = !knows_property(backoff);
  if (!needs_poke_) defaults.emplace_back(backoff, "10");
  Properties fixed = fixed_properties();
  fixed.emplace_back("group.id", options_.group);
  Conf conf = TRY(make_conf(cluster_, Role::consumer, defaults, fixed));

  const auto kbytes = static_cast<uint64_t>(conf_number(conf.get(), "queued.max.messages.kbytes"));
  const auto fetch = static_cast<uint64_t>(conf_number(conf.get(), "fetch.message.max.bytes"));
  queue_bytes_per_partition_ = kbytes << 10;
  queue_messages_per_partition_ =
      static_cast<uint64_t>(conf_number(conf.get(), "queued.min.messages"));
  queue_bytes_max_ =
      (queue_bytes_per_partition_ + queue_messages_per_partition_ * message_overhead + fetch) *
      partitions;
  poll_interval_max_ = Milliseconds{conf_number(conf.get(), "max.poll.interval.ms")};
  return conf;
}

Result<void> Consumer::open_consumer() {
  if (client_ != nullptr) return {};
  CHECK(!closed_);
  const auto found = TRY(Lookups(*counter_, place(), lookup_limit(), options_.stop).partitions());
  Conf conf = TRY(consumer_conf(found.size()));
  Client::Callbacks callbacks = watching_callbacks();
  callbacks.rebalanced = [this](rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list) {
    on_rebalance(code, list);
  };
  callbacks.message = [this](const rd_kafka_message_t& message) { on_message(message); };
  client_ = TRY(Client::open(Role::consumer, std::move(conf), cluster_, std::move(callbacks)));
  counter_->destroy(Milliseconds{1000});
  counter_.reset();
  return {};
}

Result<Lookups> Consumer::lookups() {
  TRY(open_consumer());
  return Lookups(*client_, place(), lookup_limit(), options_.stop);
}

Result<std::vector<PartitionId>> Consumer::partitions() {
  if (client_ == nullptr)
    return Lookups(*counter_, place(), lookup_limit(), options_.stop).partitions();
  return Lookups(*client_, place(), lookup_limit(), options_.stop).partitions();
}

Result<std::map<PartitionId, Watermarks>> Consumer::watermarks(
    std::span<const PartitionId> partitions) {
  return TRY(lookups()).watermarks(partitions);
}

Result<std::map<PartitionId, Offset>> Consumer::offsets_at(std::span<const PartitionId> partitions,
                                                           WallTime time) {
  return TRY(lookups()).offsets_at(partitions, time);
}

Result<std::map<PartitionId, Committed>> Consumer::committed(
    std::span<const PartitionId> partitions) {
  return TRY(lookups()).committed(partitions);
}

Result<void> Consumer::join(AssignmentListener& listener) {
  CHECK(listener_ == nullptr);
  TRY(open_consumer());
  listener_ = &listener;
  client_->set_group_served();
  last_poll_ = now();
  const PartitionId any{RD_KAFKA_PARTITION_UA};
  const PartitionList topics = partition_list(options_.topic, {&any, 1}, RD_KAFKA_OFFSET_INVALID);
  const rd_kafka_resp_err_t code = rd_kafka_subscribe(client_->get(), topics.get());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  if (code == RD_KAFKA_RESP_ERR__FATAL) return fatal_error(client_->get(), place());
  return Error{.code = Errc::failed,
               .slug = "kafka-join-failed",
               .message = fmt::format("group {} could not be joined: {}",
                                      printable(options_.group, 200), reason_of(code)),
               .fix = "see the log with -vv"};
}

Result<void> Consumer::poll(Milliseconds wait) {
  CHECK(listener_ != nullptr);
  if (closed_) return {};
  last_poll_ = now();
  poke_stalled();
  client_->serve(wait);
  last_poll_ = now();
  stop_at_ends();
  if (client_->failure()) return *client_->failure();
  TRY(check_reachable());
  return check_topic();
}

Result<bool> Consumer::fetch(PartitionId partition, Offset offset, RecordListener& listener,
                             Milliseconds timeout) {
  if (refetch_ == nullptr) refetch_ = TRY(Refetch::open(cluster_, place()));
  return refetch_->fetch(partition, offset, listener, timeout);
}

void Consumer::leave_group(Milliseconds timeout) {
  const TimePoint deadline = now() + timeout;
  const QueueHandle queue(rd_kafka_queue_new(client_->get()));
  using ErrorHandle = Handle<rd_kafka_error_t, rd_kafka_error_destroy>;
  const ErrorHandle error(rd_kafka_consumer_close_queue(client_->get(), queue.get()));
  if (error != nullptr) return;
  while (rd_kafka_consumer_closed(client_->get()) == 0) {
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - now());
    if (left.count() <= 0) return;
    rd_kafka_queue_poll_callback(queue.get(), as_timeout(std::min(left, Milliseconds{20})));
    client_->forward_logs();
  }
}

void Consumer::close(Milliseconds timeout) {
  if (closed_) return;
  const TimePoint deadline = now() + timeout;
  if (listener_ != nullptr) leave_group(timeout);
  // Not served: the broker is silent, or the client cannot go on. Nobody may commit any more.
  if (!assignment_.empty()) give_partitions(true);
  closed_ = true;
  for (auto* client : {client_.get(), counter_.get()}) {
    if (client == nullptr) continue;
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - now());
    client->destroy(std::max(left, Milliseconds{200}));
  }
  refetch_.reset();
}

}  // namespace sluice::kafka
