// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/reply.hpp"

#include <utility>

#include "core/base/text.hpp"
#include "core/clickhouse/error_codes.hpp"
#include "core/clickhouse/exception.hpp"

namespace sluice::clickhouse {
namespace {

constexpr std::string_view not_clickhouse = "not-clickhouse";
constexpr std::string_view login_refused = "clickhouse-login";
constexpr std::string_view unreachable = "clickhouse-unreachable";
constexpr std::string_view reach_fix =
    "check the URL, the firewall and whether the server runs; what was not inserted is read again "
    "by the next run";
constexpr std::string_view tls_fix =
    "check that the port is the one for TLS (usually 8443) and that the server knows TLS 1.2 or "
    "newer";
constexpr std::string_view origin_fix =
    "check the URL and its port (8123, with TLS 8443) and whether a proxy or a sign-in page stands "
    "between";

Verdict failure(AttemptClass kind, bool ambiguous, Error error) {
  return {.attempt = {.kind = kind, .ambiguous = ambiguous, .retry_after = {}},
          .code = 0,
          .row = std::nullopt,
          .error = std::move(error)};
}

Error make_error(Errc code, std::string_view slug, std::string message, std::string_view fix) {
  return {.code = code,
          .slug = std::string(slug),
          .message = std::move(message),
          .fix = std::string(fix)};
}

bool is_html(const HttpReply& reply) {
  const size_t first = reply.body.find_first_not_of(" \t\r\n");
  return reply.content_type.rfind("text/html", 0) == 0 ||
         (first != std::string::npos && reply.body[first] == '<');
}

std::string http_status(const HttpReply& reply) {
  return "HTTP " + std::to_string(reply.status) + (is_html(reply) ? " and a web page" : "");
}

Verdict judge_failure(const HttpReply& reply, const Target& target) {
  const std::string detail = ": " + printable(reply.failure_text);
  const auto unavailable = [&](std::string message) {
    return failure(AttemptClass::retry, reply.body_sent,
                   make_error(Errc::unavailable, unreachable, std::move(message), reach_fix));
  };
  const std::string server = "ClickHouse at " + target.origin;
  switch (reply.failure) {
    case TransportFailure::none:
    case TransportFailure::resolve:
    case TransportFailure::connect:
      return unavailable("cannot connect to " + server + detail);
    case TransportFailure::tls:
      return failure(AttemptClass::retry, reply.body_sent,
                     make_error(Errc::unavailable, unreachable,
                                "cannot make a TLS connection to " + server + detail, tls_fix));
    case TransportFailure::timeout:
      return unavailable(server + " did not answer in time" + detail);
    case TransportFailure::lost:
      return unavailable("the connection to " + server + " broke" + detail);
    case TransportFailure::oversized:
      return failure(
          AttemptClass::retry, true,
          make_error(Errc::unavailable, not_clickhouse,
                     "the answer of " + server + " is longer than an answer can be", origin_fix));
    case TransportFailure::cancelled:
      return failure(
          AttemptClass::fatal, reply.body_sent,
          make_error(Errc::cancelled, "cancelled", "stopped while waiting for " + server, ""));
    case TransportFailure::certificate:
      return failure(AttemptClass::fatal, false,
                     make_error(Errc::config, "tls-certificate",
                                "the TLS certificate of " + server + " is not accepted" + detail,
                                "name the authority that signed it as the CA file, or correct the "
                                "host name in the URL"));
    case TransportFailure::unusable:
      break;
  }
  return failure(AttemptClass::fatal, false,
                 make_error(Errc::config, "clickhouse-url", "cannot talk to " + server + detail,
                            "check the URL and the TLS settings"));
}

/// An answer without any exception of ClickHouse's, and no success: a proxy's, or a broken one.
Verdict judge_status(const HttpReply& reply, const Target& target) {
  const std::string message = "the server at " + target.origin + " answered " + http_status(reply);
  const auto fatal = [&](Errc code) {
    return failure(
        AttemptClass::fatal, true,
        make_error(code, not_clickhouse, message + ", not as ClickHouse does", origin_fix));
  };
  const auto busy = [&](AttemptClass kind) {
    return failure(kind, true,
                   make_error(Errc::unavailable, unreachable, message,
                              "look at the proxy or load balancer before ClickHouse"));
  };
  switch (reply.status) {
    case 401:
    case 403:
    case 407:
      return fatal(Errc::no_permission);
    case 408:
      return busy(AttemptClass::retry);
    case 413:
      return failure(AttemptClass::split, false,
                     make_error(Errc::config, "insert-too-large",
                                message + ": the insert is larger than a proxy lets through",
                                "raise the proxy's body limit, or make batches smaller"));
    case 429:
      return busy(AttemptClass::retry_slow);
    default:
      return reply.status >= 500 && reply.status < 600 ? busy(AttemptClass::retry)
                                                       : fatal(Errc::config);
  }
}

std::string code_and_name(const Exception& exception, const ErrorCode& entry) {
  std::string text = exception.code == 0 ? "an error" : std::to_string(exception.code);
  const std::string_view name = entry.name.empty() ? exception.name : entry.name;
  if (!name.empty()) text.append(" ").append(name);
  return text;
}

std::string explained(std::string_view fix, const Target& target) {
  return replaced(replaced(std::string(fix), "{table}", target.table), "{user}", target.user);
}

const ErrorCode& entry_of(const Exception& exception) {
  const ErrorCode& entry = error_code(exception.code);
  const bool partitions = exception.code == too_many_partitions().code &&
                          exception.text.find("Too many partitions") != std::string::npos;
  return partitions ? too_many_partitions() : entry;
}

/// Whether only a person can help, although in the table itself another step would.
bool is_hopeless_in_view(AttemptClass kind) {
  switch (kind) {
    case AttemptClass::isolate:
    case AttemptClass::split:
    case AttemptClass::resend:
    case AttemptClass::refresh_schema:
      return true;
    case AttemptClass::success:
    case AttemptClass::retry:
    case AttemptClass::retry_slow:
    case AttemptClass::retry_briefly:
    case AttemptClass::fatal:
      return false;
  }
  return false;
}

/// A view fails after its table took the rows. Other inserts made of the same rows would put them
/// there again, and again for every half, so that nothing may follow but the same insert.
void judge_view(const std::string& view, Verdict& verdict) {
  verdict.attempt.ambiguous = true;
  if (!is_hopeless_in_view(verdict.attempt.kind)) return;
  verdict.attempt.kind = AttemptClass::fatal;
  verdict.row.reset();
  verdict.error.slug = "view-refused";
  verdict.error.fix = "the table has the rows of this insert, the view " + view +
                      " has not: correct the view or the table it writes to";
}

/// What was refused, without the reason: "ClickHouse refused a row of an insert into shop.orders".
std::string refusal(const ErrorCode& entry, std::string_view otherwise, const Target& target) {
  if (entry.slug == login_refused) {
    return "ClickHouse at " + target.origin + " refuses the login of user " + target.user;
  }
  if (entry.kind == AttemptClass::isolate) {
    return "ClickHouse refused a row of an insert into " + target.table;
  }
  return std::string(otherwise);
}

/// "ClickHouse refused a row of an insert into shop.orders: 27 CANNOT_PARSE_… in column a"
std::string insert_message(const Exception& exception, const ErrorCode& entry, const Insert& insert,
                           std::optional<uint64_t> row, const Target& target) {
  const bool of_row = entry.kind == AttemptClass::isolate;
  std::string message =
      refusal(entry, "ClickHouse did not take an insert into " + target.table, target);
  message.append(": ").append(code_and_name(exception, entry));
  const std::string column = of_row ? printable(blamed_column(exception, insert), 256) : "";
  if (!column.empty()) message.append(" in column ").append(column);
  if (row) message.append(" in row ").append(std::to_string(*row + 1)).append(" of the insert");
  const std::string view = failing_view(exception);
  if (!view.empty()) message.append(" while pushing to view ").append(view);
  const std::string text = presentable(exception, entry.text);
  if (!text.empty()) message.append(": ").append(text);
  return message;
}

Milliseconds wish_of(const HttpReply& reply) { return reply.retry_after.value_or(Milliseconds{0}); }

Verdict success() { return {}; }

}  // namespace

RetryReason retry_reason(const HttpReply& reply, int code) {
  if (reply.failure == TransportFailure::timeout) return RetryReason::timeout;
  if (reply.failure != TransportFailure::none) return RetryReason::network;
  switch (code) {
    case 0:
      return reply.status >= 500 ? RetryReason::http_5xx : RetryReason::other;
    case 159:  // TIMEOUT_EXCEEDED
    case 209:  // SOCKET_TIMEOUT
      return RetryReason::timeout;
    case 164:  // READONLY
    case 242:  // TABLE_IS_READ_ONLY
      return RetryReason::readonly;
    case 173:  // CANNOT_ALLOCATE_MEMORY
    case 241:  // MEMORY_LIMIT_EXCEEDED
      return RetryReason::memory;
    case 198:  // DNS_ERROR
    case 210:  // NETWORK_ERROR
    case 279:  // ALL_CONNECTION_TRIES_FAILED
      return RetryReason::network;
    case 252:
      return RetryReason::too_many_parts;
    default:
      return RetryReason::other;
  }
}

Verdict judge_insert(const HttpReply& reply, const Insert& insert, const Target& target) {
  if (reply.failure != TransportFailure::none) return judge_failure(reply, target);
  if (const auto exception = find_exception(reply)) {
    const ErrorCode& entry = entry_of(*exception);
    if (entry.kind == AttemptClass::success) return success();
    Verdict verdict;
    verdict.code = exception->code;
    const bool of_row = entry.kind == AttemptClass::isolate;
    if (of_row) verdict.row = blamed_row(*exception, insert);
    // What was sent with status 200 came late.
    verdict.attempt = {.kind = entry.kind,
                       .ambiguous = entry.ambiguous || reply.status == 200,
                       .retry_after = wish_of(reply),
                       .times = entry.times};
    verdict.error = make_error(entry.errc, entry.slug,
                               insert_message(*exception, entry, insert, verdict.row, target),
                               explained(entry.fix, target));
    const std::string view = failing_view(*exception);
    if (!view.empty()) judge_view(view, verdict);
    return verdict;
  }
  Verdict verdict;
  if (reply.status != 200 || !reply.from_clickhouse) {
    verdict = judge_status(reply, target);
  } else if (!reply.complete || !reply.body.empty()) {
    verdict = failure(AttemptClass::retry, true,
                      make_error(Errc::unavailable, not_clickhouse,
                                 "the answer of ClickHouse at " + target.origin +
                                     (reply.complete ? " has a body where none belongs"
                                                     : " does not say where it ends"),
                                 origin_fix));
  } else {
    return success();
  }
  verdict.attempt.retry_after = wish_of(reply);
  return verdict;
}

Verdict judge_query(const HttpReply& reply, std::string_view what, const Target& target) {
  if (reply.failure != TransportFailure::none) return judge_failure(reply, target);
  // In a good answer stands what people called their tables: it is not searched for exceptions.
  const bool good = reply.status == 200 && reply.exception_code.empty() &&
                    reply.body.find("\r\n__exception__\r\n") == std::string::npos;
  if (const auto exception = good ? std::nullopt : find_exception(reply)) {
    const ErrorCode& entry = entry_of(*exception);
    Verdict verdict;
    verdict.code = exception->code;
    verdict.attempt = {.kind = entry.kind, .ambiguous = false, .retry_after = wish_of(reply)};
    const std::string otherwise = "ClickHouse does not " + std::string(what);
    std::string message =
        entry.slug == login_refused ? refusal(entry, otherwise, target) : otherwise;
    message.append(": ").append(code_and_name(*exception, entry));
    const std::string text = presentable(*exception, entry.text);
    if (!text.empty()) message.append(": ").append(text);
    verdict.error =
        make_error(entry.errc, entry.slug, std::move(message), explained(entry.fix, target));
    return verdict;
  }
  if (reply.status == 200 && reply.from_clickhouse && reply.complete) return success();
  if (reply.status == 200 && reply.from_clickhouse) {
    return failure(
        AttemptClass::retry, false,
        make_error(Errc::unavailable, unreachable,
                   "an answer of ClickHouse at " + target.origin + " was cut short", reach_fix));
  }
  return judge_status(reply, target);
}

}  // namespace sluice::clickhouse
