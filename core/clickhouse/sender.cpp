// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/sender.hpp"

#include <utility>

#include "core/base/text.hpp"
#include "core/clickhouse/insert_query.hpp"
#include "core/clickhouse/url.hpp"

namespace sluice::clickhouse {
namespace {

// Proxies commonly take 8 KiB of request line; settings need one of them.
constexpr size_t query_in_url_bytes_max = 3000;

Milliseconds between(TimePoint from, TimePoint to) {
  return std::chrono::duration_cast<Milliseconds>(to - from);
}

Health health_of(AttemptClass kind) {
  switch (kind) {
    case AttemptClass::retry:
    case AttemptClass::retry_briefly:
      return Health::failing;
    case AttemptClass::retry_slow:
      return Health::overloaded;
    case AttemptClass::success:
    case AttemptClass::resend:
    case AttemptClass::isolate:
    case AttemptClass::split:
    case AttemptClass::refresh_schema:
    case AttemptClass::fatal:
      return Health::good;
  }
  return Health::good;
}

Error cancelled_error(const Target& target) {
  return {.code = Errc::cancelled,
          .slug = "cancelled",
          .message = "stopped before ClickHouse acknowledged an insert into " + target.table,
          .fix = "what was not acknowledged is read again by the next run"};
}

Error expired_error(const Target& target) {
  return {.code = Errc::unavailable,
          .slug = "process-stood-still",
          .message = "the process stood still for so long that an INSERT into " + target.table +
                     " may be somebody else's by now: it was not sent",
          .fix = "run it again: it continues where the group stands"};
}

}  // namespace

Sender::Sender(const SenderOptions& options, Gate& gate, Observer& observer, const Clock& clock)
    : options_(options),
      gate_(gate),
      observer_(observer),
      clock_(clock),
      client_(options.http),
      compressor_(options.compression) {}

InsertOutcome Sender::deliver(const Task& task, const std::stop_token& stop) {
  const Insert& insert = *task.insert;
  InsertOutcome outcome{.id = insert.id, .error = cancelled_error(options_.target)};
  const TimePoint started = clock_.now();
  Retry retry(options_.retry, started, random_());
  if (!stop.stop_requested()) {
    const Body body = prepare(task, outcome);
    TimePoint not_before = started;
    while (gate_.enter(not_before, stop)) {
      const TimePoint now = clock_.now();
      const bool stood_still = insert.begin_before != nullptr && now > insert.begin_before->load();
      const bool too_old = insert.resend_before && (insert.may_have_landed || retry.ambiguous()) &&
                           now > *insert.resend_before;
      if (stood_still || too_old) {
        gate_.leave(Health::good, Milliseconds{0});
        outcome.error = expired_error(options_.target);
        break;
      }
      Verdict verdict = attempt(insert, body, retry.attempts() + 1, outcome, stop);
      const bool odd = verdict.attempt.kind == AttemptClass::retry && verdict.code > 0 &&
                       verdict.reason == RetryReason::other;
      if (insert.dry_run && odd) {  // of nowhere, perhaps: what the table refused is known
        verdict.attempt.kind = AttemptClass::fatal;
        verdict.error.code = Errc::config;
      }
      const Retry::Decision decision = retry.after(verdict.attempt, clock_.now());
      outcome.ambiguous = retry.ambiguous();
      gate_.leave(health_of(verdict.attempt.kind), decision.wait);
      if (stop.stop_requested() && verdict.attempt.kind != AttemptClass::success) break;
      if (decision.next != Retry::Next::again) {
        outcome.attempts = retry.attempts();
        conclude(decision.next, std::move(verdict), started, outcome);
        const bool done = outcome.kind == InsertOutcome::Kind::inserted;
        if (done && insert.dry_run) outcome.kind = InsertOutcome::Kind::readable;
        break;
      }
      observer_.retrying({.insert = insert,
                          .attempt = retry.attempts(),
                          .wait = decision.wait,
                          .reason = verdict.reason,
                          .exception_code = verdict.code,
                          .error = verdict.error});
      // A server that is back is back for all; one that is overloaded is spared by each.
      const bool own_wait = verdict.attempt.kind == AttemptClass::retry_slow ||
                            verdict.attempt.kind == AttemptClass::resend;
      not_before = own_wait ? clock_.now() + decision.wait : started;
    }
  }
  outcome.attempts = retry.attempts();
  outcome.duration = between(task.submitted, clock_.now());
  return outcome;
}

Sender::Body Sender::prepare(const Task& task, InsertOutcome& outcome) {
  const Insert& insert = *task.insert;
  Body body;
  const std::string query = insert_query(*task.table, insert);
  add_parameter(body.parameters, "insert_deduplication_token", insert.token);
  add_parameter(body.parameters, "max_insert_block_size", std::to_string(insert.rows + 1));
  body.parameters += options_.fixed_parameters;
  pieces_.clear();
  query_.clear();
  if (query.size() <= query_in_url_bytes_max) {
    add_parameter(body.parameters, "query", query);
  } else {
    query_ = query + "\n";
    pieces_.push_back(query_);
  }
  pieces_.insert(pieces_.end(), insert.pieces.begin(), insert.pieces.end());
  if (options_.compression != Compression::none) {
    const TimePoint begin = clock_.now();
    const std::string_view compressed = compressor_.compress(pieces_);
    pieces_.assign(1, compressed);
    outcome.compress_time = between(begin, clock_.now());
  }
  body.pieces = pieces_;
  for (const std::string_view piece : pieces_) body.bytes += piece.size();
  return body;
}

Verdict Sender::attempt(const Insert& insert, const Body& body, uint32_t number,
                        InsertOutcome& outcome, const std::stop_token& stop) {
  HttpRequest request{.parameters = body.parameters,
                      .body = body.pieces,
                      .content_encoding = compressor_.encoding(),
                      .timeout = options_.timeout};
  // Never twice the same: the server refuses a second query of the same id while the first runs.
  add_parameter(request.parameters, "query_id", insert.token + "-" + std::to_string(number));
  const TimePoint begin = clock_.now();
  const HttpReply reply = client_.post(request, stop);
  outcome.send_time = between(begin, clock_.now());
  outcome.wire_bytes = body.bytes;
  Verdict verdict = judge_insert(reply, insert, options_.target);
  verdict.reason = retry_reason(reply, verdict.code);
  return verdict;
}

void Sender::conclude(Retry::Next next, Verdict verdict, TimePoint started,
                      InsertOutcome& outcome) const {
  using Kind = InsertOutcome::Kind;
  outcome.exception_code = verdict.code;
  outcome.error = std::move(verdict.error);
  switch (next) {
    case Retry::Next::done:
      outcome.kind = Kind::inserted;
      return;
    case Retry::Next::isolate:
      outcome.kind = verdict.row ? Kind::refused_row : Kind::refused;
      outcome.row = verdict.row.value_or(0);
      return;
    case Retry::Next::split:
      outcome.kind = Kind::too_large;
      return;
    case Retry::Next::refresh_schema:
      outcome.kind = Kind::stale_table;
      return;
    case Retry::Next::give_up:
      outcome.error = given_up(std::move(outcome.error), outcome.attempts, started);
      return;
    case Retry::Next::fatal:
    case Retry::Next::again:
      return;
  }
}

Error Sender::given_up(Error last, uint32_t attempts, TimePoint started) const {
  last.message = "gave up inserting into " + options_.target.table + " after " +
                 in_words(between(started, clock_.now())) + " and " + std::to_string(attempts) +
                 (attempts == 1 ? " attempt: " : " attempts: ") + last.message;
  // Whatever the last reason would mean by itself: it was temporary, and time ran out.
  last.code = Errc::unavailable;
  return last;
}

}  // namespace sluice::clickhouse
