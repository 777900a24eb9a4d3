// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_verify.hpp"

#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/reject_file.hpp"
#include "cli/reject_replay.hpp"
#include "cli/verify.hpp"
#include "core/kafka/groups.hpp"
#include "core/kafka/source.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Where the records that a group rejected stood, of one topic.
class RejectedOffsets final : public RecordListener {
 public:
  explicit RejectedOffsets(const PipelineSettings& pipeline)
      : topic_(pipeline.topic.value),
        group_(pipeline.live_group.empty() ? pipeline.group.value : pipeline.live_group) {}

  void record(const Record& record) override {
    RejectedRecord rejected;
    rejected.headers = record.headers->headers();
    const auto by = kafka::take_reject_headers(rejected);
    if (by) add(rejected, by->group);
  }
  void reached(PartitionId /*partition*/, Offset /*offset*/) override {}
  void add(const RejectedRecord& rejected, const std::string& group) {
    if (rejected.topic == topic_ && group == group_) {
      offsets_[rejected.partition].insert(rejected.offset);
    }
  }
  [[nodiscard]] std::map<PartitionId, OffsetRanges> take() const {
    std::map<PartitionId, OffsetRanges> out;
    for (const auto& [partition, offsets] : offsets_) {
      for (const Offset offset : offsets) append(out[partition], {offset, offset.next()});
    }
    return out;
  }

 private:
  const std::string& topic_;
  const std::string& group_;
  std::map<PartitionId, std::set<Offset>> offsets_;
};

Result<std::map<PartitionId, OffsetRanges>> rejected_of(const PipelineSettings& pipeline,
                                                        const Connections& connections) {
  RejectedOffsets offsets(pipeline);
  if (!pipeline.reject.topic.value.empty()) {
    kafka::ScanOptions scan;
    scan.topic = pipeline.reject.topic.value;
    TRY(kafka::scan_topic(connections.cluster, scan, offsets, {}));
  } else if (!pipeline.reject.file.value.empty()) {
    const std::string& path = pipeline.reject.file.value;
    FileDescriptor file = TRY(open_reject_descriptor(path, O_RDONLY));
    const RejectLines lines = TRY(RejectLines::open(std::move(file), path));
    for (size_t index = 0; index < lines.size(); ++index) {
      const std::string line = TRY(lines.line(index));
      if (const auto kept = parse_reject_line(line)) offsets.add(kept->record, kept->by.group);
    }
  }
  return offsets.take();
}

/// The part of the range that is committed: what is still on its way is not lost.
Result<std::map<PartitionId, OffsetRange>> ranges_of(const PipelineSettings& pipeline,
                                                     const Connections& connections,
                                                     const AskedRange& asked) {
  constexpr Milliseconds timeout{30'000};
  kafka::GroupAdmin groups = TRY(kafka::GroupAdmin::open(connections.cluster));
  const auto committed = TRY(groups.offsets(pipeline.group.value, pipeline.topic.value, timeout));
  auto source = TRY(kafka::open_source(
      connections.cluster, {.topic = pipeline.topic.value, .group = pipeline.group.value}));
  const std::vector<PartitionId> partitions = TRY(source->partitions());
  const auto held = TRY(source->watermarks(partitions));
  std::map<PartitionId, OffsetRange> out;
  for (const auto& [partition, at] : committed)
    out[partition] = {held.at(partition).first, at.offset};
  for (const bool first : {true, false}) {
    const RangeEdge& edge = first ? asked.from : asked.to;
    std::map<PartitionId, Offset> times;
    if (edge.kind == RangeEdge::Kind::time) {
      times = TRY(source->offsets_at(partitions, edge.time));
    }
    for (auto& [partition, range] : out) {
      std::optional<Offset> bound;
      if (edge.kind == RangeEdge::Kind::offset) bound = edge.offset;
      if (edge.kind == RangeEdge::Kind::time) bound = times.at(partition);
      if (bound && first) range.first = *bound;
      if (bound && !first) range.next = std::min(range.next, *bound);
    }
  }
  source->close(Milliseconds{1000});
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
      options.rejected = TRY(rejected_of(pipeline, connections));
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
