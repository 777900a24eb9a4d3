// SPDX-License-Identifier: Apache-2.0
#include "cli/runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <thread>
#include <utility>

#include "cli/check_exactly_once.hpp"
#include "cli/exit_code.hpp"
#include "cli/pipeline_lock.hpp"
#include "cli/reject_file.hpp"
#include "cli/reject_replay.hpp"
#include "cli/runner_job.hpp"
#include "cli/table_starts.hpp"
#include "cli/text.hpp"
#include "core/base/wait.hpp"

namespace sluice::cli {
namespace {

uint64_t random_bits() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

/// librdkafka's own messages: mostly about connections, which the pipeline judges by itself.
kafka::LogCallback log_of(Console& console, const std::string& pipeline) {
  return [&console, pipeline](int level, std::string_view text) {
    constexpr int syslog_error = 3;
    const bool serious = level <= syslog_error && !console.human();
    console.log().write(serious ? LogLevel::warning : LogLevel::debug, "librdkafka",
                        {{"pipeline", pipeline}, {"text", std::string(text)}});
  };
}

}  // namespace

struct Runner::Opened {
  std::unique_ptr<Source> source;
  ReplayFile* replay_file = nullptr;  ///< the source, where it is one
  std::unique_ptr<Sink> sink;
  std::unique_ptr<RejectSink> rejects;
};

Milliseconds Runner::elapsed() const {
  return std::chrono::duration_cast<Milliseconds>(clock_.now() - started_);
}

void Runner::run_job(Job& job, std::stop_source& stop, const std::function<int()>& signal) {
  PipelineReport report = run_alone(job, stop.get_token());
  const int code =
      job.result.passed_over
          ? exit_code::ok
          : exit_code_of(report, {settings_.run.rejects_ok, signal(), settings_.run.continuous});
  job.watch.finished(report, code);
  if (report.error) console_.error(*report.error, job.settings.name, job.result.place);
  const bool stops_others = report.error.has_value() && settings_.run.fail_fast;
  job.result.report = std::move(report);
  job.result.exit_code = code;
  if (stops_others) stop.request_stop();
}

PipelineReport Runner::run_alone(Job& job, const std::stop_token& stop) {
  constexpr Milliseconds look_again{250};
  if (!settings_.run.if_running) return run_to_end(job, stop);
  const std::string& name = job.settings.name;
  const auto take = [&] {
    return PipelineLock::take(settings_.run.lock_folder, settings_.kafka.brokers.value,
                              job.settings.group.value);
  };
  auto lock = take();
  if (lock.ok() && !lock->held()) {
    const std::string busy =
        fmt::format("another sync of it runs on this machine{}",
                    lock->holder().empty() ? "" : fmt::format(" (process {})", lock->holder()));
    PipelineReport report = std::move(job.result.report);
    if (*settings_.run.if_running == IfRunning::fail) {
      report.error = Error{Errc::unavailable, "already-running", busy,
                           "run it again later, or give --if-running wait or skip"};
      return report;
    }
    job.result.passed_over = *settings_.run.if_running == IfRunning::skip;
    console_.warning(name, "already-running",
                     busy + (job.result.passed_over ? "; passed over" : "; waiting for its end"));
    if (job.result.passed_over) return report;
    const auto& limit = settings_.run.duration_max;
    while (lock.ok() && !lock->held()) {
      report.limit_reached = limit && elapsed() >= *limit;
      if (report.limit_reached) return report;
      if (!wait_for(limit ? std::min(look_again, *limit - elapsed()) : look_again, stop)) {
        report.interrupted = true;
        return report;
      }
      lock = take();
    }
    job.result.report = std::move(report);
  }
  // Two at once divide the partitions between them: slower, never wrong.
  if (!lock.ok()) {
    console_.warning(name, lock.error().slug,
                     fmt::format("{}; going on without the lock: another sync of it on this "
                                 "machine would not be noticed ({})",
                                 lock.error().message, lock.error().fix));
  }
  return run_to_end(job, stop);
}

PipelineReport Runner::run_to_end(Job& job, const std::stop_token& stop) {
  constexpr Milliseconds wait_first{1000};
  constexpr Milliseconds wait_max{30'000};
  const TimePoint began = clock_.now();
  PipelineReport report = std::move(job.result.report);
  const Milliseconds earlier = report.duration;
  Milliseconds wait = wait_first;
  for (int vain = 0;; ++vain) {
    const uint64_t inserted = report.counts.inserted;
    report = attempt(job, report, stop);
    report.duration = earlier + std::chrono::duration_cast<Milliseconds>(clock_.now() - began);
    if (report.counts.inserted != inserted) {
      vain = 0;
      wait = wait_first;
    }
    if (stop.stop_requested() && report.error && report.error->code == Errc::cancelled) {
      report.error.reset();  // it was asked for
      report.interrupted = true;
    }
    if (stop.stop_requested() || !starts_again(job.settings, report, vain)) return report;
    console_.warning(
        job.settings.name, report.error->slug,
        fmt::format("{}; starting again in {}", report.error->message, short_duration(wait)));
    if (!wait_for(wait, stop)) {
      report.error.reset();
      report.interrupted = true;
      return report;
    }
    wait = std::min(wait * 2, wait_max);
  }
}

/// A run without an end waits for what is away for as long as it takes, others at their start only
/// where they were told how long; lost offsets that are to be passed over are passed at the start.
bool Runner::starts_again(const PipelineSettings& pipeline, const PipelineReport& report,
                          int vain) const {
  constexpr int vain_max = 5;
  if (!report.error) return false;
  // A new generation of the group settles what became of the commit, of the INSERT.
  const bool settled_by_joining = report.error->slug == "commit-unknown" ||
                                  report.error->slug == "process-stood-still" ||
                                  report.error->slug == "table-replaced";
  if (settled_by_joining && vain < vain_max) return true;
  switch (report.error->code) {
    case Errc::unavailable: {
      const Setting<Milliseconds>& patience = settings_.run.retry_time_max;
      const std::string& slug = report.error->slug;
      const bool away = slug == "clickhouse-unreachable" || slug == "kafka-unreachable";
      if (patience.value.count() == 0) return settings_.run.continuous;
      return away && patience.origin.kind != Origin::Kind::built_in && elapsed() < patience.value;
    }
    case Errc::data_loss:
      return pipeline.on_gap.value == OnGap::go_on && vain < vain_max;
    default:
      return false;
  }
}

PipelineReport Runner::attempt(Job& job, const PipelineReport& before,
                               const std::stop_token& stop) {
  PipelineReport unstarted = before;
  unstarted.error.reset();
  unstarted.interrupted = stop.stop_requested();
  unstarted.limit_reached = settings_.run.duration_max && elapsed() >= *settings_.run.duration_max;
  if (unstarted.interrupted || unstarted.limit_reached) return unstarted;
  const bool full = job.settings.mode.value == Mode::full && !settings_.run.continuous;
  if (full && !job.settings.range) return load_everything(job, unstarted, stop);
  return load(job, job.settings, unstarted, stop);
}

PipelineReport Runner::load(Job& job, const PipelineSettings& pipeline,
                            const PipelineReport& before, const std::stop_token& stop) {
  PipelineWatch& watch = job.watch;
  watch.counts().phase = Phase::starting;
  watch.meter().opening();
  const auto not_started = [&](Error error) {
    PipelineReport unstarted = before;
    const bool away = error.code == Errc::unavailable || error.code == Errc::cancelled;
    unstarted.interrupted = stop.stop_requested() && away;
    if (!unstarted.interrupted) unstarted.error = std::move(error);
    return unstarted;
  };
  auto opened = open(pipeline, watch, stop);
  if (!opened) return not_started(std::move(opened).error());
  CountingSink sink(*opened->sink, watch,
                    job.family == nullptr ? nullptr : &job.family->rows_before);
  const PipelinePorts ports{*opened->source, sink, opened->rejects.get(), watch, clock_};
  PipelineOptions options = options_of(job, pipeline, before);
  options.starts_of_table = [&](std::span<const PartitionId> partitions) {
    return starts_of_table(pipeline, connections_, partitions, clock_, stop);
  };
  if (pipeline.delivery.value == DeliveryLevel::exactly_once && !options.exactly_once) {
    auto kept = require_exactly_once(pipeline, connections_, clock_);
    if (!kept) return not_started(std::move(kept).error());
    options.exactly_once = *kept;
    // Rows of rejects tell where they were read first, not where they were kept.
    if (!pipeline.replayed_group.empty()) options.exactly_once->provenance = false;
    options.exactly_once->decisions = job.decisions;
  }
  if (options.exactly_once) options.exactly_once->salt = random_bits();
  PipelineReport report = sluice::run_pipeline(options, ports, stop);
  report.name = job.settings.name;
  // What a person decided is decided once, unless the run did not even look at the group.
  if (!report.partitions.empty()) job.decisions.clear();
  if (opened->replay_file != nullptr) {
    auto finished = opened->replay_file->finish();
    if (!finished && !report.error) report.error = std::move(finished).error();
  }
  return report;
}

kafka::ClusterOptions Runner::cluster_of(const PipelineSettings& pipeline) const {
  kafka::ClusterOptions cluster = connections_.cluster;
  cluster.log = log_of(console_, pipeline.name);
  return cluster;
}

Result<Runner::Opened> Runner::open(const PipelineSettings& pipeline, PipelineWatch& watch,
                                    const std::stop_token& stop) {
  const kafka::ClusterOptions cluster = cluster_of(pipeline);
  kafka::SourceOptions source;
  source.topic = pipeline.topic.value;
  source.group = pipeline.group.value;
  source.queue_bytes_max = queue_bytes_each_;
  if (settings_.output.metrics_listen) source.watch = &watch.meter();
  source.unavailable_max = settings_.run.retry_time_max.value;
  source.stop = stop;
  Opened opened;
  const bool replay = !pipeline.replayed_group.empty();
  const std::string& own_group =
      pipeline.live_group.empty() ? pipeline.group.value : pipeline.live_group;
  const kafka::RejectedBy by{run_id_, replay ? pipeline.replayed_group : own_group};
  const std::string& reject_file = pipeline.reject.file.value;
  const bool from_file = replay && !reject_file.empty();
  if (!from_file) opened.source = TRY(kafka::open_source(cluster, source));
  opened.sink = TRY(open_sink(pipeline, watch, stop));
  if (from_file) {
    auto file = TRY(ReplayFile::open(reject_file, by.group, watch));
    opened.replay_file = file.get();
    opened.source = std::move(file);
  } else if (replay) {
    opened.source = std::make_unique<ReplayTopic>(std::move(opened.source), by.group);
  }
  // Not for on_error = stop: what is never used must not be able to fail.
  if (pipeline.on_error.value != OnError::reject) return opened;
  if (!pipeline.reject.topic.value.empty()) {
    opened.rejects = TRY(kafka::open_reject_topic(cluster, pipeline.reject.topic.value, by));
  } else {
    opened.rejects = TRY(open_reject_file(reject_file, by, clock_));
  }
  if (replay) opened.rejects = std::make_unique<ReplayRejects>(std::move(opened.rejects));
  return opened;
}

Result<std::unique_ptr<Sink>> Runner::open_sink(const PipelineSettings& pipeline,
                                                PipelineWatch& watch, const std::stop_token& stop) {
  clickhouse::SinkOptions options;
  options.database = pipeline.database();
  options.table = pipeline.table_name();
  options.senders = static_cast<unsigned>(pipeline.senders.value);
  options.retry.time_max = settings_.run.retry_time_max.value;
  options.stop = stop;
  const auto& servers = connections_.servers.at(pipeline.destination.value);
  for (size_t index = 0;; ++index) {
    const clickhouse::ServerOptions& server = servers[index];
    auto sink = clickhouse::open_sink(server, options, watch, clock_);
    watch.meter().server(server.url, sink.ok() || sink.error().code != Errc::unavailable);
    const bool last = index + 1 == servers.size();
    if (sink.ok() || last || sink.error().code != Errc::unavailable) return sink;
    console_.warning(pipeline.name, "clickhouse-next-server",
                     fmt::format("{}; trying {}", sink.error().message, servers[index + 1].url));
  }
}

PipelineOptions Runner::options_of(const Job& job, const PipelineSettings& pipeline,
                                   const PipelineReport& before) const {
  const RunSettings& run = settings_.run;
  PipelineOptions options;
  options.name = pipeline.name;
  options.topic = pipeline.topic.value;
  options.group = pipeline.group.value;
  options.run_id = run_id_;
  // What is in the table is in the table, also of a topic that is new.
  const bool table_tells = pipeline.start.value.kind == StartAt::Kind::table;
  if (!job.read_whole || table_tells) options.start = pipeline.start.value;
  options.start_is_explicit = run.start_is_explicit || job.read_whole;
  options.expects_fields = pipeline.unknown_fields.origin.kind == Origin::Kind::built_in &&
                           pipeline.replayed_group.empty();
  options.warns_of_start = run.start_is_explicit && !job.read_whole &&
                           pipeline.replayed_group.empty() && !pipeline.range &&
                           before.partitions.empty();
  // Other pipelines of a family fill the table, too.
  options.warns_of_empty_table =
      job.family == nullptr && pipeline.replayed_group.empty() && !pipeline.range;
  options.joins_always = job.family != nullptr && !run.continuous;
  options.batch = {pipeline.batch_rows.value, pipeline.batch_bytes.value, pipeline.batch_age.value};
  options.memory_now = &block_bytes_each_;
  options.record_bytes_max = pipeline.record_bytes_max.value;
  options.on_error = pipeline.on_error.value;
  options.rejects_max = pipeline.reject.max.value;
  options.format = pipeline.format.value;
  options.decode.unknown_fields = pipeline.unknown_fields.value;
  options.decode.nulls = pipeline.nulls.value;
  options.columns = pipeline.columns;
  options.unavailable_max = run.retry_time_max.value;
  options.continuous = run.continuous;
  options.idle_max = run.idle_max;
  options.drain_timeout = run.drain_timeout.value;
  options.stall_timeout = run.stall_timeout.value;
  options.on_gap = pipeline.on_gap.value;
  options.before = &before;
  // The limit is the run's: pipelines that had to wait for their turn have less of it.
  if (run.duration_max)
    options.duration_max = std::max(*run.duration_max - elapsed(), Milliseconds(1));
  options.rows_max = run.rows_max;
  options.bytes_max = run.bytes_max;
  options.until = run.until;
  if (pipeline.range) {
    options.fixed = pipeline.range->fixed;
    options.asked = pipeline.range->asked;
    options.timestamps = pipeline.range->timestamps;
    options.rows_per_second_max = pipeline.range->rows_per_second_max;
    options.exactly_once = pipeline.range->exactly_once;
  }
  options.seed = random_bits();
  return options;
}

std::string make_run_id(WallTime now) {
  static constexpr std::string_view digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  constexpr int time_digits = 10;
  constexpr int random_digits = 6;
  const auto milliseconds = static_cast<uint64_t>(now.time_since_epoch().count());
  const uint64_t random = random_bits();
  std::string id;
  for (int digit = time_digits - 1; digit >= 0; --digit)
    id += digits[(milliseconds >> (5 * digit)) & 31u];
  for (int digit = 0; digit < random_digits; ++digit) id += digits[(random >> (5 * digit)) & 31u];
  return id;
}

}  // namespace sluice::cli
