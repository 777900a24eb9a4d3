// SPDX-License-Identifier: Apache-2.0
#include "cli/backfill_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/text.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr Milliseconds look_timeout{20'000};

/// Takes one record's timestamp and size.
class FirstRecord final : public RecordListener {
 public:
  void record(const Record& record) override {
    timestamp_ms = record.timestamp_ms;
    bytes = record.key.size() + record.value.size();
  }
  void reached(PartitionId /*partition*/, Offset /*offset*/) override {}

  int64_t timestamp_ms = -1;
  uint64_t bytes = 0;
};

/// Offsets of one end of the range, where every partition has one.
Result<std::map<PartitionId, Offset>> resolve(const RangeEdge& edge, Source& source,
                                              const std::vector<PartitionId>& partitions,
                                              const std::map<PartitionId, Watermarks>& held) {
  std::map<PartitionId, Offset> out;
  if (edge.kind == RangeEdge::Kind::time) return source.offsets_at(partitions, edge.time);
  for (const PartitionId partition : partitions) {
    const Watermarks& marks = held.at(partition);
    switch (edge.kind) {
      case RangeEdge::Kind::start:
        out[partition] = marks.first;
        break;
      case RangeEdge::Kind::end:
      case RangeEdge::Kind::time:
        out[partition] = marks.end;
        break;
      case RangeEdge::Kind::offset:
        out[partition] = edge.offset;
        break;
    }
  }
  return out;
}

Result<std::vector<PartitionId>> chosen_partitions(Source& source, const BackfillSettings& asked,
                                                   const std::string& topic) {
  std::vector<PartitionId> all = TRY(source.partitions());
  if (asked.partitions.empty()) return all;
  for (const PartitionId partition : asked.partitions) {
    if (std::find(all.begin(), all.end(), partition) != all.end()) continue;
    return Error{Errc::config, "partition-missing",
                 fmt::format("topic {} has no partition {}", topic, partition.value),
                 fmt::format("it has {}", counted(all.size(), "partition"))};
  }
  return std::vector<PartitionId>(asked.partitions.begin(), asked.partitions.end());
}

std::string edge_words(const RangeEdge& edge) {
  switch (edge.kind) {
    case RangeEdge::Kind::start:
      return "start";
    case RangeEdge::Kind::end:
      return "end";
    case RangeEdge::Kind::offset:
      return fmt::format("offset {}", edge.offset.value);
    case RangeEdge::Kind::time:
      return utc_seconds(edge.time);
  }
  return "";
}

}  // namespace

Result<BackfillPlan> make_backfill_plan(Source& source, kafka::GroupAdmin& groups,
                                        const PipelineSettings& pipeline,
                                        const BackfillSettings& asked) {
  BackfillPlan plan;
  const auto partitions = TRY(chosen_partitions(source, asked, pipeline.topic.value));
  const auto held = TRY(source.watermarks(partitions));
  const auto from = TRY(resolve(asked.range->from, source, partitions, held));
  const auto to = TRY(resolve(asked.range->to, source, partitions, held));
  const auto type =
      groups.topic_config(pipeline.topic.value, "message.timestamp.type", look_timeout);
  if (type.ok()) plan.timestamp_type = *type;
  std::map<PartitionId, Committed> live;
  const bool beside_live = asked.into.empty() && asked.duplicates != Duplicates::allow;
  if (beside_live) {
    live = TRY(groups.offsets(pipeline.live_group, pipeline.topic.value, look_timeout));
  }
  const bool whole = asked.range->from.kind == RangeEdge::Kind::start;
  for (const PartitionId partition : partitions) {
    const Watermarks& marks = held.at(partition);
    BackfillRow row{.partition = partition, .held = marks, .range = {}, .starts = {}};
    const Offset wanted = from.at(partition);
    row.range.first = std::clamp(wanted, marks.first, marks.end);
    row.range.next = std::clamp(to.at(partition), row.range.first, marks.end);
    if (!live.empty()) {
      // A partition without an offset is new: the group begins with its first record.
      const auto stands = live.find(partition);
      const Offset at = stands == live.end() ? marks.first : stands->second.offset;
      const Offset end = std::clamp(at, row.range.first, row.range.next);
      row.live = static_cast<uint64_t>(row.range.next.value - end.value);
      row.range.next = end;
    }
    const bool timed = asked.range->from.kind == RangeEdge::Kind::time;
    // A time tells nothing about records that are gone: they may have been of the range.
    row.partial = !whole && marks.first.value > 0 && to.at(partition) > wanted &&
                  (timed ? wanted <= marks.first : wanted < marks.first);
    // The broker answers with its first record for every time before it.
    if (timed && !whole && marks.first.value > 0 && wanted <= marks.first) row.partial = true;
    FirstRecord first;
    if (!row.range.empty() &&
        TRY(source.fetch(partition, row.range.first, first, Milliseconds{5000}))) {
      if (first.timestamp_ms >= 0) row.starts = WallTime{Milliseconds{first.timestamp_ms}};
      plan.bytes_estimate +=
          first.bytes * static_cast<uint64_t>(row.range.next.value - row.range.first.value);
    }
    plan.rows.push_back(row);
  }
  return plan;
}

