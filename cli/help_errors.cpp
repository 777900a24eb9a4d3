// SPDX-License-Identifier: Apache-2.0
// What every error means, asked of the code that decides it: there is no second list.
#include <fmt/format.h>

#include "cli/help.hpp"
#include "cli/text.hpp"
#include "core/clickhouse/error_codes.hpp"
#include "core/clickhouse/http.hpp"
#include "core/clickhouse/reply.hpp"
#include "core/kafka/properties.hpp"

namespace sluice::cli {
namespace {

constexpr std::string_view head = R"(What sluice does about an error:
  done                the rows are in the table
  retry               the same bytes and token again, until --retry-max-time
  retry slowly        the same, at least a second apart, up to a minute
  retry briefly       for the time given, then stop
  send again          the body arrived cut: so often, then isolate the row
  isolate the row     find the row, reject it alone; with on_error = stop end there
  split               smaller inserts; a single row too large is isolated
  refresh the schema  look at the table's columns again
  stop                only a person can help

ClickHouse (X-ClickHouse-Exception-Code); any other code: retry
)";

clickhouse::Verdict judge(const clickhouse::HttpReply& reply) {
  return clickhouse::judge_insert(reply, {}, {});
}

std::string http_table() {
  std::vector<TextRow> rows{{"STATUS", "WHAT"}};
  // 200 is what a sign-in page answers; 302, 404 and 500 stand for their hundreds.
  for (const auto& [status, name] : {std::pair{200, "200"},
                                     {302, "3xx"},
                                     {401, "401"},
                                     {403, "403"},
                                     {407, "407"},
                                     {408, "408"},
                                     {413, "413"},
                                     {429, "429"},
                                     {404, "other 4xx"},
                                     {500, "5xx"}}) {
    clickhouse::HttpReply reply;
    reply.status = status;
    reply.complete = true;
    rows.push_back({name, error_action(judge(reply).attempt)});
  }
  return aligned(rows, {});
}

std::string curl_table() {
  std::vector<TextRow> rows{{"CODE", "TEXT", "WHAT"}};
  for (const clickhouse::CurlSignal& signal : clickhouse::curl_signals()) {
    clickhouse::HttpReply reply;
    reply.failure = signal.failure;
    rows.push_back({std::to_string(signal.code), signal.text, error_action(judge(reply).attempt)});
  }
  clickhouse::HttpReply lost;
  lost.failure = clickhouse::TransportFailure::lost;
  rows.push_back({"other", "the connection was lost", error_action(judge(lost).attempt)});
  return aligned(rows, {0});
}

std::string_view words(kafka::ErrorSignal::Meaning meaning) {
  using Meaning = kafka::ErrorSignal::Meaning;
  switch (meaning) {
    case Meaning::waits:
      return "wait";
    case Meaning::refused:
      return "stop";
    case Meaning::missing:
      return "ask again, then stop";
    case Meaning::fenced:
      return "of a commit: the partition is another member's, leave it";
    case Meaning::fatal:
      return "of a commit: stop";
  }
  return "";
}

std::string kafka_table() {
  std::vector<TextRow> rows{{"NAME", "WHAT"}};
  for (const kafka::ErrorSignal& signal : kafka::error_signals()) {
    rows.push_back({signal.name, std::string(words(signal.meaning))});
  }
  return aligned(rows, {});
}

std::string clickhouse_table() {
  std::vector<TextRow> rows{{"CODE", "NAME", "WHAT"}};
  const auto add = [&](const clickhouse::ErrorCode& entry, std::string_view addition) {
    rows.push_back({std::to_string(entry.code), std::string(entry.name).append(addition),
                    error_action({.kind = entry.kind, .times = entry.times})});
  };
  for (const clickhouse::ErrorCode& entry : clickhouse::error_codes()) {
    add(entry, "");
    if (entry.code == clickhouse::too_many_partitions().code) {
      add(clickhouse::too_many_partitions(), " (\"Too many partitions\")");
    }
  }
  return aligned(rows, {0});
}

}  // namespace

std::string error_action(const Attempt& attempt) {
  constexpr uint32_t brief_seconds = 30;
  static_assert(RetryOptions{}.brief_max == std::chrono::seconds(brief_seconds));
  switch (attempt.kind) {
    case AttemptClass::success:
      return "done";
    case AttemptClass::retry:
      return "retry";
    case AttemptClass::retry_slow:
      return "retry slowly";
    case AttemptClass::retry_briefly:
      return fmt::format("retry briefly ({} s), then stop", brief_seconds * attempt.times);
    case AttemptClass::resend:
      return attempt.times == 1 ? "send again once, then isolate the row"
                                : "send again twice, then isolate the row";
    case AttemptClass::isolate:
      return "isolate the row";
    case AttemptClass::split:
      return "split";
    case AttemptClass::refresh_schema:
      return "refresh the schema";
    case AttemptClass::fatal:
      return "stop";
  }
  return "";
}

std::string errors_help() {
  return fmt::format(
      "{}{}\nHTTP, where no exception of ClickHouse's is in the answer (a proxy)\n{}\n"
      "No answer (libcurl)\n{}\nKafka; any other error is logged, and of a commit asked again\n{}",
      head, clickhouse_table(), http_table(), curl_table(), kafka_table());
}

}  // namespace sluice::cli
