// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/full_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/base/crash_point.hpp"
#include "core/model/table.hpp"

namespace sluice {

FullLoad::FullLoad(FullLoadOptions options, Source& source, SnapshotMarks* marks,
                   SnapshotGroups& groups, Observer& observer, const Clock& clock)
    : options_(std::move(options)),
      source_(source),
      marks_(marks),
      loads_(groups, observer, options_.group, options_.table),
      observer_(observer),
      clock_(clock),
      own_id_(options_.id) {}

/// What the load's group says of it; of append its time follows.
std::string FullLoad::asked_start() const {
  return fmt::format("{} #{}", marks_ == nullptr ? "overwrite" : "append", options_.table_uuid);
}

Result<FullLoadPlan> FullLoad::begin() {
  if (marks_ != nullptr) TRY(marks_->prepare());
  const std::set<std::string> ids = TRY(loads_.begun());
  bool taken_up = false;
  for (auto id = ids.rbegin(); id != ids.rend(); ++id) {
    if (!taken_up && TRY(fits(*id))) {
      if (!TRY(take_up(*id))) continue;
      taken_up = true;
      continue;
    }
    const FixedLoad load = TRY(loads_.find(*id));
    const bool swaps = !load.asked.starts_with("append ") && !load.asked.starts_with("overwrite ");
    if (!swaps) TRY(remove(*id));
  }
  if (!taken_up) {
    TRY(open_range());
    stamp_ = {options_.id, clock_.wall().time_since_epoch().count()};
    plan_.asked = asked_start();
    if (marks_ != nullptr) plan_.asked += fmt::format(" {}", stamp_.time_ms);
    TRY(loads_.begin(options_.id, plan_.fixed, plan_.asked, options_.run_id));
  } else {
    observer_.warning("snapshot-resumed",
                      fmt::format("going on with the full load {} of {}, which an earlier run "
                                  "began",
                                  options_.id, options_.table));
  }
  plan_.group = loads_.name(options_.id);
  if (marks_ != nullptr) plan_.snapshot = stamp_;
  began_ = true;
  crash_point("full-begun");
  return plan_;
}

Result<LoadLook> FullLoad::look() {
  if (marks_ != nullptr) TRY(marks_->look());
  LoadLook out;
  const std::set<std::string> ids = TRY(loads_.begun());
  for (auto id = ids.rbegin(); id != ids.rend() && out.taken_up.empty(); ++id) {
    if (TRY(fits(*id))) out.taken_up = *id;
  }
  if (out.taken_up.empty()) {
    TRY(open_range());
  } else {
    out.done = TRY(loads_.find(options_.id)).done();
  }
  out.fixed = plan_.fixed;
  return out;
}

Result<void> FullLoad::open_range() {
  plan_.fixed = TRY(held_ranges(source_));
  const bool nothing = std::all_of(plan_.fixed.begin(), plan_.fixed.end(),
                                   [](const auto& entry) { return entry.second.empty(); });
  if (nothing && marks_ != nullptr && !options_.allow_empty) {
    return Error{Errc::config, "snapshot-empty",
                 fmt::format("topic {} holds no records: the snapshot of {} would have no rows",
                             options_.topic, options_.table),
                 "if that is right: --allow-empty"};
  }
  return {};
}

/// Whether a load that was begun by an earlier run can go on; then it is the plan.
Result<bool> FullLoad::fits(const std::string& id) {
  if (marks_ != nullptr && (!options_.exactly_once || TRY(marks_->marked(id)))) return false;
  FixedLoad load = TRY(loads_.find(id));
  if (load.fixed.empty() || !load.asked.starts_with(asked_start())) return false;
  stamp_ = {id, 0};
  if (marks_ != nullptr) {
    const std::string_view time = std::string_view(load.asked).substr(asked_start().size());
    const char* const end = time.data() + time.size();
    if (time.empty() || std::from_chars(time.data() + 1, end, stamp_.time_ms).ptr != end) {
      return false;
    }
    const uint64_t in_table = TRY(marks_->rows(id));
    if (load.lost_rows(in_table, keeps_rows(options_.engine_full))) {
      observer_.warning("snapshot-rows-missing",
                        fmt::format("{} holds {} rows of the half-loaded snapshot {}, but {} were "
                                    "inserted: somebody has deleted some",
                                    options_.table, in_table, id, load.rows));
      return false;
    }
  }
  options_.id = id;
  plan_.fixed = std::move(load.fixed);
  plan_.asked = std::move(load.asked);
  return true;
}

/// Whoever began it may be alive after all, at the end of the load: it finds that it is its own no
/// more. What it has marked as whole before that is whole, and this run begins anew.
Result<bool> FullLoad::take_up(const std::string& id) {
  if (marks_ == nullptr) return true;
  if (Result<void> claimed = loads_.claim(id, options_.run_id); !claimed.ok()) {
    if (claimed.error().slug != "kafka-group-active") return std::move(claimed).error();
    return Error{Errc::unavailable, "snapshot-running",
                 fmt::format("another process is loading a snapshot of {} (group {})",
                             options_.table, loads_.name(id)),
                 "wait for it, or stop it"};
  }
  const uint64_t in_table = TRY(marks_->rows(id));
  if (TRY(marks_->marked(id))) {
    options_.id = own_id_;
    return false;
  }
  rows_before_ = in_table;
  return true;
}

/// What the group says of who loads: this run alone.
Result<bool> FullLoad::is_ours() {
  const FixedLoad load = TRY(loads_.find(options_.id));
  return load.runs == std::set<std::string>{options_.run_id};
}

Error FullLoad::taken_over() const {
  return {Errc::unavailable, "snapshot-race",
          fmt::format("another process took the snapshot {} of {} for dead and goes on with it, or "
                      "cleared it away",
                      options_.id, options_.table),
          "see which other machine makes snapshots of this pipeline; run it again if it is still "
          "wanted"};
}

Result<void> FullLoad::finish(const PipelineReport& load) {
  crash_point("full-loaded");
  bool ours = true;
  if (marks_ != nullptr) ours = TRY(mark(load));
  // Else another goes on with it, finds nothing left to do, and clears it away.
  if (!ours) return {};
  if (const auto removed = loads_.remove(options_.id); !removed.ok()) {
    observer_.warning("snapshot-leftover",
                      fmt::format("the load of {} is done, but its group is still there: {}; the "
                                  "next one clears it away",
                                  options_.table, removed.error().message));
  }
  return {};
}

/// Whether the load is this run's still; its rows are marked as whole in either case.
Result<bool> FullLoad::mark(const PipelineReport& load) {
  const uint64_t loaded = TRY(marks_->rows(options_.id));
  if (!TRY(is_ours())) return taken_over();  // before wrong numbers: it explains them
  TRY(verify(load, loaded));
  crash_point("full-verified");
  TRY(marks_->mark(stamp_, loaded));
  began_ = false;
  crash_point("full-marked");
  if (!TRY(loads_.find(options_.id)).fixed.empty()) return is_ours();
  // Whoever goes on with a load for dead marks it himself before he removes its group; whoever does
  // not removes the group, sees that it is not marked and deletes its rows.
  if (TRY(marks_->marked(options_.id)) > 1) return false;
  TRY(marks_->unmark(options_.id));
  return taken_over();
}

Result<void> FullLoad::verify(const PipelineReport& load, uint64_t loaded) {
  const RowsExpected expected = TRY(loads_.expected(options_.id, rows_before_, load.counts.inserted,
                                                    keeps_rows(options_.engine_full)));
  if (expected.met_by(loaded)) {
    if (loaded > 0 || options_.allow_empty) return {};
    return Error{
        Errc::config, "snapshot-empty",
        fmt::format("the snapshot of {} has no rows: it is not marked as whole", options_.table),
        "if that is right: --allow-empty"};
  }
  return Error{Errc::failed, "snapshot-verify",
               fmt::format("{} holds {} rows of the snapshot {}, but {} were inserted: it is not "
                           "marked as whole",
                           options_.table, loaded, options_.id, expected.missed_by(loaded)),
               loaded < expected.least
                   ? "see who deletes rows of it, and run it again"
                   : "run it again; a table that remembers the tokens of INSERTs "
                     "(non_replicated_deduplication_window) drops repeated ones"};
}

void FullLoad::give_up(bool resumable) {
  if (!began_ || (resumable && (marks_ == nullptr || options_.exactly_once))) return;
  if (const auto ours = is_ours(); marks_ != nullptr && ours.ok() && !*ours) return;
  const auto removed = remove(options_.id);
  if (removed.ok()) return;
  observer_.warning("snapshot-leftover",
                    fmt::format("what was loaded could not be cleared away ({}): the next full "
                                "load does it",
                                removed.error().message));
}

/// Kafka keeps the group of a load that is in work: then its rows stay, too. Rows that cannot be
/// deleted are shown by no view, so they are in nobody's way.
Result<void> FullLoad::remove(const std::string& id) {
  TRY(loads_.remove(id));
  if (marks_ == nullptr || TRY(marks_->marked(id))) return {};
  observer_.warning(
      "snapshot-leftover",
      fmt::format(
          "snapshot {} of {} never became whole: its rows are deleted, and it "
          "is begun anew{}",
          id, options_.table,
          options_.exactly_once ? "" : " (with delivery = \"exactly-once\" it would go on)"));
  if (const auto removed = marks_->remove(id); !removed.ok()) {
    observer_.warning("snapshot-leftover",
                      fmt::format("they stay: {} (no view shows them; _snapshot_id is '{}')",
                                  removed.error().message, id));
  }
  return {};
}

}  // namespace sluice
