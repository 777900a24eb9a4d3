// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/pipeline/pipeline.hpp"
#include "core/pipeline/ports.hpp"

/// A table replaced by everything that its topic holds, in one atomic step that hands the live
/// group over: the continuous run goes on where the snapshot ends.
namespace sluice {

/// A table beside the target: of this snapshot, of an earlier one, or somebody else's.
struct SideTable {
  std::string name;
  std::string comment;
};

/// What a snapshot must know of the table that it is going to replace.
struct SnapshotTarget {
  std::string uuid;
  std::string comment;
  std::string engine;
  std::string engine_full;
  std::string definition;  ///< CREATE TABLE, as the server shows it
  std::string database_engine;
  bool replicas_apart = false;   ///< other replicas would keep the old table
  std::optional<uint64_t> rows;  ///< nothing where the engine does not know
  /// What hangs on the table and would not follow: "view shop.totals", "dictionary shop.names".
  std::vector<std::string> dependents;
};

/// The tables of a snapshot. Names are of the target's database. Every call is tried again for a
/// short while when the server does not answer.
class SnapshotTables {
 public:
  virtual ~SnapshotTables() = default;
  virtual Result<SnapshotTarget> target() = 0;
  /// Tables whose name is the target's and then `infix` and something.
  virtual Result<std::vector<SideTable>> side_tables(const std::string& infix) = 0;
  /// A table like the target, but of this name and comment, which remembers the tokens of INSERTs
  /// until seal(); empty unless it was there already. Answers with its UUID.
  virtual Result<std::string> create(const std::string& name, const std::string& comment) = 0;
  /// From now on it is like the target in everything.
  virtual Result<void> seal(const std::string& name) = 0;
  virtual Result<uint64_t> rows(const std::string& name) = 0;
  /// Whether both have the same columns.
  virtual Result<bool> same_columns(const std::string& name) = 0;
  /// Swaps the target and the table in one atomic statement. An error says nothing about whether it
  /// happened: target() does. Never tried again by itself.
  virtual Result<void> exchange(const std::string& name) = 0;
  /// Of the target, where `name` is empty.
  virtual Result<void> set_comment(const std::string& name, const std::string& comment) = 0;
  virtual Result<void> rename(const std::string& name, const std::string& to) = 0;
  virtual Result<void> drop(const std::string& name) = 0;
};

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

struct SnapshotOptions {
  std::string topic;
  std::string table;  ///< full name, for messages
  std::string table_name;
  std::string group;  ///< the live one
  std::string id;     ///< of this snapshot: letters and digits, never used before
  std::string run_id;
  bool keep_old = false;      ///< keep the replaced table as <table>__sluice_old
  bool allow_empty = false;   ///< swap in a table without rows
  bool allow_shrink = false;  ///< swap in a table with fewer than half the rows
  bool allow_views = false;   ///< leave views and dictionaries of the target behind
};

/// What the load of a snapshot is told: an ordinary run over a fixed range into another table.
struct SnapshotLoad {
  std::string table_name;
  std::string group;
  std::map<PartitionId, OffsetRange> fixed;
  bool resumed = false;       ///< an earlier run began it
  bool exactly_once = false;  ///< the table keeps the promise, so a killed load can go on
};

/// One snapshot. The target is whole at every moment: before exchange() it is the old one, after it
/// the new one, and whoever opens the live group can tell which by the table's UUID.
///
///   begin()   live group has no members → what an earlier run left is finished, taken up or
///   dropped
///             → end offsets → shadow table
///   (the load: run_pipeline over [first, end) into the shadow table)
///   finish()  verify → hand-over record to the live group → EXCHANGE TABLES
///             → end offsets to the live group → drop the old rows
///
/// Pure but for its ports. Not thread-safe.
class Snapshot {
 public:
  Snapshot(SnapshotOptions options, Source& source, SnapshotTables& tables, SnapshotGroups& groups,
           Observer& observer, const Clock& clock);

  [[nodiscard]] Result<SnapshotLoad> begin();
  /// After a load that caught up and had no error.
  [[nodiscard]] Result<void> finish(const PipelineReport& load);
  /// After anything else: drops what was loaded, unless it may be in the target's place by now, or
  /// the same command can go on with it (`resumable`).
  void give_up(bool resumable);

 private:
  [[nodiscard]] std::string shadow_name(const std::string& id) const;
  [[nodiscard]] std::string shadow_comment(const std::string& id) const;
  Result<void> check_engine(const SnapshotTarget& target);
  Result<void> read_live_group();
  [[nodiscard]] std::string old_comment(const std::string& id) const;
  [[nodiscard]] std::string load_group(const std::string& id) const;
  Result<void> check_target(const SnapshotTarget& target);
  Result<void> check_group_free();
  Result<void> finish_earlier(const SnapshotTarget& target);
  Result<void> drop_leftovers(const std::string& except);
  Result<std::set<std::string>> earlier_loads();
  Result<std::string> find_resumable(const std::set<std::string>& ids);
  Result<void> fix_range();
  Result<void> open_range();
  Result<void> check_old_name();
  Result<void> verify(const PipelineReport& load);
  Result<void> hand_over();
  Result<void> swap();
  Result<void> commit_ends(const std::map<PartitionId, Offset>& ends, const std::string& run);
  Result<void> clean_up(const std::string& id);
  void warn(const std::string& slug, const std::string& message);

  SnapshotOptions options_;
  Source& source_;
  SnapshotTables& tables_;
  SnapshotGroups& groups_;
  Observer& observer_;
  const Clock& clock_;
  SnapshotTarget target_;  ///< as begin() found it
  std::string shadow_uuid_;
  std::map<PartitionId, OffsetRange> fixed_;
  uint64_t rows_before_ = 0;                      ///< of a shadow table that an earlier run began
  bool swap_was_tried_ = false;                   ///< by an earlier run, which may still happen
  std::map<PartitionId, Committed> live_before_;  ///< hand-overs resolved
  /// Once the tables may have been swapped, only clean_up() may drop one.
  enum class Stage : uint8_t { nothing, loading, swapped_or_not } stage_ = Stage::nothing;
  TimePoint handed_over_{};
};

}  // namespace sluice
