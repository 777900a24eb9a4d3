// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.hpp"
#include "tests/sim/exactly_once_model.hpp"
#include "tests/sim/exactly_once_state.hpp"

/// The steps that the model of exactly-once can take from a state: the protocol with its rules, and
/// the world around it.
namespace sluice::test::model {

enum class Move : uint8_t {
  none,
  joins,
  is_thrown_out,
  expires,
  notices,
  crashes,
  loads,
  skips_replay,
  halts,
  sends_intent,
  intent_arrives,
  intent_arrives_unanswered,
  done_arrives,
  done_arrives_unanswered,
  commit_is_lost,
  commit_is_delayed,
  commit_is_fenced,
  leaves_group,
  sends_commit_again,
  sends_done,
  sends_insert,
  sends_insert_early,
  splits,
  all_rows_excluded,
  insert_lands,
  insert_lands_unanswered,
  insert_lands_partly,
  insert_is_lost,
  insert_never_left,
  insert_is_delayed,
  insert_is_doubled,
  row_is_refused,
  keeps_reject,
  looks_past_safe_age,
  finds_batch,
  finds_nothing,
  late_insert_lands,
  late_insert_dies,
  late_commit_arrives,
  late_commit_dies,
  hours_pass,
  table_is_altered,
  operator_reloads,
  table_is_exchanged,
  content_changes,
  foreign_commit,
  offsets_expire,
  unclean_election,
};

inline constexpr std::array<std::string_view, 48> move_names{
    "",
    "joins the group",
    "is thrown out of the group and does not know",
    "(dead) is expired by the group",
    "learns that it is no member",
    "crashes",
    "loads the committed record",
    "takes the recorded batch for done",
    "halts",
    "sends the commit of an intent",
    "gets the intent acknowledged",
    "loses the answer to the intent, which was committed",
    "gets the completion acknowledged",
    "loses the answer to the completion, which was committed",
    "loses a commit on the way",
    "gives up a commit that is still on its way",
    "has its commit refused",
    "leaves the group after an unknown commit",
    "sends the same commit again",
    "sends the commit of a completed batch",
    "sends the INSERT",
    "sends the INSERT before the intent is acknowledged",
    "splits the batch",
    "has no row left to send",
    "gets the INSERT acknowledged",
    "loses the answer to the INSERT, which landed",
    "loses the connection after a part of the INSERT landed",
    "loses the INSERT on the way, not knowing",
    "could not connect",
    "gives up an INSERT that is still on its way",
    "gets the INSERT acknowledged, of which the network made a second one",
    "is told of a bad row",
    "keeps the rejected row",
    "finds the intent older than the safe age",
    "finds the batch in the table",
    "finds nothing of the batch in the table",
    "a late INSERT lands",
    "a late INSERT dies",
    "a late commit arrives",
    "a late commit dies",
    "hours pass, the table forgets its tokens",
    "the table is altered: bad rows are good now",
    "the operator deletes the rows and rewinds the group",
    "another table takes the name",
    "the uncommitted records are replaced by others",
    "another program commits the offset",
    "the group's offsets expire",
    "the latest commit is lost in an unclean election",
};

struct Step {
  uint32_t parent = 0;
  Move move = Move::none;
  uint8_t worker = nobody;
  uint8_t partition = nobody;
};

/// One worker's partition.
struct Seat {
  size_t worker;
  size_t partition;
};

/// The states that can follow a state.
class Successors {
 public:
  struct Next {
    State state;
    Step step;
  };

  Successors(const World& world, std::optional<Rule> removed) : world_(world), removed_(removed) {
    CHECK(world.partitions * world.records <= static_cast<int>(records_max));
    workers_ = static_cast<size_t>(world.workers);
    partitions_ = static_cast<size_t>(world.partitions);
    records_ = u8(static_cast<size_t>(world.records));
  }

  [[nodiscard]] State start() const {
    State state;
    state.left = {world_.hours_pass,    world_.alter,          world_.reload, world_.exchange,
                  world_.other_content, world_.foreign_commit, world_.expiry, world_.election};
    return state;
  }

