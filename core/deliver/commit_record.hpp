// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/types.hpp"

namespace sluice {

/// A snapshot is about to take the place of the group's table: once the table has this UUID, the
/// group stands at `next`; before that the record means nothing.
struct Handover {
  std::string table_uuid;
  Offset next;
  int64_t at_ms = 0;           ///< unix time of the commit
  bool group_was_new = false;  ///< the partition had no offset: a void record is none either
  bool operator==(const Handover&) const = default;
};

/// Exactly-once: the batch [committed offset, next) goes under this nonce and no other.
struct Intent {
  Offset next;
  std::string nonce;       ///< 32 hex digits, random
  uint64_t records = 0;    ///< in the range
  uint32_t crc = 0;        ///< over their offsets and values
  std::string table_uuid;  ///< where it goes
  int64_t at_ms = 0;       ///< unix time of the commit
  /// Records of the range that are no rows because ClickHouse refused them; they are rejects.
  std::vector<Offset> excluded;
  bool operator==(const Intent&) const = default;
};

/// One record of a partition as it was when a run over a fixed range began: a topic that was
/// deleted and made anew holds another one at its offset.
struct Witness {
  Offset offset;
  int64_t timestamp_ms = 0;
  uint32_t crc = 0;  ///< CRC-32C over key and value
  bool operator==(const Witness&) const = default;
};

/// What sluice writes beside an offset into the consumer group: who committed it and for what.
///
///   record  := "slu1|" state "|" run "|" first "|" next { "|" field } "|" crc
///   state   := "D"                everything before `next` is settled
///            | "I"                the same, and the intent (i=) may have landed
///   run     := the run's id, without "|"
///   first, next := decimal offsets: what this run read of the partition so far, [first, next)
///   field   := "t=" unix ms of the last acknowledged INSERT
///            | "s=" number of this commit in the partition's life, growing by one
///            | "n=" unix ms when a run found nothing new and renewed the offset's time
///            | "e=" begin "," end     a run over a fixed range, as it was fixed at its start
///            | "c=" rows that ClickHouse acknowledged of [begin of e=, offset), exactly-once
///            | "w=" text              the range as it was asked for
///            | "r=" offset "," unix ms "," crc                                  Witness
///            | "h=" uuid "," offset "," unix ms "," 0 or 1                      Handover
///            | "i=" next "," nonce "," records "," crc "," uuid "," ms { "," excluded offset }
///   crc     := 8 hex digits, CRC-32C of everything before the last "|"
///
/// A reader takes states and fields it does not know for a record it must not touch
/// (Kind::foreign). encode() stays below size_max.
struct CommitRecord {
  /// Far below Kafka's offset.metadata.max.bytes of 4096.
  static constexpr size_t size_max = 1500;
  static constexpr size_t excluded_max = 40;  ///< of an intent
  static constexpr size_t asked_max = 200;    ///< bytes of `asked`

  enum class Kind : uint8_t {
    none,  ///< empty metadata: a plain commit, by a tool or an old client
    ours,
    foreign,  ///< another program's, or a later version's: kept as it is
    damaged,  ///< claims to be ours, but the CRC does not match
  };
  Kind kind = Kind::none;
  std::string run;
  OffsetRange range;
  int64_t inserted_at_ms = -1;  ///< -1: nothing known
  int64_t renewed_at_ms = -1;   ///< -1: not since the last row
  uint64_t sequence = 0;
  std::optional<OffsetRange> fixed;  ///< of a run over a fixed range
  uint64_t rows = 0;                 ///< of such a run that delivers exactly once: inserted so far
  std::string asked;  ///< the range as it was asked for, see asked_words(); "|" and controls: "?"
  std::optional<Witness> witness;  ///< of a run over a fixed range, in one of its partitions
  std::optional<Handover> handover;
  std::optional<Intent> intent;

  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static CommitRecord decode(std::string_view metadata);
};

/// What people read of CommitRecord::asked; what follows " #" is for programs.
[[nodiscard]] std::string_view asked_words(std::string_view asked);
/// And that; empty where there is none.
[[nodiscard]] std::string_view asked_mark(std::string_view asked);

}  // namespace sluice
