// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/clickhouse/scripted_server.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <utility>

#include "core/base/check.hpp"

namespace sluice::clickhouse {
namespace {

/// Appends what arrives; false at the end of the connection.
bool receive(int socket, std::string& bytes) {
  std::array<char, 65536> buffer{};
  const ssize_t count = recv(socket, buffer.data(), buffer.size(), 0);
  if (count <= 0) return false;
  bytes.append(buffer.data(), static_cast<size_t>(count));
  return true;
}

size_t content_length(std::string_view head) {
  constexpr std::string_view name = "\r\nContent-Length: ";
  const size_t found = head.find(name);
  return found == std::string_view::npos
             ? 0
             : std::stoul(std::string(head.substr(found + name.size())));
}

/// The next request, taken off the front of `bytes`; nothing when the client hung up.
std::optional<SeenRequest> read_request(int socket, std::string& bytes, int number) {
  constexpr std::string_view end = "\r\n\r\n";
  size_t head_end = bytes.find(end);
  while (head_end == std::string::npos) {
    if (!receive(socket, bytes)) return std::nullopt;
    head_end = bytes.find(end);
  }
  SeenRequest request;
  request.connection = number;
  request.head = bytes.substr(0, head_end + 2);
  bytes.erase(0, head_end + end.size());
  const size_t length = content_length(request.head);
  while (bytes.size() < length) {
    if (!receive(socket, bytes)) return std::nullopt;
  }
  request.body = bytes.substr(0, length);
  bytes.erase(0, length);
  return request;
}

}  // namespace

std::string SeenRequest::parameter(std::string_view name) const {
  for (const char before : {'?', '&'}) {
    const std::string key = before + std::string(name) + "=";
    const size_t found = head.find(key);
    if (found == std::string::npos) continue;
    const size_t begin = found + key.size();
    return head.substr(begin, head.find_first_of("& ", begin) - begin);
  }
  return {};
}

ScriptedServer::ScriptedServer(Script script) : script_(std::move(script)) {
  listener_ = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(listener_ >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t length = sizeof address;
  CHECK(bind(listener_, generic, length) == 0);
  CHECK(listen(listener_, 16) == 0);
  CHECK(getsockname(listener_, generic, &length) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_connections(); });
}

ScriptedServer::~ScriptedServer() {
  ending_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  for (const int socket : sockets_) close(socket);
  close(listener_);
}

std::vector<SeenRequest> ScriptedServer::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

void ScriptedServer::accept_connections() {
  for (int number = 1; !ending_; ++number) {
    const int socket = accept(listener_, nullptr, nullptr);
    if (socket < 0) return;
    const std::lock_guard lock(mutex_);
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket, number] { serve(socket, number); });
  }
}

void ScriptedServer::serve(int socket, int number) {
  std::string bytes;
  while (const auto request = read_request(socket, bytes, number)) {
    if (!answer(socket, *request)) break;
  }
  shutdown(socket, SHUT_RDWR);
}

bool ScriptedServer::answer(int socket, const SeenRequest& request) {
  ScriptedReply reply;
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back(request);
    reply = script_(request);
  }
  std::string_view rest = reply.bytes;
  while (!rest.empty()) {
    const ssize_t count = send(socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    rest.remove_prefix(static_cast<size_t>(count));
  }
  return !reply.close;
}

ScriptedReply clickhouse_reply(int status, std::string_view headers, std::string_view body) {
  std::string bytes = "HTTP/1.1 " + std::to_string(status) + " X\r\n";
  bytes.append("X-ClickHouse-Query-Id: test\r\nKeep-Alive: timeout=10\r\n").append(headers);
  bytes.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n");
  return {.bytes = bytes.append(body)};
}

ScriptedReply clickhouse_exception(int status, int code, std::string_view text) {
  const std::string number = std::to_string(code);
  return clickhouse_reply(
      status, "X-ClickHouse-Exception-Code: " + number + "\r\n",
      "Code: " + number + ". DB::Exception: " + std::string(text) + ". (NAME) (version 26.7)");
}

}  // namespace sluice::clickhouse
