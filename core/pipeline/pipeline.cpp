// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/pipeline/run.hpp"

namespace sluice {
namespace {

constexpr Milliseconds idle_wait{2};
constexpr Milliseconds close_min{1'000};
constexpr Milliseconds fatal_drain_max{5'000};  ///< what is in flight may still be acknowledged

}  // namespace

Result<void> PipelineRun::run_to_end() {
  TRY(prepare());
  observe_progress();
  renews_ = group_rests_long();
  const bool joins = options_.joins_always || renews_;
  const auto done = [&] { return finished() && (assigned_once_ || !joins); };
  if (done()) {
    caught_up_ = true;
    return {};
  }
  TRY(ports_.source.join(*this));
  while (!error_ && !limit_reached_) {
    if (stop_.stop_requested()) {
      interrupted_ = true;
      break;
    }
    turn();
    if (!error_ && done()) {
      caught_up_ = true;
      break;
    }
    check_limits();
  }
  // One deadline for both: what the drain did not need is left for leaving the group.
  const TimePoint deadline = ports_.clock.now() + options_.drain_timeout;
  drain();
  if (!caught_up_ && !error_) caught_up_ = finished();
  const auto left = std::chrono::duration_cast<Milliseconds>(deadline - ports_.clock.now());
  ports_.source.close(std::max(left, close_min));
  return {};
}

Result<void> PipelineRun::prepare() {
  Table table = TRY(ports_.sink.describe());
  encode_for(TRY(target(std::move(table))));
  plan_ = TRY(
      make_plan(options_, ports_.source, ports_.sink, schema_->table().uuid, ports_.clock.wall()));
  if (options_.warns_of_start) warn_of_start();
  if (options_.warns_of_empty_table) warn_of_empty_table();
  if (exact()) TRY(check_decisions());
  for (const auto& [partition, plan] : plan_.partitions) {
    if (plan.committed) group_committed_.emplace(partition, plan.committed->offset);
  }
  delivery_.emplace(ports_.sink, options_.seed, options_.on_error == OnError::stop);
  commit_last_ = group_look_last_ = stall_look_last_ = ports_.clock.now();
  return {};
}

/// Kafka counts from when a group's last member left it: a run that finds nothing to read need not
/// join, but when all runs find nothing the offsets are forgotten one day. So one of them joins now
/// and then, and writes down when.
bool PipelineRun::group_rests_long() const {
  constexpr Milliseconds long_rest = std::chrono::hours{24};
  if (!options_.fixed.empty()) return false;
  bool has_offsets = false;
  int64_t latest_ms = -1;
  for (const auto& [partition, plan] : plan_.partitions) {
    if (!plan.committed) continue;
    has_offsets = true;
    const CommitRecord record = CommitRecord::decode(plan.committed->metadata);
    latest_ms = std::max({latest_ms, record.inserted_at_ms, record.renewed_at_ms});
  }
  const Milliseconds now = ports_.clock.wall().time_since_epoch();
  return has_offsets && now - Milliseconds{latest_ms} > long_rest;
}

void PipelineRun::warn_of_start() {
  // `table` is asked for partitions without offsets, and may be given always.
  if (plan_.group_is_new || options_.start.kind == StartAt::Kind::table) return;
  const auto stands =
      std::count_if(plan_.partitions.begin(), plan_.partitions.end(),
                    [](const auto& entry) { return entry.second.committed.has_value(); });
  ports_.observer.warning(
      "start-not-used",
      fmt::format("--from is not used, it is for groups without offsets: group {} has committed "
                  "offsets on {} of {} partitions and goes on from them, any other begins at its "
                  "first record; to start elsewhere give another --group, or move this one with "
                  "--reset-to while nobody runs it",
                  options_.group, stands, plan_.partitions.size()));
}

/// A group that has inserted rows goes on behind them: those that the table has no more never come.
void PipelineRun::warn_of_empty_table() {
  const Table& table = schema_->table();
  if (!table.engine.ends_with("MergeTree") || has_ttl(table.engine_full)) return;
  const bool has_inserted =
      std::any_of(plan_.partitions.begin(), plan_.partitions.end(), [](const auto& entry) {
        const auto& committed = entry.second.committed;
        return committed && CommitRecord::decode(committed->metadata).inserted_at_ms >= 0;
      });
  if (!has_inserted) return;
  const Result<bool> rows = ports_.sink.has_rows();
  if (!rows.ok() || *rows) return;
  ports_.observer.warning(
      "table-empty",
      fmt::format("{} is empty, but group {} has inserted rows: they were deleted, or the table "
                  "was made anew; the group goes on behind them (to load all that the topic holds "
                  "again: --reset-to earliest)",
                  table.full_name(), options_.group));
}

void PipelineRun::turn() {
  stay_alive();
  settle(delivery_->collect(Milliseconds{0}));
  commit_if_due();
  look_at_table();
  bool busy = false;
  if (stale_) {
    adopt_table();
  } else {
    cut_due();
    send_ready();
    busy = reading_ && read_some();
  }
  rest(busy);
  if (!error_) look_for_stall();
  note_idle();
  observe_progress();
  observe_state();
}

void PipelineRun::rest(bool busy) {
  const TimePoint start = ports_.clock.now();
  const bool reached_all = std::all_of(sessions_.begin(), sessions_.end(),
                                       [](const auto& entry) { return entry.second.reached(); });
  const bool waiting_for_sink = !delivery_->empty() && (reached_all || stale_ || memory_full());
  if (!busy && waiting_for_sink) settle(delivery_->collect(Milliseconds{5}));
  const Milliseconds wait = busy || waiting_for_sink ? Milliseconds{0} : idle_wait;
  if (Result<void> polled = ports_.source.poll(wait); !polled.ok()) {
    fatal_ = true;
    fail(std::move(polled).error());
  }
  (busy ? times_.poll : times_.idle) += since(start);
  if (!busy) look_at_group();
}

void PipelineRun::drain() {
  reading_ = false;
  if (!batcher_) return;
  if (!fatal_) {
    enqueue(batcher_->cut_all(caught_up_ ? CutTrigger::end : CutTrigger::shutdown));
  }
  const TimePoint deadline =
      ports_.clock.now() +
      (fatal_ ? std::min(options_.drain_timeout, fatal_drain_max) : options_.drain_timeout);
  bool cancelled = false;
  while (!delivery_->empty() || (!fatal_ && !cancelled && unsent())) {
    stay_alive();
    if (!fatal_ && !cancelled && !(exact() && stale_)) send_ready();
    settle(delivery_->collect(Milliseconds{10}));
    if (Result<void> polled = ports_.source.poll(Milliseconds{0}); !polled.ok() && !error_) {
      fail(std::move(polled).error());
    }
    if (!cancelled && ports_.clock.now() >= deadline) {
      delivery_->cancel();
      cancelled = true;
    }
    observe_progress();
  }
  withdraw_armed();
  for (const Batch& batch : ready_) abandon_rows(batch.rows());
  ready_.clear();
  for (const Batch& batch : armed_) abandon_rows(batch.rows());
  armed_.clear();
  while (!commits_unknown_ && !commit_requests(true).empty() && ports_.clock.now() < deadline) {
    if (commit_now(std::min(commit_timeout, options_.drain_timeout))) break;
    if (!ports_.source.poll(Milliseconds{50}).ok()) break;
  }
  for (const auto& [partition, session] : sessions_) abandon_rows(batcher_->abandon(partition));
  observe_progress();
}

bool PipelineRun::all_settled() const {
  return !sessions_.empty() &&
         std::all_of(sessions_.begin(), sessions_.end(), [](const auto& entry) {
           return entry.second.reached() && entry.second.cursor.idle();
         });
}

bool PipelineRun::finished() {
  if (options_.continuous) {
    return options_.idle_max && idle_since_ && since(*idle_since_) >= *options_.idle_max;
  }
  for (const auto& [partition, plan] : plan_.partitions) {
    const auto found = group_committed_.find(partition);
    std::optional<Offset> committed;
    if (found != group_committed_.end()) committed = found->second;
    if (!plan_.done(partition, committed)) return false;
  }
  return true;
}

void PipelineRun::check_limits() {
  if (options_.duration_max && since(started_) >= *options_.duration_max) limit_reached_ = true;
}

void PipelineRun::fail(Error error) {
  reading_ = false;
  if (!error_) error_ = std::move(error);
}

PipelineReport PipelineRun::report() {
  // Rows that have no end at this point were read but not settled: the next run reads them again.
  counts_.read -= counts_.open;
  counts_.open = 0;
  PipelineReport report{.name = options_.name,
                        .counts = counts_,
                        .caught_up = caught_up_,
                        .limit_reached = limit_reached_ && !caught_up_,
                        .interrupted = interrupted_ && !caught_up_,
                        .error = error_,
                        .partitions = {},
                        .gaps = gaps_,
                        .times = times_,
                        .duration = std::chrono::duration_cast<Milliseconds>(since(started_)),
                        .last_record_timestamp_ms = timestamp_last_ms_};
  for (const auto& [partition, plan] : plan_.partitions) {
    PartitionReport entry{
        .partition = partition, .from = plan.end, .to = plan.end, .end = plan.end, .committed = {}};
    if (const auto range = ranges_.find(partition); range != ranges_.end()) {
      entry.from = range->second.first;
      entry.to = range->second.next;
    } else if (options_.continuous) {
      continue;  // never ours
    }
    if (options_.continuous) {
      const auto known = last_held_.find(partition);
      entry.end = known == last_held_.end() ? entry.to : std::max(entry.to, known->second);
    }
    if (const auto known = group_committed_.find(partition); known != group_committed_.end()) {
      entry.committed = known->second;
    }
    report.partitions.push_back(entry);
  }
  return report;
}

PipelineReport run_pipeline(const PipelineOptions& options, PipelinePorts ports,
                            std::stop_token stop) {
  return PipelineRun(options, ports, std::move(stop)).run();
}

}  // namespace sluice
