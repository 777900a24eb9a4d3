// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>

#include "cli/listen_address.hpp"
#include "core/base/clock.hpp"

struct MHD_Connection;
struct MHD_Daemon;

namespace sluice::cli {

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type;
  std::string body;
};

/// Answers GET and HEAD over HTTP on a thread of its own, one request for each connection.
///
/// Read-only and small: a request may take 5 s and 16 KiB, 32 connections may be open; what is
/// slower or larger is cut off, and does not hold up the others.
class MetricsServer {
 public:
  /// The answer to a path; nothing: there is no such page. Called on the server's thread; must not
  /// throw and must not wait for a pipeline.
  using Pages = std::function<std::optional<HttpAnswer>(std::string_view path)>;

  /// Errc::internal when the library refuses.
  static Result<std::unique_ptr<MetricsServer>> start(Listener listener, Pages pages,
                                                      const Clock& clock);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

 private:
  struct Callbacks;
  MetricsServer(Listener listener, Pages pages, const Clock& clock);
  void run();
  void cut_off_slow_ones();
  int answer(MHD_Connection* connection, std::string_view method, std::string_view path);

  Listener listener_;
  Pages pages_;
  const Clock& clock_;
  FileDescriptor end_;
  MHD_Daemon* daemon_ = nullptr;
  std::map<MHD_Connection*, TimePoint> open_;  ///< of the server's thread only
  std::thread thread_;
};

}  // namespace sluice::cli
