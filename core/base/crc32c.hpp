// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice {

/// CRC-32C (Castagnoli) of the bytes; `before` is the CRC of what stands in front of them. With the
/// processor's instruction where there is one.
[[nodiscard]] uint32_t crc32c(std::string_view bytes, uint32_t before = 0);

}  // namespace sluice
