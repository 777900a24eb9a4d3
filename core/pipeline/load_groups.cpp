// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/load_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/deliver/commit_record.hpp"

namespace sluice {
namespace {

/// Longer than any usual session.timeout.ms (45 s).
constexpr Milliseconds dead_member_max{60'000};

}  // namespace

Result<std::map<PartitionId, OffsetRange>> held_ranges(Source& source) {
  std::map<PartitionId, OffsetRange> out;
  const std::vector<PartitionId> partitions = TRY(source.partitions());
  for (const auto& [partition, held] : TRY(source.watermarks(partitions))) {
    out.emplace(partition, OffsetRange{held.first, held.end});
  }
  return out;
}

uint64_t records_of(const std::map<PartitionId, OffsetRange>& ranges) {
  uint64_t out = 0;
  for (const auto& [partition, range] : ranges) {
    if (!range.empty()) out += static_cast<uint64_t>(range.next.value - range.first.value);
  }
  return out;
}

FixedLoad FixedLoad::read(const std::map<PartitionId, Committed>& group) {
  FixedLoad out;
  for (const auto& [partition, committed] : group) {
    const CommitRecord record = CommitRecord::decode(committed.metadata);
    if (!record.fixed) continue;
    out.fixed.emplace(partition, *record.fixed);
    out.committed.emplace(partition, committed.offset);
    if (record.witness) out.witnesses.emplace(partition, *record.witness);
    out.asked = record.asked;
    out.runs.insert(record.run);
    out.rows += record.rows;
  }
  return out;
}

std::map<PartitionId, Committed> FixedLoad::starts(const std::string& run_id) const {
  std::map<PartitionId, Committed> out;
  for (const auto& [partition, range] : fixed) {
    CommitRecord record;
    record.run = run_id;
    record.range = {range.first, range.first};
    record.fixed = range;
    record.asked = asked;
    if (const auto at = witnesses.find(partition); at != witnesses.end()) {
      record.witness = at->second;
    }
    out.emplace(partition, Committed{range.first, record.encode()});
  }
  return out;
}

uint64_t FixedLoad::done() const {
  std::map<PartitionId, OffsetRange> ranges;
  for (const auto& [partition, range] : fixed) {
    const auto at = committed.find(partition);
    if (at == committed.end()) continue;
    ranges.emplace(partition, OffsetRange{range.first, std::min(at->second, range.next)});
  }
  return records_of(ranges);
}

LoadGroups::LoadGroups(SnapshotGroups& groups, Observer& observer, std::string live,
                       std::string table)
    : groups_(groups), observer_(observer), live_(std::move(live)), table_(std::move(table)) {}

std::string LoadGroups::name(const std::string& id) const { return live_ + ".snapshot." + id; }

Result<std::set<std::string>> LoadGroups::begun() {
  std::set<std::string> ids;
  for (const std::string& group : TRY(groups_.list(name("")))) {
    ids.insert(group.substr(name("").size()));
    if (!TRY(groups_.has_members(group))) continue;
    observer_.warning(
        "snapshot-waiting",
        fmt::format("group {} of another snapshot has members: if their process died, Kafka drops "
                    "them within {} s",
                    group, dead_member_max.count() / 1000));
    if (TRY(groups_.keeps_members(group, dead_member_max))) {
      return Error{
          Errc::unavailable, "snapshot-running",
          fmt::format("another process is loading a snapshot of {} (group {})", table_, group),
          "wait for it, or stop it"};
    }
  }
  return ids;
}

Result<FixedLoad> LoadGroups::find(const std::string& id) {
  return FixedLoad::read(TRY(groups_.offsets(name(id))));
}

Result<void> LoadGroups::begin(const std::string& id,
                               const std::map<PartitionId, OffsetRange>& fixed,
                               const std::string& asked, const std::string& run_id,
                               const std::map<PartitionId, Witness>& witnesses) {
  const FixedLoad load{.fixed = fixed, .committed = {}, .witnesses = witnesses, .asked = asked};
  return groups_.set_offsets(name(id), load.starts(run_id));
}

Result<void> LoadGroups::claim(const std::string& id, const std::string& run_id) {
  auto offsets = TRY(groups_.offsets(name(id)));
  for (auto& [partition, committed] : offsets) {
    CommitRecord record = CommitRecord::decode(committed.metadata);
    if (!record.fixed) continue;
    record.run = run_id;
    committed.metadata = record.encode();
  }
  return groups_.set_offsets(name(id), offsets);
}

Result<RowsExpected> LoadGroups::expected(const std::string& id, uint64_t rows_before,
                                          uint64_t inserted, bool keeps_rows) {
  // Of a batch that was sent again the rows may be in both; what an exactly-once run has written
  // into the group counts none twice.
  const uint64_t acknowledged = TRY(find(id)).rows;
  return RowsExpected{.least = acknowledged > 0 ? acknowledged : inserted,
                      .most = rows_before + inserted,
                      .keeps_rows = keeps_rows};
}

Result<void> LoadGroups::remove(const std::string& id) { return groups_.remove(name(id)); }

}  // namespace sluice
