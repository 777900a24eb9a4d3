// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sluice::clickhouse {

/// One HTTP request as it arrived.
struct SeenRequest {
  std::string head;  ///< request line and headers, lines ended by "\r\n"
  std::string body;
  int connection = 0;  ///< counted from 1

  [[nodiscard]] bool has(std::string_view text) const {
    return head.find(text) != std::string::npos;
  }
  /// The value of a URL parameter as it stands there, encoded.
  [[nodiscard]] std::string parameter(std::string_view name) const;
};

/// What to send back: raw bytes, and whether the connection ends after them.
struct ScriptedReply {
  std::string bytes;
  bool close = false;
};

/// A loopback HTTP server that answers as the test says. Its script is called from several threads,
/// one at a time.
class ScriptedServer {
 public:
  using Script = std::function<ScriptedReply(const SeenRequest&)>;

  explicit ScriptedServer(Script script);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::vector<SeenRequest> seen() const;

 private:
  void accept_connections();
  void serve(int socket, int number);
  bool answer(int socket, const SeenRequest& request);

  Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> ending_ = false;
  mutable std::mutex mutex_;
  std::vector<SeenRequest> seen_;
  std::vector<int> sockets_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

/// An answer as ClickHouse gives it; `headers` are more lines, each ended by "\r\n".
[[nodiscard]] ScriptedReply clickhouse_reply(int status, std::string_view headers = "",
                                             std::string_view body = "");
/// An exception as ClickHouse gives it.
[[nodiscard]] ScriptedReply clickhouse_exception(int status, int code, std::string_view text);

}  // namespace sluice::clickhouse
