// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
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
  MeteredPipeline(const PipelineSettings& pipeline, const Clock& clock)
      : settings(pipeline), meter(clock) {}

  const PipelineSettings& settings;
  PipelineMeter meter;
};

/// How the whole run is. Thread-safe; takes no lock that a pipeline holds for long.
class Health {
 public:
  /// `settings` and `clock` outlive it.
  Health(const Settings& settings, const Clock& clock, std::string run_id, HealthLimits limits);

  [[nodiscard]] std::deque<MeteredPipeline>& pipelines() { return pipelines_; }
  [[nodiscard]] const std::deque<MeteredPipeline>& pipelines() const { return pipelines_; }
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
  const Clock& clock_;
  const std::string run_id_;
  const HealthLimits limits_;
  const WallTime started_at_;
  std::deque<MeteredPipeline> pipelines_;
};

}  // namespace sluice::cli
