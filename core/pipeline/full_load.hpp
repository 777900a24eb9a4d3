// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "core/base/result.hpp"
#include "core/pipeline/load_groups.hpp"
#include "core/pipeline/pipeline.hpp"

/// Everything that a topic holds, once more into the table itself: as stamped snapshots beside each
/// other, of which a view shows the latest whole one (append), or over the rows that are there
/// (overwrite).
namespace sluice {

/// The snapshots that a table holds: which of them are whole stands in TABLE__snapshots, and
/// TABLE__latest shows the rows of the one that became whole last. Every call is tried again for a
/// short while when the server does not answer.
class SnapshotMarks {
 public:
  virtual ~SnapshotMarks() = default;
  /// Makes table and view where they are missing, and the view anew when the table's columns have
  /// changed. Errc::config for somebody else's with such a name.
  virtual Result<void> prepare() = 0;
  /// The same errors, but makes nothing.
  virtual Result<void> look() = 0;
  /// How many rows of this snapshot the table holds.
  virtual Result<uint64_t> rows(const std::string& id) = 0;
  /// How often it is marked as whole: once by each process that thought it was the last.
  virtual Result<uint64_t> marked(const std::string& id) = 0;
  /// From now on it is whole.
  virtual Result<void> mark(const SnapshotStamp& snapshot, uint64_t rows) = 0;
  virtual Result<void> unmark(const std::string& id) = 0;
  /// Deletes its rows, some time later.
  virtual Result<void> remove(const std::string& id) = 0;
};

struct FullLoadOptions {
  std::string topic;
  std::string table;        ///< full name, for messages
  std::string table_uuid;   ///< what was loaded into another one does not count
  std::string engine_full;  ///< tells whether rows may be fewer than what was inserted
  std::string group;        ///< the live one: left alone
  std::string id;           ///< of this load: letters and digits, never used before
  std::string run_id;
  bool exactly_once = false;  ///< the pipeline promises it, so a killed load can go on
  bool allow_empty = false;   ///< a snapshot without rows is one, too
};

/// What such a load is told, as a run of the pipeline.
struct FullLoadPlan {
  std::string group;
  std::string asked;
  std::map<PartitionId, OffsetRange> fixed;
  std::optional<SnapshotStamp> snapshot;  ///< of append
};

/// One such load. The end offsets are frozen in a group of its own when it begins (LoadGroups); the
/// live group is neither looked at nor changed, so a tail may go on meanwhile, and nothing is
/// handed over to it.
///
/// append: a snapshot is marked as whole only when as many rows carry its id as were inserted. One
/// that was killed goes on under its id where the pipeline is exactly-once; else its rows are
/// deleted and another begins: what is there twice was never shown. Who goes on with one makes it
/// his in its group, so that of two that work on it only the later says that it is whole.
///
/// overwrite: a row that comes twice replaces itself, so one that was killed always goes on.
///
/// Pure but for its ports. Not thread-safe.
class FullLoad {
 public:
  /// Without `marks`: overwrite.
  FullLoad(FullLoadOptions options, Source& source, SnapshotMarks* marks, SnapshotGroups& groups,
           Observer& observer, const Clock& clock);

  /// What begin() would do, and refuse; changes nothing.
  [[nodiscard]] Result<LoadLook> look();
  [[nodiscard]] Result<FullLoadPlan> begin();
  /// After a load that caught up and had no error.
  [[nodiscard]] Result<void> finish(const PipelineReport& load);
  /// After anything else; `resumable`: it was no fault of what was loaded.
  void give_up(bool resumable);

 private:
  [[nodiscard]] std::string asked_start() const;
  Result<void> open_range();
  Result<bool> fits(const std::string& id);
  Result<bool> take_up(const std::string& id);
  Result<bool> is_ours();
  Error taken_over() const;
  Result<bool> mark(const PipelineReport& load);
  Result<void> verify(const PipelineReport& load, uint64_t loaded);
  Result<void> remove(const std::string& id);

  FullLoadOptions options_;
  Source& source_;
  SnapshotMarks* const marks_;
  LoadGroups loads_;
  Observer& observer_;
  const Clock& clock_;
  const std::string own_id_;  ///< of the load that this run would begin
  FullLoadPlan plan_;
  SnapshotStamp stamp_;
  uint64_t rows_before_ = 0;  ///< of a load that an earlier run began
  bool began_ = false;
};

}  // namespace sluice
