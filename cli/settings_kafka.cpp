// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/settings_parts.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"
#include "cli/units.hpp"
#include "core/base/text.hpp"
#include "core/kafka/properties.hpp"

namespace sluice::cli {
namespace {

constexpr std::string_view variable_prefix = "SLUICE_KAFKA_";
constexpr std::string_view file_suffix = "_FILE";

/// "SLUICE_KAFKA_SASL_PASSWORD" of "sasl.password".
std::string variable_of(const std::string& property) {
  std::string name(property);
  std::replace(name.begin(), name.end(), '.', '-');
  return std::string(variable_prefix) + flag_variable(name).substr(sizeof("SLUICE_") - 1);
}

/// Kubernetes sets these for a Service called sluice-kafka.
bool is_service_variable(std::string_view name) {
  return name.find("_SERVICE_") != std::string_view::npos || name.ends_with("_PORT") ||
         name.find("_PORT_") != std::string_view::npos;
}

void overlay_variables(const Environment& environment, ConfigValue& root,
                       std::vector<std::string>& warnings) {
  std::vector<std::string> used;
  for (const std::string& property : kafka::property_names()) {
    const std::string variable = variable_of(property);
    const std::vector<std::string> path{"kafka", "properties", property};
    const bool secret = kafka::is_secret_property(property);
    if (const auto value = environment.get(variable)) {
      const Origin origin = Origin::environment(variable);
      set_path(root, path,
               secret ? secret_reference("env", variable, origin)
                      : ConfigValue::make_text(*value, origin));
      used.push_back(variable);
    }
    const std::string file_variable = variable + std::string(file_suffix);
    const auto file = secret ? environment.get(file_variable) : std::nullopt;
    if (file) {
      set_path(root, path, secret_reference("file", *file, Origin::environment(file_variable)));
      used.push_back(file_variable);
    }
  }
  for (const auto& [name, value] : environment.all()) {
    if (name.rfind(variable_prefix, 0) != 0 || is_service_variable(name)) continue;
    if (std::find(used.begin(), used.end(), name) != used.end()) continue;
    warnings.push_back(
        fmt::format("{} is ignored: librdkafka has no such property", escape_control(name, 80)));
  }
}

void overlay_property(const Setting<std::string>& given, ConfigValue& root, Problems& problems) {
  const auto assignment = split_assignment(given, "socket.timeout.ms=60000", problems);
  if (!assignment) return;
  const auto& [key, value] = *assignment;
  if (kafka::is_secret_property(key)) {
    refuse_secret_on_argv(given.origin, key,
                          fmt::format("use {} or {}_FILE, or a reference in the configuration file",
                                      variable_of(key), variable_of(key)),
                          problems);
    return;
  }
  set_path(root, {"kafka", "properties", key}, ConfigValue::make_text(value, given.origin));
}

/// The text librdkafka wants for a plain value; nothing for arrays and tables.
std::optional<std::string> plain_text(const ConfigValue& value) {
  switch (value.kind) {
    case ConfigValue::Kind::boolean:
      return std::string(value.boolean ? "true" : "false");
    case ConfigValue::Kind::integer:
      return std::to_string(value.integer);
    case ConfigValue::Kind::number:
      return fmt::format("{}", value.number);
    case ConfigValue::Kind::text:
      return value.text;
    case ConfigValue::Kind::array:
    case ConfigValue::Kind::table:
      return std::nullopt;
  }
  return std::nullopt;
}

void check_property(const KafkaProperty& property, bool allow_unsafe, Problems& problems) {
  const std::string& value = property.secret.given() ? "x" : property.value;
  const auto checked = kafka::check_property(property.key, value, allow_unsafe);
  if (checked) return;
  // A misspelt name of a secret has the secret beside it.
  if (kafka::is_secret_property(nearest(property.key, kafka::property_names()))) {
    problems.keep_secret(property.origin);
  }
  problems.add(property.origin, checked.error().message, checked.error().fix);
}

void read_property(const std::string& key, const Origin& key_origin, const ConfigValue& value,
                   KafkaSettings& out, Problems& problems) {
  KafkaProperty property{key, {}, {}, key_origin};
  if (kafka::is_secret_property(key)) {
    read_secret(value, key, problems, property.secret);
    if (!property.secret.given()) return;
  } else if (const auto text = plain_text(value)) {
    property.value = *text;
  } else {
    problems.add(value.origin,
                 fmt::format("{}: expected a plain value, found {}", key, value.kind_name()));
    return;
  }
  out.properties.push_back(std::move(property));
}

/// Dotted keys without quotes are nested tables in TOML: both spellings mean the same.
void read_properties(const ConfigValue& table, const std::string& prefix, int depth,
                     KafkaSettings& out, Problems& problems) {
  constexpr int depth_max = 16;
  for (const ConfigEntry& entry : table.entries) {
    const std::string key = prefix.empty() ? entry.key : prefix + "." + entry.key;
    const bool nested = entry.value.kind == ConfigValue::Kind::table &&
                        !kafka::is_secret_property(key) && depth < depth_max;
    if (nested) {
      read_properties(entry.value, key, depth + 1, out, problems);
    } else {
      read_property(key, entry.origin, entry.value, out, problems);
    }
  }
}

void add_text(TableReader& reader, std::string_view key, const char* property, KafkaSettings& out) {
  Setting<std::string> text;
  reader.text(key, text);
  if (!text.value.empty()) out.properties.push_back({property, text.value, {}, text.origin});
}

void add_secret(TableReader& reader, std::string_view key, const char* property,
                KafkaSettings& out) {
  SecretReference secret;
  reader.secret(key, secret);
  if (!secret.given()) return;
  const Origin origin = secret.origin;
  out.properties.push_back({property, {}, std::move(secret), origin});
}

void read_tls(const ConfigValue& table, KafkaSettings& out, Problems& problems) {
  TableReader reader(table, "kafka.security.tls", problems);
  reader.boolean("verify", out.verify_tls);
  reader.finish();
  if (out.verify_tls.value) return;
  out.properties.push_back({"enable.ssl.certificate.verification", "false", {}, table.origin});
  out.properties.push_back({"ssl.endpoint.identification.algorithm", "none", {}, table.origin});
}

void read_security(const ConfigValue& table, KafkaSettings& out, Problems& problems) {
  TableReader reader(table, "kafka.security", problems);
  Setting<std::string> protocol;
  reader.choice<std::string>("protocol",
                             {{"plaintext", "plaintext"},
                              {"ssl", "ssl"},
                              {"sasl_plaintext", "sasl_plaintext"},
                              {"sasl_ssl", "sasl_ssl"}},
                             protocol);
  if (!protocol.value.empty()) {
    out.properties.push_back({"security.protocol", protocol.value, {}, protocol.origin});
  }
  add_text(reader, "mechanism", "sasl.mechanisms", out);
  add_text(reader, "username", "sasl.username", out);
  add_secret(reader, "password", "sasl.password", out);
  add_text(reader, "ca_file", "ssl.ca.location", out);
  add_text(reader, "certificate_file", "ssl.certificate.location", out);
  add_text(reader, "key_file", "ssl.key.location", out);
  add_secret(reader, "key_password", "ssl.key.password", out);
  reader.boolean("allow_plaintext_auth", out.allow_plaintext_auth);
  if (const ConfigValue* tls = reader.table("tls")) read_tls(*tls, out, problems);
  reader.finish();
}

/// Whether a name and a port, either of which may be missing, are what librdkafka can connect to.
bool is_host_and_port(std::string_view text) {
  constexpr uint64_t port_max = 65'535;
  if (text.find_first_of(" \t/@?#") != std::string_view::npos) return false;
  const size_t colon = text.rfind(':');
  const bool bracketed = colon != std::string_view::npos && colon > 0 && text[colon - 1] == ']';
  const bool port = colon != std::string_view::npos && (bracketed || text.find(':') == colon);
  if (!port) return !text.empty();  // or an IPv6 address
  const std::string_view digits = text.substr(colon + 1);
  const bool number = !digits.empty() && digits.size() < 6 &&
                      digits.find_first_not_of("0123456789") == std::string_view::npos;
  const auto value = number ? parse_count(digits) : std::nullopt;
  return value && *value > 0 && *value <= port_max;
}

/// librdkafka passes over what it cannot read, and waits for a broker that is never asked.
void check_broker(const std::string& broker, const Origin& origin, Problems& problems) {
  constexpr std::array protocols{"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"};
  const size_t scheme = broker.find("://");
  const std::string protocol = lower(broker.substr(0, scheme));
  const bool known = scheme == std::string::npos ||
                     std::find(protocols.begin(), protocols.end(), protocol) != protocols.end();
  const std::string rest = scheme == std::string::npos ? broker : broker.substr(scheme + 3);
  if (known && is_host_and_port(rest)) return;
  const bool secret = broker.find('@') != std::string::npos;
  if (secret) problems.keep_secret(origin);
  const std::string shown = secret ? "this" : "'" + escape_control(broker, 80) + "'";
  problems.add(origin, shown + " is not the address of a Kafka broker",
               known ? "write it like kafka.example:9092, the port from 1 to 65535"
                     : "write it like kafka.example:9092; security.protocol says how to connect");
}

}  // namespace

void overlay_kafka(const FlagValues& flags, const Environment& environment, ConfigValue& root,
                   std::vector<std::string>& warnings, Problems& problems) {
  overlay_variables(environment, root, warnings);
  if (const auto brokers = flags.last("brokers")) {
    set_path(root, {"kafka", "brokers"}, ConfigValue::make_text(brokers->value, brokers->origin));
  }
  for (const auto& given : flags.all("kafka")) overlay_property(given, root, problems);
}

namespace {

/// What every run refuses, told by check, too.
void check_plaintext(const KafkaSettings& kafka, Problems& problems) {
  std::string protocol;
  Origin origin = kafka.brokers.origin;
  for (const KafkaProperty& property : kafka.properties) {
    if (property.key != "security.protocol") continue;
    protocol = lower(property.value);
    origin = property.origin;
  }
  if (kafka.brokers.value.empty()) return;
  const auto checked =
      kafka::check_plaintext(protocol, kafka.brokers.value, kafka.allow_plaintext_auth.value);
  if (!checked) problems.add(origin, checked.error().message, checked.error().fix);
}

}  // namespace

void read_kafka(const ConfigValue& table, bool allow_unsafe, KafkaSettings& out,
                Problems& problems) {
  TableReader reader(table, "kafka", problems);
  Setting<std::vector<std::string>> brokers;
  reader.text_list("brokers", brokers);
  for (const std::string& broker : brokers.value) check_broker(broker, brokers.origin, problems);
  out.brokers = {join(brokers.value, ","), brokers.origin};
  out.allow_unsafe_properties.value = allow_unsafe;
  add_text(reader, "client_id", "client.id", out);
  if (const ConfigValue* security = reader.table("security"))
    read_security(*security, out, problems);
  if (const ConfigValue* properties = reader.table("properties")) {
    read_properties(*properties, "", 0, out, problems);
  }
  reader.finish();
  for (const KafkaProperty& property : out.properties) {
    check_property(property, allow_unsafe, problems);
  }
  check_plaintext(out, problems);
}

}  // namespace sluice::cli
