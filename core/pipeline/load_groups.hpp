// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/deliver/commit_record.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice {

/// The consumer groups of a snapshot, none of which is joined.
class SnapshotGroups {
 public:
  virtual ~SnapshotGroups() = default;
  virtual Result<bool> has_members(const std::string& group) = 0;
  /// The same, but a member that died and was not missed yet has time to be: up to `patience`.
  virtual Result<bool> keeps_members(const std::string& group, Milliseconds patience) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& prefix) = 0;
  virtual Result<std::map<PartitionId, Committed>> offsets(const std::string& group) = 0;
  /// Refused with `kafka-group-active` when the group has members.
  virtual Result<void> set_offsets(const std::string& group,
                                   const std::map<PartitionId, Committed>& offsets) = 0;
  virtual Result<void> remove(const std::string& group) = 0;
};

/// Everything that a topic holds at one moment.
[[nodiscard]] Result<std::map<PartitionId, OffsetRange>> held_ranges(Source& source);

/// Offsets in these ranges: an upper bound of their records.
[[nodiscard]] uint64_t records_of(const std::map<PartitionId, OffsetRange>& ranges);

/// A load of a fixed range (everything, or a backfill), as its group keeps it.
struct FixedLoad {
  std::map<PartitionId, OffsetRange> fixed;
  std::map<PartitionId, Offset> committed;
  std::map<PartitionId, Witness> witnesses;
  std::string asked;  ///< what kind of load or which range it is, in the words of who began it
  std::set<std::string> runs{};  ///< that committed the offsets
  uint64_t rows = 0;             ///< ClickHouse acknowledged before `committed`, exactly-once

  /// No ranges where nothing of it is a load of ours.
  [[nodiscard]] static FixedLoad read(const std::map<PartitionId, Committed>& group);
  /// What its group is given when it begins.
  [[nodiscard]] std::map<PartitionId, Committed> starts(const std::string& run_id) const;
  [[nodiscard]] uint64_t records() const { return records_of(fixed); }
  [[nodiscard]] uint64_t done() const;  ///< records of the range before what is committed
  [[nodiscard]] bool finished() const { return done() == records(); }
  /// Whether somebody has deleted rows of it, so that it cannot go on; `keeps_rows`: nothing but
  /// that makes them fewer. More may be there than are acknowledged.
  [[nodiscard]] bool lost_rows(uint64_t in_table, bool keeps_rows) const {
    return keeps_rows ? in_table < rows : in_table == 0 && rows > 0;
  }
};

/// How many rows a load that has ended may have left in its table.
struct RowsExpected {
  uint64_t least = 0;
  uint64_t most = 0;
  bool keeps_rows = false;  ///< nothing but deleting makes them fewer

  [[nodiscard]] bool met_by(uint64_t in_table) const {
    return in_table <= most && (keeps_rows ? in_table >= least : in_table > 0 || most == 0);
  }
  /// The number that `in_table` misses.
  [[nodiscard]] uint64_t missed_by(uint64_t in_table) const {
    return in_table < least ? least : most;
  }
};

/// What a load of everything would do.
struct LoadLook {
  std::map<PartitionId, OffsetRange> fixed;
  std::string taken_up;          ///< id of the load that it would go on with; empty: a new one
  uint64_t done = 0;             ///< records of the range that were loaded then
  std::string table_name;        ///< of the table that takes the rows, where it is not the target
  std::optional<uint64_t> rows;  ///< of the target, now

  [[nodiscard]] uint64_t records() const { return records_of(fixed); }
};

/// The loads of whole topics for one live group: each keeps its range and its progress in a group
/// of its own, LIVE.snapshot.ID, so that whoever comes after a crash knows of it.
class LoadGroups {
 public:
  /// `table` is for messages. What is given by reference outlives it.
  LoadGroups(SnapshotGroups& groups, Observer& observer, std::string live, std::string table);

  [[nodiscard]] std::string name(const std::string& id) const;
  /// Ids of loads that were begun and not ended, in the order of their ids. Waits for members that
  /// died; Errc::unavailable when one of the loads is in work.
  [[nodiscard]] Result<std::set<std::string>> begun();
  /// Of one that was begun; no ranges where it is none of ours.
  [[nodiscard]] Result<FixedLoad> find(const std::string& id);
  [[nodiscard]] Result<void> begin(const std::string& id,
                                   const std::map<PartitionId, OffsetRange>& fixed,
                                   const std::string& asked, const std::string& run_id,
                                   const std::map<PartitionId, Witness>& witnesses = {});
  /// Makes a load that was begun this run's, its offsets unchanged: who thinks it is his can see it
  /// in FixedLoad::runs. Refused with `kafka-group-active` when the group has members.
  [[nodiscard]] Result<void> claim(const std::string& id, const std::string& run_id);
  [[nodiscard]] Result<void> remove(const std::string& id);
  /// Where `rows_before` were in the table when a run took the load up, and it inserted `inserted`.
  [[nodiscard]] Result<RowsExpected> expected(const std::string& id, uint64_t rows_before,
                                              uint64_t inserted, bool keeps_rows);

 private:
  SnapshotGroups& groups_;
  Observer& observer_;
  std::string live_;
  std::string table_;
};

}  // namespace sluice
