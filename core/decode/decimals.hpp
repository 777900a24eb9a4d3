// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "core/decode/fault.hpp"
#include "core/decode/wide.hpp"

namespace sluice {

/// Reads a decimal number exactly, as what Decimal(precision, scale) stores: the number times 10 to
/// the power of scale. Digits with an optional sign, point and exponent; nothing at all is 0, as in
/// ClickHouse. Refused as there: more digits before the point than `precision`, exponent or not,
/// and a number too large. Stricter: digits that the scale cannot keep are too_many_digits, where
/// ClickHouse cuts them off; a sign or a point alone is no number.
[[nodiscard]] Fault parse_decimal(std::string_view text, uint32_t precision, uint32_t scale,
                                  Wide& value);

}  // namespace sluice
