// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/base/crash_point.hpp"
#include "core/base/crc32c.hpp"
#include "core/deliver/commit_record.hpp"
#include "core/model/table.hpp"
#include "core/pipeline/plan.hpp"
#include "core/pipeline/witness.hpp"

namespace sluice {
namespace {

constexpr std::string_view infix = "__sluice_";
constexpr std::string_view old_id = "old";
/// Of the id of a table in which a load by key keeps the rows of each.
constexpr std::string_view keyed_suffix = "_keys";
constexpr std::string_view old_comment_start = "sluice: rows of ";

/// Of a table that is being loaded, whatever the id.
bool is_load(const std::string& comment) {
  return comment.starts_with("sluice: snapshot ") && comment.ends_with(", being loaded");
}

Error old_name_taken(const std::string& name) {
  return {Errc::config, "snapshot-old-taken",
          fmt::format("{} exists, and its comment does not say that sluice kept it", name),
          "rename or drop it, or leave --keep-old out"};
}

}  // namespace

Snapshot::Snapshot(SnapshotOptions options, Source& source, SnapshotTables& tables,
                   SnapshotGroups& groups, Observer& observer, const Clock& clock)
    : options_(std::move(options)),
      source_(source),
      tables_(tables),
      groups_(groups),
      loads_(groups, observer, options_.group, options_.table),
      observer_(observer),
      clock_(clock) {}

std::string Snapshot::shadow_name(const std::string& id) const {
  return fmt::format("{}{}{}", options_.table_name, infix, id);
}

std::string Snapshot::shadow_comment(const std::string& id) const {
  return fmt::format("sluice: snapshot {} of {} for group {}, being loaded", id, options_.table,
                     options_.group);
}

std::string Snapshot::old_comment(const std::string& id) const {
  return fmt::format("{}{} that snapshot {} replaced", old_comment_start, options_.table, id);
}

std::string Snapshot::load_id(const std::string& id) const {
  return options_.key.empty() ? id : id + std::string(keyed_suffix);
}

/// What kind of load it is, in the records of its group: one of another kind cannot be taken up.
std::string Snapshot::asked() const {
  const std::string kind = options_.key.empty()
                               ? "snapshot"
                               : fmt::format("snapshot by {}", fmt::join(options_.key, ", "));
  // A table that was altered or made anew since needs a shadow table like it.
  return fmt::format("{} #{} {:08x}", kind, target_.uuid, crc32c(target_.definition));
}

bool Snapshot::remembers_tokens() const {
  return !options_.key.empty() || target_.engine == "MergeTree";
}

void Snapshot::warn(const std::string& slug, const std::string& message) {
  observer_.warning(slug, message);
}

Result<SnapshotLoad> Snapshot::begin() {
  TRY(check_group_free());
  target_ = TRY(tables_.target());
  TRY(finish_earlier(target_));
  target_ = TRY(tables_.target());
  TRY(check_no_backfill());
  TRY(check_target(target_));
  TRY(read_live_group());
  const std::set<std::string> loads = TRY(loads_.begun());
  const std::string earlier = TRY(find_resumable(loads));
  TRY(drop_leftovers(earlier));
  if (options_.keep_old) TRY(check_old_name());
  if (earlier.empty()) {
    TRY(open_range());
    // The group is there before the table and goes after it: it tells that the table is ours.
    TRY(loads_.begin(options_.id, fixed_, asked(), options_.run_id, witnesses_));
  } else {
    TRY(take_up(earlier));
  }
  crash_point("snapshot-begun");
  stage_ = Stage::loading;
  const std::string load = load_id(options_.id);
  if (options_.key.empty()) {
    shadow_uuid_ = TRY(tables_.create(shadow_name(load), shadow_comment(load)));
  } else {
    TRY(tables_.create_keyed(shadow_name(load), shadow_comment(load), options_.key));
  }
  if (!earlier.empty()) rows_before_ = TRY(tables_.rows(shadow_name(load)));
  crash_point("snapshot-created");
  return SnapshotLoad{.table_name = shadow_name(load),
                      .group = loads_.name(options_.id),
                      .asked = asked(),
                      .fixed = fixed_,
                      .resumed = !earlier.empty(),
                      .exactly_once = remembers_tokens()};
}

Result<LoadLook> Snapshot::look() {
  TRY(check_group_free());
  target_ = TRY(tables_.target());
  TRY(check_no_backfill());
  TRY(check_target(target_));
  TRY(read_live_group());
  LoadLook out;
  const std::set<std::string> loads = TRY(loads_.begun());
  out.taken_up = TRY(find_resumable(loads));
  if (options_.keep_old) TRY(check_old_name());
  if (out.taken_up.empty()) {
    TRY(open_range());
  } else {
    options_.id = out.taken_up;
    out.done = TRY(loads_.find(options_.id)).done();
  }
  out.fixed = fixed_;
  out.table_name = shadow_name(options_.id);
  out.rows = target_.rows;
  return out;
}

/// Where the live group stands, the hand-over of a swap that never came left out: that needs a
/// table that is dropped before anything else happens.
Result<void> Snapshot::read_live_group() {
  live_before_.clear();
  for (const auto& [partition, committed] : TRY(groups_.offsets(options_.group))) {
    const CommitRecord record = CommitRecord::decode(committed.metadata);
    const bool other = record.handover && record.handover->table_uuid != target_.uuid;
    swap_was_tried_ = swap_was_tried_ || other;
    auto stands = TRY(standing(committed, target_.uuid, clock_.wall() + std::chrono::hours{1}));
    if (stands) live_before_.emplace(partition, std::move(*stands));
  }
  return {};
}

/// What the broker holds now is what the snapshot holds.
Result<void> Snapshot::open_range() {
  fixed_ = TRY(held_ranges(source_));
  witnesses_ = TRY(take_witness(source_, fixed_));
  const bool nothing = std::all_of(fixed_.begin(), fixed_.end(),
                                   [](const auto& entry) { return entry.second.empty(); });
  if (!nothing || options_.allow_empty) return {};
  return Error{Errc::config, "snapshot-empty",
               fmt::format("topic {} holds no records: the snapshot would leave {} empty",
                           options_.topic, options_.table),
               "if the table shall be emptied: --allow-empty"};
}

Result<void> Snapshot::check_group_free() {
  if (!TRY(groups_.has_members(options_.group))) return {};
  return Error{Errc::unavailable, "group-active",
               fmt::format("group {} has members: a tail or another sync of this pipeline is "
                           "running, and would go on inserting into the table that is replaced",
                           options_.group),
               "stop it first; afterwards it goes on where the snapshot ends"};
}

/// What a backfill inserts is in the snapshot, too: whatever it inserts after the swap is there
/// twice.
Result<void> Snapshot::check_no_backfill() {
  for (const std::string& group : TRY(groups_.list(options_.group + ".backfill."))) {
    if (!TRY(groups_.has_members(group))) continue;
    const FixedLoad load = FixedLoad::read(TRY(groups_.offsets(group)));
    const std::string_view table = asked_mark(load.asked);
    if (!table.empty() && table != target_.uuid) continue;  // it goes elsewhere
    return Error{Errc::unavailable, "backfill-active",
                 fmt::format("a backfill of {} is running (group {}), and would go on inserting "
                             "into the new table what that holds already",
                             options_.table, group),
                 "wait for it, or stop it"};
  }
  return {};
}

/// Only a table that holds its rows itself, and here, can be replaced by another.
Result<void> Snapshot::check_engine(const SnapshotTarget& target) {
  if (!target.engine.ends_with("MergeTree")) {
    return Error{Errc::config, "snapshot-engine",
                 fmt::format("{} has the engine {}: only MergeTree tables can be replaced",
                             options_.table, target.engine),
                 "make the snapshot of the table that holds the rows"};
  }
  if (!target.replicas_apart) return {};
  return Error{Errc::config, "snapshot-replicas",
               fmt::format("{} would be replaced on one server only, and others keep the old one",
                           options_.table),
               "for replicated tables set cluster = \"NAME\" in [clickhouse], or use a Replicated "
               "database; for others take cluster out"};
}

Result<void> Snapshot::check_target(const SnapshotTarget& target) {
  TRY(check_engine(target));
  const std::set<std::string> atomic{"Atomic", "Replicated", "Shared"};
  if (!atomic.contains(target.database_engine)) {
    return Error{
        Errc::config, "snapshot-database",
        fmt::format("the database of {} has the engine {}, which cannot swap two tables in "
                    "one step",
                    options_.table, target.database_engine),
        "move the table to a database of the engine Atomic (the default)"};
  }
  if (target.dependents.empty() || options_.allow_views) return {};
  std::string names;
  for (const std::string& name : target.dependents) names += (names.empty() ? "" : ", ") + name;
  return Error{Errc::config, "snapshot-dependents",
               fmt::format("{} depend on {}, and would not see the rows of the snapshot", names,
                           options_.table),
               "drop them and fill them again afterwards, or leave them as they are: --allow-views "
               "(SYSTEM RELOAD DICTIONARY then makes a dictionary read the new rows)"};
}

/// A run that died between the swap and the commit left its hand-over record in the live group.
Result<void> Snapshot::finish_earlier(const SnapshotTarget& target) {
  std::map<PartitionId, Offset> ends;
  std::string run;
  for (const auto& [partition, committed] : TRY(groups_.offsets(options_.group))) {
    const CommitRecord record = CommitRecord::decode(committed.metadata);
    if (!record.handover || record.handover->table_uuid != target.uuid) continue;
    ends.emplace(partition, record.handover->next);
    run = record.run;
  }
  if (!ends.empty()) TRY(commit_ends(ends, run));
  // The id stands in the comment that came with the new rows.
  for (const SideTable& table : TRY(tables_.side_tables(std::string(infix)))) {
    const std::string id = table.name.substr(options_.table_name.size() + infix.size());
    if (target.comment != shadow_comment(id)) continue;
    warn("snapshot-finished", fmt::format("an earlier snapshot ({}) of {} was swapped in, but its "
                                          "run ended before it had cleaned up: done now",
                                          id, options_.table));
    TRY(clear_away(table, id));
  }
  return {};
}

/// A load that can go on: its table is there and still fits, and its ends are known. Else "".
Result<std::string> Snapshot::find_resumable(const std::set<std::string>& ids) {
  // A table that somebody may be swapping in at this moment cannot be taken up.
  if (!remembers_tokens() || swap_was_tried_) return std::string();
  const auto tables = TRY(tables_.side_tables(std::string(infix)));
  for (auto id = ids.rbegin(); id != ids.rend(); ++id) {
    const bool there = std::any_of(tables.begin(), tables.end(), [&](const SideTable& table) {
      return table.name == shadow_name(load_id(*id)) &&
             table.comment == shadow_comment(load_id(*id));
    });
    if (!there || !TRY(tables_.same_columns(shadow_name(load_id(*id))))) continue;
    FixedLoad load = TRY(loads_.find(*id));
    if (load.fixed.empty() || load.asked != asked()) continue;
    if (TRY(topic_made_anew(load))) {
      warn("snapshot-topic-changed",
           fmt::format("topic {} was deleted and made anew, or truncated, since snapshot {} of {} "
                       "began: it begins anew",
                       options_.topic, *id, options_.table));
      continue;
    }
    const bool keeps = options_.key.empty() && keeps_rows(target_.engine_full);
    const uint64_t in_table = TRY(tables_.rows(shadow_name(load_id(*id))));
    if (load.lost_rows(in_table, keeps)) {
      warn("snapshot-rows-missing",
           fmt::format("{} holds {} rows, but {} were inserted: somebody has deleted some, and "
                       "the snapshot begins anew",
                       shadow_name(load_id(*id)), in_table, load.rows));
      continue;
    }
    fixed_ = std::move(load.fixed);
    witnesses_ = std::move(load.witnesses);
    return *id;
  }
  return std::string();
}

/// Whoever began it may be alive after all: under the old name it finds the table no more, so that
/// it can neither insert into it nor swap it in.
Result<void> Snapshot::take_up(const std::string& earlier) {
  warn("snapshot-resumed",
       fmt::format("going on with snapshot {} of {}, which an earlier run began", earlier,
                   options_.table));
  auto offsets = TRY(groups_.offsets(loads_.name(earlier)));
  TRY(groups_.set_offsets(loads_.name(options_.id), offsets));
  const std::string name = shadow_name(load_id(options_.id));
  if (Result<void> taken = tables_.rename(shadow_name(load_id(earlier)), name); !taken.ok()) {
    if (taken.error().slug != "table-missing") return taken;
    return Error{Errc::unavailable, "snapshot-running",
                 fmt::format("another process took up snapshot {} of {} at this moment", earlier,
                             options_.table),
                 "wait for it, or stop it"};
  }
  crash_point("snapshot-renamed");
  TRY(check_taken(name, earlier));
  TRY(tables_.set_comment(name, shadow_comment(load_id(options_.id))));
  if (!options_.key.empty()) TRY(drop_own(earlier));
  // Nothing is sent under the old name any more, so what was is among these offsets' intents.
  offsets = TRY(groups_.offsets(loads_.name(earlier)));
  TRY(groups_.set_offsets(loads_.name(options_.id), offsets));
  if (!loads_.remove(earlier).ok()) {
    warn("snapshot-leftover",
         fmt::format("group {} could not be removed: the next snapshot does it",
                     loads_.name(earlier)));
  }
  return {};
}

/// Once a snapshot is swapped in, its name is that of the old table, which may have to be kept.
Result<void> Snapshot::check_taken(const std::string& name, const std::string& earlier) {
  const auto tables = TRY(tables_.side_tables(std::string(infix)));
  const bool is_load = std::any_of(tables.begin(), tables.end(), [&](const SideTable& table) {
    return table.name == name && table.comment == shadow_comment(load_id(earlier));
  });
  if (is_load) return {};
  TRY(tables_.rename(name, shadow_name(load_id(earlier))));
  return Error{Errc::unavailable, "snapshot-running",
               fmt::format("another process swapped snapshot {} of {} in at this moment", earlier,
                           options_.table),
               "run it again if one more is wanted"};
}

Result<bool> Snapshot::topic_made_anew(const FixedLoad& load) {
  const auto held = TRY(held_ranges(source_));
  for (const auto& [partition, range] : load.fixed) {
    const auto at = held.find(partition);
    if (at == held.end() || at->second.next < range.next) return true;
  }
  for (const auto& [partition, witness] : load.witnesses) {
    if (TRY(contradicted(source_, partition, witness))) return true;
  }
  return false;
}

/// While it was loaded.
Result<void> Snapshot::check_topic() {
  for (const auto& [partition, witness] : witnesses_) {
    if (!TRY(contradicted(source_, partition, witness))) continue;
    return Error{Errc::unavailable, "snapshot-topic-changed",
                 fmt::format("topic {} was deleted and made anew, or truncated, while the snapshot "
                             "of {} was loaded: {} is left as it was",
                             options_.topic, options_.table, options_.table),
                 "run it again: it begins anew"};
  }
  return {};
}

/// Drops what dead runs left: only tables that carry our own comment, or whose group is there.
Result<void> Snapshot::drop_leftovers(const std::string& except) {
  std::set<std::string> ids = TRY(loads_.begun());
  ids.erase(except);
  for (const SideTable& table : TRY(tables_.side_tables(std::string(infix)))) {
    const std::string id = table.name.substr(options_.table_name.size() + infix.size());
    if (id == old_id || (!except.empty() && (id == except || id == load_id(except)))) continue;
    const bool ours =
        ids.contains(id) || table.comment == shadow_comment(id) || table.comment == old_comment(id);
    if (!ours) continue;
    warn("snapshot-leftover", fmt::format("{} was left by an earlier run", table.name));
    TRY(clear_away(table, id));
  }
  for (const std::string& id : ids) TRY(loads_.remove(id));
  return {};
}

/// A server may refuse to drop a table, for its size or for want of a grant: that is told and no
/// reason to fail.
Result<void> Snapshot::clear_away(const SideTable& table, const std::string& id) {
  // What is no load are rows that were replaced, perhaps to be kept.
  const Result<void> cleared = is_load(table.comment) ? tables_.drop(table.name) : clean_up(id);
  if (cleared.ok()) return {};
  if (cleared.error().code == Errc::unavailable || cleared.error().code == Errc::cancelled) {
    return cleared;
  }
  stuck_.insert(id);
  warn("snapshot-leftover",
       fmt::format("{} stays: {} ({})", table.name, cleared.error().message, cleared.error().fix));
  return {};
}

Result<void> Snapshot::check_old_name() {
  const std::string kept = shadow_name(std::string(old_id));
  for (const SideTable& table : TRY(tables_.side_tables(std::string(infix)))) {
    if (table.name != kept || table.comment.starts_with(old_comment_start)) continue;
    return old_name_taken(kept);
  }
  return {};
}

Result<void> Snapshot::finish(const PipelineReport& load) {
  crash_point("snapshot-loaded");
  TRY(check_topic());
  TRY(leave_to_others());
  if (!options_.key.empty()) TRY(keep_last(load));
  TRY(verify(load));
  TRY(check_group_free());
  TRY(check_no_backfill());
  crash_point("snapshot-verified");
  TRY(hand_over());
  crash_point("snapshot-handed-over");
  TRY(swap());
  crash_point("snapshot-swapped");
  std::map<PartitionId, Offset> ends;
  for (const auto& [partition, range] : fixed_) ends.emplace(partition, range.next);
  TRY(commit_ends(ends, options_.run_id));
  crash_point("snapshot-committed");
  if (Result<void> cleaned = clean_up(options_.id); !cleaned.ok()) {
    warn(
        "snapshot-leftover",
        fmt::format("{} was replaced, but what it replaced is still there as {}: {} ({}); the next "
                    "snapshot tries again to clear it away",
                    options_.table, shadow_name(options_.id), cleaned.error().message,
                    cleaned.error().fix));
  }
  return {};
}

/// Of two that began at the same moment on two machines each sees the other's table here at the
/// latest: the later one leaves, and cannot swap any more in case that it did not look.
Result<void> Snapshot::leave_to_others() {
  for (const SideTable& table : TRY(tables_.side_tables(std::string(infix)))) {
    const std::string id = table.name.substr(options_.table_name.size() + infix.size());
    const std::string load = id.substr(0, id.find('_'));
    const bool another = load != options_.id && !stuck_.contains(id);
    if (!another || table.comment != shadow_comment(id)) continue;
    if (load < options_.id) {
      return Error{Errc::unavailable, "snapshot-running",
                   fmt::format("another process is making a snapshot of {}, too ({}), and began "
                               "before this one",
                               options_.table, table.name),
                   "run it again once the other has ended, if it is still wanted"};
    }
    TRY(tables_.drop(table.name));
  }
  return {};
}

/// Of a load by key: what remains of each goes into a shadow table that is made anew, whatever a
/// run that died has put into it.
Result<void> Snapshot::keep_last(const PipelineReport& load) {
  const std::string keyed = shadow_name(load_id(options_.id));
  const uint64_t inserted = rows_before_ + load.counts.inserted;
  const uint64_t loaded = TRY(tables_.rows(keyed));
  if (!RowsExpected{.least = 0, .most = inserted, .keeps_rows = false}.met_by(loaded)) {
    return Error{Errc::failed, "snapshot-verify",
                 fmt::format("{} holds {} rows, but {} were inserted: {} is left as it was", keyed,
                             loaded, inserted, options_.table),
                 "run it again"};
  }
  TRY(drop_own(options_.id));
  shadow_uuid_ = TRY(tables_.create(shadow_name(options_.id), shadow_comment(options_.id)));
  crash_point("snapshot-keyed");
  keys_ = TRY(tables_.keys(keyed));
  TRY(tables_.fill(shadow_name(options_.id), keyed));
  crash_point("snapshot-filled");
  return {};
}

/// The target and the shadow table are what they were when the load began.
Result<void> Snapshot::check_unchanged() {
  const SnapshotTarget now = TRY(tables_.target());
  TRY(check_target(now));
  const bool same = now.uuid == target_.uuid && now.definition == target_.definition;
  if (same && TRY(tables_.same_columns(shadow_name(options_.id)))) return {};
  return Error{
      Errc::unavailable, "snapshot-target-changed",
      fmt::format("{} was altered or replaced while its snapshot was loaded", options_.table),
      "run it again"};
}

Result<void> Snapshot::verify(const PipelineReport& load) {
  TRY(tables_.seal(shadow_name(options_.id)));
  const uint64_t loaded = TRY(tables_.rows(shadow_name(options_.id)));
  TRY(check_unchanged());  // before wrong numbers: it explains them
  RowsExpected expected = TRY(loads_.expected(options_.id, rows_before_, load.counts.inserted,
                                              keeps_rows(target_.engine_full)));
  if (keys_) expected.least = expected.most = *keys_;
  if (!expected.met_by(loaded)) {
    return Error{
        Errc::failed, "snapshot-verify",
        fmt::format("the snapshot of {} holds {} rows, but {} were {}: {} is left as it was",
                    options_.table, loaded, expected.missed_by(loaded),
                    keys_ ? "to remain" : "inserted", options_.table),
        "run it again"};
  }
  const bool empty = loaded == 0 && !options_.allow_empty;
  const bool small =
      loaded > 0 && target_.rows && loaded < *target_.rows / 2 && !options_.allow_shrink;
  if (empty || small) {
    return Error{Errc::config, empty ? "snapshot-empty" : "snapshot-shrinks",
                 fmt::format("the snapshot holds {} rows, {} holds {}: it is left as it was",
                             loaded, options_.table, target_.rows.value_or(0)),
                 empty ? "if the table shall be emptied: --allow-empty"
                       : "if that is right: --allow-shrink"};
  }
  return {};
}

/// Before the swap the record means nothing, after it it says where the group stands: so a crash
/// between the swap and the commit loses nothing and doubles nothing.
Result<void> Snapshot::hand_over() {
  TRY(read_live_group());  // others may have read and gone meanwhile
  handed_over_ = clock_.now();
  std::map<PartitionId, Committed> records;
  for (const auto& [partition, range] : fixed_) {
    const auto before = live_before_.find(partition);
    const bool was_new = before == live_before_.end();
    const Offset offset = was_new ? range.first : before->second.offset;
    CommitRecord record;
    record.run = options_.run_id;
    record.range = {offset, offset};
    record.handover =
        Handover{shadow_uuid_, range.next, clock_.wall().time_since_epoch().count(), was_new};
    if (!was_new) record.intent = CommitRecord::decode(before->second.metadata).intent;
    records.emplace(partition, Committed{offset, record.encode()});
  }
  return groups_.set_offsets(options_.group, records);
}

Result<void> Snapshot::swap() {
  // Whoever finds the record waits so long for the swap (plan.cpp); it must not come later.
  constexpr Milliseconds swap_start_max{20'000};
  stage_ = Stage::swapped_or_not;
  const bool late = clock_.now() - handed_over_ >= swap_start_max;
  const Result<void> exchanged =
      late ? Result<void>(Error{Errc::unavailable, "snapshot-late", "the process stood still", ""})
           : tables_.exchange(shadow_name(options_.id));
  // Whatever the answer says: a second EXCHANGE, of whomever, would undo it.
  const Result<SnapshotTarget> now = tables_.target();
  if (now.ok() && now->uuid == shadow_uuid_) return {};
  const bool refused = late || (!exchanged.ok() && exchanged.error().code != Errc::unavailable &&
                                exchanged.error().code != Errc::cancelled);
  // What was not answered may still be done, after a lock or in a cluster's queue: then the
  // shadow's name is that of the old rows.
  const bool may_come = !exchanged.ok() && !refused;
  if (now.ok() && now->uuid == target_.uuid && !may_come) stage_ = Stage::loading;
  if (refused && now.ok() && now->uuid != shadow_uuid_) take_back_hand_over();
  Error error = exchanged.ok()
                    ? Error{Errc::unavailable, "snapshot-race",
                            "another process swapped tables at the same moment", "run it again"}
                    : exchanged.error();
  if (now.ok()) {
    error.message = fmt::format("{} and its snapshot were not swapped{}: {}", options_.table,
                                may_come ? ", or not yet" : "", error.message);
  } else {
    if (exchanged.ok()) error = now.error();
    error.message = fmt::format("whether {} and its snapshot were swapped is unknown: {}",
                                options_.table, error.message);
    error.code = Errc::unavailable;
    error.fix = "run it again: it finds out";
  }
  return error;
}

/// No swap will come of it, so nobody has to wait for one. Who finds it still there waits in vain,
/// but no longer than for a process that died.
void Snapshot::take_back_hand_over() {
  const auto offsets = groups_.offsets(options_.group);
  if (!offsets.ok()) return;
  std::map<PartitionId, Committed> taken_back;
  for (const auto& [partition, committed] : *offsets) {
    CommitRecord record = CommitRecord::decode(committed.metadata);
    if (!record.handover || record.handover->table_uuid != shadow_uuid_) continue;
    const auto before = live_before_.find(partition);
    record.handover->at_ms = 0;  // an offset cannot be taken back, but a record can be void
    taken_back.emplace(partition, before == live_before_.end()
                                      ? Committed{committed.offset, record.encode()}
                                      : before->second);
  }
  if (!taken_back.empty()) (void)groups_.set_offsets(options_.group, taken_back).ok();
}

Result<void> Snapshot::commit_ends(const std::map<PartitionId, Offset>& ends,
                                   const std::string& run) {
  std::map<PartitionId, Committed> offsets;
  for (const auto& [partition, end] : ends) {
    CommitRecord record;
    record.run = run;
    record.range = {end, end};
    record.inserted_at_ms = clock_.wall().time_since_epoch().count();
    offsets.emplace(partition, Committed{end, record.encode()});
  }
  const Result<void> set = groups_.set_offsets(options_.group, offsets);
  // Who joined since then saw the swap, and goes on at these very offsets.
  if (!set.ok() && set.error().slug == "kafka-group-active") return {};
  return set;
}

/// The target is right by now. The comment of the user came along with the old rows.
Result<void> Snapshot::clean_up(const std::string& id) {
  const std::string replaced = shadow_name(id);
  TRY(drop_own(id + std::string(keyed_suffix)));
  const SnapshotTarget now = TRY(tables_.target());
  const auto tables = TRY(tables_.side_tables(std::string(infix)));
  const auto find = [&](const std::string& name) {
    return std::find_if(tables.begin(), tables.end(),
                        [&](const SideTable& table) { return table.name == name; });
  };
  if (const auto old = find(replaced); old != tables.end()) {
    if (now.comment == shadow_comment(id)) TRY(tables_.set_comment("", old->comment));
    crash_point("snapshot-commented");
    if (old->comment != old_comment(id)) TRY(tables_.set_comment(replaced, old_comment(id)));
    if (!options_.keep_old) {
      TRY(tables_.drop(replaced));
    } else {
      const std::string kept = shadow_name(std::string(old_id));
      const auto before = find(kept);
      if (before != tables.end() && !before->comment.starts_with(old_comment_start)) {
        return old_name_taken(kept);
      }
      if (before != tables.end()) TRY(tables_.drop(kept));
      TRY(tables_.rename(replaced, kept));
    }
  }
  crash_point("snapshot-dropped");
  return loads_.remove(id);
}

/// Drops the table of this id, if there is one and its comment says that it was loaded by us.
Result<void> Snapshot::drop_own(const std::string& id) {
  for (const SideTable& table : TRY(tables_.side_tables(std::string(infix)))) {
    if (table.name != shadow_name(id) || table.comment != shadow_comment(id)) continue;
    TRY(tables_.drop(table.name));
  }
  return {};
}

void Snapshot::give_up(bool resumable) {
  if (stage_ != Stage::loading || resumable) return;
  Result<void> dropped = drop_own(options_.id);
  if (dropped.ok() && !options_.key.empty()) dropped = drop_own(load_id(options_.id));
  const Result<void> removed = loads_.remove(options_.id);
  if (dropped.ok() && removed.ok()) return;
  warn("snapshot-leftover",
       fmt::format("{} could not be dropped ({}): the next snapshot does it",
                   shadow_name(options_.id),
                   dropped.ok() ? removed.error().message : dropped.error().message));
}

Error Snapshot::explain(Error error) {
  const bool says_so = error.code == Errc::unavailable || error.code == Errc::cancelled;
  if (stage_ != Stage::loading || says_so || !tables_.target().ok()) return error;
  const auto tables = tables_.side_tables(std::string(infix));
  const bool there =
      !tables.ok() || std::any_of(tables->begin(), tables->end(), [&](const SideTable& table) {
        return table.name == shadow_name(load_id(options_.id));
      });
  if (there) return error;
  return {Errc::unavailable, "snapshot-taken-over",
          fmt::format("the table of this snapshot of {} is gone: another process took the snapshot "
                      "up, or cleared it away",
                      options_.table),
          "see which other machine makes snapshots of this pipeline; run it again if it is still "
          "wanted"};
}

}  // namespace sluice
