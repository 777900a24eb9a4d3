// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/types.hpp"

namespace sluice {

/// CRC-32C (Castagnoli) of the bytes.
[[nodiscard]] uint32_t crc32c(std::string_view bytes);

/// What sluice writes beside an offset into the consumer group: who committed it and for what.
///
///   record := "slu1|" state "|" run "|" first "|" next "|" crc
///   state  := "D"                 everything before `next` is settled
///   run    := the run's id, without "|"
///   first, next := decimal offsets: what this run read of the partition so far, [first, next)
///   crc    := 8 hex digits, CRC-32C of everything before the last "|"
///
/// Later versions add states and fields before the crc; a reader takes fields it does not know for
/// a record it must not touch (Kind::foreign).
struct CommitRecord {
  enum class Kind : uint8_t {
    none,  ///< empty metadata: a plain commit, by a tool or an old client
    ours,
    foreign,  ///< another program's, or a later version's: kept as it is
    damaged,  ///< claims to be ours, but the CRC does not match
  };
  Kind kind = Kind::none;
  std::string run;
  OffsetRange range;

  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static CommitRecord decode(std::string_view metadata);
};

}  // namespace sluice
