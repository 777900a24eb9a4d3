// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <librdkafka/rdkafka.h>

#include <string>
#include <utility>
#include <vector>

#include "core/base/handle.hpp"
#include "core/base/result.hpp"
#include "core/kafka/properties.hpp"
#include "core/kafka/source.hpp"

namespace sluice::kafka {

using Conf = Handle<rd_kafka_conf_t, rd_kafka_conf_destroy>;
using Properties = std::vector<std::pair<std::string, std::string>>;

enum class Role : uint8_t { consumer, producer };

/// Checks the cluster's options without any network: brokers are named, every property is allowed
/// and taken, and no password goes over an unencrypted line to another machine.
[[nodiscard]] Result<void> check_cluster(const ClusterOptions& cluster);

/// A configuration for rd_kafka_new(): sluice's settings for every client, then `defaults`, then
/// the cluster's properties for this role, then `fixed`, each overriding what came before. Logging
/// goes to a queue, never to stderr.
[[nodiscard]] Result<Conf> make_conf(const ClusterOptions& cluster, Role role,
                                     const Properties& defaults, const Properties& fixed);

/// The value of a property, empty when it has none.
[[nodiscard]] std::string conf_value(const rd_kafka_conf_t* conf, const char* key);

/// The same as a number.
[[nodiscard]] int64_t conf_number(const rd_kafka_conf_t* conf, const char* key);

/// Whether the linked librdkafka knows `key` at all.
[[nodiscard]] bool knows_property(std::string_view key);

/// Values that must not appear in any text.
[[nodiscard]] std::vector<std::string> secret_values(const ClusterOptions& cluster);

/// Whether every broker of the list is this machine ("localhost", 127.0.0.0/8, ::1).
[[nodiscard]] bool all_loopback(std::string_view brokers);

/// What a read queue may hold, and how much one fetch brings (kafka.md section 2).
struct QueueSizes {
  uint64_t queue_kbytes = 0;    ///< queued.max.messages.kbytes, which counts per partition
  uint64_t queue_messages = 0;  ///< queued.min.messages, which counts per partition too
  uint64_t fetch_bytes = 0;     ///< fetch.message.max.bytes
};

/// What librdkafka needs for a message in a queue besides its payload, which is all that its own
/// limit counts: an operation, list nodes, the allocator's rounding.
inline constexpr uint64_t message_overhead = 512;

/// Divides `bytes_max` among the partitions of a topic: the payload of a queue filled to its limit
/// and the fetch that overfills it take a third of one partition's share, which is at least 64 KiB,
/// its messages' overhead the rest. Much smaller queues cost CPU.
[[nodiscard]] QueueSizes queue_sizes(uint64_t bytes_max, size_t partitions);

}  // namespace sluice::kafka
