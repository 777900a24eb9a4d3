// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/block/column.hpp"
#include "core/decode/fault.hpp"
#include "core/decode/json_text.hpp"
#include "core/decode/value_plan.hpp"

namespace sluice {

/// append_scalar() for Date, Date32, DateTime, DateTime64, Time and Time64.
///
/// A number is what ClickHouse stores: days, seconds, or units of the type's own scale. Stricter: a
/// time or date out of the type's range is refused, where ClickHouse clamps or wraps around; so is
/// a fraction of a second that the type cannot keep, where ClickHouse cuts it off.
[[nodiscard]] Fault append_time(const ValuePlan& plan, const Scalar& scalar, Column& column);

}  // namespace sluice
