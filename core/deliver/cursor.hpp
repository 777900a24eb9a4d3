// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/base/types.hpp"

namespace sluice {

/// Decides how far one partition may be committed.
///
/// Batches of a partition open in offset order and settle in any order; committable() is the end of
/// the settled prefix, so a crash reads again at most the batches that were in flight.
///
///   settled   settled    open       settled    | rows not cut yet |
///   [0,100)   [100,300)  [300,420)  [420,500)  [500, position)         committable() = 300
///
/// Pure: no clock, no I/O. Not thread-safe; lives on the pipeline thread.
class Cursor {
 public:
  explicit Cursor(Offset start) : position_(start), cut_(start) {}

  /// The record before `position` became a row of the open block.
  void row_to(Offset position);
  /// Everything between the last position and this one is settled without a row: rejected, skipped,
  /// or no record at all. A position that is not ahead changes nothing.
  void pass_to(Offset position);
  /// A batch takes all that was read so far: its range ends at position().
  OffsetRange open_batch(uint64_t batch);
  /// The batch's rows of this partition are in ClickHouse or among the rejects.
  void settle(uint64_t batch);
  /// Nothing at or after `offset` may be committed: a record there stopped the run.
  void hold(Offset offset);

  [[nodiscard]] Offset position() const { return position_; }
  /// Where the next batch will begin.
  [[nodiscard]] Offset cut() const { return cut_; }
  /// Every record before it is settled. Never moves back.
  [[nodiscard]] Offset committable() const;
  /// What is settled behind committable(), in order: batches that were faster than one before them.
  [[nodiscard]] std::vector<OffsetRange> settled_ahead() const;
  [[nodiscard]] bool idle() const { return batches_.empty() && !rows_open_; }

 private:
  struct Range {
    uint64_t batch;
    OffsetRange offsets;
    bool settled;
  };
  Offset position_;
  Offset cut_;  ///< where the rows that are in no batch begin
  bool rows_open_ = false;
  std::deque<Range> batches_;  ///< in offset order, the first one not settled
  std::optional<Offset> hold_;
};

}  // namespace sluice