  const std::vector<Next>& of(const State& state) {
    next_.clear();
    for (size_t worker = 0; worker < workers_; ++worker) {
      group_moves(state, worker);
      for (size_t partition = 0; partition < partitions_; ++partition) {
        if (can_act(state, worker)) session_moves(state, {worker, partition});
      }
    }
    network_moves(state);
    world_moves(state);
    return next_;
  }

  /// "loss", "duplicate" or nothing.
  [[nodiscard]] std::string_view violation(const State& state) const {
    for (size_t partition = 0; partition < partitions_; ++partition) {
      const Committed& record = state.committed[partition];
      for (uint8_t offset = 0; offset < records_; ++offset) {
        const size_t index = index_of(partition, offset);
        if (state.rows[index] > 1 || state.view[index] > 1) return "duplicate";
        if (offset >= record.first || (record.kind != done && record.kind != intent)) continue;
        if ((state.rejected & bit(index)) != 0) continue;
        if (state.rows[index] == 0 || (world_.view && state.view[index] == 0)) return "loss";
      }
    }
    return {};
  }

  [[nodiscard]] bool complete(const State& state) const {
    for (size_t partition = 0; partition < partitions_; ++partition) {
      const Committed& record = state.committed[partition];
      if (record.kind != done || record.first != records_) return false;
    }
    return true;
  }

 private:
  [[nodiscard]] bool on(Rule rule) const { return removed_ != rule; }
  [[nodiscard]] size_t index_of(size_t partition, size_t offset) const {
    return partition * records_ + offset;
  }
  [[nodiscard]] uint8_t rows_of(size_t partition, const Session& session) const {
    uint8_t rows = 0;
    for (size_t offset = session.first; offset < session.next; ++offset) {
      rows = u8(rows | bit(index_of(partition, offset)));
    }
    return u8(rows & ~session.excluded);
  }
  [[nodiscard]] uint8_t bad_rows(const State& state) const {
    const bool mended = world_.alter == 1 && state.left[Budget::alter] == 0;
    return mended ? u8(0) : world_.bad_rows;
  }

  /// Forgets what can make no difference any more, then takes the state down.
  void add(State state, Move move, Seat seat) {
    const uint16_t known = referenced(state);
    for (auto& half : state.tokens) half[0] = u8(half[0] & known);
    for (size_t worker = 0; worker < workers_; ++worker) {
      if (state.status[worker] != outside) continue;
      const auto& sessions = state.session[worker];
      const bool nothing = std::all_of(sessions.begin(), sessions.end(),
                                       [](const Session& held) { return held.phase == unowned; });
      if (nothing) state.status[worker] = down;
    }
    const auto less = [](const LateInsert& a, const LateInsert& b) {
      return std::pair(a.token, a.rows) < std::pair(b.token, b.rows);
    };
    if (less(state.late[1], state.late[0])) std::swap(state.late[0], state.late[1]);
    next_.push_back({state, {0, move, u8(seat.worker), u8(seat.partition)}});
  }
  void add(const State& state, Move move) { add(state, move, {nobody, nobody}); }

  /// The nonces that somebody may still use, as bits.
  [[nodiscard]] static uint16_t referenced(const State& state) {
    unsigned bits = 0;
    const auto see = [&](uint8_t token) { bits |= 1u << token; };
    for (const Committed& record : state.committed) see(record.token);
    see(state.before.token);
    if (state.late_commit_for != nobody) see(state.late_commit.token);
    for (const auto& sessions : state.session) {
      for (const Session& session : sessions) see(session.token);
    }
    for (const LateInsert& insert : state.late) see(insert.token);
    return static_cast<uint16_t>(bits & ~1u);
  }
  /// 0 where none is left: then this path is not followed.
  [[nodiscard]] static uint8_t fresh_token(const State& state) {
    const unsigned taken = referenced(state) | state.tokens[0][0] | state.tokens[1][0];
    for (uint8_t token = 1; token < first_range_token; ++token) {
      if ((taken & (1u << token)) == 0) return token;
    }
    return 0;
  }

  // ---- the group

