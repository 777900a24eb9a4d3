// SPDX-License-Identifier: Apache-2.0
// The part of Runner that loads everything a topic holds: mode = "full".
#include <set>
#include <utility>

#include "cli/check_exactly_once.hpp"
#include "cli/full_load.hpp"
#include "cli/runner_job.hpp"
#include "core/clickhouse/snapshot_marks.hpp"

namespace sluice::cli {
namespace {

PipelineReport failed(PipelineReport report, Error error) {
  report.error = std::move(error);
  report.caught_up = false;
  return report;
}

/// Whether the same command can end what this run began.
bool goes_on_later(const PipelineReport& report) {
  // After these what was loaded is of no use to anybody.
  static const std::set<std::string> in_vain{"snapshot-target-changed", "snapshot-topic-changed",
                                             "snapshot-taken-over"};
  return !report.error || report.error->code == Errc::cancelled ||
         (report.error->code == Errc::unavailable && !in_vain.contains(report.error->slug));
}

/// The pipeline as a run over exactly these offsets, in a group of its own.
PipelineSettings range_of(const PipelineSettings& pipeline, std::string group, std::string asked,
                          std::map<PartitionId, OffsetRange> fixed) {
  PipelineSettings out = pipeline;
  out.live_group = pipeline.group.value;
  out.group.value = std::move(group);
  out.range.emplace();
  out.range->fixed = std::move(fixed);
  out.range->asked = std::move(asked);
  return out;
}

}  // namespace

PipelineReport Runner::load_everything(Job& job, PipelineReport report,
                                       const std::stop_token& stop) {
  // What an earlier attempt loaded is gone or read again, so it was not inserted.
  report.counts = {};
  report.partitions.clear();
  auto ports =
      open_full(job.settings, settings_, connections_, cluster_of(job.settings), stop, clock_);
  if (!ports) return failed(std::move(report), std::move(ports).error());
  const FullColumns filled = full_columns(job.settings, ports->target);
  const auto layout = lay_out(filled.table, filled.columns, job.settings.format.value);
  if (!layout) return failed(std::move(report), layout.error());
  const bool replaces = job.settings.write.value == Write::overwrite_delete_stale;
  return replaces ? replace_table(job, *ports, std::move(report), stop)
                  : load_into_table(job, *ports, std::move(report), stop);
}

PipelineReport Runner::replace_table(Job& job, FullPorts& ports, PipelineReport report,
                                     const std::stop_token& stop) {
  const PipelineSettings& pipeline = job.settings;
  auto tables = clickhouse::open_snapshot_tables(ports.server, ports.names, clock_);
  if (!tables) return failed(std::move(report), std::move(tables).error());
  Snapshot snapshot(snapshot_options(pipeline, ports.target, settings_.run, run_id_), *ports.source,
                    **tables, *ports.groups, job.watch, clock_);
  auto begun = snapshot.begin();
  ports.source->close(Milliseconds{1000});
  if (!begun) {
    snapshot.give_up(begun.error().code == Errc::unavailable);
    return failed(std::move(report), std::move(begun).error());
  }
  PipelineSettings shadow = range_of(pipeline, begun->group, begun->asked, begun->fixed);
  shadow.table.value = pipeline.database() + "." + begun->table_name;
  // A plain table counts INSERTs, not hours.
  constexpr Milliseconds safe_age = std::chrono::hours{24 * 365};
  if (begun->exactly_once) shadow.range->exactly_once = ExactlyOnce{.safe_age = safe_age};
  report = load(job, shadow, report, stop);
  if (!report.error && report.caught_up) {
    Result<void> finished = snapshot.finish(report);
    if (finished.ok()) return report;
    report = failed(std::move(report), std::move(finished).error());
  }
  if (report.error) report.error = snapshot.explain(std::move(*report.error));
  snapshot.give_up(goes_on_later(report) && begun->exactly_once);
  return report;
}

PipelineReport Runner::load_into_table(Job& job, FullPorts& ports, PipelineReport report,
                                       const std::stop_token& stop) {
  const PipelineSettings& pipeline = job.settings;
  const bool append = pipeline.write.value == Write::append;
  std::unique_ptr<SnapshotMarks> marks;
  std::optional<ExactlyOnce> exactly_once;
  if (append) {
    auto opened = clickhouse::open_snapshot_marks(ports.server, ports.names, clock_);
    if (!opened) return failed(std::move(report), std::move(opened).error());
    marks = std::move(opened).value();
    if (pipeline.delivery.value == DeliveryLevel::exactly_once) {
      auto kept = require_exactly_once(pipeline, connections_, clock_);
      if (!kept) return failed(std::move(report), std::move(kept).error());
      exactly_once = *kept;
      exactly_once->provenance = false;  // earlier snapshots have rows of the same offsets
    }
  }
  FullLoad full(full_load_options(pipeline, ports.target, settings_.run, run_id_), *ports.source,
                marks.get(), *ports.groups, job.watch, clock_);
  auto begun = full.begin();
  ports.source->close(Milliseconds{1000});
  if (!begun) return failed(std::move(report), std::move(begun).error());
  PipelineSettings whole = range_of(pipeline, begun->group, begun->asked, begun->fixed);
  whole.columns.snapshot = begun->snapshot;
  whole.range->exactly_once = exactly_once;
  report = load(job, whole, report, stop);
  if (!report.error && report.caught_up) {
    Result<void> finished = full.finish(report);
    if (finished.ok()) return report;
    report = failed(std::move(report), std::move(finished).error());
  }
  const bool rejected = report.error && report.error->code == Errc::rejected;
  full.give_up(goes_on_later(report) || (rejected && !append));
  return report;
}

}  // namespace sluice::cli
