// SPDX-License-Identifier: Apache-2.0
#include "cli/meter.hpp"

#include <algorithm>
#include <utility>

#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr Milliseconds take_interval{100};
constexpr TimePoint::rep never_turned = 0;

/// Rows that were decoded: what was read but not skipped or refused before it became a row.
uint64_t decoded_of(const Counts& counts) {
  uint64_t others = counts.skipped;
  for (const auto& [reason, number] : counts.rejected_by) {
    if (reason != RejectReason::insert) others += number;
  }
  return counts.read > others ? counts.read - others : 0;
}

uint64_t growth(uint64_t before, uint64_t after) { return after > before ? after - before : 0; }

double seconds(Milliseconds duration) { return static_cast<double>(duration.count()) / 1e3; }

prometheus::Histogram::BucketBoundaries row_buckets() {
  return {1, 10, 100, 1'000, 10'000, 50'000, 100'000, 250'000, 500'000, 1'000'000};
}

prometheus::Histogram::BucketBoundaries byte_buckets() {
  return {1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 22, 1 << 24, 1 << 25, 1 << 26, 1 << 27, 1 << 28};
}

prometheus::Histogram::BucketBoundaries insert_buckets() {
  return {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120};
}

prometheus::Histogram::BucketBoundaries latency_buckets() {
  return {.05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 300, 900, 3600};
}

}  // namespace

std::optional<uint64_t> PartitionFacts::lag() const {
  if (!end || !committed) return std::nullopt;
  return *end > *committed ? static_cast<uint64_t>(*end - *committed) : 0;
}

std::optional<double> PartitionFacts::lag_seconds(WallTime now) const {
  if (lag() == 0u) return 0;
  if (!oldest_open_timestamp_ms || *oldest_open_timestamp_ms < 0) return std::nullopt;
  const int64_t age = now.time_since_epoch().count() - *oldest_open_timestamp_ms;
  return static_cast<double>(std::max<int64_t>(age, 0)) / 1e3;
}

std::optional<uint64_t> PipelineFacts::lag() const {
  uint64_t sum = 0;
  bool known = !partitions.empty();
  for (const auto& [partition, facts] : partitions) {
    const std::optional<uint64_t> lag = facts.lag();
    known = known && lag.has_value();
    sum += lag.value_or(0);
  }
  if (known) return sum;
  if (target == 0) return std::nullopt;
  return target > passed ? target - passed : 0;
}

PipelineMeter::PipelineMeter(const Clock& clock)
    : clock_(clock),
      turned_at_(never_turned),
      batch_rows_(row_buckets()),
      batch_bytes_(byte_buckets()),
      insert_seconds_(insert_buckets()),
      latency_seconds_(latency_buckets()) {}

void PipelineMeter::opening() {
  const std::lock_guard lock(mutex_);
  facts_.stage = PipelineFacts::Stage::opening;
  facts_.moved_at = clock_.now();
}

void PipelineMeter::server(const std::string& url, bool up) {
  const std::lock_guard lock(mutex_);
  server_ = url;
  facts_.servers[url] = up;
}

void PipelineMeter::outcome(const InsertOutcome& outcome) {
  using Kind = InsertOutcome::Kind;
  const bool inserted = outcome.kind == Kind::inserted;
  const char* result = "rejected";
  if (inserted) result = outcome.attempts > 1 ? "retried" : "ok";
  if (outcome.kind == Kind::failed) result = "failed";
  if (inserted) insert_seconds_.Observe(seconds(outcome.duration));
  const std::lock_guard lock(mutex_);
  if (outcome.kind != Kind::readable) ++facts_.inserts_by_result[result];
  if (outcome.exception_code > 0) ++facts_.exceptions_by_code[outcome.exception_code];
  const bool answered = inserted || outcome.kind == Kind::readable || outcome.exception_code > 0;
  if (answered && !server_.empty()) facts_.servers[server_] = true;
  retried_.erase(outcome.id);
}

void PipelineMeter::finished(const PipelineReport& report) {
  const std::lock_guard lock(mutex_);
  take(report.counts, clock_.now());
  facts_.stage = report.error ? PipelineFacts::Stage::failed : PipelineFacts::Stage::finished;
  facts_.caught_up = report.caught_up;
  facts_.error_slug = report.error ? report.error->slug : "";
  facts_.partitions.clear();
  facts_.buffer_bytes.reset();
  facts_.batches_in_flight.reset();
  facts_.holding_back.reset();
  facts_.client.reset();
  retried_.clear();
}

void PipelineMeter::assigned(std::span<const Assignment> partitions) {
  const std::lock_guard lock(mutex_);
  facts_.stage = PipelineFacts::Stage::running;
  facts_.assigned = true;
  ++facts_.assignments;
  for (const Assignment& assignment : partitions) {
    PartitionFacts& facts = facts_.partitions[assignment.partition];
    facts.position = assignment.start.value;
    if (assignment.from_committed) facts.committed = assignment.start.value;
  }
}