  void group_moves(const State& state, size_t worker) {
    const uint8_t status = state.status[worker];
    const Seat seat{worker, nobody};
    if (status == down || status == outside || status == dead_member) join(state, worker);
    if (status == member) {
      State next = state;
      next.status[worker] = zombie;
      regroup(next, Move::is_thrown_out, seat);
    }
    if (status == dead_member) {
      State next = state;
      next.status[worker] = down;
      regroup(next, Move::expires, seat);
    }
    if (status == zombie || status == asleep) {
      State next = state;
      drop_sessions(next, worker, !on(Rule::no_commit_without_member_id));
      next.status[worker] = outside;
      add(next, Move::notices, seat);
    }
    if (world_.crashes && status != down && status != dead_member) {
      State next = state;
      crash(next, worker);
      add(next, Move::crashes, seat);
    }
  }

  void join(const State& state, size_t worker) {
    State next = state;
    drop_sessions(next, worker, false);
    next.status[worker] = member;
    const size_t other = 1 - worker;
    if (next.status[other] == dead_member) next.status[other] = down;
    if (next.status[other] == member) {
      // It takes part, or it is too late for the new generation.
      State late = next;
      late.status[other] = zombie;
      regroup(late, Move::joins, {worker, nobody});
    }
    regroup(next, Move::joins, {worker, nobody});
  }

  /// A new generation of the workers that are members: every division of the partitions.
  void regroup(State state, Move move, Seat seat) {
    std::array<size_t, workers_max> members{};
    size_t count = 0;
    for (size_t worker = 0; worker < workers_; ++worker) {
      if (state.status[worker] == member) members[count++] = worker;
    }
    if (on(Rule::group_fences)) forget_late_commit(state);
    if (count == 0) {
      // The dead ones alone are no members of a new generation.
      for (size_t partition = 0; partition < partitions_; ++partition) {
        state.owner[partition] = nobody;
      }
      return add(state, move, seat);
    }
    for (size_t worker = 0; worker < workers_; ++worker) {
      if (state.status[worker] == dead_member) state.status[worker] = down;
    }
    const size_t divisions = count == 1 ? 1 : size_t{1} << partitions_;
    for (size_t division = 0; division < divisions; ++division) {
      State next = state;
      for (size_t partition = 0; partition < partitions_; ++partition) {
        const size_t choice = count == 1 ? 0 : (division >> partition) & 1;
        next.owner[partition] = u8(members[choice]);
      }
      for (size_t index = 0; index < count; ++index) begin_sessions(next, members[index]);
      add(next, move, seat);
    }
  }

  void begin_sessions(State& state, size_t worker) {
    drop_sessions(state, worker, !on(Rule::commits_only_within_session));
    for (size_t partition = 0; partition < partitions_; ++partition) {
      if (state.owner[partition] != worker) continue;
      drop(state, {worker, partition});
      state.session[worker][partition].phase = loading;
    }
  }

  static void forget_late_commit(State& state) {
    state.late_commit_for = nobody;
    state.late_commit = {};
  }

  /// An INSERT in flight goes on without its sender, as far as the world follows such.
  void drop(State& state, Seat seat) {
    Session& session = state.session[seat.worker][seat.partition];
    if (session.phase == in_flight) {
      (void)delay(state, session.token, rows_of(seat.partition, session));
    }
    session = {};
  }
  void drop_sessions(State& state, size_t worker, bool keep_batches) {
    for (size_t partition = 0; partition < partitions_; ++partition) {
      const uint8_t phase = state.session[worker][partition].phase;
      const bool batch = phase >= intent_sent && phase <= done_unknown;
      if (!keep_batches || !batch) drop(state, {worker, partition});
    }
  }

  void crash(State& state, size_t worker) {
    for (size_t partition = 0; partition < partitions_; ++partition) {
      const Session& session = state.session[worker][partition];
      const bool commits = session.phase == intent_sent || session.phase == done_sent;
      if (commits && state.status[worker] == member && state.late_commit_for == nobody) {
        state.late_commit_for = u8(partition);
        state.late_commit = record_of(state, session);
      }
      drop(state, {worker, partition});
    }
    state.status[worker] = state.status[worker] == member ? dead_member : down;
  }

