// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

/// A state of the model of exactly-once, and how 32 bytes hold it.
namespace sluice::test::model {

inline constexpr size_t workers_max = 2;
inline constexpr size_t partitions_max = 2;
inline constexpr size_t records_max = 3;  // of all partitions together
inline constexpr uint8_t nobody = 3;
inline constexpr uint8_t first_range_token =
    8;  // 1 … 7: nonces; from here on: named after their range

inline uint8_t u8(size_t value) { return static_cast<uint8_t>(value); }
inline uint8_t bit(size_t index) { return u8(1u << index); }

enum Kind : uint8_t { no_commit, done, intent, foreign };
enum RecordFlag : uint8_t {
  record_old = 1,      ///< written before the window forgot
  record_table = 2,    ///< which of the two tables it was written for
  record_content = 4,  ///< its range holds other records now
  record_acked = 8,    ///< who wrote it knows that it is there
  record_back = 16,    ///< a later one, which its writer knows of, was lost
};

/// What the coordinator holds for a partition.
struct Committed {
  uint8_t kind = no_commit;
  uint8_t first = 0;
  uint8_t next = 0;
  uint8_t token = 0;
  uint8_t excluded = 0;
  uint8_t flags = 0;
};

enum Phase : uint8_t {
  unowned,
  loading,
  open,            ///< everything before `next` is settled
  intent_sent,     ///< the commit of the intent is awaited
  intent_unknown,  ///< no answer came
  armed,           ///< may send
  in_flight,       ///< the INSERT is awaited
  refused,         ///< the table named a bad row; it is in `excluded`
  landed,
  done_sent,  ///< the commit of `next` is awaited
  done_unknown,
  verifying,
  halted,
};
enum SessionFlag : uint8_t { ambiguous = 1, recovered = 2, session_old = 4 };

/// What a worker holds of a partition.
struct Session {
  uint8_t phase = unowned;
  uint8_t first = 0;
  uint8_t next = 0;
  uint8_t token = 0;
  uint8_t excluded = 0;
  uint8_t flags = 0;
};

enum Status : uint8_t {
  down,
  outside,  ///< knows that it is no member, and still holds a session (only without a rule)
  member,
  zombie,       ///< was thrown out and does not know
  dead_member,  ///< the coordinator does not know yet
  asleep,       ///< a zombie that was paused for hours
};

/// An INSERT on its way that nobody waits for.
struct LateInsert {
  uint8_t token = 0;
  uint8_t rows = 0;
};

enum Budget : uint8_t {
  hours_pass,
  alter,
  reload,
  exchange,
  other_content,
  foreign_commit,
  expiry,
  election,
  budgets
};

struct State {
  std::array<Committed, partitions_max> committed;
  Committed before;  ///< of partition 0; kept only where an election may bring it back
  std::array<std::array<Session, partitions_max>, workers_max> session;
  std::array<uint8_t, workers_max> status{};
  std::array<uint8_t, partitions_max> owner{nobody, nobody};
  std::array<LateInsert, 2> late;
  uint8_t late_commit_for = nobody;  ///< partition of a commit on its way that nobody waits for
  Committed late_commit;
  std::array<uint8_t, records_max> rows{};  ///< times that a record is in the table, at most 2
  std::array<uint8_t, records_max> view{};
  uint8_t rejected = 0;
  std::array<std::array<uint8_t, 2>, 2> tokens{};  ///< seen: [half][token / 8]
  uint8_t table = 0;
  std::array<uint8_t, budgets> left{};
};

using Packed = std::array<uint64_t, 4>;

/// Writes or reads a state as bits.
template <bool writing>
class Packer {
 public:
  explicit Packer(Packed& bits) : bits_(bits) {}

  void operator()(uint8_t& value, unsigned width) {
    for (unsigned index = 0; index < width; ++index, ++at_) {
      uint64_t& word = bits_[at_ / 64];
      const uint64_t mask = uint64_t{1} << (at_ % 64);
      if constexpr (writing) {
        if (((value >> index) & 1) != 0) word |= mask;
      } else if ((word & mask) != 0) {
        value = u8(value | (1u << index));
      }
    }
  }
  void operator()(Committed& record) {
    (*this)(record.kind, 2);
    (*this)(record.first, 2);
    (*this)(record.next, 2);
    (*this)(record.token, 4);
    (*this)(record.excluded, 3);
    (*this)(record.flags, 5);
  }
  void operator()(Session& session) {
    (*this)(session.phase, 4);
    (*this)(session.first, 2);
    (*this)(session.next, 2);
    (*this)(session.token, 4);
    (*this)(session.excluded, 3);
    (*this)(session.flags, 3);
  }
  void operator()(State& state) {
    for (Committed& record : state.committed) (*this)(record);
    (*this)(state.before);
    for (auto& sessions : state.session) {
      for (Session& session : sessions) (*this)(session);
    }
    for (uint8_t& status : state.status) (*this)(status, 3);
    for (uint8_t& owner : state.owner) (*this)(owner, 2);
    for (LateInsert& insert : state.late) {
      (*this)(insert.token, 4);
      (*this)(insert.rows, 3);
    }
    (*this)(state.late_commit_for, 2);
    (*this)(state.late_commit);
    for (uint8_t& count : state.rows) (*this)(count, 2);
    for (uint8_t& count : state.view) (*this)(count, 2);
    (*this)(state.rejected, 3);
    for (auto& half : state.tokens) {
      for (uint8_t& byte : half) (*this)(byte, 8);
    }
    (*this)(state.table, 1);
    for (uint8_t& budget : state.left) (*this)(budget, 1);
  }

 private:
  Packed& bits_;
  unsigned at_ = 0;
};

inline Packed packed(State state) {
  Packed bits{};
  Packer<true>{bits}(state);
  return bits;
}

inline State unpacked(Packed bits) {
  State state{};
  state.owner = {};
  state.late_commit_for = 0;
  Packer<false>{bits}(state);
  return state;
}

}  // namespace sluice::test::model
