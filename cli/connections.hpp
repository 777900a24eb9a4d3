// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/settings.hpp"
#include "core/clickhouse/sink.hpp"
#include "core/kafka/source.hpp"

namespace sluice::cli {

/// Settings with their secrets fetched, as the adapters take them. The secrets are overwritten when
/// it goes.
struct Connections {
  Connections() = default;
  ~Connections();
  Connections(Connections&&) = default;
  Connections& operator=(Connections&&) = default;
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  /// The servers of all destinations.
  [[nodiscard]] std::vector<const clickhouse::ServerOptions*> all_servers() const;

  kafka::ClusterOptions cluster;
  /// By destination, "" for [clickhouse]; those of one are tried in order.
  std::map<std::string, std::vector<clickhouse::ServerOptions>> servers;
  std::vector<std::string> notes;     ///< e.g. which proxy is used
  std::vector<std::string> warnings;  ///< e.g. a secret file that everyone may read
};

/// Fetches every secret that the pipelines need (files, variables, credentials, commands).
[[nodiscard]] Result<Connections> make_connections(const Settings& settings,
                                                   const Environment& environment);

/// The URL without user and password: a proxy's may hold them.
[[nodiscard]] std::string without_userinfo(const std::string& url);

/// Whether NO_PROXY ("a.example,.b.example,*") names the host.
[[nodiscard]] bool bypasses_proxy(const std::string& host, const std::string& no_proxy);

}  // namespace sluice::cli
