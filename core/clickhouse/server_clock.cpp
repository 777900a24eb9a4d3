// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/server_clock.hpp"

#include <charconv>

#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/server.hpp"
#include "core/clickhouse/url.hpp"

namespace sluice::clickhouse {

Result<Milliseconds> clock_ahead(const ServerOptions& options, const Clock& clock) {
  const HttpOptions http = TRY(http_options(options));
  const Endpoint endpoint = TRY(parse_endpoint(options.url));
  const Target target{.origin = endpoint.origin, .table = {}, .user = shown_name(options.user)};
  Server server(options, http, target, RetryOptions{}, clock, {});
  const std::string question = "SELECT toUnixTimestamp64Milli(now64(3))";
  (void)TRY(server.ask(question, "tell the time"));  // so that connecting does not count
  const WallTime before = clock.wall();
  const auto rows = TRY(server.ask(question, "tell the time"));
  const WallTime after = clock.wall();
  int64_t theirs = 0;
  if (!rows.empty() && !rows.front().empty()) {
    const std::string& text = rows.front().front();
    std::from_chars(text.data(), text.data() + text.size(), theirs);
  }
  const auto middle = before.time_since_epoch() + (after - before) / 2;
  return Milliseconds(theirs) - std::chrono::duration_cast<Milliseconds>(middle);
}

}  // namespace sluice::clickhouse
