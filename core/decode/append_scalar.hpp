// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/block/column.hpp"
#include "core/decode/fault.hpp"
#include "core/decode/json_text.hpp"
#include "core/decode/value_plan.hpp"

namespace sluice {

/// Appends what ClickHouse's reader would store for a scalar other than null, or says why not; then
/// nothing was appended. `plan` is that of the column.
[[nodiscard]] Fault append_scalar(const ValuePlan& plan, const Scalar& scalar, Column& column);

}  // namespace sluice
