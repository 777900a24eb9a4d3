// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <librdkafka/rdkafka.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/handle.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/kafka/conf.hpp"
#include "core/kafka/health.hpp"
#include "core/kafka/source.hpp"

namespace sluice::kafka {

using QueueHandle = Handle<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using EventHandle = Handle<rd_kafka_event_t, rd_kafka_event_destroy>;
using TopicHandle = Handle<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using PartitionList =
    Handle<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;
using MessageHandle = Handle<rd_kafka_message_t, rd_kafka_message_destroy>;

/// One client of librdkafka: its handle, its log and what is known about its brokers.
///
/// All callbacks run on the thread that calls serve() or the poll functions of librdkafka; they
/// must not throw. The handle is freed within a bounded time whatever the brokers do.
class Client {
 public:
  struct Callbacks {
    /// Partitions come (_ASSIGN_PARTITIONS), go (_REVOKE_PARTITIONS) or neither (any other error).
    std::function<void(rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*)> rebalanced;
    /// What arrives on the main queue: errors of the group.
    std::function<void(const rd_kafka_message_t&)> message;
    /// A produced record was acknowledged or given up.
    std::function<void(const rd_kafka_message_t&)> delivered;
    /// librdkafka's statistics, in JSON, every statistics.interval.ms.
    std::function<void(std::string_view)> statistics;
    /// An error that is no record's, by librdkafka's name for it.
    std::function<void(std::string_view)> error;
  };

  /// Creates the client. Connects in the background. Errc::config when the properties do not fit
  /// together or a file they name cannot be read.
  static Result<std::unique_ptr<Client>> open(Role role, Conf conf, const ClusterOptions& cluster,
                                              Callbacks callbacks);

  Client(const ClusterOptions& cluster, Callbacks callbacks);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] rd_kafka_t* get() const { return handle_; }
  [[nodiscard]] BrokerHealth& health() { return health_; }
  [[nodiscard]] const BrokerHealth& health() const { return health_; }
  [[nodiscard]] bool has_group() const { return has_group_; }

  /// Hands the client's log lines to the log callback.
  void forward_logs();
  /// Serves callbacks and errors, waiting up to `wait` for the first, then takes what is there.
  void serve(Milliseconds wait);
  /// From now on only serve() of the group's owner may run callbacks: look-ups leave them alone.
  void set_group_served() { group_served_ = true; }
  [[nodiscard]] bool group_served() const { return group_served_; }

  /// The last error of the group, where Callbacks::message is not there to hear it.
  [[nodiscard]] rd_kafka_resp_err_t group_error() const { return group_error_; }
  void clear_group_error() { group_error_ = RD_KAFKA_RESP_ERR_NO_ERROR; }

  /// The first error that ends everything, from whichever callback.
  void fail(Error error);
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

  /// Writes one line to the log callback, secrets taken out.
  void log(int level, std::string_view text) const;

  /// Frees the handle, waiting at most `timeout`; what takes longer is left to a thread of its own.
  void destroy(Milliseconds timeout);

 private:
  static void on_error(rd_kafka_t*, int code, const char* text, void* opaque) noexcept;
  static void on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t code,
                           rd_kafka_topic_partition_list_t* partitions, void* opaque) noexcept;
  static int on_statistics(rd_kafka_t*, char* json, size_t size, void* opaque) noexcept;
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) noexcept;
  Result<void> start(Role role, Conf conf);
  void take_consumer_events(Milliseconds wait);

  LogCallback log_;
  std::vector<std::string> secrets_;
  Callbacks callbacks_;
  BrokerHealth health_;
  std::optional<Error> failure_;
  QueueHandle log_queue_;
  rd_kafka_t* handle_ = nullptr;
  bool has_group_ = false;
  bool group_served_ = false;
  rd_kafka_resp_err_t group_error_ = RD_KAFKA_RESP_ERR_NO_ERROR;
};

/// A list with these partitions of `topic`, all at `offset`.
[[nodiscard]] PartitionList partition_list(const std::string& topic,
                                           std::span<const PartitionId> partitions, int64_t offset);

/// Adds an offset to commit, with its metadata.
void add_offset(rd_kafka_topic_partition_list_t& list, const std::string& topic,
                PartitionId partition, Offset offset, std::string_view metadata);

/// Milliseconds as librdkafka takes them, never negative (which means for ever).
[[nodiscard]] int as_timeout(Milliseconds wait);

}  // namespace sluice::kafka
