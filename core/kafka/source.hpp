// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/kafka/reject_headers.hpp"
#include "core/model/offset_ranges.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::kafka {

/// A message of librdkafka itself. `level` is syslog's: 3 error, 4 warning, 6 info, 7 debug. Called
/// from the thread that calls Source functions. Control characters are already escaped.
using LogCallback = std::function<void(int level, std::string_view text)>;

/// How to reach a cluster. `properties` are librdkafka's, in the order given, later ones win; they
/// override sluice's own defaults (kafka.md section 2) except those sluice depends on, which are
/// refused with Errc::config (enable.auto.commit, auto.offset.reset, group.id, …).
struct ClusterOptions {
  std::string brokers;  ///< "host:port,host:port"
  std::vector<std::pair<std::string, std::string>> properties;
  bool allow_unsafe_properties = false;  ///< those that load or run code (security.md 18)
  bool allow_plaintext_auth = false;     ///< SASL without TLS to a host that is not loopback
  LogCallback log;
};

/// What the client of a source tells of itself every few seconds.
struct ClientStatistics {
  struct Broker {
    bool up = false;
    std::optional<double> rtt_seconds;  ///< p99 of the last seconds; absent when nothing was asked
  };
  uint64_t fetch_queue_records = 0;
  uint64_t fetch_queue_bytes = 0;
  std::map<std::string, Broker> brokers;  ///< by "host:port"
};

/// Watches the client of a source. Called on the pipeline thread.
class ClientWatch {
 public:
  virtual ~ClientWatch() = default;
  virtual void client_statistics(const ClientStatistics& statistics) = 0;
  /// `name` is librdkafka's: "_TRANSPORT".
  virtual void client_error(std::string_view name) = 0;
};

struct SourceOptions {
  std::string topic;
  std::string group;
  uint64_t queue_bytes_max = 64ull << 20;  ///< for all partitions together
  Milliseconds fetch_wait_max{10};
  Milliseconds unavailable_max{60'000};  ///< no broker for so long is an error; 0: never
  ClientWatch* watch = nullptr;          ///< outlives the source; without one nothing is measured
  /// Once asked for, no question is waited for any more (`cancelled`, within some seconds).
  std::stop_token stop{};
};

/// Connects (lazily) and returns a Source of one topic. Does not join the group yet.
[[nodiscard]] Result<std::unique_ptr<Source>> open_source(const ClusterOptions& cluster,
                                                          const SourceOptions& options);

/// Writes rejected records whole to a topic, with the headers of reject_headers.hpp (delivery.md
/// section 3). flush() waits for the acknowledgement of all brokers.
[[nodiscard]] Result<std::unique_ptr<RejectSink>> open_reject_topic(const ClusterOptions& cluster,
                                                                    const std::string& topic,
                                                                    const RejectedBy& by);

/// The names of all topics of the cluster. Waits up to `limit` for an answer.
[[nodiscard]] Result<std::vector<std::string>> list_topics(const ClusterOptions& cluster,
                                                           Milliseconds limit);

struct TopicOfGroup {
  std::string topic;
  std::string group;
};

/// Whether any of the groups has committed an offset of its topic. Joins none. `limit` is for each.
[[nodiscard]] Result<bool> any_committed(const ClusterOptions& cluster,
                                         const std::vector<TopicOfGroup>& groups,
                                         Milliseconds limit);

struct ScanOptions {
  std::string topic;
  /// Records that this group has committed are passed over, and those before `since`.
  std::optional<std::string> group;
  std::optional<WallTime> since;
  /// Only about so many of the newest, taken from all partitions.
  std::optional<uint64_t> newest_max;
  Milliseconds unavailable_max{30'000};  ///< no broker for so long is an error
};

/// Reads a topic from there to its present end, outside of any group: nothing is joined and nothing
/// committed. Records of one partition come in order. Blocks until done; `cancelled` soon after
/// `stop` was asked for.
[[nodiscard]] Result<void> scan_topic(const ClusterOptions& cluster, const ScanOptions& options,
                                      RecordListener& listener, const std::stop_token& stop);

/// Reads just these ranges (sorted, disjoint) in the same way, as far as the brokers still hold
/// them; what they hold comes back. `options` names the topic, its group and `since` do not count.
[[nodiscard]] Result<std::map<PartitionId, Watermarks>> scan_ranges(
    const ClusterOptions& cluster, const ScanOptions& options,
    const std::map<PartitionId, OffsetRanges>& ranges, RecordListener& listener,
    const std::stop_token& stop);

}  // namespace sluice::kafka