size_t BackfillPlan::partial_count() const {
  return static_cast<size_t>(
      std::count_if(rows.begin(), rows.end(), [](const BackfillRow& row) { return row.partial; }));
}

std::string partial_words(const BackfillPlan& plan) {
  const size_t count = plan.partial_count();
  return fmt::format("{} no longer {} the start of the range", counted(count, "partition"),
                     count == 1 ? "holds" : "hold");
}

std::string plan_text(const BackfillPlan& plan, const PipelineSettings& pipeline,
                      const BackfillSettings& asked) {
  const auto timed = [](const RangeEdge& edge) { return edge.kind == RangeEdge::Kind::time; };
  const bool times = timed(asked.range->from) || timed(asked.range->to);
  std::string out = fmt::format("plan {}  {} → {}   {} .. {}{}\n", plan.id, pipeline.topic.value,
                                pipeline.table.value, edge_words(asked.range->from),
                                edge_words(asked.range->to), times ? " (read as UTC)" : "");
  if (times && !plan.timestamp_type.empty()) {
    const bool broker = plan.timestamp_type == "LogAppendTime";
    out += fmt::format("times are {}\n",
                       broker ? "the broker's own (LogAppendTime)"
                              : "the producers' (CreateTime) and need not be in order; "
                                "--strict-time looks at each record's own");
  }
  std::vector<TextRow> rows{{"PARTITION", "EARLIEST", "FROM", "TO", "RECORDS", ""}};
  for (const BackfillRow& row : plan.rows) {
    const auto number = [](Offset offset) { return grouped(static_cast<uint64_t>(offset.value)); };
    std::string note;
    if (row.partial) {
      note = row.starts
                 ? fmt::format("! starts {}: older records were deleted", utc_seconds(*row.starts))
                 : "! older records were deleted";
    }
    if (row.live > 0) {
      note += fmt::format("{}{} more are left to the live group", note.empty() ? "" : "; ",
                          grouped(row.live));
    }
    rows.push_back({std::to_string(row.partition.value), number(row.held.first),
                    number(row.range.first), number(row.range.next),
                    number(Offset{row.range.next.value - row.range.first.value}), note});
  }
  rows.push_back({"total", "", "", "", grouped(plan.records()),
                  plan.bytes_estimate == 0
                      ? ""
                      : "≈ " + short_bytes(static_cast<double>(plan.bytes_estimate))});
  out += aligned(rows, {1, 2, 3, 4});
  if (plan.partial_count() > 0 && !asked.allow_partial) {
    out += fmt::format("problem: {} (use --allow-partial)\n", partial_words(plan));
  }
  return out + fmt::format("the live group '{}' is not touched\n", pipeline.live_group);
}

Json plan_json(const BackfillPlan& plan, const PipelineSettings& pipeline,
               const BackfillSettings& asked) {
  Json out{{"type", "backfill_plan"},
           {"v", 1},
           {"id", plan.id},
           {"pipeline", pipeline.name},
           {"topic", pipeline.topic.value},
           {"table", pipeline.table.value},
           {"group", plan.group},
           {"from", edge_words(asked.range->from)},
           {"to", edge_words(asked.range->to)},
           {"timestamp_type", plan.timestamp_type.empty() ? Json() : Json(plan.timestamp_type)},
           {"records", plan.records()},
           {"bytes_estimate", plan.bytes_estimate},
           {"partitions", Json::array()}};
  for (const BackfillRow& row : plan.rows) {
    out["partitions"].push_back({{"partition", row.partition.value},
                                 {"earliest", row.held.first.value},
                                 {"from", row.range.first.value},
                                 {"to", row.range.next.value},
                                 {"left_to_live_group", row.live},
                                 {"partial", row.partial}});
  }
  return out;
}

}  // namespace sluice::cli