void PipelineMeter::revoked(std::span<const PartitionId> partitions, bool lost) {
  const std::lock_guard lock(mutex_);
  ++(lost ? facts_.losses : facts_.revocations);
  for (const PartitionId partition : partitions) facts_.partitions.erase(partition);
}

void PipelineMeter::inserted(const Inserted& insert) {
  const WallTime now = clock_.wall();
  batch_rows_.Observe(static_cast<double>(insert.rows));
  batch_bytes_.Observe(static_cast<double>(insert.bytes));
  if (insert.oldest_timestamp_ms >= 0) {
    const int64_t age = now.time_since_epoch().count() - insert.oldest_timestamp_ms;
    latency_seconds_.Observe(static_cast<double>(std::max<int64_t>(age, 0)) / 1e3);
  }
  const std::lock_guard lock(mutex_);
  facts_.last_insert_at = now;
  if (insert.newest_timestamp_ms >= 0) {
    facts_.last_record_timestamp_ms =
        std::max(facts_.last_record_timestamp_ms.value_or(0), insert.newest_timestamp_ms);
  }
  facts_.raw_bytes += insert.bytes;
  facts_.wire_bytes += insert.wire_bytes;
  ++facts_.batches_by_trigger[std::string(insert.trigger)];
}

void PipelineMeter::retrying(const Retrying& attempt) {
  const std::lock_guard lock(mutex_);
  ++facts_.retries_by_reason[attempt.reason];
  if (attempt.exception_code > 0) ++facts_.exceptions_by_code[attempt.exception_code];
  if (!server_.empty()) facts_.servers[server_] = attempt.exception_code > 0;
  retried_.insert(attempt.insert.id);
}

void PipelineMeter::committed(std::span<const CommitOutcome> offsets) {
  const std::lock_guard lock(mutex_);
  for (const CommitOutcome& outcome : offsets) {
    const bool ok = outcome.result == CommitResult::ok;
    ++(ok ? facts_.commits_ok : facts_.commits_failed);
    const auto found = facts_.partitions.find(outcome.partition);
    if (ok && found != facts_.partitions.end()) found->second.committed = outcome.offset.value;
  }
}

void PipelineMeter::state(const State& state) {
  const TimePoint now = clock_.now();
  const std::lock_guard lock(mutex_);
  if (state_at_ && facts_.holding_back.value_or(false)) {
    facts_.backpressure_seconds += std::chrono::duration<double>(now - *state_at_).count();
  }
  state_at_ = now;
  facts_.buffer_bytes = state.buffer_bytes;
  facts_.batches_in_flight = state.batches_in_flight;
  facts_.holding_back = state.holding_back;
  facts_.partitions.clear();
  for (const PartitionState& told : state.partitions) {
    PartitionFacts& facts = facts_.partitions[told.partition];
    facts.position = told.position.value;
    if (told.committed) facts.committed = told.committed->value;
    if (told.held) {
      facts.start = told.held->first.value;
      facts.end = told.held->end.value;
    }
    facts.oldest_open_timestamp_ms = told.oldest_open_timestamp_ms;
  }
}

void PipelineMeter::reading_anew() {
  const std::lock_guard lock(mutex_);
  ++facts_.stall_restarts;
}

void PipelineMeter::client_statistics(const kafka::ClientStatistics& statistics) {
  const std::lock_guard lock(mutex_);
  facts_.client = statistics;
}

void PipelineMeter::client_error(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = facts_.client_errors.find(name);
  if (found == facts_.client_errors.end()) {
    facts_.client_errors.emplace(name, 1);
  } else {
    ++found->second;
  }
}

void PipelineMeter::progress(const Progress& progress) {
  const TimePoint now = clock_.now();
  turned_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  if (taken_at_ != TimePoint{} && now - taken_at_ < take_interval) return;
  taken_at_ = now;
  const std::lock_guard lock(mutex_);
  facts_.target = progress.target;
  facts_.passed = progress.passed;
  // Each attempt counts from 0.
  const auto decoded = progress.decode < decode_ ? progress.decode : progress.decode - decode_;
  facts_.decode_seconds += std::chrono::duration<double>(decoded).count();
  decode_ = progress.decode;
  take(progress.counts, now);
}

void PipelineMeter::take(const Counts& counts, TimePoint now) {
  const Counts& before = facts_.counts;
  const uint64_t consumed = growth(before.read, counts.read);
  if (consumed > 0 || counts.open != before.open) facts_.moved_at = now;
  facts_.consumed += consumed;
  facts_.decoded += growth(decoded_of(before), decoded_of(counts));
  facts_.counts = counts;
}

PipelineFacts PipelineMeter::facts() const {
  const std::lock_guard lock(mutex_);
  PipelineFacts facts = facts_;
  const TimePoint::rep turned = turned_at_.load(std::memory_order_relaxed);
  if (turned != never_turned) facts.turned_at = TimePoint(TimePoint::duration(turned));
  facts.retrying = !retried_.empty();
  return facts;
}

}  // namespace sluice::cli
