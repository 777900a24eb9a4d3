// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/block/block.hpp"
#include "core/decode/decoder.hpp"
#include "core/decode/fault.hpp"
#include "core/decode/value_plan.hpp"

namespace sluice {

/// Appends what ClickHouse's reader stores for null in an element of a column: null where it is
/// Nullable, else the type's zero. Stricter: an Enum without a value 0 refuses null, where
/// ClickHouse stores a 0 that cannot be read again.
[[nodiscard]] Fault append_null(const ValuePlan& plan, Nulls nulls, Column& column);

/// The same for a whole column of the block; one with a DEFAULT expression gets that.
[[nodiscard]] Fault append_null(const RowPlan& plan, size_t index, Nulls nulls, Block& block);

}  // namespace sluice
