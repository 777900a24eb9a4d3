// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/conf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/base/text.hpp"
#include "core/kafka/properties.hpp"
#include "core/kafka/property_table.hpp"

namespace sluice::kafka {
namespace {

// For every client, consumer and producer.
const Properties& common_defaults() {
  static const Properties properties = {
      {"client.id", "sluice"},
      {"socket.keepalive.enable", "true"},
      {"socket.nagle.disable", "true"},
      {"reconnect.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "10000"},
      {"topic.metadata.refresh.interval.ms", "60000"},
  };
  return properties;
}

Result<void> set(rd_kafka_conf_t* conf, const std::string& key, const std::string& value) {
  std::array<char, 512> text{};
  if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), text.data(), text.size()) ==
      RD_KAFKA_CONF_OK) {
    return {};
  }
  const std::string why = is_secret_property(key) ? key : printable(text.data(), 300);
  return Error{.code = Errc::config,
               .slug = "kafka-property",
               .message = "librdkafka refuses a property: " + why,
               .fix = ""};
}

Result<void> set_all(rd_kafka_conf_t* conf, const Properties& properties) {
  for (const auto& [key, value] : properties) TRY(set(conf, key, value));
  return {};
}

std::string_view host_of(std::string_view broker) {
  const size_t protocol = broker.find("://");
  if (protocol != std::string_view::npos) broker.remove_prefix(protocol + 3);
  if (!broker.empty() && broker.front() == '[') {
    return broker.substr(1, std::min(broker.find(']'), broker.size()) - 1);
  }
  const size_t colon = broker.find(':');
  // More than one colon without brackets: an IPv6 address and no port.
  if (colon != std::string_view::npos && broker.find(':', colon + 1) == std::string_view::npos) {
    return broker.substr(0, colon);
  }
  return broker;
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  // "127.evil.example" is a name.
  return host.substr(0, 4) == "127." &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

Result<void> check_authentication(const rd_kafka_conf_t* conf, const ClusterOptions& cluster) {
  const std::string protocol = conf_value(conf, "security.protocol");
  TRY(check_plaintext(protocol, cluster.brokers, cluster.allow_plaintext_auth));
  const bool sasl = protocol == "sasl_plaintext" || protocol == "sasl_ssl";
  const std::string mechanism = conf_value(conf, "sasl.mechanisms");
  if (sasl && mechanism == "OAUTHBEARER" && conf_value(conf, "sasl.oauthbearer.method") != "oidc") {
    return Error{.code = Errc::config,
                 .slug = "kafka-oauthbearer",
                 .message = "sasl.mechanisms = OAUTHBEARER has no source of tokens here",
                 .fix =
                     "use SCRAM-SHA-512, PLAIN or GSSAPI; or sasl.oauthbearer.method = oidc "
                     "where librdkafka has it"};
  }
  if (sasl && (mechanism == "PLAIN" || mechanism.rfind("SCRAM", 0) == 0) &&
      (conf_value(conf, "sasl.username").empty() || conf_value(conf, "sasl.password").empty())) {
    return Error{.code = Errc::config,
                 .slug = "kafka-property",
                 .message = "sasl.mechanisms = " + mechanism + " needs a user and a password",
                 .fix = "set sasl.username and sasl.password"};
  }
  return {};
}

// Kept so that nothing of librdkafka can reach stderr, not even before its log queue exists.
void drop_log(const rd_kafka_t* /*client*/, int /*level*/, const char* /*facility*/,
              const char* /*text*/) noexcept {}

}  // namespace

Result<void> check_plaintext(std::string_view protocol, const std::string& brokers, bool allowed) {
  const bool plaintext =
      protocol == "sasl_plaintext" || lower(brokers).find("sasl_plaintext://") != std::string::npos;
  if (!plaintext || allowed || all_loopback(brokers)) return {};
  return Error{.code = Errc::config,
               .slug = "kafka-plaintext-auth",
               .message = "security.protocol = sasl_plaintext would send the credentials to " +
                          printable(brokers, 200) + " without encryption",
               .fix =
                   "use security.protocol = sasl_ssl, or set allow_plaintext_auth = true in the "
                   "configuration file"};
}