  bool delay(State& state, uint8_t token, uint8_t rows) const {
    for (int slot = 0; slot < world_.late_inserts; ++slot) {
      // Sorted: free ones come first. A copy of the same INSERT is told apart only by the slot.
      LateInsert& insert = state.late[static_cast<size_t>(1 - slot)];
      if (insert.token != 0) continue;
      insert = {token, rows};
      return true;
    }
    return false;
  }

  // ---- a worker's session

  [[nodiscard]] static bool can_act(const State& state, size_t worker) {
    return state.status[worker] != down && state.status[worker] != dead_member;
  }
  /// Whether it may still be believed that the partition is ours, by the clock.
  [[nodiscard]] bool in_time(const State& state, Seat seat) const {
    return state.status[seat.worker] != asleep || !on(Rule::deadline_before_send);
  }

  void session_moves(const State& state, Seat seat) {
    switch (state.session[seat.worker][seat.partition].phase) {
      case loading:
        return load(state, seat);
      case open:
        return cut_batch(state, seat, false);
      case intent_sent:
      case done_sent:
        return commit_moves(state, seat);
      case intent_unknown:
      case done_unknown:
        return after_unknown_commit(state, seat);
      case armed:
        return send(state, seat);
      case in_flight:
        return insert_moves(state, seat);
      case refused:
        return keep_reject(state, seat);
      case landed:
        return after_landing(state, seat);
      case verifying:
        return verify(state, seat);
      default:
        return;
    }
  }

  void halt(State state, Seat seat) {
    state.session[seat.worker][seat.partition] = {};
    state.session[seat.worker][seat.partition].phase = halted;
    add(state, Move::halts, seat);
  }
  void become_open(State state, Seat seat, uint8_t offset, Move move) {
    Session& session = state.session[seat.worker][seat.partition];
    session = {};
    session.phase = open;
    session.first = session.next = offset;
    add(state, move, seat);
  }

  [[nodiscard]] bool must_halt(const State& state, const Committed& record) const {
    if (record.kind == foreign) return on(Rule::metadata_of_others_halts);
    if (record.kind == no_commit) {
      const bool rows = std::any_of(state.rows.begin(), state.rows.end(),
                                    [](uint8_t count) { return count != 0; });
      return rows && on(Rule::expired_offsets_halt);
    }
    if ((record.flags & record_back) != 0) return on(Rule::offsets_that_went_back_halt);
    if (record.kind != intent) return false;
    if ((record.flags & record_content) != 0 && on(Rule::content_compared)) return true;
    const bool other_table = ((record.flags & record_table) != 0) != (state.table != 0);
    return other_table && on(Rule::table_uuid_compared);
  }

  void load(const State& state, Seat seat) {
    const Committed& record = state.committed[seat.partition];
    if (must_halt(state, record)) return halt(state, seat);
    if (record.kind != intent) return become_open(state, seat, record.first, Move::loads);
    if (!on(Rule::replay_never_skipped)) {
      become_open(state, seat, record.next, Move::skips_replay);
    }
    State next = state;
    Session& session = next.session[seat.worker][seat.partition];
    session = {intent_sent,  record.first,    record.next,
               record.token, record.excluded, ambiguous | recovered};
    if (!on(Rule::recovered_intent_committed_again)) session.phase = armed;
    if ((record.flags & record_old) != 0) session.flags = u8(session.flags | session_old);
    if (!on(Rule::replay_reads_to_recorded_end)) session.next = records_;
    if (!on(Rule::nonce_of_the_record_on_recovery)) {
      session.token = fresh_token(state);
      if (session.token == 0) return;
    }
    add(next, Move::loads, seat);
  }

