// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/file.hpp"

namespace sluice::cli {

/// Where to listen: "127.0.0.1:9464", "[::1]:9464", "localhost:9464", ":9464" (every address of the
/// machine), "unix:/run/sluice.sock". Port 0 lets the system choose.
struct ListenAddress {
  std::string host;  ///< without brackets; empty: every address
  std::string port;  ///< digits
  std::string path;  ///< of a unix socket; then host and port are empty

  [[nodiscard]] bool is_unix() const { return !path.empty(); }
  /// Whether only this machine can reach it.
  [[nodiscard]] bool local() const;
  bool operator==(const ListenAddress&) const = default;
};

/// Nothing when it is none of these.
[[nodiscard]] std::optional<ListenAddress> parse_listen_address(std::string_view text);

/// A socket that listens, not inherited by children, and where it does so.
struct Listener {
  FileDescriptor socket;
  std::string described;  ///< "127.0.0.1:9464" with the port in use, or "unix:/run/sluice.sock"
};

/// Errc::unavailable when another process listens there, else Errc::config. The file of a unix
/// socket that nobody listens on any more is replaced; it is readable by owner and group.
[[nodiscard]] Result<Listener> listen_on(const ListenAddress& address);

}  // namespace sluice::cli
