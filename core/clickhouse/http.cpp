// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/http.hpp"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "core/base/handle.hpp"
#include "core/clickhouse/body_reader.hpp"
#include "core/clickhouse/http_headers.hpp"

namespace sluice::clickhouse {
namespace {

using Curl = Handle<CURL, curl_easy_cleanup>;
using HeaderList = Handle<curl_slist, curl_slist_free_all>;

// Until the server has said how long it keeps idle connections: old ones close after three seconds.
constexpr std::chrono::seconds idle_max_unknown{2};
constexpr std::chrono::seconds idle_max{118};
constexpr long connection_life_seconds = 3600;
constexpr long upload_buffer_bytes = 2L << 20;
// Longer than a switch that fails over, shorter than anyone waits for a dead peer.
constexpr unsigned unacknowledged_milliseconds_max = 60'000;

/// libcurl's global state, made by the first client and never torn down: other threads may be
/// inside libcurl until the very end.
void init_curl_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(code == CURLE_OK);
}

/// One request under way, as libcurl's callbacks see it.
struct Exchange {
  BodyReader body;
  HttpReply& reply;
  HeaderReader headers;
  uint64_t reply_bytes_max;
  const std::stop_token& stop;
  bool oversized = false;
};

size_t read_body(char* target, size_t size, size_t count, void* user) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  const size_t copied = exchange.body.read(target, size * count);
  if (copied != 0) exchange.reply.body_sent = true;
  return copied;
}

int seek_body(void* user, curl_off_t offset, int origin) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  const bool found = exchange.body.seek(static_cast<uint64_t>(offset));
  return found ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

size_t write_reply(char* bytes, size_t size, size_t count, void* user) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  const size_t length = size * count;
  if (exchange.reply.body.size() + length > exchange.reply_bytes_max) {
    exchange.oversized = true;
    return 0;
  }
  exchange.reply.body.append(bytes, length);
  return length;
}

size_t read_header(char* bytes, size_t size, size_t count, void* user) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  const size_t length = size * count;
  if (exchange.headers.add({bytes, length})) return length;
  exchange.oversized = true;
  return 0;
}

int watch_stop(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
  return static_cast<Exchange*>(user)->stop.stop_requested() ? 1 : 0;
}

int tune_socket(void*, curl_socket_t socket, curlsocktype) noexcept {
  // A refusal costs only a slower discovery of a dead peer, so its result does not matter.
  setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_milliseconds_max,
             sizeof unacknowledged_milliseconds_max);
  return CURL_SOCKOPT_OK;
}

/// Options are constants or checked before: a refusal is a bug or a libcurl we were not built for.
template <class Value>
void set(CURL* curl, CURLoption option, Value value) {
  CHECK(curl_easy_setopt(curl, option, value) == CURLE_OK);
}

template <class Function>
void set_callback(CURL* curl, CURLoption option, Function* function) {
  CHECK(curl_easy_setopt(curl, option, function) == CURLE_OK);
}

long as_seconds(std::chrono::seconds value) { return static_cast<long>(value.count()); }

void add_header(HeaderList& list, const std::string& header) {
  curl_slist* const extended = curl_slist_append(list.get(), header.c_str());
  CHECK(extended != nullptr);
  static_cast<void>(list.release());
  list.reset(extended);
}

TransportFailure failure_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return TransportFailure::resolve;
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
      return TransportFailure::connect;
    case CURLE_SSL_CONNECT_ERROR:
      return TransportFailure::tls;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return TransportFailure::certificate;
    case CURLE_OPERATION_TIMEDOUT:
      return TransportFailure::timeout;
    case CURLE_ABORTED_BY_CALLBACK:
      return TransportFailure::cancelled;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_FAILED_INIT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_CIPHER:
      return TransportFailure::unusable;
    default:
      return TransportFailure::lost;
  }
}

}  // namespace

/// The easy handle, whose connection cache holds the connection, and what it points to.
struct HttpClient::Connection {
  Curl curl;
  std::string origin;
  HeaderList headers;
  std::array<char, CURL_ERROR_SIZE> error_text{};

