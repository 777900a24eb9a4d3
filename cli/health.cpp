// SPDX-License-Identifier: Apache-2.0
#include "cli/health.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/text.hpp"
#include "cli/version.hpp"
#include "core/base/check.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;
using Stage = PipelineFacts::Stage;

constexpr size_t status_line_bytes_max = 500;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

bool ended(const PipelineFacts& facts) {
  return facts.stage == Stage::finished || facts.stage == Stage::failed;
}

Json partition_json(PartitionId partition, const PartitionFacts& facts, WallTime now) {
  return {
      {"partition", partition.value},          {"position", or_null(facts.position)},
      {"committed", or_null(facts.committed)}, {"end", or_null(facts.end)},
      {"lag", or_null(facts.lag())},           {"lag_seconds", or_null(facts.lag_seconds(now))}};
}

Json pipeline_json(const PipelineSettings& settings, const PipelineFacts& facts,
                   PipelineState state, WallTime now) {
  Json out{{"name", settings.name},
           {"topic", settings.topic.value},
           {"table", valid_utf8(settings.table.value)},
           {"group", valid_utf8(settings.group.value)},
           {"state", to_string(state)},
           {"read", facts.counts.read},
           {"inserted", facts.counts.inserted},
           {"rejected", facts.counts.rejected},
           {"skipped", facts.counts.skipped},
           {"open", facts.counts.open},
           {"bytes", facts.counts.bytes},
           {"inserts", facts.counts.inserts},
           {"retries", facts.counts.retries},
           {"lag", or_null(facts.lag())},
           {"caught_up", facts.caught_up},
           {"last_insert_at", nullptr},
           {"last_record_at", nullptr},
           {"buffer_bytes", or_null(facts.buffer_bytes)},
           {"batches_in_flight", or_null(facts.batches_in_flight)},
           {"error", nullptr},
           {"clickhouse", Json::array()},
           {"partitions", Json::array()}};
  if (facts.last_insert_at) out["last_insert_at"] = utc_milliseconds(*facts.last_insert_at);
  if (facts.last_record_timestamp_ms) {
    out["last_record_at"] =
        utc_milliseconds(WallTime(Milliseconds(*facts.last_record_timestamp_ms)));
  }
  if (!facts.error_slug.empty()) out["error"] = facts.error_slug;
  for (const auto& [url, up] : facts.servers) {
    out["clickhouse"].push_back({{"endpoint", valid_utf8(url)}, {"up", up}});
  }
  for (const auto& [partition, partition_facts] : facts.partitions) {
    out["partitions"].push_back(partition_json(partition, partition_facts, now));
  }
  return out;
}

}  // namespace

std::string_view to_string(PipelineState state) {
  switch (state) {
    case PipelineState::running:
      return "running";
    case PipelineState::catching_up:
      return "catching_up";
    case PipelineState::idle:
      return "idle";
    case PipelineState::stalled:
      return "stalled";
    case PipelineState::failing:
      return "failing";
    case PipelineState::stopped:
      return "stopped";
  }
  CHECK(false);
}

const std::vector<PipelineState>& pipeline_states() {
  static const std::vector<PipelineState> states{PipelineState::running, PipelineState::catching_up,
                                                 PipelineState::idle,    PipelineState::stalled,
                                                 PipelineState::failing, PipelineState::stopped};
  return states;
}

bool hangs(const PipelineFacts& facts, TimePoint now, const HealthLimits& limits) {
  const bool alive = facts.stage == Stage::opening || facts.stage == Stage::running;
  return alive && facts.turned_at && now - *facts.turned_at > limits.turn_max;
}

PipelineState state_of(const PipelineFacts& facts, uint64_t batch_rows, TimePoint now,
                       const HealthLimits& limits) {
  if (facts.stage == Stage::failed) return PipelineState::failing;
  if (facts.stage == Stage::waiting || facts.stage == Stage::finished) {
    return PipelineState::stopped;
  }
  if (hangs(facts, now, limits)) return PipelineState::stalled;
  if (facts.retrying) return PipelineState::failing;
  if (!facts.assigned) return PipelineState::catching_up;
  const std::optional<uint64_t> lag = facts.lag();
  const bool nothing_left = lag == 0u && facts.counts.open == 0;
  if (nothing_left) return PipelineState::idle;
  if (now - facts.moved_at > limits.stall_max) return PipelineState::stalled;
  return lag && *lag <= batch_rows ? PipelineState::running : PipelineState::catching_up;
}

