// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <future>
#include <thread>
#include <utility>

#include "core/base/text.hpp"
#include "core/kafka/errors.hpp"

namespace sluice::kafka {
namespace {

TimePoint now() { return SystemClock().now(); }

Error cannot_open(std::string_view why) {
  return {.code = Errc::config,
          .slug = "kafka-client",
          .message = "the Kafka client cannot start: " + printable(why, 400),
          .fix = "check the Kafka properties of the configuration"};
}

// A warning at every start, so that nobody leaves it like this unawares (security.md 7).
std::string tls_warning(const rd_kafka_conf_t* conf) {
  const std::string protocol = conf_value(conf, "security.protocol");
  if (protocol != "ssl" && protocol != "sasl_ssl") return "";
  if (conf_value(conf, "enable.ssl.certificate.verification") == "false") {
    return "the brokers' TLS certificates are not verified "
           "(enable.ssl.certificate.verification = false)";
  }
  if (conf_value(conf, "ssl.endpoint.identification.algorithm") == "none") {
    return "the brokers' names are not compared with their TLS certificates "
           "(ssl.endpoint.identification.algorithm = none)";
  }
  return "";
}

// Ours stays below 1,500 bytes; what another tool wrote is kept, up to the 4,096 characters that
// brokers take. librdkafka silently drops all of it from 32,768 bytes on.
constexpr size_t metadata_bytes_max = 32'767;

void destroy_without_leaving(rd_kafka_t* handle) {
  rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

}  // namespace

Result<std::unique_ptr<Client>> Client::open(Role role, Conf conf, const ClusterOptions& cluster,
                                             Callbacks callbacks) {
  auto client = std::make_unique<Client>(cluster, std::move(callbacks));
  TRY(client->start(role, std::move(conf)));
  return client;
}

Client::Client(const ClusterOptions& cluster, Callbacks callbacks)
    : log_(cluster.log),
      secrets_(secret_values(cluster)),
      callbacks_(std::move(callbacks)),
      health_(cluster.brokers, now()) {}

Client::~Client() { destroy(Milliseconds{5000}); }

Result<void> Client::start(Role role, Conf conf) {
  const std::string warning = tls_warning(conf.get());
  has_group_ = role == Role::consumer && !conf_value(conf.get(), "group.id").empty();
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  if (callbacks_.rebalanced) rd_kafka_conf_set_rebalance_cb(conf.get(), on_rebalance);
  if (callbacks_.statistics) rd_kafka_conf_set_stats_cb(conf.get(), on_statistics);
  if (callbacks_.delivered) rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivery);

  std::array<char, 512> text{};
  handle_ = rd_kafka_new(role == Role::consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf.get(),
                         text.data(), text.size());
  if (handle_ == nullptr) return cannot_open(text.data());
  static_cast<void>(conf.release());  // the client owns it now

  log_queue_.reset(rd_kafka_queue_new(handle_));
  if (rd_kafka_set_log_queue(handle_, log_queue_.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return cannot_open("its log cannot be redirected");
  }
  if (has_group_) rd_kafka_poll_set_consumer(handle_);
  if (!warning.empty()) log(4, warning);
  return {};
}

void Client::destroy(Milliseconds timeout) {
  if (handle_ == nullptr) return;
  forward_logs();
  log_queue_.reset();
  // A name that does not resolve or a silent broker can hold this up longer than anyone waits. No
  // callback runs in there: all of ours are served from queues.
  std::packaged_task<void()> task(
      [handle = std::exchange(handle_, nullptr)] { destroy_without_leaving(handle); });
  const std::future<void> done = task.get_future();
  std::thread thread(std::move(task));
  if (done.wait_for(timeout) == std::future_status::ready) {
    thread.join();
  } else {
    thread.detach();
  }
}

void Client::forward_logs() {
  if (handle_ == nullptr || log_queue_ == nullptr) return;
  // Bounded: at full debugging lines may come as fast as we take them.
  for (int taken = 0; taken < 10'000; ++taken) {
    const EventHandle event(rd_kafka_queue_poll(log_queue_.get(), 0));
    if (event == nullptr) return;
    const char* facility = nullptr;
    const char* text = nullptr;
    int level = 0;
    if (rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_LOG) continue;
    if (rd_kafka_event_log(event.get(), &facility, &text, &level) != 0) continue;
    log(level,
        fmt::format("{}: {}", facility == nullptr ? "" : facility, text == nullptr ? "" : text));
  }
}

void Client::log(int level, std::string_view text) const {
  if (!log_) return;
  std::string line(text);
  for (const std::string& secret : secrets_) {
    for (size_t at = line.find(secret); at != std::string::npos; at = line.find(secret, at + 1)) {
      line.replace(at, secret.size(), "*");
    }
  }
  log_(level, printable(line));
}

void Client::serve(Milliseconds wait) {
  forward_logs();
  if (has_group_) {
    take_consumer_events(wait);
  } else {
    rd_kafka_poll(handle_, as_timeout(wait));
  }
  forward_logs();
}

void Client::take_consumer_events(Milliseconds wait) {
  int timeout = as_timeout(wait);
  for (int taken = 0; taken < 100; ++taken) {
    const MessageHandle message(rd_kafka_consumer_poll(handle_, timeout));
    if (message == nullptr) return;
    if (callbacks_.message) {
      callbacks_.message(*message);
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      group_error_ = message->err;
    }
    timeout = 0;
  }
}

void Client::fail(Error error) {
  if (!failure_) failure_ = std::move(error);
}

void Client::on_error(rd_kafka_t* handle, int code, const char* text, void* opaque) noexcept {
  auto& client = *static_cast<Client*>(opaque);
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  if (client.callbacks_.error) client.callbacks_.error(rd_kafka_err2name(error));
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    client.fail(fatal_error(handle, {}));
    return;
  }
  client.health_.note_error(error, text == nullptr ? "" : text, now());
}

void Client::on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t code,
                          rd_kafka_topic_partition_list_t* partitions, void* opaque) noexcept {
  static_cast<Client*>(opaque)->callbacks_.rebalanced(code, partitions);
}

int Client::on_statistics(rd_kafka_t*, char* json, size_t size, void* opaque) noexcept {
  static_cast<Client*>(opaque)->callbacks_.statistics({json, size});
  return 0;  // librdkafka frees the text
}

void Client::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) noexcept {
  static_cast<Client*>(opaque)->callbacks_.delivered(*message);
}

PartitionList partition_list(const std::string& topic, std::span<const PartitionId> partitions,
                             int64_t offset) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const PartitionId partition : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition.value)->offset = offset;
  }
  return list;
}

void add_offset(rd_kafka_topic_partition_list_t& list, const std::string& topic,
                PartitionId partition, Offset offset, std::string_view metadata) {
  rd_kafka_topic_partition_t* element =
      rd_kafka_topic_partition_list_add(&list, topic.c_str(), partition.value);
  element->offset = offset.value;
  CHECK(metadata.size() <= metadata_bytes_max);
  if (metadata.empty()) return;
  // The list frees it.
  element->metadata = rd_kafka_mem_malloc(nullptr, metadata.size());
  CHECK(element->metadata != nullptr);
  std::memcpy(element->metadata, metadata.data(), metadata.size());
  element->metadata_size = metadata.size();
}

int as_timeout(Milliseconds wait) {
  constexpr Milliseconds::rep longest = 600'000;
  return static_cast<int>(std::clamp<Milliseconds::rep>(wait.count(), 0, longest));
}

}  // namespace sluice::kafka
