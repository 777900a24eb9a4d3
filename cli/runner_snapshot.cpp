// SPDX-License-Identifier: Apache-2.0
// The part of Runner that replaces a table by a snapshot.
#include <fmt/format.h>

#include <cctype>
#include <random>

#include "cli/runner_job.hpp"
#include "cli/text.hpp"
#include "core/clickhouse/snapshot_tables.hpp"
#include "core/kafka/snapshot_groups.hpp"
#include "core/pipeline/snapshot.hpp"

namespace sluice::cli {
namespace {

/// Letters and digits, good for names of tables and groups; a pipeline's own in this run.
std::string snapshot_id(const std::string& run_id) {
  std::random_device device;
  return fmt::format("{}{:04x}", lower(run_id), device() & 0xFFFFu);
}

SnapshotOptions snapshot_options(const PipelineSettings& pipeline, const RunSettings& run,
                                 const std::string& run_id) {
  return {.topic = pipeline.topic.value,
          .table = pipeline.table.value,
          .table_name = pipeline.table_name(),
          .group = pipeline.group.value,
          .id = snapshot_id(run_id),
          .run_id = run_id,
          .keep_old = run.keep_old,
          .allow_empty = run.allow_empty,
          .allow_shrink = run.allow_shrink,
          .allow_views = run.allow_views};
}

}  // namespace

PipelineReport Runner::take_snapshot(Job& job, PipelineReport report, const std::stop_token& stop) {
  const PipelineSettings& pipeline = job.settings;
  // What an earlier attempt loaded is gone, so it was not inserted.
  report.counts = {};
  report.partitions.clear();
  const auto fail = [&](Error error) {
    report.error = std::move(error);
    report.caught_up = false;
    return report;
  };
  const kafka::ClusterOptions cluster = cluster_of(pipeline);
  auto tables = clickhouse::open_snapshot_tables(
      connections_.servers.at(pipeline.destination.value).front(),
      {pipeline.database(), pipeline.table_name(),
       settings_.servers_of(pipeline.destination.value).cluster.value},
      clock_);
  if (!tables) return fail(std::move(tables).error());
  auto groups = kafka::open_snapshot_groups(cluster, pipeline.topic.value, stop);
  if (!groups) return fail(std::move(groups).error());
  auto source =
      kafka::open_source(cluster, {.topic = pipeline.topic.value, .group = pipeline.group.value});
  if (!source) return fail(std::move(source).error());
  Snapshot snapshot(snapshot_options(pipeline, settings_.run, run_id_), **source, **tables,
                    **groups, job.watch, clock_);
  auto begun = snapshot.begin();
  (*source)->close(Milliseconds{1000});
  if (!begun) {
    snapshot.give_up(begun.error().code == Errc::unavailable);
    return fail(std::move(begun).error());
  }
  PipelineSettings shadow = pipeline;
  shadow.table.value = pipeline.database() + "." + begun->table_name;
  shadow.live_group = pipeline.group.value;
  shadow.group.value = begun->group;
  shadow.range.emplace();
  shadow.range->fixed = begun->fixed;
  shadow.range->asked = "snapshot";
  // A plain table counts INSERTs, not hours.
  constexpr Milliseconds safe_age = std::chrono::hours{24 * 365};
  if (begun->exactly_once) shadow.range->exactly_once = ExactlyOnce{.safe_age = safe_age};
  report = load(job, shadow, report, stop);
  if (!report.error && report.caught_up) {
    Result<void> finished = snapshot.finish(report);
    if (finished.ok()) return report;
    fail(std::move(finished).error());
  }
  const bool later =
      !report.error || report.error->code == Errc::cancelled ||
      (report.error->code == Errc::unavailable && report.error->slug != "snapshot-target-changed");
  snapshot.give_up(later && begun->exactly_once);
  return report;
}

}  // namespace sluice::cli