Health::Health(const Settings& settings, const Clock& clock, std::string run_id,
               HealthLimits limits)
    : clock_(clock), run_id_(std::move(run_id)), limits_(limits), started_at_(clock.wall()) {
  for (const PipelineSettings& pipeline : settings.pipelines) {
    if (pipeline.topics_regex.value.empty()) {
      pipelines_.emplace_back(pipeline, clock);
    } else {
      topics_unknown_.insert(pipeline.name);
    }
  }
}

std::vector<MeteredPipeline*> Health::pipelines() {
  const std::lock_guard lock(mutex_);
  std::vector<MeteredPipeline*> out;
  for (MeteredPipeline& pipeline : pipelines_) out.push_back(&pipeline);
  return out;
}

std::vector<const MeteredPipeline*> Health::pipelines() const {
  const std::lock_guard lock(mutex_);
  std::vector<const MeteredPipeline*> out;
  for (const MeteredPipeline& pipeline : pipelines_) out.push_back(&pipeline);
  return out;
}

MeteredPipeline& Health::add(PipelineSettings pipeline) {
  const std::lock_guard lock(mutex_);
  return pipelines_.emplace_back(std::move(pipeline), clock_);
}

void Health::topics_found(const std::string& pipeline) {
  const std::lock_guard lock(mutex_);
  topics_unknown_.erase(pipeline);
}

std::set<std::string> Health::topics_unknown() const {
  const std::lock_guard lock(mutex_);
  return topics_unknown_;
}

std::vector<std::string> Health::hanging() const {
  std::vector<std::string> lines;
  const TimePoint now = clock_.now();
  for (const MeteredPipeline* pipeline : pipelines()) {
    const PipelineFacts facts = pipeline->meter.facts();
    if (!hangs(facts, now, limits_)) continue;
    const auto age = std::chrono::duration_cast<Milliseconds>(now - *facts.turned_at);
    lines.push_back(fmt::format("pipeline {} has not turned for {}", pipeline->settings.name,
                                short_duration(age)));
  }
  return lines;
}

std::vector<std::string> Health::missing() const {
  std::vector<std::string> lines;
  for (const std::string& name : topics_unknown()) {
    lines.push_back(fmt::format("pipeline {} does not know its topics yet", name));
  }
  for (const MeteredPipeline* pipeline : pipelines()) {
    const PipelineFacts facts = pipeline->meter.facts();
    const std::string& name = pipeline->settings.name;
    if (facts.caught_up) continue;
    if (facts.stage == Stage::failed) {
      lines.push_back(fmt::format("pipeline {} ended with {}", name, facts.error_slug));
    } else if (ended(facts)) {
      lines.push_back(fmt::format("pipeline {} stopped before the end", name));
    } else if (!facts.assigned) {
      lines.push_back(fmt::format("pipeline {} has no partitions of its group yet", name));
    }
    for (const auto& [url, up] : facts.servers) {
      if (!up) lines.push_back(fmt::format("ClickHouse at {} does not answer {}", url, name));
    }
  }
  return lines;
}

bool Health::all_run() const {
  if (!topics_unknown().empty()) return false;
  for (const MeteredPipeline* pipeline : pipelines()) {
    const PipelineFacts facts = pipeline->meter.facts();
    if (!facts.assigned && !ended(facts)) return false;
  }
  return true;
}

nlohmann::ordered_json Health::status() const {
  const WallTime wall = clock_.wall();
  const TimePoint now = clock_.now();
  Json out{{"type", "status"},
           {"v", 1},
           {"run_id", run_id_},
           {"version", version_number()},
           {"started_at", utc_milliseconds(started_at_)},
           {"at", utc_milliseconds(wall)},
           {"healthy", hanging().empty()},
           {"ready", missing().empty()},
           {"pipelines", Json::array()}};
  for (const MeteredPipeline* pipeline : pipelines()) {
    const PipelineFacts facts = pipeline->meter.facts();
    const PipelineState state = state_of(facts, pipeline->settings.batch_rows.value, now, limits_);
    out["pipelines"].push_back(pipeline_json(pipeline->settings, facts, state, wall));
  }
  return out;
}

std::string Health::status_line() const {
  std::string line;
  const TimePoint now = clock_.now();
  for (const MeteredPipeline* pipeline : pipelines()) {
    const PipelineFacts facts = pipeline->meter.facts();
    const PipelineState state = state_of(facts, pipeline->settings.batch_rows.value, now, limits_);
    const std::optional<uint64_t> lag = facts.lag();
    line +=
        fmt::format("{}{} {}", line.empty() ? "" : "; ", pipeline->settings.name, to_string(state));
    if (lag && !ended(facts)) line += fmt::format(", lag {}", grouped(*lag));
  }
  return escape_control(line, status_line_bytes_max);
}

}  // namespace sluice::cli
