// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/cursor.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace sluice {

void Cursor::row_to(Offset position) {
  CHECK(position > position_);
  position_ = position;
  rows_open_ = true;
}

void Cursor::pass_to(Offset position) {
  if (position <= position_) return;
  position_ = position;
  if (!rows_open_) cut_ = position;
}

OffsetRange Cursor::open_batch(uint64_t batch) {
  const OffsetRange range{cut_, position_};
  batches_.push_back({.batch = batch, .offsets = range, .settled = false});
  cut_ = position_;
  rows_open_ = false;
  return range;
}

void Cursor::settle(uint64_t batch) {
  const auto found = std::find_if(batches_.begin(), batches_.end(),
                                  [&](const Range& range) { return range.batch == batch; });
  CHECK(found != batches_.end() && !found->settled);
  found->settled = true;
  while (!batches_.empty() && batches_.front().settled) batches_.pop_front();
}

std::vector<OffsetRange> Cursor::settled_ahead() const {
  std::vector<OffsetRange> ranges;
  for (const Range& range : batches_) {
    if (range.settled) ranges.push_back(range.offsets);
  }
  return ranges;
}

void Cursor::hold(Offset offset) { hold_ = hold_ ? std::min(*hold_, offset) : offset; }

Offset Cursor::committable() const {
  Offset end = position_;
  if (!batches_.empty()) {
    end = batches_.front().offsets.first;
  } else if (rows_open_) {
    end = cut_;
  }
  return hold_ ? std::min(end, *hold_) : end;
}

}  // namespace sluice