Result<void> check_cluster(const ClusterOptions& cluster) {
  const std::vector<std::string> brokers = split_list(cluster.brokers);
  if (brokers.empty()) {
    return Error{.code = Errc::config,
                 .slug = "kafka-brokers",
                 .message = "no Kafka broker is named",
                 .fix = "name one or more with --brokers host:port,host:port"};
  }
  for (const auto& [key, value] : cluster.properties) {
    TRY(check_property(key, value, cluster.allow_unsafe_properties));
  }
  const Conf conf = TRY(make_conf(cluster, Role::consumer, {}, {}));
  return check_authentication(conf.get(), cluster);
}

Result<Conf> make_conf(const ClusterOptions& cluster, Role role, const Properties& defaults,
                       const Properties& fixed) {
  Conf conf(rd_kafka_conf_new());
  TRY(set_all(conf.get(), common_defaults()));
  TRY(set_all(conf.get(), defaults));
  for (const auto& [key, value] : cluster.properties) {
    // librdkafka warns about every property of the other role.
    const PropertyInfo* info = find_property(key);
    const bool applies =
        info == nullptr || (role == Role::consumer ? info->for_consumer : info->for_producer);
    if (applies) TRY(set(conf.get(), key, value));
  }
  TRY(set_all(conf.get(), fixed));
  TRY(set(conf.get(), "bootstrap.servers",
          fmt::format("{}", fmt::join(split_list(cluster.brokers), ","))));
  TRY(set(conf.get(), "log.queue", "true"));
  rd_kafka_conf_set_log_cb(conf.get(), drop_log);
  return conf;
}

std::string conf_value(const rd_kafka_conf_t* conf, const char* key) {
  size_t size = 0;
  if (rd_kafka_conf_get(conf, key, nullptr, &size) != RD_KAFKA_CONF_OK || size == 0) return "";
  std::string value(size, '\0');
  if (rd_kafka_conf_get(conf, key, value.data(), &size) != RD_KAFKA_CONF_OK) return "";
  value.resize(value.find('\0') == std::string::npos ? value.size() : value.find('\0'));
  return value;
}

int64_t conf_number(const rd_kafka_conf_t* conf, const char* key) {
  const std::string text = conf_value(conf, key);
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool knows_property(std::string_view key) { return find_property(key) != nullptr; }

std::vector<std::string> secret_values(const ClusterOptions& cluster) {
  constexpr size_t too_short_to_find = 4;  // hiding every "a" helps nobody
  std::vector<std::string> values;
  for (const auto& [key, value] : cluster.properties) {
    if (is_secret_property(key) && value.size() >= too_short_to_find) values.push_back(value);
  }
  return values;
}

bool all_loopback(std::string_view brokers) {
  const std::vector<std::string> list = split_list(brokers);
  return std::all_of(list.begin(), list.end(),
                     [](const std::string& broker) { return is_loopback(host_of(broker)); });
}

QueueSizes queue_sizes(uint64_t bytes_max, size_t partitions) {
  constexpr uint64_t share_min = 64ull << 10;
  constexpr uint64_t fetch_max = 256ull << 10;  // larger ones cost CPU (hot-path.md section 2)
  const uint64_t share = std::max(share_min, bytes_max / std::max<size_t>(1, partitions));
  const uint64_t payload = share / 3;
  const uint64_t fetch = std::min(fetch_max, payload / 2);
  constexpr uint64_t kbytes_limit = 2'097'151;  // librdkafka's
  constexpr uint64_t messages_limit = 1'000'000;
  return {.queue_kbytes = std::min(kbytes_limit, (payload - fetch) >> 10),
          .queue_messages = std::min(messages_limit, (share - payload) / message_overhead),
          .fetch_bytes = fetch};
}

}  // namespace sluice::kafka
