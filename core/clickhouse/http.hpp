// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"

namespace sluice::clickhouse {

/// Why no (complete) answer came.
enum class TransportFailure : uint8_t {
  none,
  resolve,      ///< the host name has no address (now)
  connect,      ///< nobody listens, no route, a firewall
  tls,          ///< the handshake failed
  certificate,  ///< the server's certificate is not trusted, or our own files are not readable
  timeout,
  lost,       ///< the connection broke after it was made
  oversized,  ///< the answer is larger than we are ready to hold
  cancelled,  ///< we were asked to stop
  unusable,   ///< libcurl cannot do what was asked: URL, protocol, memory
};

/// What came back, or why nothing did.
struct HttpReply {
  TransportFailure failure = TransportFailure::none;
  std::string failure_text;  ///< libcurl's words
  bool body_sent = false;    ///< at least one byte of the body was handed to the network
  bool complete = false;     ///< headers and body arrived whole, and the server said how long it is
  int status = 0;
  std::string exception_code;    ///< X-ClickHouse-Exception-Code
  bool from_clickhouse = false;  ///< X-ClickHouse-Query-Id or -Summary was there
  std::optional<Milliseconds> retry_after;
  std::string content_type;
  std::string body;
};

/// What does not change between the requests of one client.
struct HttpOptions {
  std::string origin;                ///< "https://host:8443"
  std::vector<std::string> headers;  ///< "Name: value", checked with is_header_value()
  Milliseconds connect_timeout{10'000};
  std::string ca_file;  ///< empty: the system's
  bool verify_tls = true;
  std::string proxy;          ///< empty: none, whatever the environment says
  std::string unix_socket{};  ///< path of the one to connect to instead of the origin's host
};

struct HttpRequest {
  std::string parameters;  ///< of the URL, encoded, without "?"
  std::span<const std::string_view> body;
  std::string_view content_encoding;  ///< empty: none
  Milliseconds timeout{120'000};
  uint64_t reply_bytes_max = 1ull << 20;
};

/// Whether `value` can stand in a header: no CR, LF, NUL or other control character, which would
/// start a header of its own, and no blank at either end, which the other side would take off.
[[nodiscard]] bool is_header_value(std::string_view value);

/// One keep-alive connection to one server, over which requests go one after the other: POSTs to
/// ClickHouse, GETs to a sluice that runs.
///
/// Bodies always go with a Content-Length: ClickHouse would take a chunked body that ends early
/// for a whole one. Redirects, cookies, .netrc and the environment's proxies are not followed. An
/// idle connection is only used again while the server surely keeps it (Keep-Alive: timeout).
/// Not thread-safe, except that the stop_token may be triggered from anywhere: post() then returns
/// `cancelled` within about a second.
class HttpClient {
 public:
  explicit HttpClient(const HttpOptions& options);
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  [[nodiscard]] HttpReply post(const HttpRequest& request, const std::stop_token& stop);
  /// `path` begins with "/".
  [[nodiscard]] HttpReply get(const std::string& path, Milliseconds timeout,
                              uint64_t reply_bytes_max, const std::stop_token& stop);

 private:
  struct Connection;
  HttpReply exchange(const HttpRequest& request, const std::string& url,
                     const std::stop_token& stop);
  std::unique_ptr<Connection> connection_;
};

/// What a code of libcurl is taken for.
struct CurlSignal {
  int code = 0;
  std::string text;  ///< libcurl's words
  TransportFailure failure = TransportFailure::none;
};
/// Every code that is not just a lost connection, which is what all others are taken for.
[[nodiscard]] std::vector<CurlSignal> curl_signals();

/// "libcurl 7.88.1 OpenSSL/3.0.22 zlib/1.2.13"
[[nodiscard]] std::string http_version_line();

}  // namespace sluice::clickhouse
