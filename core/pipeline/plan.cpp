// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/deliver/commit_record.hpp"

namespace sluice {
namespace {

/// A committed offset must lie in what the broker holds: below its start records were deleted
/// before they were read, beyond its end the topic is not the one the offset was committed for.
Result<void> check_committed(const PipelineOptions& options, PartitionId partition,
                             Offset committed, const Watermarks& held, bool of_table = false) {
  const std::string stands =
      of_table ? fmt::format("the rows of {} end before offset {}", options.topic, committed.value)
               : fmt::format("group {} stands at offset {}", options.group, committed.value);
  if (committed < held.first) {
    return Error{
        Errc::data_loss, "offsets-lost",
        fmt::format(
            "{}[{}]: {}, but the broker's first record is {}: the records of [{}, {}) were deleted "
            "before they were read",
            options.topic, partition.value, stands, held.first.value, committed.value,
            held.first.value),
        "raise the topic's retention; to go on without what is gone: --on-gap continue"};
  }
  if (committed > held.end) {
    return Error{
        Errc::data_loss, "offset-beyond-end",
        fmt::format("{}[{}]: {}, but the partition ends at {}: the topic was truncated or created "
                    "anew",
                    options.topic, partition.value, stands, held.end.value),
        "find out what happened to the topic; to load all that it holds now: --on-gap continue"};
  }
  return {};
}

Result<void> check_first_start(const PipelineOptions& options, const Plan& plan,
                               bool table_has_rows) {
  if (!plan.group_is_new || options.start_is_explicit || !table_has_rows) return {};
  const bool something_to_read =
      std::any_of(plan.partitions.begin(), plan.partitions.end(), [](const auto& entry) {
        const Watermarks& held = entry.second.watermarks;
        return held.first < std::min(entry.second.end, held.end);
      });
  if (!something_to_read) return {};
  return Error{
      Errc::config, "group-without-offsets",
      fmt::format("group {} has no committed offsets, but the table already holds rows: "
                  "starting over would load everything again (offsets expire on the broker "
                  "when a group rests, after 7 days by default)",
                  options.group),
      "say where to start: --from table (behind the rows that it holds, if it proves that none is "
      "missing), --from earliest, --from end, or --from TIME of the last row"};
}

/// What the group stands at, hand-overs resolved.
Result<std::map<PartitionId, Committed>> committed_of(Source& source, Sink& sink,
                                                      std::span<const PartitionId> partitions,
                                                      const std::string& table_uuid, WallTime now) {
  std::map<PartitionId, Committed> out;
  const auto found = TRY(source.committed(partitions));
  std::vector<Committed> known;
  for (const auto& [partition, committed] : found) known.push_back(committed);
  const std::string uuid = TRY(uuid_now(known, table_uuid, sink));
  for (const auto& [partition, committed] : found) {
    auto stands = TRY(standing(committed, uuid, now));
    if (stands) out.emplace(partition, std::move(*stands));
  }
  return out;
}

Result<std::vector<PartitionId>> partitions_of(const PipelineOptions& options, Source& source) {
  if (options.fixed.empty()) return source.partitions();
  std::vector<PartitionId> partitions;
  for (const auto& [partition, range] : options.fixed) partitions.push_back(partition);
  return partitions;
}

/// The plan of a partition of a run over fixed offsets.
Result<void> plan_fixed(const PipelineOptions& options, PartitionId partition,
                        PartitionPlan& entry) {
  const OffsetRange& range = options.fixed.at(partition);
  entry.end = range.next;
  const Watermarks held = entry.watermarks;
  entry.watermarks.first = std::max(held.first, range.first);
  const Offset start = entry.committed ? entry.committed->offset : range.first;
  if (start >= range.next) return {};
  if (entry.watermarks.end < range.next) {
    return Error{
        Errc::data_loss, "partition-truncated",
        fmt::format("{}[{}] ends at offset {} now, but the range ends at {}: the topic was "
                    "truncated or created anew",
                    options.topic, partition.value, entry.watermarks.end.value, range.next.value),
        "find out what happened to the topic, then begin the range anew"};
  }
  if (options.on_gap == OnGap::go_on) return {};
  return check_committed(options, partition, start, held);
}

Result<Start> start_behind(const PipelineOptions& options, PartitionId partition, Offset settled,
                           const Watermarks& fresh, bool of_table = false) {
  const Result<void> held = check_committed(options, partition, settled, fresh, of_table);
  if (held.ok()) return Start{settled, {}};
  if (options.on_gap == OnGap::stop) return held.error();
  // After a truncation only the first record is sure to come before all that was not read.
  Gap gap{.partition = partition, .lost = {}, .resumed = fresh.first};
  if (settled < fresh.first) gap.lost = {settled, fresh.first};
  return Start{fresh.first, gap};
}

/// What the table proves about the partitions that have no committed offset. Another member that
/// starts at the same moment commits its start before it inserts, so the group is asked again after
/// the table: whose offsets have come meanwhile stands there.
Result<std::map<PartitionId, Offset>> ask_table(const PipelineOptions& options, Source& source,
                                                Sink& sink, std::span<const PartitionId> partitions,
                                                const std::string& table_uuid, WallTime now,
                                                std::map<PartitionId, Committed>& committed) {
  std::vector<PartitionId> open;
  for (const PartitionId partition : partitions) {
    if (!committed.contains(partition)) open.push_back(partition);
  }
  if (open.empty()) return std::map<PartitionId, Offset>();
  auto starts = options.starts_of_table(open);
  committed = TRY(committed_of(source, sink, partitions, table_uuid, now));
  const bool all_committed = std::all_of(open.begin(), open.end(), [&](PartitionId partition) {
    return committed.contains(partition);
  });
  if (all_committed) return std::map<PartitionId, Offset>();
  return starts;
}

}  // namespace

Result<std::optional<Committed>> standing(const Committed& committed, const std::string& table_uuid,
                                          WallTime now) {
  constexpr Milliseconds swap_max{60'000};
  const CommitRecord record = CommitRecord::decode(committed.metadata);
  if (record.kind != CommitRecord::Kind::ours || !record.handover) return std::optional(committed);
  const Handover& handover = *record.handover;
  if (handover.table_uuid == table_uuid) return std::optional(Committed{handover.next, {}});
  const Milliseconds age = now.time_since_epoch() - Milliseconds{handover.at_ms};
  if (age < swap_max && age > -swap_max) {
    return Error{Errc::unavailable, "snapshot-swap",
                 "a snapshot may be about to take the table's place: until that is decided nobody "
                 "can tell where the group stands",
                 fmt::format("run it again in {} s", swap_max.count() / 1000)};
  }
  if (handover.group_was_new) return std::optional<Committed>();
  return std::optional(committed);
}

Result<std::string> uuid_now(std::span<const Committed> committed, const std::string& described,
                             Sink& sink) {
  const bool doubted = std::any_of(committed.begin(), committed.end(), [&](const Committed& one) {
    const CommitRecord record = CommitRecord::decode(one.metadata);
    return record.handover && record.handover->table_uuid != described;
  });
  if (!doubted) return described;
  const std::optional<Table> table = sink.look();
  if (table) return table->uuid;
  return Error{
      Errc::unavailable, "snapshot-swap",
      "a snapshot may have taken the table's place, and ClickHouse does not answer whether "
      "it has",
      "run it again when ClickHouse answers"};
}

bool Plan::done(PartitionId partition, std::optional<Offset> committed) const {
  const auto found = partitions.find(partition);
  if (found == partitions.end()) return true;
  const PartitionPlan& plan = found->second;
  if (committed) return *committed >= plan.end;
  // An offset of a topic that is gone has to be replaced, even when there is nothing to read: the
  // records that reach it one day would be taken for read.
  return plan.end <= plan.watermarks.first && !plan.beyond_end;
}

Result<Start> start_of(const PipelineOptions& options, Source& source, const Plan& plan,
                       PartitionId partition, const std::optional<Committed>& committed,
                       const Watermarks& fresh) {
  if (committed) return start_behind(options, partition, committed->offset, fresh);
  if (const auto range = options.fixed.find(partition); range != options.fixed.end()) {
    if (range->second.empty()) return Start{range->second.first, {}};
    return start_behind(options, partition, range->second.first, fresh);
  }
  const auto planned = plan.partitions.find(partition);
  // A partition that came later, or is new in a known group, is read whole.
  if (planned == plan.partitions.end()) return Start{fresh.first, {}};
  if (planned->second.proven) {
    return start_behind(options, partition, *planned->second.proven, fresh, true);
  }
  if (!plan.group_is_new) return Start{fresh.first, {}};
  switch (options.start.kind) {
    case StartAt::Kind::earliest:
    case StartAt::Kind::table:
      return Start{fresh.first, {}};
    case StartAt::Kind::end:
      return Start{fresh.end, {}};
    case StartAt::Kind::time: {
      const std::array<PartitionId, 1> one{partition};
      const auto offsets = TRY(source.offsets_at(one, options.start.time));
      const auto found = offsets.find(partition);
      if (found == offsets.end()) return Start{fresh.end, {}};
      return Start{std::clamp(found->second, fresh.first, fresh.end), {}};
    }
  }
  return Start{fresh.first, {}};
}

Result<Plan> make_plan(const PipelineOptions& options, Source& source, Sink& sink,
                       const std::string& table_uuid, WallTime now) {
  const std::vector<PartitionId> partitions = TRY(partitions_of(options, source));
  auto committed = TRY(committed_of(source, sink, partitions, table_uuid, now));
  bool table_has_rows = false;
  const bool table_tells = options.start.kind == StartAt::Kind::table && options.fixed.empty();
  std::map<PartitionId, Offset> proven;
  if (table_tells) {
    proven = TRY(ask_table(options, source, sink, partitions, table_uuid, now, committed));
  } else if (committed.empty() && !options.start_is_explicit && options.fixed.empty()) {
    // The group is asked again after the table: another member that starts at the same moment
    // commits its start before it inserts, so rows of its making come with its offsets.
    table_has_rows = TRY(sink.has_rows());
    committed = TRY(committed_of(source, sink, partitions, table_uuid, now));
  }
  const auto watermarks = TRY(source.watermarks(partitions));
  std::map<PartitionId, Offset> until;
  if (options.until && options.fixed.empty())
    until = TRY(source.offsets_at(partitions, *options.until));

  Plan plan;
  plan.group_is_new = committed.empty();
  for (const PartitionId partition : partitions) {
    const auto held = watermarks.find(partition);
    if (held == watermarks.end()) {
      return Error{Errc::unavailable, "kafka-no-watermarks",
                   fmt::format("the broker did not tell the offsets of {}[{}]", options.topic,
                               partition.value),
                   "run it again"};
    }
    PartitionPlan entry{
        .watermarks = held->second, .end = held->second.end, .committed = {}, .proven = {}};
    if (options.continuous) entry.end = no_end;
    if (const auto limit = until.find(partition); limit != until.end()) {
      entry.end = std::clamp(limit->second, entry.watermarks.first, entry.watermarks.end);
    }
    if (!options.fixed.empty()) {
      const auto offset = committed.find(partition);
      if (offset != committed.end()) entry.committed = offset->second;
      TRY(plan_fixed(options, partition, entry));
    } else if (const auto offset = committed.find(partition); offset != committed.end()) {
      const Result<void> sound =
          check_committed(options, partition, offset->second.offset, held->second);
      if (!sound.ok() && options.on_gap == OnGap::stop) return sound.error();
      // An offset of a topic that is gone says nothing about the one that is there.
      entry.beyond_end = offset->second.offset > held->second.end;
      if (!entry.beyond_end) entry.committed = offset->second;
    } else if (const auto start = proven.find(partition); start != proven.end()) {
      entry.proven = start->second;
    }
    plan.partitions.emplace(partition, std::move(entry));
  }
  if (options.fixed.empty()) TRY(check_first_start(options, plan, table_has_rows));
  return plan;
}

}  // namespace sluice
