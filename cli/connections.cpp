// SPDX-License-Identifier: Apache-2.0
#include "cli/connections.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text.hpp"
#include "core/base/text.hpp"
#include "core/clickhouse/server.hpp"
#include "core/kafka/properties.hpp"

namespace sluice::cli {
namespace {

/// Host of "https://host:port", lower case.
std::string host_of(const std::string& url) {
  const size_t scheme = url.find("://");
  std::string rest = url.substr(scheme == std::string::npos ? 0 : scheme + 3);
  const bool bracketed = !rest.empty() && rest[0] == '[';
  const size_t end = bracketed ? rest.find(']') : rest.find_first_of(":/");
  rest = rest.substr(bracketed ? 1 : 0, end == std::string::npos ? end : end - (bracketed ? 1 : 0));
  return lower(rest);
}

std::string proxy_for(const std::string& url, const ClickHouseSettings& settings,
                      const Environment& environment) {
  const Setting<std::string>& proxy = settings.proxy;
  if (proxy.origin.kind != Origin::Kind::environment) return proxy.value;
  if (url.rfind("https://", 0) != 0) return {};
  const auto bypass =
      environment.get("no_proxy") ? environment.get("no_proxy") : environment.get("NO_PROXY");
  return bypass && bypasses_proxy(host_of(url), *bypass) ? std::string() : proxy.value;
}

/// librdkafka's debug contexts for -vv and -vvv. None of them prints credentials.
const char* debug_contexts(int verbosity) {
  if (verbosity < 2) return nullptr;
  return verbosity == 2 ? "broker,topic,cgrp,security"
                        : "broker,topic,cgrp,security,metadata,fetch,consumer,protocol";
}

Result<void> add_cluster(const Settings& settings, const Environment& environment,
                         Connections& out) {
  out.cluster.brokers = settings.kafka.brokers.value;
  out.cluster.allow_unsafe_properties = settings.kafka.allow_unsafe_properties.value;
  out.cluster.allow_plaintext_auth = settings.kafka.allow_plaintext_auth.value;
  if (const char* contexts = debug_contexts(settings.output.verbosity)) {
    out.cluster.properties.emplace_back("debug", contexts);
  }
  for (const KafkaProperty& property : settings.kafka.properties) {
    if (!property.secret.given()) {
      out.cluster.properties.emplace_back(property.key, property.value);
      continue;
    }
    const ResolvedSecret resolved = TRY(resolve(property.secret, environment));
    out.cluster.properties.emplace_back(property.key, resolved.secret.reveal());
    if (!resolved.warning.empty()) out.warnings.push_back(resolved.warning);
  }
  return {};
}

Result<void> add_servers(const Settings& settings, const Environment& environment,
                         const std::string& destination, Connections& out) {
  const ClickHouseSettings& from = settings.servers_of(destination);
  const ResolvedSecret password = TRY(resolve(from.password, environment));
  if (!password.warning.empty()) out.warnings.push_back(password.warning);
  for (const std::string& url : from.urls.value) {
    clickhouse::ServerOptions server;
    server.url = url;
    server.user = from.user.value;
    server.password = password.secret.reveal();
    for (const auto& [key, setting] : from.settings) server.settings[key] = setting.value;
    server.compression = from.compression.value;
    server.timeout = from.timeout.value;
    server.ca_file = from.ca_file.value;
    server.verify_tls = from.verify_tls.value;
    server.allow_plaintext_auth = from.allow_plaintext_auth.value;
    server.proxy = proxy_for(url, from, environment);
    const clickhouse::HttpOptions http = TRY(clickhouse::http_options(server));
    if (!http.proxy.empty()) {
      out.notes.push_back(fmt::format("{} is reached through the proxy {} ({})", url,
                                      without_userinfo(http.proxy), from.proxy.origin.place()));
    }
    out.servers[destination].push_back(std::move(server));
  }
  return {};
}

}  // namespace

Connections::~Connections() {
  for (auto& [key, value] : cluster.properties) {
    if (kafka::is_secret_property(key)) wipe(value);
  }
  for (auto& [destination, list] : servers) {
    for (clickhouse::ServerOptions& server : list) wipe(server.password);
  }
}

std::vector<const clickhouse::ServerOptions*> Connections::all_servers() const {
  std::vector<const clickhouse::ServerOptions*> out;
  for (const auto& [destination, of_one] : servers) {
    for (const clickhouse::ServerOptions& server : of_one) out.push_back(&server);
  }
  return out;
}

Result<Connections> make_connections(const Settings& settings, const Environment& environment) {
  Connections connections;
  TRY(add_cluster(settings, environment, connections));
  for (const std::string& destination : settings.destinations_used()) {
    TRY(add_servers(settings, environment, destination, connections));
  }
  return connections;
}

std::string without_userinfo(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t at = url.rfind('@');
  if (at == std::string::npos || at < host) return url;
  return url.substr(0, host) + url.substr(at + 1);
}

bool bypasses_proxy(const std::string& host, const std::string& no_proxy) {
  for (const std::string& part : split(no_proxy, ',')) {
    std::string name = lower(trim(part));
    if (name == "*") return true;
    if (!name.empty() && name[0] == '.') name.erase(0, 1);
    if (name.empty()) continue;
    if (host == name || host.ends_with("." + name)) return true;
  }
  return false;
}

}  // namespace sluice::cli
