// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "cli/connections.hpp"
#include "cli/console.hpp"
#include "cli/monitor.hpp"
#include "cli/report.hpp"
#include "cli/settings.hpp"
#include "cli/watch.hpp"

namespace sluice::cli {

struct FullPorts;

/// Runs pipelines, each on a thread of its own; of those that end, at most eight at once. One that
/// fails leaves the others alone, unless --fail-fast. One without an end is started again when
/// Kafka or ClickHouse are away at a moment that cannot be waited out within it.
///
/// A pipeline with topics_regex is one pipeline for each topic that matches: those that match at
/// the start; in a run without an end also those that come later.
class Runner {
 public:
  /// Everything given outlives the runner. `before` is what the same pipelines did in an earlier
  /// turn of this run.
  Runner(const Settings& settings, const Connections& connections, Console& console,
         Monitor& monitor, const Clock& clock, std::string run_id,
         const RunReport* before = nullptr);
  ~Runner();

  /// `signal` says which signal asked to stop, 0 for none.
  [[nodiscard]] RunReport run(std::stop_source stop, const std::function<int()>& signal);

 private:
  struct Opened;
  struct Job;     ///< one pipeline
  struct Family;  ///< one with topics_regex, whose topics are jobs

  // runner.cpp: one pipeline
  void run_job(Job& job, std::stop_source& stop, const std::function<int()>& signal);
  /// Unless another sync of it is at hand on this machine and --if-running says not to.
  [[nodiscard]] PipelineReport run_alone(Job& job, const std::stop_token& stop);
  [[nodiscard]] PipelineReport run_to_end(Job& job, const std::stop_token& stop);
  [[nodiscard]] PipelineReport attempt(Job& job, const PipelineReport& before,
                                       const std::stop_token& stop);
  /// `pipeline` is the job's own, or what a snapshot makes of it.
  [[nodiscard]] PipelineReport load(Job& job, const PipelineSettings& pipeline,
                                    const PipelineReport& before, const std::stop_token& stop);
  // runner_snapshot.cpp
  [[nodiscard]] PipelineReport load_everything(Job& job, PipelineReport report,
                                               const std::stop_token& stop);
  [[nodiscard]] PipelineReport replace_table(Job& job, FullPorts& ports, PipelineReport report,
                                             const std::stop_token& stop);
  [[nodiscard]] PipelineReport load_into_table(Job& job, FullPorts& ports, PipelineReport report,
                                               const std::stop_token& stop);
  [[nodiscard]] bool starts_again(const PipelineSettings& pipeline, const PipelineReport& report,
                                  int vain) const;
  [[nodiscard]] Result<Opened> open(const PipelineSettings& pipeline, PipelineWatch& watch,
                                    const std::stop_token& stop);
  [[nodiscard]] Result<std::unique_ptr<Sink>> open_sink(const PipelineSettings& pipeline,
                                                        PipelineWatch& watch,
                                                        const std::stop_token& stop);
  [[nodiscard]] PipelineOptions options_of(const Job& job, const PipelineSettings& pipeline,
                                           const PipelineReport& before) const;
  [[nodiscard]] kafka::ClusterOptions cluster_of(const PipelineSettings& pipeline) const;
  [[nodiscard]] Milliseconds elapsed() const;

  // runner_jobs.cpp: which pipelines there are, and their threads
  Job& add_job(MeteredPipeline& pipeline, Family* family);
  [[nodiscard]] PipelineResult result_of(const PipelineSettings& pipeline) const;
  void share_memory();
  void run_some(std::stop_source& stop, const std::function<int()>& signal);
  void run_endless(std::stop_source& stop, const std::function<int()>& signal);
  void start_job(Job& job, std::stop_source& stop, const std::function<int()>& signal);
  [[nodiscard]] Result<std::vector<std::string>> find_topics(Family& family, Milliseconds limit);
  void add_topics(Family& family);
  void follow_topics(Family& family, std::stop_source& stop, const std::function<int()>& signal);
  void take_topics(Family& family, const std::vector<std::string>& topics, std::stop_source& stop,
                   const std::function<int()>& signal);
  [[nodiscard]] bool all_ended() const;
  void fail_family(Family& family, Error error);

  const Settings& settings_;
  const Connections& connections_;
  Console& console_;
  Monitor& monitor_;
  const Clock& clock_;
  const std::string run_id_;
  const RunReport* const before_;
  TimePoint started_{};
  std::deque<Family> families_;
  mutable std::mutex mutex_;  ///< of what follows, as long as topics are looked for
  std::condition_variable_any ended_;
  std::deque<Job> jobs_;
  size_t running_ = 0;
  std::vector<std::jthread> threads_;
  std::atomic<size_t> next_{0};
  std::atomic<uint64_t> queue_bytes_each_{0};
  std::atomic<uint64_t> block_bytes_each_{0};
};

/// "01JD6K7M3V0Q9TZ2": the time and some randomness, so that runs sort by their start.
[[nodiscard]] std::string make_run_id(WallTime now);

}  // namespace sluice::cli
