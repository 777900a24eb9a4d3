// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/deliver/retry.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::clickhouse {

enum class Compression : uint8_t { automatic, none, lz4, zstd };

/// How to reach a server over HTTP.
struct ServerOptions {
  std::string url;  ///< http[s]://host:port, no userinfo, path and query refused
  std::string user = "default";
  std::string password;                              ///< goes into a header only; never logged
  std::map<std::string, std::string> settings;       ///< sent with every INSERT
  Compression compression = Compression::automatic;  ///< none on loopback, else lz4
  Milliseconds timeout{120'000};                     ///< of one INSERT
  Milliseconds connect_timeout{10'000};
  std::string ca_file;  ///< empty: the system's
  bool verify_tls = true;
  bool allow_plaintext_auth = false;  ///< a password over http to a host that is not loopback
  std::string proxy;                  ///< "http://host:port"; never used for loopback
  bool operator==(const ServerOptions&) const = default;
};

struct SinkOptions {
  std::string database;
  std::string table;
  unsigned senders = 2;
  RetryOptions retry;
  std::stop_token stop{};  ///< ends the opening: `cancelled`
};

/// Checks the URL and the credentials' transport without any network (security.md 8, 12).
[[nodiscard]] Result<void> check_server_options(const ServerOptions& options);

/// Describes the table (Errc::config with suggestions when it does not exist), makes sure by an
/// INSERT without rows that rows may be inserted (Errc::no_permission with the GRANT that helps),
/// and returns a sink for it with its sender threads running. A server that is away is waited for
/// up to 10 s, less with a shorter retry.time_max; then Errc::unavailable. One answer is waited for
/// up to 30 s, less with a shorter retry.time_max, but 5 s.
///
/// `observer` gets retrying() from the sender threads, and warning() from here for a table that
/// acknowledges rows it may lose. Both and `clock` outlive the sink.
[[nodiscard]] Result<std::unique_ptr<Sink>> open_sink(const ServerOptions& server,
                                                      const SinkOptions& options,
                                                      Observer& observer, const Clock& clock);

/// "libcurl 7.88.1 OpenSSL/3.0.22 zlib/1.2.13 · zstd 1.5.4 · lz4 1.9.4"
[[nodiscard]] std::string version_line();

}  // namespace sluice::clickhouse
