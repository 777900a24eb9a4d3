// SPDX-License-Identifier: Apache-2.0
#include "cli/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "cli/kept_rejects.hpp"
#include "cli/origin_columns.hpp"
#include "cli/text.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/provenance.hpp"
#include "core/clickhouse/range_rows.hpp"
#include "core/clickhouse/server.hpp"
#include "core/kafka/source.hpp"

namespace sluice::cli {
namespace {

constexpr size_t ranges_max = 100'000;  // of a partition that are looked up in Kafka
constexpr int64_t read_on = 10'000;     // offsets that are read rather than jumped over

/// Whether a record of this pipeline becomes a row; what is rejected is told apart elsewhere.
bool makes_row(const Record& record, RecordFormat format) {
  return !record.tombstone() && (format == RecordFormat::raw || !record.value.empty());
}

/// Notes which of the missing offsets carry a record that should be a row.
class MissingRecords final : public RecordListener {
 public:
  MissingRecords(const std::map<PartitionId, clickhouse::OffsetsFound>& found, RecordFormat format)
      : found_(found), format_(format) {}

  void record(const Record& record) override {
    const OffsetRanges& missing = found_.at(record.partition).missing;
    if (!makes_row(record, format_) || !contains(missing, record.offset)) return;
    OffsetRanges& seen = seen_[record.partition];
    // A reader that begins anew may deliver again.
    if (!seen.empty() && record.offset < seen.back().next) return;
    append(seen, {record.offset, record.offset.next()});
  }
  void reached(PartitionId /*partition*/, Offset /*offset*/) override {}
  [[nodiscard]] const OffsetRanges& of(PartitionId partition) { return seen_[partition]; }