  /// Draws a batch behind what is settled (or anew from the present one) and commits its intent.
  void cut_batch(const State& state, Seat seat, bool split) {
    const Session& now = state.session[seat.worker][seat.partition];
    const uint8_t first = split ? now.first : now.next;
    const uint8_t end = split ? u8(now.next - 1u) : records_;
    for (uint8_t next_offset = u8(first + 1u); next_offset <= end; ++next_offset) {
      State next = state;
      Session& session = next.session[seat.worker][seat.partition];
      session = {intent_sent, first, next_offset, 0, 0, 0};
      session.token = token_for(next, seat, session);
      if (session.token == 0) continue;
      add(next, split ? Move::splits : Move::sends_intent, seat);
    }
  }

  [[nodiscard]] uint8_t token_for(const State& state, Seat seat, const Session& session) const {
    if (!on(Rule::random_nonce)) {
      return u8(first_range_token + session.first * 2u + session.next - 1u);
    }
    if (!on(Rule::one_insert_one_partition) && partitions_ > 1) {
      const Session& other = state.session[seat.worker][1 - seat.partition];
      const bool joint = other.phase == intent_sent || other.phase == armed;
      if (joint && (other.flags & (ambiguous | recovered)) == 0) return other.token;
    }
    return fresh_token(state);
  }

  [[nodiscard]] Committed record_of(const State& state, const Session& session) const {
    Committed record;
    const uint8_t table = state.table != 0 ? record_table : u8(0);
    if (session.phase == done_sent || session.phase == done_unknown) {
      record = {done, session.next, 0, 0, 0, table};
    } else {
      record = {intent, session.first, session.next, session.token, session.excluded, table};
      if ((session.flags & session_old) != 0) record.flags = u8(record.flags | record_old);
    }
    return record;
  }

  void store(State& state, size_t partition, const Committed& record) const {
    if (world_.election != 0) {
      state.before = state.left[Budget::election] != 0 ? state.committed[0] : Committed{};
    }
    state.committed[partition] = record;
  }

  [[nodiscard]] bool is_accepted(const State& state, size_t worker) const {
    if (!on(Rule::group_fences) || state.status[worker] == member) return true;
    const bool group_is_empty =
        std::none_of(state.status.begin(), state.status.end(),
                     [](uint8_t status) { return status == member || status == dead_member; });
    return state.status[worker] == outside && group_is_empty;
  }

  void commit_moves(const State& state, Seat seat) {
    const Session& now = state.session[seat.worker][seat.partition];
    const bool is_intent = now.phase == intent_sent;
    const uint8_t unknown = is_intent ? intent_unknown : done_unknown;
    const auto set_phase = [&](State& next, uint8_t phase) {
      next.session[seat.worker][seat.partition].phase = phase;
    };
    if (is_accepted(state, seat.worker)) {
      State next = state;
      store(next, seat.partition, record_of(state, now));
      if (world_.lost_commits) {
        set_phase(next, unknown);
        add(next, is_intent ? Move::intent_arrives_unanswered : Move::done_arrives_unanswered,
            seat);
      }
      if (world_.election != 0) next.committed[seat.partition].flags |= record_acked;
      if (!is_intent) {
        become_open(next, seat, now.next, Move::done_arrives);
      } else {
        set_phase(next, armed);
        add(next, Move::intent_arrives, seat);
      }
      if (world_.lost_commits) lose_commit(state, seat, unknown);
    } else {
      State next = state;
      drop(next, seat);
      add(next, Move::commit_is_fenced, seat);
    }
    if (is_intent && !on(Rule::commit_acknowledged_before_body)) {
      State next = state;
      if (delay(next, now.token, rows_of(seat.partition, now))) {
        add(next, Move::sends_insert_early, seat);
      }
    }
  }

  void lose_commit(const State& state, Seat seat, uint8_t unknown) {
    State next = state;
    Session& session = next.session[seat.worker][seat.partition];
    const Committed record = record_of(state, session);
    session.phase = unknown;
    add(next, Move::commit_is_lost, seat);
    if (state.status[seat.worker] != member || state.late_commit_for != nobody) return;
    next.late_commit_for = u8(seat.partition);
    next.late_commit = record;
    add(next, Move::commit_is_delayed, seat);
  }

