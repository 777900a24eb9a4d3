// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/properties.hpp"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/handle.hpp"
#include "core/base/text.hpp"
#include "core/kafka/property_table.hpp"

namespace sluice::kafka {
namespace {

using Conf = Handle<rd_kafka_conf_t, rd_kafka_conf_destroy>;

/// A property that sluice sets itself, and what to do instead.
struct OwnProperty {
  std::string_view key;
  std::string_view instead;
};

constexpr std::string_view offsets_are_ours =
    "sluice commits offsets itself, after ClickHouse has the rows; leave it out";
constexpr std::string_view rejects_are_safe =
    "rejected records are always written idempotently, to all replicas; leave it out";
constexpr std::string_view set_by_sluice = "sluice sets it itself; leave it out";

constexpr std::array own_properties = {
    OwnProperty{"bootstrap.servers", "name the brokers with --brokers or kafka.brokers"},
    OwnProperty{"metadata.broker.list", "name the brokers with --brokers or kafka.brokers"},
    OwnProperty{"group.id", "the consumer group belongs to the pipeline; set it there"},
    OwnProperty{"enable.auto.commit", offsets_are_ours},
    OwnProperty{"auto.commit.enable", offsets_are_ours},
    OwnProperty{"auto.commit.interval.ms", offsets_are_ours},
    OwnProperty{"enable.auto.offset.store", offsets_are_ours},
    OwnProperty{"offset.store.method", offsets_are_ours},
    OwnProperty{"offset.store.path", offsets_are_ours},
    OwnProperty{"offset.store.sync.interval.ms", offsets_are_ours},
    OwnProperty{"auto.offset.reset", "say where to start with --from or the pipeline's start key"},
    OwnProperty{"enable.partition.eof", set_by_sluice},
    OwnProperty{"allow.auto.create.topics",
                "sluice never creates the topics it reads; leave it out"},
    OwnProperty{"group.protocol", "sluice uses the classic group protocol; leave it out"},
    OwnProperty{"group.remote.assignor", "sluice uses the classic group protocol; leave it out"},
    OwnProperty{"enable.idempotence", rejects_are_safe},
    OwnProperty{"enable.gapless.guarantee", rejects_are_safe},
    OwnProperty{"transactional.id", rejects_are_safe},
    OwnProperty{"acks", rejects_are_safe},
    OwnProperty{"request.required.acks", rejects_are_safe},
    OwnProperty{"delivery.report.only.error", rejects_are_safe},
    OwnProperty{"enable.sasl.oauthbearer.unsecure.jwt",
                "tokens without a signature are never accepted; leave it out"},
    OwnProperty{"enable_sasl_queue", set_by_sluice},
    OwnProperty{"enabled_events", set_by_sluice},
    OwnProperty{"internal.termination.signal", set_by_sluice},
    OwnProperty{"log.queue", set_by_sluice},
};

// They load or run code: a configuration file must not be able to (security.md 18).
constexpr std::array<std::string_view, 5> unsafe_properties = {
    "sasl.kerberos.kinit.cmd", "plugin.library.paths", "ssl.engine.location", "ssl.providers",
    "interceptors"};

Error bad_property(const std::string& key, std::string_view why, std::string fix) {
  return {.code = Errc::config,
          .slug = "kafka-property",
          .message = fmt::format("Kafka property {} {}", printable(key, 100), why),
          .fix = std::move(fix)};
}

// The table of librdkafka leaves nothing out but has callbacks, which are no text properties.
Error unknown_property(const std::string& key) {
  const std::string near = did_you_mean(nearest_names(key, property_names()));
  return bad_property(key, "is unknown to librdkafka " + std::string(rd_kafka_version_str()),
                      near.empty() ? "list all properties with -X list" : near);
}

Result<void> check_by_rule(const std::string& key, const std::string& value) {
  if (key == "partition.assignment.strategy") {
    for (const std::string& name : split_list(value)) {
      if (name == "range" || name == "roundrobin") continue;
      return bad_property(
          key, "may hold range and roundrobin only",
          "cooperative assignment can lose partitions in this librdkafka; use range, "
          "roundrobin or both");
    }
  }
  return {};
}

}  // namespace

Result<void> check_property(const std::string& key, const std::string& value, bool allow_unsafe) {
  const bool is_unsafe =
      std::find(unsafe_properties.begin(), unsafe_properties.end(), key) != unsafe_properties.end();
  if (is_unsafe && !allow_unsafe) {
    return bad_property(key, "loads or runs code and is not allowed",
                        "leave it out, or set allow_unsafe_kafka_properties = true in the "
                        "configuration file when you trust everyone who can write it");
  }
  const auto own = std::find_if(own_properties.begin(), own_properties.end(),
                                [&](const OwnProperty& property) { return property.key == key; });
  if (own != own_properties.end()) {
    return bad_property(key, "is not yours to set", std::string(own->instead));
  }
  if (key.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
    return bad_property(key, "holds a zero byte", "take it out");
  }
  TRY(check_by_rule(key, value));

  const Conf conf(rd_kafka_conf_new());
  std::array<char, 512> text{};
  const rd_kafka_conf_res_t answer =
      rd_kafka_conf_set(conf.get(), key.c_str(), value.c_str(), text.data(), text.size());
  if (answer == RD_KAFKA_CONF_OK) return {};
  if (answer == RD_KAFKA_CONF_UNKNOWN) return unknown_property(key);
  // librdkafka's reason quotes the value.
  if (is_secret_property(key)) return bad_property(key, "has a value that librdkafka refuses", "");
  return bad_property(key, "is refused: " + printable(text.data(), 300), "");
}

bool is_secret_property(std::string_view key) {
  constexpr std::array<std::string_view, 4> exact = {"ssl.key.pem", "ssl_key",
                                                     "sasl.oauthbearer.config", "sasl.jaas.config"};
  if (std::find(exact.begin(), exact.end(), key) != exact.end()) return true;
  constexpr std::array<std::string_view, 3> parts = {"password", "secret", "token"};
  const bool has_part = std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return key.find(part) != std::string_view::npos;
  });
  // The address of a token's issuer is none.
  return has_part && key.find(".url") == std::string_view::npos;
}

std::vector<std::string> property_names() {
  std::vector<std::string> names;
  for (const PropertyInfo& property : property_table()) {
    if (!property.no_longer_used) names.push_back(property.name);
  }
  return names;
}

std::string version_line() {
  const Conf conf(rd_kafka_conf_new());
  std::array<char, 1024> features{};
  size_t size = features.size();
  std::string list;
  if (rd_kafka_conf_get(conf.get(), "builtin.features", features.data(), &size) ==
      RD_KAFKA_CONF_OK) {
    list = features.data();
  }
  return fmt::format("librdkafka {} [{}]", rd_kafka_version_str(),
                     fmt::join(split_list(list), " "));
}

}  // namespace sluice::kafka