 private:
  const std::map<PartitionId, clickhouse::OffsetsFound>& found_;
  RecordFormat format_;
  std::map<PartitionId, OffsetRanges> seen_;
};

Result<clickhouse::RangeRows> wanted_rows(const PipelineSettings& pipeline,
                                          const clickhouse::ServerOptions& options,
                                          const VerifyOptions& verify, const Clock& clock) {
  clickhouse::RangeRows rows{.database = pipeline.database(),
                             .table = pipeline.table_name(),
                             .topic = pipeline.topic.value,
                             .columns = TRY(origin_columns_of(pipeline, options, clock)),
                             .offsets = verify.ranges};
  if (rows.columns.known()) return rows;
  const std::string shown = clickhouse::shown_table(rows.database, rows.table);
  return Error{.code = Errc::config,
               .slug = "no-provenance",
               .message = "the rows of " + shown + " do not tell where they came from",
               .fix = "ALTER TABLE " + shown +
                      " ADD COLUMN _topic LowCardinality(String), ADD COLUMN _partition Int32, ADD "
                      "COLUMN _offset Int64; rows from then on can be verified"};
}

std::string shown(const OffsetRanges& ranges) {
  constexpr size_t shown_max = 5;
  std::string text;
  for (size_t index = 0; index < ranges.size() && index < shown_max; ++index) {
    const OffsetRange& range = ranges[index];
    text += fmt::format("{}[{},{})", text.empty() ? "" : " ", range.first.value, range.next.value);
  }
  if (ranges.size() > shown_max) text += fmt::format(" and {} more", ranges.size() - shown_max);
  return text;
}

}  // namespace

nlohmann::ordered_json proof_json(const PartitionProof& proof, size_t ranges_max_shown) {
  const auto list = [&](const OffsetRanges& ranges) {
    auto out = nlohmann::ordered_json::array();
    for (const OffsetRange& range : ranges) {
      if (out.size() == ranges_max_shown) break;
      out.push_back({range.first.value, range.next.value});
    }
    return out;
  };
  return {{"partition", proof.partition.value},
          {"first", proof.range.first.value},
          {"next", proof.range.next.value},
          {"rows", proof.rows},
          {"lost", list(proof.lost)},
          {"doubled", list(proof.doubled)},
          {"gone", list(proof.gone)},
          {"rejected", proof.rejected},
          {"empty", proof.empty},
          {"all_named", proof.all_named},
          {"proven", proof.proven()}};
}

std::string proof_sentence(const std::string& topic, const PartitionProof& proof) {
  std::string text =
      fmt::format("{}[{}] [{},{}): {}", topic, proof.partition.value, proof.range.first.value,
                  proof.range.next.value, counted(proof.rows, "row"));
  if (proof.proven()) {
    text += proof.rejected == 0 ? ", each record once"
                                : fmt::format(", each record once, {} among the rejects",
                                              counted(proof.rejected, "record"));
  }
  const auto add = [&](const char* what, const OffsetRanges& ranges) {
    if (ranges.empty()) return;
    text += fmt::format("; {} {}: {}", counted(count_of(ranges), "offset"), what, shown(ranges));
  };
  add("lost", proof.lost);
  add("more than once", proof.doubled);
  add("without a row, and gone from Kafka", proof.gone);
  if (!proof.all_named) text += "; there is more: verify a smaller range";
  return text;
}

std::optional<bool> PipelineProof::proven() const {
  if (partitions.empty()) return std::nullopt;
  return std::all_of(partitions.begin(), partitions.end(),
                     [](const PartitionProof& proof) { return proof.proven(); });
}

std::optional<bool> all_proven(std::span<const PipelineProof> proofs) {
  std::optional<bool> all = true;
  for (const PipelineProof& proof : proofs) {
    const std::optional<bool> one = proof.proven();
    if (one == false) return false;
    if (!one) all.reset();
  }
  return all;
}

nlohmann::ordered_json verify_json(std::span<const PipelineProof> proofs) {
  using Json = nlohmann::ordered_json;
  const auto word = [](std::optional<bool> proven) { return proven ? Json(*proven) : Json(); };
  Json pipelines = Json::array();
  for (const PipelineProof& proof : proofs) {
    Json one{{"name", proof.name},
             {"topic", proof.topic},
             {"table", proof.table},
             {"proven", word(proof.proven())},
             {"proof", Json::array()}};
    for (const PartitionProof& partition : proof.partitions) {
      one["proof"].push_back(proof_json(partition));
    }
    if (!proof.unknown.empty()) one["unknown"] = proof.unknown;
    pipelines.push_back(std::move(one));
  }
  return {{"type", "verify"},
          {"v", 1},
          {"proven", word(all_proven(proofs))},
          {"pipelines", std::move(pipelines)}};
}

std::string verify_text(std::span<const PipelineProof> proofs) {
  std::string text;
  for (const PipelineProof& proof : proofs) {
    for (const PartitionProof& partition : proof.partitions) {
      text += proof_sentence(proof.topic, partition) + "\n";
    }
    if (!proof.unknown.empty()) {
      text += fmt::format("{}: nothing is proven: {}\n", proof.name, proof.unknown);
    }
  }
  return text;
}

void judge_missing(const OffsetRanges& missing, const OffsetRanges& records,
                   const OffsetRanges& rejected, OffsetRange held, PartitionProof& proof) {
  const OffsetRanges kept = common(missing, rejected);
  const OffsetRanges open = without(missing, kept);
  OffsetRanges readable;
  append(readable, held);
  proof.rejected = count_of(kept);
  proof.gone = without(open, readable);
  proof.lost = common(open, records);
  proof.empty = count_of(open) - count_of(proof.gone) - count_of(proof.lost);
}

Result<std::map<PartitionId, OffsetRanges>> rejected_offsets(const PipelineSettings& pipeline,
                                                             const Connections& connections) {
  std::map<PartitionId, std::set<Offset>> offsets;
  if (pipeline.reject.given()) {
    const std::string& group =
        pipeline.live_group.empty() ? pipeline.group.value : pipeline.live_group;
    (void)TRY(read_kept_rejects(connections.cluster, pipeline.reject, {group, {}},
                                [&](KeptReject&& kept) {
                                  if (kept.record.topic != pipeline.topic.value) return;
                                  offsets[kept.record.partition].insert(kept.record.offset);
                                }));
  }
  std::map<PartitionId, OffsetRanges> out;
  for (const auto& [partition, of_one] : offsets) {
    for (const Offset offset : of_one) append(out[partition], {offset, offset.next()});
  }
  return out;
}

Result<std::vector<PartitionProof>> verify_pipeline(const PipelineSettings& pipeline,
                                                    const Connections& connections,
                                                    const VerifyOptions& options,
                                                    const Clock& clock,
                                                    const std::stop_token& stop) {
  const clickhouse::ServerOptions& server =
      connections.servers.at(pipeline.destination.value).front();
  const auto wanted = TRY(wanted_rows(pipeline, server, options, clock));
  const auto found = TRY(clickhouse::find_offsets(server, wanted, ranges_max, clock));

  std::map<PartitionId, OffsetRanges> to_read;
  for (const auto& [partition, offsets] : found) {
    if (!offsets.missing.empty()) to_read[partition] = covering(offsets.missing, read_on);
  }
  MissingRecords records(found, pipeline.format.value);
  std::map<PartitionId, Watermarks> held;
  if (!to_read.empty()) {
    kafka::ScanOptions scan;
    scan.topic = pipeline.topic.value;
    held = TRY(kafka::scan_ranges(connections.cluster, scan, to_read, records, stop));
  }
  std::vector<PartitionProof> proofs;
  for (const auto& [partition, offsets] : found) {
    PartitionProof proof;
    proof.partition = partition;
    proof.range = options.ranges.at(partition);
    proof.rows = offsets.rows;
    proof.doubled = offsets.doubled;
    proof.all_named = offsets.all_named;
    const auto rejected = options.rejected.find(partition);
    const Watermarks& marks = held[partition];
    judge_missing(offsets.missing, records.of(partition),
                  rejected == options.rejected.end() ? OffsetRanges{} : rejected->second,
                  {marks.first, marks.end}, proof);
    proofs.push_back(std::move(proof));
  }
  return proofs;
}

}  // namespace sluice::cli
