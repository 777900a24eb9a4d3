// SPDX-License-Identifier: Apache-2.0
#include "cli/check_exactly_once.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/clickhouse/exactly_once.hpp"
#include "core/kafka/exactly_once.hpp"

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
                                      const Connections& connections) {
  const auto age_ms = std::max<int64_t>(pipeline.batch_age.value.count(), 1);
  return {.insert_timeout = connections.servers.front().timeout,
          .blocks_per_second = 1000.0 / static_cast<double>(age_ms),
          .batch_bytes = pipeline.batch_bytes.value,
          .servers = connections.servers.size()};
}

}  // namespace

void check_exactly_once(const PipelineSettings& pipeline, const Connections& connections,
                        const Clock& clock, Findings& findings) {
  std::vector<clickhouse::ExactlyOnceFacts> servers;
  for (const clickhouse::ServerOptions& server : connections.servers) {
    auto facts = clickhouse::read_exactly_once_facts(server, pipeline.database(),
                                                     pipeline.table_name(), clock);
    if (facts.ok()) {
      servers.push_back(std::move(facts).value());
    } else if (facts.error().code != Errc::unavailable || connections.servers.size() == 1) {
      return findings.error(pipeline.name, facts.error());
    }
  }
  if (servers.empty()) return;  // that none answers was already said
  const clickhouse::ExactlyOnceNeeds needs = needs_of(pipeline, connections);
  for (const Requirement& one : clickhouse::judge_exactly_once(servers, needs).requirements) {
    show(pipeline.name, one, findings);
  }
  const auto facts = kafka::read_exactly_once_facts(connections.cluster, pipeline.topic.value,
                                                    pipeline.group.value, kafka_timeout);
  if (!facts.ok()) return findings.error(pipeline.name, facts.error());
  for (const Requirement& one :
       kafka::judge_exactly_once(*facts, pipeline.topic.value, pipeline.group.value)) {
    show(pipeline.name, one, findings);
  }
}

}  // namespace sluice::cli
