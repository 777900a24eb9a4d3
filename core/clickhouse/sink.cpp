// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/sink.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/check.hpp"
#include "core/base/queue.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/compress.hpp"
#include "core/clickhouse/range_rows.hpp"
#include "core/clickhouse/sender.hpp"
#include "core/clickhouse/server.hpp"
#include "core/clickhouse/url.hpp"

namespace sluice::clickhouse {
namespace {

/// What a sink is made of.
struct SinkParts {
  Server server;
  Server brief;
  SenderOptions options;
  Table table;
  unsigned senders = 1;
  std::stop_source cancel;
};

/// A sink over HTTP: a queue of inserts, sender threads, a queue of outcomes.
///
/// The pipeline thread makes all calls; cancel() may come from anywhere.
class HttpSink final : public Sink {
 public:
  HttpSink(SinkParts parts, Observer& observer, const Clock& clock);
  ~HttpSink() override;
  HttpSink(const HttpSink&) = delete;
  HttpSink& operator=(const HttpSink&) = delete;

  [[nodiscard]] bool has_room() const override { return under_way_ < senders_count_ + 1; }
  void submit(const Insert& insert) override;
  std::vector<InsertOutcome> collect(Milliseconds wait) override;
  Result<Table> describe() override;
  std::optional<Table> look() override;
  Result<bool> has_rows() override;
  Result<std::optional<uint64_t>> rows_of(const std::string& topic, PartitionId partition,
                                          OffsetRange offsets) override;
  void cancel() override { cancel_.request_stop(); }

 private:
  void run(Sender& sender, const std::stop_token& end);

  Server server_;  ///< of the pipeline thread
  Server brief_;   ///< the same, but it gives up soon
  const SenderOptions options_;
  std::deque<Table> tables_;  ///< as described, latest last; inserts under way refer to them
  const unsigned senders_count_;
  const Clock& clock_;
  std::stop_source cancel_;
  Gate gate_;
  /// Submitted and not collected: whoever collects an outcome has room for one more INSERT.
  unsigned under_way_ = 0;
  Queue<Sender::Task> queue_;
  Queue<InsertOutcome> outcomes_;
  std::deque<Sender> senders_;
  std::vector<std::jthread> threads_;  ///< last: they end before what they use
};

HttpSink::HttpSink(SinkParts parts, Observer& observer, const Clock& clock)
    : server_(std::move(parts.server)),
      brief_(std::move(parts.brief)),
      options_(std::move(parts.options)),
      tables_{std::move(parts.table)},
      senders_count_(parts.senders),
      clock_(clock),
      cancel_(std::move(parts.cancel)),
      gate_(parts.senders, clock) {
  threads_.reserve(senders_count_);
  for (unsigned number = 0; number < senders_count_; ++number) {
    Sender& sender = senders_.emplace_back(options_, gate_, observer, clock);
    threads_.emplace_back([this, &sender](const std::stop_token& end) { run(sender, end); });
  }
}

HttpSink::~HttpSink() {
  cancel_.request_stop();
  for (std::jthread& thread : threads_) thread.request_stop();
}

void HttpSink::run(Sender& sender, const std::stop_token& end) {
  while (const auto next = queue_.pop(end)) {
    outcomes_.push(sender.deliver(*next, cancel_.get_token()));
  }
}

void HttpSink::submit(const Insert& insert) {
  CHECK(has_room());
  CHECK(insert.rows > 0);
  ++under_way_;
  queue_.push({.insert = &insert, .table = &tables_.back(), .submitted = clock_.now()});
}

std::vector<InsertOutcome> HttpSink::collect(Milliseconds wait) {
  std::vector<InsertOutcome> collected;
  auto outcome = outcomes_.pop_until(std::chrono::steady_clock::now() + wait);
  while (outcome) {
    --under_way_;
    collected.push_back(std::move(*outcome));
    outcome = outcomes_.try_pop();
  }
  return collected;
}

Result<Table> HttpSink::describe() {
  Table table = TRY(describe_table(server_, tables_.front().database, tables_.front().name));
  tables_.push_back(table);
  return table;
}

std::optional<Table> HttpSink::look() {
  auto table = describe_table(brief_, tables_.front().database, tables_.front().name);
  if (!table.ok()) return std::nullopt;
  return std::move(*table);
}

Result<bool> HttpSink::has_rows() { return table_has_rows(server_, tables_.back()); }

Result<std::optional<uint64_t>> HttpSink::rows_of(const std::string& topic, PartitionId partition,
                                                  OffsetRange offsets) {
  const Table& table = tables_.back();
  return count_range_rows(server_, table,
                          {.database = table.database,
                           .table = table.name,
                           .topic = topic,
                           .columns = origin_columns(table),
                           .offsets = {{partition, offsets}}});
}

/// Of one question.
ServerOptions with_patience(ServerOptions options, Milliseconds patience) {
  options.timeout = std::min(options.timeout, patience);
  options.connect_timeout = std::min(options.connect_timeout, patience);
  return options;
}

/// Who gives up soon does not wait much longer than that for one answer, either.
ServerOptions patient_options(const ServerOptions& options, const RetryOptions& retry) {
  constexpr Milliseconds slow_answer{5000};  // is no outage
  if (retry.time_max.count() == 0) return options;
  return with_patience(options, std::max(retry.time_max, slow_answer));
}

}  // namespace

Result<void> check_server_options(const ServerOptions& options) {
  TRY(http_options(options));
  return {};
}

Result<std::unique_ptr<Sink>> open_sink(const ServerOptions& server_options,
                                        const SinkOptions& options, Observer& observer,
                                        const Clock& clock) {
  CHECK(options.senders > 0);
  const HttpOptions http = TRY(http_options(server_options));
  const Endpoint endpoint = TRY(parse_endpoint(server_options.url));
  const Target target{.origin = endpoint.origin,
                      .table = shown_table(options.database, options.table),
                      .user = shown_name(server_options.user)};
  std::stop_source cancel;
  const std::stop_callback stopped(options.stop, [cancel]() mutable { cancel.request_stop(); });
  const ServerOptions patient = patient_options(server_options, options.retry);
  Server server(patient, TRY(http_options(patient)), target, options.retry, clock,
                cancel.get_token());
  const ServerOptions hasty = with_patience(server_options, Milliseconds{2000});
  Server brief(hasty, TRY(http_options(hasty)), target, {.time_max = Milliseconds{1}}, clock,
               cancel.get_token());
  const ServerSettings settings = TRY(read_settings(server));
  Table table = TRY(describe_table(server, options.database, options.table));
  const std::string parameters = fixed_parameters(settings, server_options.settings);
  // Without rows nothing is remembered of the token; but whether one may be set is seen.
  TRY(check_insert(
      server, table,
      "insert_deduplication_token=sluice-start&max_insert_block_size=1&" + parameters));
  if (const auto warning = engine_warning(table)) {
    observer.warning(warning->slug, warning->message);
  }
  const Compression compression = chosen_compression(server_options.compression, endpoint.loopback);
  SinkParts parts{.server = std::move(server),
                  .brief = std::move(brief),
                  .options = {.http = http,
                              .target = target,
                              .fixed_parameters = parameters,
                              .compression = compression,
                              .timeout = server_options.timeout,
                              .retry = options.retry},
                  .table = std::move(table),
                  .senders = options.senders,
                  .cancel = std::move(cancel)};
  return std::unique_ptr<Sink>(std::make_unique<HttpSink>(std::move(parts), observer, clock));
}

std::string version_line() { return http_version_line() + " · " + compression_version_line(); }

}  // namespace sluice::clickhouse
