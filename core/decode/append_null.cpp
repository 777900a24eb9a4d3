// SPDX-License-Identifier: Apache-2.0
#include "core/decode/append_null.hpp"

namespace sluice {

Fault append_null(const ValuePlan& plan, Nulls nulls, Column& column) {
  if (!plan.nullable && nulls == Nulls::reject) return Fault::null_refused;
  if (!plan.has_zero) return Fault::null_without_zero;
  column.append_zero();
  return Fault::none;
}

Fault append_null(const RowPlan& plan, size_t index, Nulls nulls, Block& block) {
  const ValuePlan& column = plan.column(index);
  if (column.nullable || !plan.has_default(index) || nulls == Nulls::reject) {
    return append_null(column, nulls, block.column(index));
  }
  block.append_missing(index);
  return Fault::none;
}

}  // namespace sluice