  void after_unknown_commit(const State& state, Seat seat) {
    State next = state;
    if (!on(Rule::rejoin_after_unknown_commit)) {
      Session& session = next.session[seat.worker][seat.partition];
      session.phase = session.phase == intent_unknown ? intent_sent : done_sent;
      return add(next, Move::sends_commit_again, seat);
    }
    drop_sessions(next, seat.worker, false);
    const bool was_member = state.status[seat.worker] == member;
    next.status[seat.worker] = down;
    if (!was_member) return add(next, Move::leaves_group, seat);
    regroup(next, Move::leaves_group, seat);
  }

  void send(const State& state, Seat seat) {
    const Session& now = state.session[seat.worker][seat.partition];
    if (!in_time(state, seat)) return;
    if (rows_of(seat.partition, now) == 0) {
      State next = state;
      next.session[seat.worker][seat.partition].phase = landed;
      return add(next, Move::all_rows_excluded, seat);
    }
    const bool past = (now.flags & session_old) != 0 && (now.flags & ambiguous) != 0;
    if (past && on(Rule::safe_age_before_blind_resend)) {
      if (!world_.provenance) return halt(state, seat);
      State next = state;
      next.session[seat.worker][seat.partition].phase = verifying;
      return add(next, Move::looks_past_safe_age, seat);
    }
    const bool may_split = (now.flags & (ambiguous | recovered)) == 0 ||
                           (!on(Rule::no_split_once_ambiguous) && (now.flags & recovered) == 0);
    if (may_split && now.excluded == 0) cut_batch(state, seat, true);
    State next = state;
    Session& session = next.session[seat.worker][seat.partition];
    if (!on(Rule::same_token_for_every_attempt) && (now.flags & ambiguous) != 0) {
      session.token = fresh_token(state);
      if (session.token == 0) return;
    }
    session.phase = in_flight;
    if (joint(state, seat)) {
      Session& other = next.session[seat.worker][1 - seat.partition];
      if (other.phase != armed) return;
      other.phase = in_flight;
    }
    add(next, Move::sends_insert, seat);
  }

  /// Without the rule: whether the other partition's rows go into the same INSERT.
  [[nodiscard]] bool joint(const State& state, Seat seat) const {
    if (on(Rule::one_insert_one_partition) || partitions_ == 1) return false;
    const Session& other = state.session[seat.worker][1 - seat.partition];
    return other.phase != unowned && other.phase != landed &&
           other.token == state.session[seat.worker][seat.partition].token;
  }

  /// The session of an INSERT, and of the one that went with it, get this phase.
  void answer(State& state, Seat seat, uint8_t phase, bool unknown) const {
    const bool both = joint(state, seat);
    for (size_t partition = 0; partition < partitions_; ++partition) {
      if (partition != seat.partition && !both) continue;
      Session& session = state.session[seat.worker][partition];
      session.phase = phase;
      if (unknown) session.flags = u8(session.flags | ambiguous);
      if (phase == landed) session.flags = 0;
    }
  }

  void insert_moves(const State& state, Seat seat) {
    const Session& now = state.session[seat.worker][seat.partition];
    uint8_t rows = rows_of(seat.partition, now);
    if (joint(state, seat)) {
      if (seat.partition != 0) return;
      rows = u8(rows | rows_of(1, state.session[seat.worker][1]));
    }
    const auto after = [&](State next, uint8_t phase, bool unknown, Move move) {
      answer(next, seat, phase, unknown);
      add(next, move, seat);
    };
    if ((rows & bad_rows(state)) != 0) {
      row_is_refused(state, seat);
    } else {
      land(state, now.token, rows, [&](const State& next, bool whole) {
        if (whole) after(next, landed, false, Move::insert_lands);
        State doubled = next;
        if (whole && delay(doubled, now.token, rows)) {
          after(doubled, landed, false, Move::insert_is_doubled);
        }
        after(next, armed, true, whole ? Move::insert_lands_unanswered : Move::insert_lands_partly);
      });
      if (!on(Rule::answer_only_when_durable)) after(state, landed, false, Move::insert_lands);
    }
    after(state, armed, false, Move::insert_never_left);
    const bool settles = !on(Rule::only_an_answer_settles);
    after(state, settles ? landed : armed, true, Move::insert_is_lost);
    State next = state;
    if (delay(next, now.token, rows)) after(next, armed, true, Move::insert_is_delayed);
  }

