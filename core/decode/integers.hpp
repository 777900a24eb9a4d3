// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "core/decode/fault.hpp"
#include "core/decode/wide.hpp"

namespace sluice {

/// Reads an integer of `bits` bits as ClickHouse's JSON reader does: digits after an optional sign
/// (a minus for signed types only), leading zeros allowed. Nothing at all is 0, as it is there.
/// Stricter: a number that does not fit is out_of_range, where ClickHouse wraps around.
[[nodiscard]] Fault parse_integer(std::string_view text, bool is_signed, unsigned bits,
                                  Wide& value);

}  // namespace sluice
