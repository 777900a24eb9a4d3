// SPDX-License-Identifier: Apache-2.0
// The part of PipelineRun that keeps exactly-once (delivery.md section 4): what a batch takes is
// committed as an intent before its first byte is sent, so that whoever comes after a crash sends
// the same rows under the same token, which ClickHouse drops when they landed.
//
//   cut ──► intent committed ──► armed ──► sent ──► landed ──► the next intent, or "done",
//   committed
//              │ unknown: the group is joined anew        │ refused row: rejected, excluded,
//              │ fenced: dropped                          ▼ committed, the rest sent again
//              ▼
//   assigned with an intent: the same records are collected again ──► armed (or seen to have
//   landed)
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/base/crash_point.hpp"
#include "core/base/crc32c.hpp"
#include "core/deliver/token.hpp"
#include "core/pipeline/run.hpp"

namespace sluice {
namespace {

/// What is older is looked for in the table first, where that can be done: how fast others use up
/// the table's window is an estimate.
constexpr Milliseconds look_age{60'000};

}  // namespace

std::string PipelineRun::record_of(const Session& session, Offset offset,
                                   const std::optional<Intent>& intent) const {
  CommitRecord record;
  record.run = options_.run_id;
  record.range = {session.start, offset};
  record.inserted_at_ms = session.inserted_at_ms;
  if (session.renews) record.renewed_at_ms = ports_.clock.wall().time_since_epoch().count();
  record.sequence = exact() ? session.sequence + 1 : 0;
  record.fixed = session.fixed;
  if (session.fixed && exact()) record.rows = session.rows;
  if (session.fixed) record.asked = options_.asked;
  record.witness = session.witness;
  record.intent = intent;
  return record.encode();
}

Error PipelineRun::halted(PartitionId partition, const Intent& intent, std::string_view why) const {
  return {
      Errc::data_loss, "exactly-once-halted",
      fmt::format("{}[{}]: the batch before offset {} (nonce {}) was under way into {} when its "
                  "process ended, and whether it landed cannot be known: {}",
                  options_.topic, partition.value, intent.next.value, intent.nonce,
                  schema_->table().full_name(), why),
      fmt::format("look for its rows (system.query_log has the nonce in query_id), then run it "
                  "again with --resolve skip:{0}:{1} if they are there, --resolve resend:{0}:{1} "
                  "if not",
                  options_.topic, partition.value)};
}

Resolve PipelineRun::decided_on(PartitionId partition) const {
  for (const Decision& decision : options_.exactly_once->decisions) {
    if (!decision.partition || *decision.partition == std::pair(options_.topic, partition)) {
      return decision.resolve;
    }
  }
  return Resolve::halt;
}

/// A decision is about the batch that a person has looked for in the table, and no other.
Result<void> PipelineRun::check_decisions() const {
  std::vector<PartitionId> open;
  for (const auto& [partition, plan] : plan_.partitions) {
    if (!plan.committed) continue;
    const CommitRecord record = CommitRecord::decode(plan.committed->metadata);
    if (record.intent || record.kind == CommitRecord::Kind::foreign ||
        record.kind == CommitRecord::Kind::damaged) {
      open.push_back(partition);
    }
  }
  for (const Decision& decision : options_.exactly_once->decisions) {
    const std::string_view word = decision.resolve == Resolve::skip ? "skip" : "resend";
    if (!decision.partition && open.size() > 1) {
      return Error{Errc::usage, "resolve-which",
                   fmt::format("{} partitions of {} have an open batch, and --resolve {} does not "
                               "say which is meant",
                               open.size(), options_.topic, word),
                   fmt::format("name the one that halted, as its message did: --resolve {}:{}:{}",
                               word, options_.topic, open.front().value)};
    }
    const bool there = decision.partition ? decision.partition->first == options_.topic &&
                                                std::find(open.begin(), open.end(),
                                                          decision.partition->second) != open.end()
                                          : !open.empty();
    if (!there) {
      ports_.observer.warning("nothing-to-resolve",
                              fmt::format("{}: --resolve {} names no partition with an open batch",
                                          options_.topic, word));
    }
  }
  return {};
}

/// What the group's record says about a batch that may be under way.
Result<void> PipelineRun::take_intent(PartitionId partition, const Committed& committed,
                                      Session& session, const Watermarks& held) {
  const CommitRecord record = CommitRecord::decode(committed.metadata);
  // What a person decided is about the batch that was there before this run, and no later one.
  const auto planned = plan_.partitions.find(partition);
  const bool asked_about = planned != plan_.partitions.end() && planned->second.committed &&
                           planned->second.committed->metadata == committed.metadata;
  const Resolve resolve = asked_about ? decided_on(partition) : Resolve::halt;
  if (record.kind == CommitRecord::Kind::foreign || record.kind == CommitRecord::Kind::damaged) {
    if (resolve == Resolve::skip) return {};
    return Error{Errc::data_loss, "exactly-once-halted",
                 fmt::format("{}[{}]: the committed offset of group {} carries metadata that is "
                             "not this version's: a batch may be under way that nobody can read",
                             options_.topic, partition.value, options_.group),
                 fmt::format("find out which program commits for this group; to discard it: "
                             "--resolve skip:{}:{}",
                             options_.topic, partition.value)};
  }
  const auto own = sequences_.find(partition);
  if (own != sequences_.end() && record.sequence < own->second) {
    return Error{
        Errc::data_loss, "exactly-once-halted",
        fmt::format("{}[{}]: the offsets of group {} went back: commit {} is gone, the "
                    "last one is {}",
                    options_.topic, partition.value, options_.group, own->second, record.sequence),
        "find out who set them back; a new run takes them as they are"};
  }
  if (!record.intent) return {};
  const Intent& intent = *record.intent;
  if (resolve == Resolve::skip) {
    if (session.start < committed.offset) return {};  // of a topic that is gone
    session.start = std::max(session.start, intent.next);
    session.cursor = Cursor(session.start);
    session.end = std::max(session.end, session.start);
    session.committed.reset();
    return {};
  }
  if (held.end < intent.next) {
    return halted(partition, intent, "the partition ends before it: the topic is another one");
  }
  const bool sure = resolve == Resolve::resend;
  session.resent_on_demand = sure;
  if (!sure && intent.table_uuid != schema_->table().uuid) {
    return halted(partition, intent, "the table was created anew or replaced since");
  }
  session.replay_unsure = !sure && too_old(intent);
  session.replay_partial = session.start != committed.offset;
  session.replay = intent;
  session.end = std::max(session.end, intent.next);
  ports_.observer.warning(
      "batch-replayed",
      fmt::format("{}[{}]: the batch [{}, {}) was under way when its process ended: it is sent "
                  "again under its old token",
                  options_.topic, partition.value, committed.offset.value, intent.next.value));
  return {};
}

/// Since the intent was committed, as far as the clocks of two machines agree.
Milliseconds PipelineRun::age_of(const Intent& intent) const {
  return ports_.clock.wall().time_since_epoch() - Milliseconds{intent.at_ms};
}

/// Whether the table may have forgotten its token; clocks may differ by a minute. Of one from the
/// future nobody knows the age.
bool PipelineRun::too_old(const Intent& intent) const {
  constexpr Milliseconds clock_skew_max{60'000};
  const Milliseconds age = age_of(intent);
  return age + clock_skew_max > options_.exactly_once->safe_age || age < -clock_skew_max;
}

/// Over all records of the batch to come, rows or not, so that a table that changed in between
/// makes no difference.
void PipelineRun::digest(const Record& record, Session& session) {
  // A batch that is sent again is one, also when its first records become no rows.
  if (!session.replay && session.cursor.cut() != session.digest_from) {
    session.digest_from = session.cursor.cut();
    session.records = session.crc = 0;
  }
  session.records_before = session.records;
  session.crc_before = session.crc;
  ++session.records;
  std::array<char, sizeof record.offset.value> offset{};
  std::memcpy(offset.data(), &record.offset.value, offset.size());
  session.crc = crc32c({offset.data(), offset.size()}, session.crc);
  session.crc = crc32c(record.value, session.crc);
}

/// A record that ClickHouse refused when its batch was first sent. It is among the rejects; what
/// another process rejected is written there again, since nobody knows whether it was durable.
bool PipelineRun::was_excluded(const Record& record, Session& session) {
  const std::vector<Offset>& excluded = session.replay ? session.replay->excluded : session.refused;
  if (std::find(excluded.begin(), excluded.end(), record.offset) == excluded.end()) return false;
  const bool again = !session.replay || record.offset < session.judged_to;
  if (again && options_.on_error == OnError::reject) {
    pass_again(record, session);
    return true;
  }
  if (options_.on_error == OnError::stop) {
    --counts_.read;
    counts_.bytes -= record.key.size() + record.value.size();
    stop_at(record.partition, record.offset, "", "ClickHouse refused it before");
    return true;
  }
  ++counts_.open;
  const bool kept =
      reject_culprit({.partition = record.partition,
                      .epoch = session.epoch,
                      .offset = record.offset,
                      .exception_code = 0,
                      .message = "ClickHouse refused it before the process that sent it ended"});
  if (kept) session.cursor.pass_to(record.offset.next());
  return true;
}

/// All records of a batch that is sent again were read.
void PipelineRun::finish_replay(PartitionId partition, Session& session) {
  session.cursor.pass_to(session.replay->next);
  reading_block_ = nullptr;
  if (!replay_is_whole(partition, session)) {
    fatal_ = true;
    return fail(halted(partition, *session.replay,
                       "its records are not those that it was made of: the topic is another one"));
  }
  bool rows = false;
  batcher_->visit([&](const PartitionBlock& block) {
    rows = rows || (block.partition == partition && block.block.rows() > 0);
  });
  if (!rows) {
    session.replay.reset();
    return;
  }
  send_replay(partition, session);
}

bool PipelineRun::replay_is_whole(PartitionId partition, const Session& session) {
  const Intent& intent = *session.replay;
  if (session.resent_on_demand || session.replay_partial) return true;
  if (session.records == intent.records) return session.crc == intent.crc || intent.records == 0;
  if (session.records > intent.records) return false;
  ports_.observer.warning(
      "batch-compacted",
      fmt::format("{}[{}]: {} of the {} records of the batch before offset {} "
                  "are gone since (compaction)",
                  options_.topic, partition.value, intent.records - session.records, intent.records,
                  intent.next.value));
  return true;
}

void PipelineRun::send_replay(PartitionId partition, Session& session) {
  std::vector<Batch> batches;
  batches.push_back(batcher_->cut(partition, CutTrigger::end));
  const OffsetRange range{session.cursor.committable(), session.replay->next};
  const uint64_t rows = batches.front().rows();
  enqueue(std::move(batches));
  if (fatal_) return;
  Batch batch = std::move(ready_.back());
  ready_.pop_back();
  session.open = std::exchange(session.replay, std::nullopt);
  session.replayed = true;
  if (!session.resent_on_demand && too_old(*session.open)) session.replay_unsure = true;
  const bool look = options_.exactly_once->provenance && age_of(*session.open) > look_age;
  if (!session.replay_unsure && !look) return arm_replay(partition, session, std::move(batch));
  Result<std::optional<uint64_t>> landed = std::optional<uint64_t>();
  if (options_.exactly_once->provenance) {
    landed = rows_present(partition, range, session.open->excluded);
  }
  const bool none = landed.ok() && *landed && **landed == 0;
  const bool some = landed.ok() && *landed && **landed < rows;
  if (none) {
    // Its token was never used, so it is remembered from now on.
    session.open->at_ms = ports_.clock.wall().time_since_epoch().count();
    session.replay_unsure = false;
  }
  if (!session.replay_unsure && (none || some || !landed.ok() || !*landed)) {
    return arm_replay(partition, session, std::move(batch));
  }
  if (landed.ok() && *landed && **landed >= rows) return settle_present(session, std::move(batch));
  abandon_rows(rows);
  fatal_ = true;
  if (!landed.ok()) return fail(landed.error());
  fail(halted(partition, *session.open,
              *landed ? fmt::format("{} of its {} rows are in the table", **landed, rows)
                      : "that was too long ago for its token, and the table has no columns "
                        "_partition and _offset to look them up by"));
}

/// Rows of these offsets that the table holds, but for the excluded; nothing where it cannot tell.
Result<std::optional<uint64_t>> PipelineRun::rows_present(PartitionId partition, OffsetRange range,
                                                          std::vector<Offset> excluded) {
  std::sort(excluded.begin(), excluded.end());
  excluded.push_back(range.next);
  uint64_t sum = 0;
  Offset from = range.first;
  for (const Offset to : excluded) {
    if (to < from || to > range.next) continue;
    if (from < to) {
      const auto rows = TRY(ports_.sink.rows_of(options_.topic, partition, {from, to}));
      if (!rows) return std::optional<uint64_t>();
      sum += *rows;
    }
    from = to.next();
  }
  return std::optional(sum);
}

/// What the table refuses by now it may have taken before: such a row is no reject.
bool PipelineRun::is_present(Session& session, const Delivery::Refusal& refusal) {
  // One look for a batch, at its first refusal.
  if (!refusal.may_have_landed || !options_.exactly_once->provenance) return false;
  if (!session.open || !session.open->excluded.empty()) return false;
  const OffsetRange range{session.cursor.committable(), session.open->next};
  const auto landed = ports_.sink.rows_of(options_.topic, refusal.culprit.partition, range);
  return landed.ok() && *landed && **landed >= refusal.rows;
}

/// All of its rows are in the table already.
void PipelineRun::settle_present(Session& session, Batch batch) {
  const uint64_t rows = batch.rows();
  counts_.open -= rows;
  counts_.inserted += rows;
  session.rows += rows;
  session.cursor.settle(batch.id);
  session.open.reset();
  batcher_->recycle(std::move(batch));
}

/// The intent is committed once more before its first byte: whoever was thrown out of the group
/// while it collected must not send what its successor has gone beyond.
void PipelineRun::arm_replay(PartitionId partition, Session& session, Batch batch) {
  Intent intent = *session.open;
  // Where the batch begins, whatever of it has become no row: its records are counted from there.
  const Offset offset = session.replay_partial || !session.committed ? session.cursor.committable()
                                                                     : *session.committed;
  const CommitRequest request{.partition = partition,
                              .epoch = session.epoch,
                              .offset = offset,
                              .metadata = record_of(session, offset, intent)};
  session.open.reset();
  if (commit_intents({&request, 1}, {{partition, std::move(intent)}}) && session.open) {
    armed_.push_back(std::move(batch));
    return send_armed();
  }
  abandon_rows(batch.rows());
}

/// Commits the intents of what may be sent next, one batch of each partition, and sends it.
void PipelineRun::arm_ready() {
  send_armed();
  if (ready_.empty() || !delivery_->has_room() || fatal_) return;
  std::vector<CommitRequest> requests;
  std::map<PartitionId, Intent> intents;
  std::set<PartitionId> seen;
  for (const Batch& batch : ready_) {
    const PartitionBlock& block = batch.blocks.front();
    if (!seen.insert(block.partition).second) continue;
    const Session* session = owned(block.partition, block.epoch);
    CHECK(session != nullptr);
    if (session->open || session->replay || session->fenced) continue;
    Intent intent{
        .next = block.offsets.next,
        .nonce = fmt::format("{:016x}{:016x}", random_() ^ options_.exactly_once->salt, random_()),
        .records = block.records,
        .crc = block.crc,
        .table_uuid = schema_->table().uuid,
        .at_ms = ports_.clock.wall().time_since_epoch().count(),
        .excluded = {}};
    for (const Offset refused : session->refused) {
      const bool within = block.offsets.first <= refused && refused < block.offsets.next;
      if (within) intent.excluded.push_back(refused);
    }
    const Offset offset = session->cursor.committable();
    CHECK(offset == block.offsets.first);
    requests.push_back({.partition = block.partition,
                        .epoch = block.epoch,
                        .offset = offset,
                        .metadata = record_of(*session, offset, intent)});
    intents.emplace(block.partition, std::move(intent));
  }
  if (requests.empty()) return;
  crash_point("intent-drawn");
  if (!commit_intents(requests, intents)) return;
  for (auto batch = ready_.begin(); batch != ready_.end();) {
    const PartitionBlock& block = batch->blocks.front();
    Session* session = owned(block.partition, block.epoch);
    const bool armed = intents.contains(block.partition) && session->open &&
                       session->open->next == block.offsets.next;
    if (!armed) {
      ++batch;
      continue;
    }
    session->replayed = session->resent_on_demand = session->replay_partial = false;
    armed_.push_back(std::move(*batch));
    batch = ready_.erase(batch);
  }
  crash_point("intent-committed");
  send_armed();
}

/// Each of these commits says "done up to here" and "under way from here" in one record.
bool PipelineRun::commit_intents(std::span<const CommitRequest> requests,
                                 const std::map<PartitionId, Intent>& intents) {
  const auto outcomes = send_commits(requests, commit_timeout);
  if (!outcomes) return false;
  for (const CommitOutcome& outcome : *outcomes) {
    const auto session = sessions_.find(outcome.partition);
    if (outcome.result != CommitResult::ok || session == sessions_.end()) continue;
    Session& armed = session->second;
    armed.open = intents.at(outcome.partition);
  }
  return !fatal_;
}

void PipelineRun::send_armed() {
  while (!armed_.empty() && delivery_->has_room() && !fatal_) {
    Batch batch = std::move(armed_.front());
    armed_.pop_front();
    const PartitionBlock& block = batch.blocks.front();
    const Session* session = owned(block.partition, block.epoch);
    CHECK(session != nullptr && session->open);
    std::string token = insert_token(session->open->nonce, session->open->table_uuid);
    const Milliseconds age = std::max(age_of(*session->open), Milliseconds{0});
    Delivery::Whole whole{
        .token = std::move(token), .resend_before = {}, .may_have_landed = session->replayed};
    if (!session->resent_on_demand) {
      whole.resend_before = ports_.clock.now() + options_.exactly_once->safe_age - age;
    }
    delivery_->submit(std::move(batch), std::move(whole));
  }
}

/// A batch that is refused as it is and has not landed need not be sent as it is for ever: the next
/// run may cut another. Says whether that is known to the group.
bool PipelineRun::withdraw_intent(PartitionId partition) {
  if (commits_unknown_ || rejects_lost_) return false;
  const auto found = sessions_.find(partition);
  if (found == sessions_.end() || !found->second.open || found->second.replayed) return false;
  Session& session = found->second;
  const Offset offset = session.cursor.committable();
  const CommitRequest request{.partition = partition,
                              .epoch = session.epoch,
                              .offset = offset,
                              .metadata = record_of(session, offset, std::nullopt)};
  const auto outcomes = send_commits({&request, 1}, commit_timeout);
  if (!outcomes || outcomes->front().result != CommitResult::ok) return false;
  session.open.reset();
  return true;
}

/// Nothing of these batches was sent: they need not become the batches that their intents name.
void PipelineRun::withdraw_armed(const std::set<PartitionId>* only) {
  for (const Batch& batch : armed_) {
    const PartitionId partition = batch.blocks.front().partition;
    if (only == nullptr || only->contains(partition)) withdraw_intent(partition);
  }
}

/// What is too large for one INSERT is read again and cut smaller, as everything after it: each
/// batch needs its own word in the group before it is sent.
void PipelineRun::take_back(Delivery::Unsendable batch) {
  const auto found = sessions_.find(batch.partition);
  if (found == sessions_.end() || !found->second.open) return;
  Session& session = found->second;
  const std::vector<Offset> refused = session.open->excluded;
  const bool withdrawn = withdraw_intent(batch.partition);
  if (!withdrawn && session.fenced) return;  // no longer ours
  const bool counts_records = options_.rows_max || options_.bytes_max;
  const bool stopping = interrupted_ || (limit_reached_ && !counts_records);
  if (withdrawn && stopping && batch.rows_less > 0) {
    session.fenced = true;  // the next run cuts it smaller
    return;
  }
  if (!withdrawn || batch.rows_less == 0 || !reading_) {
    reading_ = false;
    fatal_ = true;
    return fail(std::move(batch.error));
  }
  for (const Offset offset : refused) {
    const bool known =
        std::find(session.refused.begin(), session.refused.end(), offset) != session.refused.end();
    if (!known) session.refused.push_back(offset);
  }
  if (batch.rows_less < batch_rows_max_) {
    batch_rows_max_ = batch.rows_less;
    ports_.observer.warning("smaller-batches",
                            fmt::format("batches hold at most {} rows from now on: {}",
                                        batch_rows_max_, batch.error.message));
  }
  if (!stale_) stale_ = std::move(batch.error);
}

/// The row is kept among the rejects, then everybody who may send the batch again is told to leave
/// it out, then the rest is sent.
void PipelineRun::take_refusal(const Delivery::Refusal& refusal) {
  const Delivery::Culprit& culprit = refusal.culprit;
  Session* session = owned(culprit.partition, culprit.epoch);
  if (session != nullptr && is_present(*session, refusal)) {
    return settle_present(*session, delivery_->release(refusal.batch));
  }
  if (session == nullptr || options_.on_error == OnError::stop) {
    if (session != nullptr) {
      session->fenced = true;
      reject_culprit(culprit);
    }
    return abandon_rows(delivery_->release(refusal.batch).rows());
  }
  CHECK(session->open);
  Intent& intent = *session->open;
  if (intent.excluded.size() >= CommitRecord::excluded_max) {
    abandon_rows(delivery_->release(refusal.batch).rows());
    const bool withdrawn = !refusal.may_have_landed && withdraw_intent(culprit.partition);
    fatal_ = true;
    return fail({Errc::rejected, "too-many-refused",
                 fmt::format("ClickHouse refuses more than {} rows of one batch ({}), which "
                             "exactly-once cannot leave out: {}",
                             CommitRecord::excluded_max, options_.topic, culprit.message),
                 withdrawn ? "correct the table's constraints, or make batches smaller "
                             "(--batch-rows): nothing of this one has landed"
                           : "correct the table's constraints; or run it once with delivery = "
                             "\"at-least-once\", which may double what of this batch has landed"});
  }
  if (!reject_culprit(culprit)) return abandon_rows(delivery_->release(refusal.batch).rows());
  intent.excluded.push_back(culprit.offset);
  const Offset offset = session->cursor.committable();
  const CommitRequest request{.partition = culprit.partition,
                              .epoch = culprit.epoch,
                              .offset = offset,
                              .metadata = record_of(*session, offset, intent)};
  const std::map<PartitionId, Intent> intents{{culprit.partition, intent}};
  const auto outcomes = send_commits({&request, 1}, commit_timeout);
  if (!outcomes || outcomes->front().result != CommitResult::ok) {
    return abandon_rows(delivery_->release(refusal.batch).rows() - 1);
  }
  std::optional<Batch> empty = delivery_->exclude(refusal.batch, culprit.offset);
  if (!empty) return;
  session->cursor.settle(empty->id);
  session->open.reset();
  batcher_->recycle(std::move(*empty));
}

/// Whether something is cut that may still be sent in this run.
bool PipelineRun::unsent() const {
  if (!exact()) return !ready_.empty();
  if (stale_) return false;
  return !armed_.empty() || std::any_of(ready_.begin(), ready_.end(), [&](const Batch& batch) {
    const auto session = sessions_.find(batch.blocks.front().partition);
    return session != sessions_.end() && !session->second.fenced && !session->second.replay;
  });
}

bool PipelineRun::waits_to_be_sent(PartitionId partition) const {
  const auto holds = [&](const Batch& batch) {
    return batch.blocks.front().partition == partition;
  };
  return std::any_of(ready_.begin(), ready_.end(), holds) ||
         std::any_of(armed_.begin(), armed_.end(), holds);
}

/// Half of the time after which the group gives a silent member's partitions away, or less.
void PipelineRun::stay_alive() {
  constexpr Milliseconds silence_max{20'000};
  if (exact()) delivery_->keep_alive(ports_.clock.now() + silence_max);
}

/// What was sent and has no end will be read again: as the batch that it is.
void PipelineRun::replay_open() {
  for (auto& [partition, session] : sessions_) {
    if (!session.open) continue;
    session.replay = std::exchange(session.open, std::nullopt);
    session.replay_unsure = too_old(*session.replay);
  }
}

}  // namespace sluice
