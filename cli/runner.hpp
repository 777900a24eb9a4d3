// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/connections.hpp"
#include "cli/console.hpp"
#include "cli/monitor.hpp"
#include "cli/report.hpp"
#include "cli/settings.hpp"
#include "cli/watch.hpp"

namespace sluice::cli {

/// Runs pipelines, each on a thread of its own; of those that end, at most eight at once. One that
/// fails leaves the others alone, unless --fail-fast. One without an end is started again when
/// Kafka or ClickHouse are away at a moment that cannot be waited out within it.
class Runner {
 public:
  /// Everything given outlives the runner. `before` is what the same pipelines did in an earlier
  /// turn of this run.
  Runner(const Settings& settings, const Connections& connections, Console& console,
         Monitor& monitor, const Clock& clock, std::string run_id,
         const RunReport* before = nullptr);

  /// `signal` says which signal asked to stop, 0 for none.
  [[nodiscard]] RunReport run(std::stop_source stop, const std::function<int()>& signal);

 private:
  struct Opened;

  void run_next(std::stop_source& stop, const std::function<int()>& signal);
  [[nodiscard]] PipelineReport run_one(const PipelineSettings& pipeline, PipelineWatch& watch,
                                       PipelineReport report, const std::stop_token& stop);
  [[nodiscard]] PipelineReport attempt(const PipelineSettings& pipeline, PipelineWatch& watch,
                                       const PipelineReport& before, const std::stop_token& stop);
  [[nodiscard]] PipelineReport load(const PipelineSettings& pipeline, PipelineWatch& watch,
                                    const PipelineReport& before, const std::stop_token& stop);
  // runner_snapshot.cpp
  [[nodiscard]] PipelineReport take_snapshot(const PipelineSettings& pipeline, PipelineWatch& watch,
                                             PipelineReport report, const std::stop_token& stop);
  [[nodiscard]] bool starts_again(const PipelineSettings& pipeline, const PipelineReport& report,
                                  int vain) const;
  [[nodiscard]] Result<Opened> open(const PipelineSettings& pipeline, PipelineWatch& watch);
  [[nodiscard]] Result<std::unique_ptr<Sink>> open_sink(const PipelineSettings& pipeline,
                                                        PipelineWatch& watch);
  [[nodiscard]] PipelineOptions options_of(const PipelineSettings& pipeline,
                                           const PipelineReport& before) const;
  [[nodiscard]] kafka::ClusterOptions cluster_of(const PipelineSettings& pipeline) const;
  [[nodiscard]] Milliseconds elapsed() const;

  const Settings& settings_;
  const Connections& connections_;
  Console& console_;
  const Clock& clock_;
  const std::string run_id_;
  const size_t threads_;
  const uint64_t memory_each_;
  TimePoint started_{};
  std::deque<PipelineWatch> watches_;
  std::vector<PipelineResult> results_;
  std::atomic<size_t> next_{0};
};

/// "01JD6K7M3V0Q9TZ2": the time and some randomness, so that runs sort by their start.
[[nodiscard]] std::string make_run_id(WallTime now);

}  // namespace sluice::cli