  explicit Connection(const HttpOptions& options);
  void set_transport(const HttpOptions& options);
  void set_timers(const HttpOptions& options);
  void set_callbacks();
  void attach(const HttpRequest& request, const std::string& url, Exchange& exchange,
              const HeaderList& all_headers);
  HeaderList headers_of(const HttpRequest& request) const;
};

HttpClient::Connection::Connection(const HttpOptions& options) : origin(options.origin) {
  init_curl_once();
  curl.reset(curl_easy_init());
  CHECK(curl != nullptr);
  set_transport(options);
  set_timers(options);
  set_callbacks();
  // libcurl would wait for "100 Continue" before a large body, up to a second behind some proxies.
  add_header(headers, "Expect:");
  add_header(headers, "Content-Type: application/octet-stream");
  add_header(headers, "User-Agent: sluice");
  for (const std::string& header : options.headers) {
    CHECK(is_header_value(header));
    add_header(headers, header);
  }
}

void HttpClient::Connection::set_transport(const HttpOptions& options) {
  CURL* const handle = curl.get();
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_REDIR_PROTOCOLS_STR, "https");  // "" is refused; and none is followed
  set(handle, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle, CURLOPT_MAXREDIRS, 0L);
  set(handle, CURLOPT_UNRESTRICTED_AUTH, 0L);
  set(handle, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  // HTTP/2 uploads stalled in several releases, and one connection carries one INSERT anyway.
  set(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(handle, CURLOPT_PROXY, options.proxy.c_str());  // "" switches the environment's off
  if (!options.unix_socket.empty()) {
    set(handle, CURLOPT_UNIX_SOCKET_PATH, options.unix_socket.c_str());
  }
  if (!options.ca_file.empty()) set(handle, CURLOPT_CAINFO, options.ca_file.c_str());
  set(handle, CURLOPT_SSL_VERIFYPEER, options.verify_tls ? 1L : 0L);
  set(handle, CURLOPT_SSL_VERIFYHOST, options.verify_tls ? 2L : 0L);
  set(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(handle, CURLOPT_UPLOAD_BUFFERSIZE, upload_buffer_bytes);
}

void HttpClient::Connection::set_timers(const HttpOptions& options) {
  CURL* const handle = curl.get();
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(handle, CURLOPT_MAXAGE_CONN, as_seconds(idle_max_unknown));
  set(handle, CURLOPT_MAXLIFETIME_CONN, connection_life_seconds);
  set(handle, CURLOPT_MAXCONNECTS, 1L);
  set(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  set(handle, CURLOPT_TCP_KEEPIDLE, 30L);
  set(handle, CURLOPT_TCP_KEEPINTVL, 15L);
  // No LOW_SPEED limit: while the server works on an INSERT no byte moves in either direction, and
  // the timeout of the request bounds a slow answer as well.
}

void HttpClient::Connection::set_callbacks() {
  CURL* const handle = curl.get();
  set(handle, CURLOPT_NOPROGRESS, 0L);
  set(handle, CURLOPT_ERRORBUFFER, error_text.data());
  set_callback(handle, CURLOPT_READFUNCTION, read_body);
  set_callback(handle, CURLOPT_SEEKFUNCTION, seek_body);
  set_callback(handle, CURLOPT_WRITEFUNCTION, write_reply);
  set_callback(handle, CURLOPT_HEADERFUNCTION, read_header);
  set_callback(handle, CURLOPT_XFERINFOFUNCTION, watch_stop);
  set_callback(handle, CURLOPT_SOCKOPTFUNCTION, tune_socket);
}

HeaderList HttpClient::Connection::headers_of(const HttpRequest& request) const {
  HeaderList all;
  for (const curl_slist* node = headers.get(); node != nullptr; node = node->next) {
    add_header(all, node->data);
  }
  if (!request.content_encoding.empty()) {
    add_header(all, "Content-Encoding: " + std::string(request.content_encoding));
  }
  return all;
}

void HttpClient::Connection::attach(const HttpRequest& request, const std::string& url,
                                    Exchange& exchange, const HeaderList& all_headers) {
  CURL* const handle = curl.get();
  set(handle, CURLOPT_URL, url.c_str());
  set(handle, CURLOPT_HTTPHEADER, all_headers.get());
  set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(exchange.body.size()));
  void* const user = &exchange;
  set(handle, CURLOPT_READDATA, user);
  set(handle, CURLOPT_SEEKDATA, user);
  set(handle, CURLOPT_WRITEDATA, user);
  set(handle, CURLOPT_HEADERDATA, user);
  set(handle, CURLOPT_XFERINFODATA, user);
  error_text.front() = '\0';
}

HttpClient::HttpClient(const HttpOptions& options)
    : connection_(std::make_unique<Connection>(options)) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

HttpReply HttpClient::post(const HttpRequest& request, const std::stop_token& stop) {
  set(connection_->curl.get(), CURLOPT_POST, 1L);
  return exchange(request, connection_->origin + "/?" + request.parameters, stop);
}

HttpReply HttpClient::get(const std::string& path, Milliseconds timeout, uint64_t reply_bytes_max,
                          const std::stop_token& stop) {
  set(connection_->curl.get(), CURLOPT_HTTPGET, 1L);
  const HttpRequest request{.parameters = {},
                            .body = {},
                            .content_encoding = {},
                            .timeout = timeout,
                            .reply_bytes_max = reply_bytes_max};
  return exchange(request, connection_->origin + path, stop);
}

HttpReply HttpClient::exchange(const HttpRequest& request, const std::string& url,
                               const std::stop_token& stop) {
  HttpReply reply;
  Exchange exchange{.body = BodyReader(request.body),
                    .reply = reply,
                    .headers = HeaderReader(reply),
                    .reply_bytes_max = request.reply_bytes_max,
                    .stop = stop};
  Connection& connection = *connection_;
  const HeaderList headers = connection.headers_of(request);
  connection.attach(request, url, exchange, headers);
  const CURLcode code = curl_easy_perform(connection.curl.get());
  set(connection.curl.get(), CURLOPT_HTTPHEADER, nullptr);

  long status = 0;
  curl_easy_getinfo(connection.curl.get(), CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  if (const auto kept = exchange.headers.keep_alive()) {
    const auto usable =
        std::clamp(*kept - std::chrono::seconds(1), std::chrono::seconds(1), idle_max);
    set(connection.curl.get(), CURLOPT_MAXAGE_CONN, as_seconds(usable));
  }
  if (code != CURLE_OK) {
    reply.failure = exchange.oversized ? TransportFailure::oversized : failure_of(code);
    const char* const detail = connection.error_text.data();
    reply.failure_text = *detail != '\0' ? detail : curl_easy_strerror(code);
    return reply;
  }
  // libcurl 7.88 takes an end of the connection within the headers for the end of the answer.
  if (!exchange.headers.finished()) {
    reply.failure = TransportFailure::lost;
    reply.failure_text = "the answer ended within its headers";
    return reply;
  }
  reply.complete = exchange.headers.framed();
  return reply;
}

bool is_header_value(std::string_view value) {
  const auto is_control = [](char character) {
    const auto byte = static_cast<unsigned char>(character);
    return byte < 0x20 || byte == 0x7f;
  };
  if (std::any_of(value.begin(), value.end(), is_control)) return false;
  return value.empty() || (value.front() != ' ' && value.back() != ' ');
}

std::vector<CurlSignal> curl_signals() {
  std::vector<CurlSignal> signals;
  for (int number = CURLE_OK + 1; number < CURL_LAST; ++number) {
    const auto code = static_cast<CURLcode>(number);
    const TransportFailure failure = failure_of(code);
    if (failure == TransportFailure::lost) continue;
    signals.push_back({number, curl_easy_strerror(code), failure});
  }
  return signals;
}

std::string http_version_line() {
  const curl_version_info_data* const info = curl_version_info(CURLVERSION_NOW);
  std::string line = "libcurl ";
  line += info->version;
  if (info->ssl_version != nullptr) line.append(" ").append(info->ssl_version);
  if (info->libz_version != nullptr) line.append(" zlib/").append(info->libz_version);
  return line;
}

}  // namespace sluice::clickhouse