  void row_is_refused(const State& state, Seat seat) {
    State next = state;
    Session& session = next.session[seat.worker][seat.partition];
    const unsigned bad = rows_of(seat.partition, session) & bad_rows(state);
    session.excluded = u8(session.excluded | (bad & (~bad + 1u)));
    session.phase = refused;
    add(next, Move::row_is_refused, seat);
  }

  void keep_reject(const State& state, Seat seat) {
    State next = state;
    Session& session = next.session[seat.worker][seat.partition];
    session.phase = intent_sent;
    if (on(Rule::reject_kept_before_offset_passes)) {
      next.rejected = u8(next.rejected | session.excluded);
    }
    if (!on(Rule::excluded_rows_keep_the_token)) {
      // Sent at once under a token of its own; the record still says the other.
      session.token = fresh_token(state);
      if (session.token == 0) return;
      session.phase = armed;
    }
    add(next, Move::keeps_reject, seat);
  }

  void after_landing(const State& state, Seat seat) {
    cut_batch(state, seat, false);
    State next = state;
    Session& session = next.session[seat.worker][seat.partition];
    session = {done_sent, session.next, session.next, 0, 0, 0};
    add(next, Move::sends_done, seat);
  }

  void verify(const State& state, Seat seat) {
    State next = state;
    Session& session = next.session[seat.worker][seat.partition];
    const uint8_t rows = rows_of(seat.partition, session);
    bool found = false;
    for (size_t index = 0; index < records_max; ++index) {
      if ((rows & bit(index)) != 0 && state.rows[index] != 0) found = true;
    }
    session.phase = found ? landed : armed;
    session.flags = found ? u8(0) : u8(session.flags & ~session_old);
    add(next, found ? Move::finds_batch : Move::finds_nothing, seat);
  }

  // ---- ClickHouse

  /// What a table does with rows under a token it may know; false: it knew.
  bool take(State& state, size_t half, uint8_t token, uint8_t rows, bool into_view = false) const {
    uint8_t& known = state.tokens[half][token / 8];
    if (on(Rule::table_knows_tokens)) {
      if ((known & bit(token % 8)) != 0) return false;
      known = u8(known | bit(token % 8));
    }
    auto& counts = into_view ? state.view : state.rows;
    for (size_t index = 0; index < records_max; ++index) {
      if ((rows & bit(index)) != 0 && counts[index] < 2) ++counts[index];
    }
    return true;
  }

  /// Every way an INSERT can land: then(state, whether the server could have said yes).
  template <class Then>
  void land(const State& state, uint8_t token, uint8_t rows, const Then& then) const {
    State whole = state;
    if (world_.view) {
      const bool pushed = take(whole, 0, token, rows) || on(Rule::views_deduplicate_themselves);
      then(whole, false);
      if (pushed) (void)take(whole, 1, token, rows, true);
      return then(whole, true);
    }
    if (!world_.clickhouse_partitions) {
      (void)take(whole, 0, token, rows);
      then(whole, true);
      if (on(Rule::whole_body_or_nothing)) return;
      State cut = state;
      (void)take(cut, 0, token, u8(rows & (~rows + 1u)));
      return then(cut, false);
    }
    divide(state, token, rows, 0b101, then);
    if (on(Rule::rows_divided_alike_each_time)) return;
    divide(state, token, rows, 0b111, then);
    divide(state, token, rows, 0b001, then);
  }

  template <class Then>
  void divide(State state, uint8_t token, uint8_t rows, uint8_t first_half,
              const Then& then) const {
    const uint8_t second = u8(rows & ~first_half);
    if (u8(rows & first_half) != 0) (void)take(state, 0, token, u8(rows & first_half));
    if (second != 0) {
      then(state, false);
      (void)take(state, 1, token, second);
    }
    then(state, true);
  }

  // ---- the network and the rest of the world

