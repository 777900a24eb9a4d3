// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace sluice {

/// Consecutive rows of one block of a batch.
struct Segment {
  size_t block = 0;  ///< index within the batch
  uint64_t first = 0;
  uint64_t count = 0;
  bool operator==(const Segment&) const = default;
};

/// Rows of a batch that go into one INSERT, in order.
using Part = std::vector<Segment>;

[[nodiscard]] uint64_t part_rows(const Part& part);

/// Divides a part in which ClickHouse refused a row so that the row gets alone in the end:
/// around `row` (0-based within the part) when the message named it, else in halves. The pieces
/// together are the part, in order, none of them empty. The part has at least two rows.
///
/// A row that a message names is only suspected: it is sent alone and counts as the culprit when it
/// is refused alone, so a message that names the wrong row costs an INSERT and never a good row.
[[nodiscard]] std::vector<Part> divide(const Part& part, std::optional<uint64_t> row);

/// Takes all rows of one block out of the parts; returns how many rows that were.
uint64_t drop_block(std::deque<Part>& parts, size_t block);

}  // namespace sluice
