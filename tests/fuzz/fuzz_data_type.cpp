// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer: no text makes the type parser crash, and what it understands it writes so that it
// understands it again. A block of an encodable type holds any default value.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/check.hpp"
#include "core/block/column.hpp"
#include "core/model/data_type.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const sluice::Result<sluice::DataType> type =
      sluice::parse_data_type({reinterpret_cast<const char*>(data), size});
  if (!type.ok()) return 0;
  if (!type->encodable()) return 0;
  const std::string wire = type->wire_name();
  const sluice::Result<sluice::DataType> again = sluice::parse_data_type(wire);
  // Aliases nest deeper once they are written out.
  if (!again.ok()) return 0;
  CHECK(again->wire_name() == wire);
  if (wire.size() > 10'000 || wire.find("FixedString") != std::string::npos) return 0;
  sluice::Column column(type.value());
  column.append_default();
  column.append_zero();
  column.mark();
  column.append_default();
  column.rollback();
  CHECK(column.rows() == 2);
  sluice::Column copy(type.value());
  copy.append_rows(column, 0, 2);
  CHECK(copy.bytes() == column.bytes());
  return 0;
}
