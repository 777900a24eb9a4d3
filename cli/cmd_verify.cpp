// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_verify.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/verify.hpp"
#include "core/kafka/group_view.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

/// The part of the range that is committed: what is still on its way is not lost.
Result<std::map<PartitionId, OffsetRange>> ranges_of(const PipelineSettings& pipeline,
                                                     const Connections& connections,
                                                     const AskedRange& asked) {
  constexpr Milliseconds timeout{30'000};
  const std::string& topic = pipeline.topic.value;
  auto view = TRY(kafka::GroupView::open(connections.cluster, pipeline.group.value));
  const std::vector<PartitionId> partitions = TRY(view.partitions(topic, timeout));
  const auto held = TRY(view.watermarks(topic, partitions, timeout));
  std::map<PartitionId, OffsetRange> out;
  for (const auto& [partition, committed] : TRY(view.committed(topic, partitions, timeout))) {
    out[partition] = {held.at(partition).first, committed.offset};
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
  return out;
}

}  // namespace

int run_verify(const Settings& settings, const Connections& connections,
               const Environment& environment) {
  const SystemClock clock;
  Json all{{"type", "verify"}, {"v", 1}, {"proven", true}, {"pipelines", Json::array()}};
  std::string text;
  bool proven = true;
  for (const PipelineSettings& pipeline : settings.pipelines) {
    const auto prove = [&]() -> Result<std::vector<PartitionProof>> {
      VerifyOptions options;
      options.ranges = TRY(ranges_of(pipeline, connections, *settings.status.verify));
      options.rejected = TRY(rejected_offsets(pipeline, connections));
      return verify_pipeline(pipeline, connections, options, clock, {});
    };
    const auto proofs = prove();
    if (!proofs) return fail(proofs.error(), settings.output, environment);
    Json one{{"name", pipeline.name},
             {"topic", pipeline.topic.value},
             {"table", pipeline.table.value},
             {"proof", Json::array()}};
    for (const PartitionProof& proof : *proofs) {
      proven = proven && proof.proven();
      one["proof"].push_back(proof_json(proof));
      text += proof_sentence(pipeline.topic.value, proof) + "\n";
    }
    if (proofs->empty()) text += pipeline.name + ": nothing of the range is committed\n";
    all["pipelines"].push_back(std::move(one));
  }
  all["proven"] = proven;
  Output output;
  const bool json = settings.output.format != OutputFormat::text;
  output.write(json ? all.dump() + "\n" : text);
  if (const auto written = output.status(); !written) {
    return fail(written.error(), settings.output, environment);
  }
  return proven ? exit_code::ok : exit_code::unhealthy;
}

}  // namespace sluice::cli
