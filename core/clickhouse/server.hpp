// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/clickhouse/http.hpp"
#include "core/clickhouse/reply.hpp"
#include "core/clickhouse/sink.hpp"
#include "core/clickhouse/tsv.hpp"
#include "core/clickhouse/url.hpp"

namespace sluice::clickhouse {

/// How to talk to the server of these options: checked, with the credentials in headers.
[[nodiscard]] Result<HttpOptions> http_options(const ServerOptions& options);

/// Asks one server questions, one after the other, over a connection of its own.
///
/// What may heal by itself is tried again for a short while (10 s, less with a shorter
/// RetryOptions::time_max), so that a restart of the server is no error; an outage is, at once:
/// whoever starts wants to know. Not thread-safe.
class Server {
 public:
  Server(const ServerOptions& options, const HttpOptions& http, Target target, RetryOptions retry,
         const Clock& clock, std::stop_token stop);

  /// The rows a query answers with; its FORMAT is added here. `what` completes
  /// "ClickHouse does not …".
  [[nodiscard]] Result<std::vector<TsvRow>> ask(const std::string& query, std::string_view what);
  /// A statement without a result. `once`: never tried again, since a second one would undo it.
  [[nodiscard]] Result<void> command(const std::string& statement, std::string_view what,
                                     bool once = false);
  /// Sends an INSERT without rows, with these URL parameters: whether it would be allowed.
  [[nodiscard]] Result<void> try_insert(const std::string& query, std::string_view parameters);
  [[nodiscard]] const Target& target() const { return target_; }
  /// How long one answer may take from now on; returns how long it was before, 30 s at first.
  Milliseconds wait_up_to(Milliseconds timeout) { return std::exchange(timeout_, timeout); }

 private:
  Verdict ask_once(const std::string& query, std::string_view what, std::string& answer);
  Verdict insert_once(const std::string& query, std::string_view parameters);
  template <class Once>
  Result<void> repeat(const Once& once);

  Milliseconds timeout_;
  HttpClient client_;
  Target target_;
  std::string parameters_;  ///< of the URL, for questions
  RetryOptions retry_;
  const Clock& clock_;
  std::stop_token stop_;
};

/// A Server for questions about one table (or none: empty names), with the usual patience.
[[nodiscard]] Result<Server> open_server(const ServerOptions& options, std::string_view database,
                                         std::string_view table, const Clock& clock,
                                         const RetryOptions& retry = {});

}  // namespace sluice::clickhouse
