// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/meter.hpp"
#include "cli/settings.hpp"

namespace sluice::cli {

/// How a pipeline is, in one word.
enum class PipelineState : uint8_t {
  running,      ///< reads and inserts, less than a batch behind
  catching_up,  ///< more than a batch behind, or still starting
  idle,         ///< everything there is has been committed
  stalled,      ///< there is work, and nothing has moved for minutes
  failing,      ///< ClickHouse does not take a batch at the moment, or an error ended it
  stopped,      ///< not begun, or ended as it should
};

[[nodiscard]] std::string_view to_string(PipelineState state);
/// All of them, in order.
[[nodiscard]] const std::vector<PipelineState>& pipeline_states();

struct HealthLimits {
  Milliseconds turn_max{60'000};    ///< a pipeline thread that does not turn for so long hangs
  Milliseconds stall_max{120'000};  ///< nothing moved although there is work
};

/// Whether the thread of the pipeline hangs. One that is still opening its connections does not:
/// that ends by itself, within --retry-max-time.
[[nodiscard]] bool hangs(const PipelineFacts& facts, TimePoint now, const HealthLimits& limits);
[[nodiscard]] PipelineState state_of(const PipelineFacts& facts, uint64_t batch_rows, TimePoint now,
                                     const HealthLimits& limits);

/// One pipeline of the run and how it is measured.
struct MeteredPipeline {
  MeteredPipeline(PipelineSettings pipeline, const Clock& clock)
      : settings(std::move(pipeline)), meter(clock) {}

  const PipelineSettings settings;
  PipelineMeter meter;
};

/// How the whole run is. Thread-safe; takes no lock that a pipeline holds for long.
class Health {
 public:
  /// The pipelines of `settings`; those with topics_regex only when their topics are known: add().
  /// `clock` outlives it.
  Health(const Settings& settings, const Clock& clock, std::string run_id, HealthLimits limits);

  /// In the order in which they were added. They stay where they are until the end.
  [[nodiscard]] std::vector<MeteredPipeline*> pipelines();
  [[nodiscard]] std::vector<const MeteredPipeline*> pipelines() const;
  MeteredPipeline& add(PipelineSettings pipeline);
  /// The topics that a pipeline's topics_regex matches have been added.
  void topics_found(const std::string& pipeline);
  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] const HealthLimits& limits() const { return limits_; }

  /// Why it is not alive, one line for each pipeline that hangs; empty: it is alive.
  [[nodiscard]] std::vector<std::string> hanging() const;
  /// What is missing before it is ready: every pipeline has its partitions or is done, and
  /// ClickHouse answers. Empty: ready.
  [[nodiscard]] std::vector<std::string> missing() const;
  /// Whether every pipeline runs or is done; not whether it has caught up.
  [[nodiscard]] bool all_run() const;
  /// The document of /status and SIGUSR1.
  [[nodiscard]] nlohmann::ordered_json status() const;
  /// "orders running, lag 311; clicks idle": for systemctl status.
  [[nodiscard]] std::string status_line() const;

 private:
  [[nodiscard]] std::set<std::string> topics_unknown() const;

  const Clock& clock_;
  const std::string run_id_;
  const HealthLimits limits_;
  const WallTime started_at_;
  mutable std::mutex mutex_;
  std::deque<MeteredPipeline> pipelines_;
  std::set<std::string> topics_unknown_;  ///< names of pipelines
};

}  // namespace sluice::cli
