// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/statistics.hpp"

#include <nlohmann/json.hpp>

namespace sluice::kafka {
namespace {

using Json = nlohmann::json;

/// Negative numbers stand for "unknown".
uint64_t count_of(const Json& object, const char* key) {
  const int64_t value = object.value(key, int64_t{0});
  return value > 0 ? static_cast<uint64_t>(value) : 0;
}

void add_broker(const Json& broker, ClientStatistics& out) {
  // The bootstrap addresses and the group's coordinator stand there beside the brokers they are.
  const bool real = broker.value("nodeid", -1) >= 0 && broker.value("source", "") != "logical";
  if (!real) return;
  ClientStatistics::Broker& mine = out.brokers[broker.value("nodename", "")];
  mine.up = mine.up || broker.value("state", "") == "UP";
  const auto rtt = broker.find("rtt");
  if (rtt == broker.end() || count_of(*rtt, "cnt") == 0) return;
  mine.rtt_seconds = static_cast<double>(count_of(*rtt, "p99")) / 1e6;
}

}  // namespace

std::optional<ClientStatistics> parse_statistics(std::string_view json) {
  try {
    const Json all = Json::parse(json);
    ClientStatistics out;
    for (const Json& broker : all.at("brokers")) add_broker(broker, out);
    for (const Json& topic : all.at("topics")) {
      for (const Json& partition : topic.at("partitions")) {
        out.fetch_queue_records += count_of(partition, "fetchq_cnt");
        out.fetch_queue_bytes += count_of(partition, "fetchq_size");
      }
    }
    return out;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace sluice::kafka
