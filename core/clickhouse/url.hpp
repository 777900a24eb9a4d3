// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace sluice::clickhouse {

/// Where a server listens, taken apart and written back in one form.
struct Endpoint {
  std::string origin;  ///< "https://clickhouse.example:8443": scheme, host, port, nothing else
  std::string host;    ///< without the brackets of an IPv6 address
  bool tls = false;
  bool loopback = false;  ///< 127.0.0.0/8, ::1 or localhost
};

/// Parses http[s]://host[:port]. Without a port it is ClickHouse's own: 8123, with TLS 8443.
///
/// Refused with Errc::config: user or password in the URL, a path but "/", a query, a fragment,
/// another scheme, control characters and blanks. The message never repeats the URL's text, which
/// may hold a password.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view url);

/// Errc::config where a password would go over the network in plain text, unless that is allowed.
[[nodiscard]] Result<void> check_plaintext(const Endpoint& endpoint, bool has_password,
                                           bool allowed);

/// Whether a host (no brackets, no port) names this machine by its loopback addresses.
[[nodiscard]] bool is_loopback(std::string_view host);

/// `text` as it may stand in the value of a URL parameter: everything but letters, digits and -._~
/// becomes %XX.
[[nodiscard]] std::string percent_encoded(std::string_view text);

/// Adds "name=value&", both encoded, to a query string.
void add_parameter(std::string& query, std::string_view name, std::string_view value);

}  // namespace sluice::clickhouse
