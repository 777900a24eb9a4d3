// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/deliver/commit_record.hpp"
#include "core/pipeline/load_groups.hpp"
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
  /// A table like the target that keeps one row of each `key`, the latest, and remembers the tokens
  /// of INSERTs (keyed_copy()); it was there already or is empty.
  virtual Result<void> create_keyed(const std::string& name, const std::string& comment,
                                    const std::vector<std::string>& key) = 0;
  /// How many keys of such a table have a row, those deleted last left out.
  virtual Result<uint64_t> keys(const std::string& name) = 0;
  /// Inserts these rows into the table `name`, and comes back when no server is at it any more: an
  /// error says nothing about how many it was. Never tried again by itself.
  virtual Result<void> fill(const std::string& name, const std::string& from) = 0;
  /// Whether both have the same columns; those of its own that a keyed table has do not count.
  virtual Result<bool> same_columns(const std::string& name) = 0;
  /// Swaps the target and the table in one atomic statement. Errc::unavailable and cancelled say
  /// nothing about whether it happened or still will: target() does. Any other error is a refusal.
  /// Never tried again by itself.
  virtual Result<void> exchange(const std::string& name) = 0;
  /// Of the target, where `name` is empty.
  virtual Result<void> set_comment(const std::string& name, const std::string& comment) = 0;
  virtual Result<void> rename(const std::string& name, const std::string& to) = 0;
  virtual Result<void> drop(const std::string& name) = 0;
};

struct SnapshotOptions {
  std::string topic;
  std::string table;  ///< full name, for messages
  std::string table_name;
  std::string group;  ///< the live one
  std::string id;     ///< of this snapshot: letters and digits, never used before
  std::string run_id;
  /// Not empty: the last record of each key is kept, and none where that is a tombstone. The load
  /// goes into a keyed table first.
  std::vector<std::string> key;
  bool keep_old = false;      ///< keep the replaced table as <table>__sluice_old
  bool allow_empty = false;   ///< swap in a table without rows
  bool allow_shrink = false;  ///< swap in a table with fewer than half the rows
  bool allow_views = false;   ///< leave views and dictionaries of the target behind
};

/// What the load of a snapshot is told: an ordinary run over a fixed range into another table.
struct SnapshotLoad {
  std::string table_name;
  std::string group;
  std::string asked{};  ///< what its group says of it
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
///   finish()  (with a key: the last row of each from the keyed table into the shadow table)
///             → verify → hand-over record to the live group → EXCHANGE TABLES
///             → end offsets to the live group → drop the old rows
///
/// Pure but for its ports. Not thread-safe.
class Snapshot {
 public:
  Snapshot(SnapshotOptions options, Source& source, SnapshotTables& tables, SnapshotGroups& groups,
           Observer& observer, const Clock& clock);

  /// What begin() would do, and refuse; changes nothing.
  [[nodiscard]] Result<LoadLook> look();
  [[nodiscard]] Result<SnapshotLoad> begin();
  /// After a load that caught up and had no error.
  [[nodiscard]] Result<void> finish(const PipelineReport& load);
  /// After anything else: drops what was loaded, unless it may be in the target's place by now, or
  /// the same command can go on with it (`resumable`).
  void give_up(bool resumable);
  /// `error`, or what is behind it: that another process took this snapshot's table away.
  [[nodiscard]] Error explain(Error error);

 private:
  [[nodiscard]] std::string shadow_name(const std::string& id) const;
  [[nodiscard]] std::string shadow_comment(const std::string& id) const;
  /// Of the table that is loaded: the shadow table's, or that of the keyed one before it.
  [[nodiscard]] std::string load_id(const std::string& id) const;
  [[nodiscard]] std::string asked() const;
  [[nodiscard]] bool remembers_tokens() const;
  Result<void> keep_last(const PipelineReport& load);
  Result<void> drop_own(const std::string& id);
  Result<void> check_engine(const SnapshotTarget& target);
  Result<void> read_live_group();
  [[nodiscard]] std::string old_comment(const std::string& id) const;
  Result<void> check_target(const SnapshotTarget& target);
  Result<void> check_group_free();
  Result<void> check_no_backfill();
  Result<void> finish_earlier(const SnapshotTarget& target);
  Result<void> drop_leftovers(const std::string& except);
  Result<void> clear_away(const SideTable& table, const std::string& id);
  Result<void> take_up(const std::string& earlier);
  Result<void> leave_to_others();
  Result<bool> topic_made_anew(const FixedLoad& load);
  Result<void> check_topic();
  Result<std::string> find_resumable(const std::set<std::string>& ids);
  Result<void> open_range();
  Result<void> check_old_name();
  Result<void> check_taken(const std::string& name, const std::string& earlier);
  Result<void> check_unchanged();
  Result<void> verify(const PipelineReport& load);
  Result<void> hand_over();
  Result<void> swap();
  void take_back_hand_over();
  Result<void> commit_ends(const std::map<PartitionId, Offset>& ends, const std::string& run);
  Result<void> clean_up(const std::string& id);
  void warn(const std::string& slug, const std::string& message);

  SnapshotOptions options_;
  Source& source_;
  SnapshotTables& tables_;
  SnapshotGroups& groups_;
  LoadGroups loads_;
  Observer& observer_;
  const Clock& clock_;
  SnapshotTarget target_;  ///< as begin() found it
  std::string shadow_uuid_;
  std::map<PartitionId, OffsetRange> fixed_;
  std::map<PartitionId, Witness> witnesses_;      ///< at most one
  std::set<std::string> stuck_;                   ///< ids of tables that could not be dropped
  uint64_t rows_before_ = 0;                      ///< of a load that an earlier run began
  std::optional<uint64_t> keys_;                  ///< of a load by key
  bool swap_was_tried_ = false;                   ///< by an earlier run, which may still happen
  std::map<PartitionId, Committed> live_before_;  ///< hand-overs resolved
  /// Once the tables may have been swapped, only clean_up() may drop one.
  enum class Stage : uint8_t { nothing, loading, swapped_or_not } stage_ = Stage::nothing;
  TimePoint handed_over_{};
};

}  // namespace sluice
