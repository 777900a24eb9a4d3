// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "core/decode/fault.hpp"

namespace sluice {

/// Reads a decimal number (or nan, inf, infinity in any case) and rounds it to the nearest float,
/// as ClickHouse's reader does; a number too small becomes 0. Stricter: a number too large is
/// out_of_range, where ClickHouse stores infinity.
[[nodiscard]] Fault parse_float(std::string_view text, double& value);
[[nodiscard]] Fault parse_float(std::string_view text, float& value);
/// BFloat16 as its bits: the nearest Float32 cut off, as ClickHouse does it.
[[nodiscard]] Fault parse_bfloat16(std::string_view text, uint16_t& bits);

}  // namespace sluice
