// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
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

struct SourceOptions {
  std::string topic;
  std::string group;
  uint64_t queue_bytes_max = 64ull << 20;  ///< for all partitions together
  Milliseconds fetch_wait_max{10};
  Milliseconds unavailable_max{60'000};  ///< no broker for so long is an error; 0: never
};

/// Connects (lazily) and returns a Source of one topic. Does not join the group yet.
[[nodiscard]] Result<std::unique_ptr<Source>> open_source(const ClusterOptions& cluster,
                                                          const SourceOptions& options);

/// Writes rejected records whole to a topic, with headers sluice.error.{code,column,message,topic,
/// partition,offset,timestamp,run} (delivery.md section 3). flush() waits for the acknowledgement
/// of all brokers.
[[nodiscard]] Result<std::unique_ptr<RejectSink>> open_reject_topic(const ClusterOptions& cluster,
                                                                    const std::string& topic,
                                                                    const std::string& run_id);

}  // namespace sluice::kafka
