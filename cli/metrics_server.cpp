// SPDX-License-Identifier: Apache-2.0
#include "cli/metrics_server.hpp"

#include <microhttpd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace sluice::cli {
namespace {

constexpr unsigned connections_max = 32;
constexpr size_t request_bytes_max = 16 * 1024;
constexpr Milliseconds request_time_max{5'000};
constexpr int poll_milliseconds = 500;

HttpAnswer plain(unsigned status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text)};
}

}  // namespace

/// What the library calls: no exception may pass through it.
struct MetricsServer::Callbacks {
  static MHD_Result request(void* server, MHD_Connection* connection, const char* url,
                            const char* method, const char* /*version*/, const char* /*data*/,
                            size_t* /*data_bytes*/, void** /*state*/) noexcept {
    return static_cast<MetricsServer*>(server)->answer(connection, method, url) == 1 ? MHD_YES
                                                                                     : MHD_NO;
  }
  static void connection(void* server, MHD_Connection* connection, void** /*state*/,
                         MHD_ConnectionNotificationCode code) noexcept {
    auto& self = *static_cast<MetricsServer*>(server);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
      self.open_.emplace(connection, self.clock_.now());
    } else {
      self.open_.erase(connection);
    }
  }
  /// Its own log goes to standard error otherwise.
  static void log(void*, const char*, va_list) noexcept {}
};

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(Listener listener, Pages pages,
                                                            const Clock& clock) {
  std::unique_ptr<MetricsServer> server(
      new MetricsServer(std::move(listener), std::move(pages), clock));
  server->daemon_ = ::MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, nullptr, nullptr, &Callbacks::request, server.get(),
      MHD_OPTION_EXTERNAL_LOGGER, &Callbacks::log, nullptr, MHD_OPTION_LISTEN_SOCKET,
      server->listener_.socket.get(), MHD_OPTION_CONNECTION_LIMIT, connections_max,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, request_bytes_max, MHD_OPTION_NOTIFY_CONNECTION,
      &Callbacks::connection, server.get(), MHD_OPTION_END);
  if (server->daemon_ == nullptr) {
    return Error{
        .code = Errc::internal,
        .slug = "metrics-listen",
        .message = "the server of metrics on " + server->listener_.described + " does not start",
        .fix = "run it without --metrics-listen, and report this"};
  }
  server->thread_ = std::thread([self = server.get()] { self->run(); });
  return server;
}

MetricsServer::MetricsServer(Listener listener, Pages pages, const Clock& clock)
    : listener_(std::move(listener)),
      pages_(std::move(pages)),
      clock_(clock),
      end_(::eventfd(0, EFD_CLOEXEC)) {}

MetricsServer::~MetricsServer() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    const ssize_t written = ::write(end_.get(), &one, sizeof one);
    static_cast<void>(written);
    thread_.join();
  }
  if (daemon_ != nullptr) {
    // The socket is ours: the library would close it.
    static_cast<void>(::MHD_quiesce_daemon(daemon_));
    ::MHD_stop_daemon(daemon_);
  }
  constexpr std::string_view unix_prefix = "unix:";
  if (daemon_ != nullptr && listener_.described.rfind(unix_prefix, 0) == 0) {
    ::unlink(listener_.described.substr(unix_prefix.size()).c_str());
  }
}

void MetricsServer::run() {
  const auto* info = ::MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
  const int events = info == nullptr ? -1 : info->epoll_fd;
  while (true) {
    std::array<pollfd, 2> waiting{{{end_.get(), POLLIN, 0}, {events, POLLIN, 0}}};
    const int ready = ::poll(waiting.data(), waiting.size(), poll_milliseconds);
    if (ready > 0 && waiting[0].revents != 0) return;
    ::MHD_run(daemon_);
    cut_off_slow_ones();
  }
}

void MetricsServer::cut_off_slow_ones() {
  const TimePoint now = clock_.now();
  for (const auto& [connection, since] : open_) {
    if (now - since < request_time_max) continue;
    const auto* info = ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    // The library sees the end of it and frees the connection.
    if (info != nullptr) ::shutdown(info->connect_fd, SHUT_RDWR);
  }
}

int MetricsServer::answer(MHD_Connection* connection, std::string_view method,
                          std::string_view path) {
  const bool known = method == MHD_HTTP_METHOD_GET || method == MHD_HTTP_METHOD_HEAD;
  HttpAnswer answer = plain(MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
  if (known) {
    std::optional<HttpAnswer> page = pages_(path);
    answer = page ? std::move(*page)
                  : plain(MHD_HTTP_NOT_FOUND, "there is /metrics /healthz /readyz /status\n");
  }
  MHD_Response* response = ::MHD_create_response_from_buffer(answer.body.size(), answer.body.data(),
                                                             MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return 0;
  ::MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type.c_str());
  ::MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  ::MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  ::MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  if (!known) ::MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  const MHD_Result queued = ::MHD_queue_response(connection, answer.status, response);
  ::MHD_destroy_response(response);
  return queued == MHD_YES ? 1 : 0;
}

}  // namespace sluice::cli
