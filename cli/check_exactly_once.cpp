// SPDX-License-Identifier: Apache-2.0
#include "cli/check_exactly_once.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/origin_columns.hpp"
#include "core/clickhouse/exactly_once.hpp"
#include "core/kafka/exactly_once.hpp"
#include "core/kafka/source.hpp"

namespace sluice::cli {
namespace {

constexpr Milliseconds kafka_timeout{15'000};

void show(const std::string& subject, const Requirement& one, Findings& findings) {
  const std::string text = fmt::format("exactly-once {}: {}", one.id, one.text);
  nlohmann::ordered_json details{{"requirement", one.id}, {"fix", one.fix}};
  switch (one.state) {
    case Requirement::State::met:
      return findings.ok(subject, text, std::move(details));
    case Requirement::State::doubtful:
      return findings.warning(subject, text, one.fix, std::move(details));
    case Requirement::State::unmet:
      return findings.error(subject,
                            {.code = Errc::config, .slug = {}, .message = text, .fix = one.fix},
                            std::move(details));
  }
}

clickhouse::ExactlyOnceNeeds needs_of(const PipelineSettings& pipeline,
                                      const std::vector<clickhouse::ServerOptions>& servers,
                                      size_t partitions) {
  const auto age_ms = std::max<int64_t>(pipeline.batch_age.value.count(), 1);
  return {
      .insert_timeout = servers.front().timeout,
      .blocks_per_second = static_cast<double>(partitions) * 1000.0 / static_cast<double>(age_ms),
      .batch_bytes = pipeline.batch_bytes.value,
      .servers = servers.size()};
}

}  // namespace

Result<Preflight> preflight_exactly_once(const PipelineSettings& pipeline,
                                         const Connections& connections, const Clock& clock) {
  const auto& configured = connections.servers.at(pipeline.destination.value);
  std::vector<clickhouse::ExactlyOnceFacts> servers;
  for (const clickhouse::ServerOptions& server : configured) {
    auto facts = clickhouse::read_exactly_once_facts(server, pipeline.database(),
                                                     pipeline.table_name(), clock);
    if (facts.ok()) {
      servers.push_back(std::move(facts).value());
    } else if (facts.error().code != Errc::unavailable || &server == &configured.back()) {
      if (servers.empty()) return std::move(facts).error();
    }
  }
  auto source = TRY(kafka::open_source(
      connections.cluster, {.topic = pipeline.topic.value, .group = pipeline.group.value}));
  const size_t partitions = TRY(source->partitions()).size();
  source->close(Milliseconds{1000});
  const auto report =
      clickhouse::judge_exactly_once(servers, needs_of(pipeline, configured, partitions));
  Preflight out{.requirements = report.requirements,
                .safe_age = report.safe_age,
                .provenance = report.provenance && names_tell_origin(pipeline)};
  const auto facts = TRY(kafka::read_exactly_once_facts(connections.cluster, pipeline.topic.value,
                                                        pipeline.group.value, kafka_timeout));
  for (Requirement& one :
       kafka::judge_exactly_once(facts, pipeline.topic.value, pipeline.group.value)) {
    out.requirements.push_back(std::move(one));
  }
  return out;
}

Result<ExactlyOnce> require_exactly_once(const PipelineSettings& pipeline,
                                         const Connections& connections, const Clock& clock) {
  const Preflight found = TRY(preflight_exactly_once(pipeline, connections, clock));
  const bool unmet =
      std::any_of(found.requirements.begin(), found.requirements.end(),
                  [](const Requirement& one) { return one.state == Requirement::State::unmet; });
  if (unmet) return clickhouse::refusal_of(found.requirements, pipeline.name);
  return ExactlyOnce{.safe_age = found.safe_age, .provenance = found.provenance};
}

void check_exactly_once(const PipelineSettings& pipeline, const Connections& connections,
                        const Clock& clock, Findings& findings) {
  const auto found = preflight_exactly_once(pipeline, connections, clock);
  if (!found) {
    // That no server answers was already said.
    if (found.error().code != Errc::unavailable) findings.error(pipeline.name, found.error());
    return;
  }
  for (const Requirement& one : found->requirements) show(pipeline.name, one, findings);
}

}  // namespace sluice::cli
