// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/server.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "core/base/wait.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/exception.hpp"
#include "core/clickhouse/insert_settings.hpp"

namespace sluice::clickhouse {
namespace {

constexpr Milliseconds answer_timeout_max{30'000};
constexpr Milliseconds patience{10'000};
constexpr uint64_t answer_bytes_max = 64ull << 20;

Error config_error(std::string_view slug, std::string message, std::string fix) {
  return {.code = Errc::config,
          .slug = std::string(slug),
          .message = std::move(message),
          .fix = std::move(fix)};
}

Result<void> check_header(std::string_view what, std::string_view value) {
  if (is_header_value(value)) return {};
  return config_error("clickhouse-login",
                      "the ClickHouse " + std::string(what) +
                          " has a control character in it or a blank at one of its ends, which "
                          "cannot go into an HTTP header",
                      "check for a line end that was read with it, or choose another");
}

}  // namespace

Result<HttpOptions> http_options(const ServerOptions& options) {
  const Endpoint endpoint = TRY(parse_endpoint(options.url));
  TRY(check_header("user", options.user));
  TRY(check_header("password", options.password));
  TRY(check_user_settings(options.settings));
  TRY(check_plaintext(endpoint, !options.password.empty(), options.allow_plaintext_auth));
  HttpOptions http{.origin = endpoint.origin,
                   .headers = {},
                   .connect_timeout = options.connect_timeout,
                   .ca_file = options.ca_file,
                   .verify_tls = options.verify_tls,
                   .proxy = endpoint.loopback ? std::string{} : options.proxy};
  if (!options.user.empty()) http.headers.push_back("X-ClickHouse-User: " + options.user);
  if (!options.password.empty()) http.headers.push_back("X-ClickHouse-Key: " + options.password);
  return http;
}

Server::Server(const ServerOptions& options, const HttpOptions& http, Target target,
               RetryOptions retry, const Clock& clock, std::stop_token stop)
    : timeout_(std::min(options.timeout, answer_timeout_max)),
      client_(http),
      target_(std::move(target)),
      retry_(retry),
      clock_(clock),
      stop_(std::move(stop)) {
  const bool endless = retry_.time_max.count() == 0;
  retry_.time_max = endless ? patience : std::min(retry_.time_max, patience);
  retry_.cap = std::min(retry_.cap, Milliseconds{1000});
  // Of the user's settings only this one changes what a question may be answered.
  const auto role = options.settings.find("role");
  if (role != options.settings.end()) add_parameter(parameters_, "role", role->second);
  // A missing table is reported at once here: nobody has yet seen it.
  retry_.brief_max = Milliseconds{0};
}

Result<std::vector<TsvRow>> Server::ask(const std::string& query, std::string_view what) {
  std::string answer;
  TRY(repeat([&] { return ask_once(query + " FORMAT TabSeparated", what, answer); }));
  return parse_tsv(answer);
}

Result<void> Server::command(const std::string& statement, std::string_view what, bool once) {
  std::string answer;
  if (!once) return repeat([&] { return ask_once(statement, what, answer); });
  Verdict verdict = ask_once(statement, what, answer);
  if (verdict.attempt.kind == AttemptClass::success) return {};
  return std::move(verdict.error);
}

Result<void> Server::try_insert(const std::string& query, std::string_view parameters) {
  return repeat([&] { return insert_once(query, parameters); });
}

Verdict Server::ask_once(const std::string& query, std::string_view what, std::string& answer) {
  const std::array<std::string_view, 1> body{query};
  HttpReply reply = client_.post({.parameters = parameters_,
                                  .body = body,
                                  .content_encoding = {},
                                  .timeout = timeout_,
                                  .reply_bytes_max = answer_bytes_max},
                                 stop_);
  Verdict verdict = judge_query(reply, what, target_);
  answer = std::move(reply.body);
  return verdict;
}

Verdict Server::insert_once(const std::string& query, std::string_view parameters) {
  const std::string text = query + "\n";
  const std::array<std::string_view, 1> body{text};
  const HttpReply reply = client_.post({.parameters = std::string(parameters),
                                        .body = body,
                                        .content_encoding = {},
                                        .timeout = timeout_},
                                       stop_);
  Verdict verdict = judge_insert(reply, Insert{}, target_);
  // There is no row whose data could be wrong: it is the value of a setting.
  if (verdict.error.code == Errc::rejected) {
    const auto exception = find_exception(reply);
    const std::string reason = exception ? presentable(*exception, TextPolicy::shown) : "";
    verdict.attempt.kind = AttemptClass::fatal;
    verdict.error = config_error("clickhouse-setting",
                                 "ClickHouse cannot read the value of a setting: " + reason,
                                 "correct the settings of this server");
  }
  return verdict;
}

template <class Once>
Result<void> Server::repeat(const Once& once) {
  Retry retry(retry_, clock_.now(), std::random_device{}());
  while (true) {
    Verdict verdict = once();
    const Retry::Decision decision = retry.after(verdict.attempt, clock_.now());
    if (decision.next == Retry::Next::done) return {};
    if (decision.next != Retry::Next::again || !wait_for(decision.wait, stop_)) {
      return std::move(verdict.error);
    }
  }
}

Result<Server> open_server(const ServerOptions& options, std::string_view database,
                           std::string_view table, const Clock& clock, const RetryOptions& retry) {
  const HttpOptions http = TRY(http_options(options));
  const Endpoint endpoint = TRY(parse_endpoint(options.url));
  const Target target{.origin = endpoint.origin,
                      .table = table.empty() ? std::string() : shown_table(database, table),
                      .user = shown_name(options.user)};
  return Server(options, http, target, retry, clock, {});
}

}  // namespace sluice::clickhouse