  void network_moves(const State& state) {
    for (size_t slot = 0; slot < state.late.size(); ++slot) {
      const LateInsert insert = state.late[slot];
      if (insert.token == 0) continue;
      State without = state;
      without.late[slot] = {};
      add(without, Move::late_insert_dies);
      if ((insert.rows & bad_rows(state)) != 0) continue;
      land(without, insert.token, insert.rows,
           [&](const State& next, bool) { add(next, Move::late_insert_lands); });
    }
    if (state.late_commit_for == nobody) return;
    State next = state;
    forget_late_commit(next);
    add(next, Move::late_commit_dies);
    store(next, state.late_commit_for, state.late_commit);
    add(next, Move::late_commit_arrives);
  }

  [[nodiscard]] static bool nothing_on_its_way(const State& state) {
    return state.late[0].token == 0 && state.late[1].token == 0 && state.late_commit_for == nobody;
  }
  [[nodiscard]] static bool nothing_runs(const State& state) {
    return nothing_on_its_way(state) && std::all_of(state.status.begin(), state.status.end(),
                                                    [](uint8_t status) { return status == down; });
  }

  void world_moves(const State& state) {
    const auto spent = [&](Budget budget) {
      State next = state;
      next.left[budget] = 0;
      return next;
    };
    if (state.left[Budget::alter] != 0) add(spent(Budget::alter), Move::table_is_altered);
    if (state.left[Budget::hours_pass] != 0) pass_hours(spent(Budget::hours_pass));
    if (state.left[Budget::election] != 0 && state.before.kind != no_commit) {
      State next = spent(Budget::election);
      next.committed[0] = std::exchange(next.before, {});
      if ((state.committed[0].flags & record_acked) != 0) next.committed[0].flags |= record_back;
      add(next, Move::unclean_election);
    }
    if (!nothing_runs(state)) return;
    if (state.left[Budget::reload] != 0) {
      State next = spent(Budget::reload);
      next.rows = {};
      next.rejected = 0;
      next.committed[0] = {done, 0, 0, 0, 0, 0};
      add(next, Move::operator_reloads);
    }
    if (state.left[Budget::exchange] != 0) {
      State next = spent(Budget::exchange);
      next.table = 1;
      next.tokens = {};
      add(next, Move::table_is_exchanged);
    }
    if (state.left[Budget::other_content] != 0) {
      State next = spent(Budget::other_content);
      Committed& record = next.committed[0];
      if (record.kind == intent) record.flags |= record_content;
      for (size_t offset = record.first; offset < records_; ++offset) next.rows[offset] = 0;
      add(next, Move::content_changes);
    }
    if (state.left[Budget::foreign_commit] != 0 && state.committed[0].kind != no_commit) {
      State next = spent(Budget::foreign_commit);
      next.committed[0] = {foreign, state.committed[0].first, 0, 0, 0, 0};
      add(next, Move::foreign_commit);
    }
    if (state.left[Budget::expiry] != 0) {
      State next = spent(Budget::expiry);
      next.committed[0] = {};
      add(next, Move::offsets_expire);
    }
  }

  /// Longer than the window: whoever is a member has long had its answers, whoever was thrown out
  /// and does not know has slept.
  void pass_hours(State state) {
    if (!nothing_on_its_way(state)) return;
    for (size_t worker = 0; worker < workers_; ++worker) {
      for (Session& session : state.session[worker]) {
        const bool waits = session.phase == intent_sent || session.phase == done_sent;
        if (session.phase == in_flight) return;
        if (waits && state.status[worker] == member) return;
        if (session.phase >= intent_sent && session.phase <= refused) {
          session.flags = u8(session.flags | session_old);
        }
      }
      if (state.status[worker] == zombie) state.status[worker] = asleep;
      if (state.status[worker] == dead_member) return;
    }
    for (Committed& record : state.committed) {
      if (record.kind == intent) record.flags |= record_old;
    }
    state.tokens = {};
    add(state, Move::hours_pass);
  }

  World world_;
  std::optional<Rule> removed_;
  size_t workers_ = 0;
  size_t partitions_ = 0;
  uint8_t records_ = 0;
  std::vector<Next> next_;
};

}  // namespace sluice::test::model
