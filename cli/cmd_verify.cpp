// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/topic_pattern.hpp"
#include "cli/verify.hpp"
#include "core/kafka/group_view.hpp"

namespace sluice::cli {
namespace {

constexpr Milliseconds kafka_timeout{30'000};

/// The part of the range that is committed: what is still on its way is not lost. Where there is
/// none, `unknown` says why.
Result<std::map<PartitionId, OffsetRange>> ranges_of(const PipelineSettings& pipeline,
                                                     const Connections& connections,
                                                     const AskedRange& asked,
                                                     std::string& unknown) {
  constexpr Milliseconds timeout = kafka_timeout;
  const std::string& topic = pipeline.topic.value;
  auto view = TRY(kafka::GroupView::open(connections.cluster, pipeline.group.value));
  const std::vector<PartitionId> partitions = TRY(view.partitions(topic, timeout));
  const auto held = TRY(view.watermarks(topic, partitions, timeout));
  std::map<PartitionId, OffsetRange> out;
  unknown = fmt::format("group {} has no committed offsets: it never ran, or Kafka forgot them",
                        pipeline.group.value);
  for (const auto& [partition, committed] : TRY(view.committed(topic, partitions, timeout))) {
    out[partition] = {held.at(partition).first, committed.offset};
    unknown = "nothing of the range is committed";
  }
  const auto bound = [&](const RangeEdge& edge) -> Result<std::map<PartitionId, Offset>> {
    std::map<PartitionId, Offset> offsets;
    if (edge.kind == RangeEdge::Kind::time) {
      return view.offsets_at(topic, partitions, edge.time, timeout);
    }
    if (edge.kind != RangeEdge::Kind::offset) return offsets;
    for (const PartitionId partition : partitions) offsets[partition] = edge.offset;
    return offsets;
  };
  const auto from = TRY(bound(asked.from));
  const auto to = TRY(bound(asked.to));
  for (auto& [partition, range] : out) {
    if (const auto at = from.find(partition); at != from.end()) range.first = at->second;
    if (const auto at = to.find(partition); at != to.end()) {
      range.next = std::min(range.next, at->second);
    }
  }
  std::erase_if(out, [](const auto& entry) { return entry.second.empty(); });
  if (!out.empty()) unknown.clear();
  return out;
}

Result<PipelineProof> prove(const PipelineSettings& pipeline, const Connections& connections,
                            const AskedRange& asked, const Clock& clock) {
  PipelineProof out;
  out.name = pipeline.name;
  out.topic = pipeline.topic.value;
  out.table = pipeline.table.value;
  VerifyOptions options;
  options.ranges = TRY(ranges_of(pipeline, connections, asked, out.unknown));
  if (options.ranges.empty()) return out;
  options.rejected = TRY(rejected_offsets(pipeline, connections));
  out.partitions = TRY(verify_pipeline(pipeline, connections, options, clock, {}));
  return out;
}

}  // namespace

int run_verify(const Settings& settings, const Connections& connections,
               const Environment& environment) {
  const SystemClock clock;
  std::vector<PipelineProof> proofs;
  for (const PipelineSettings& pipeline : settings.pipelines) {
    const auto topics = pipelines_by_topic(pipeline, connections.cluster, kafka_timeout);
    if (!topics) return fail(topics.error(), settings.output, environment);
    for (const PipelineSettings& of_topic : *topics) {
      auto proof = prove(of_topic, connections, *settings.status.verify, clock);
      if (!proof) return fail(proof.error(), settings.output, environment);
      proofs.push_back(*std::move(proof));
    }
  }
  Output output;
  const bool json = is_json(settings.output.format);
  output.write(json ? verify_json(proofs).dump() + "\n" : verify_text(proofs));
  if (const auto written = output.status(); !written) {
    return fail(written.error(), settings.output, environment);
  }
  return all_proven(proofs) == true ? exit_code::ok : exit_code::unhealthy;
}

}  // namespace sluice::cli
