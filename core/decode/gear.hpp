// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "core/decode/decoder.hpp"

namespace sluice {

/// Which gear a JSON decoder uses. `fast` alone refuses what the fast gear does not take, with an
/// error that means nothing: it and `slow` are for tests and measurements.
enum class Gear : uint8_t { both, slow, fast };

[[nodiscard]] std::unique_ptr<Decoder> make_json_decoder(const BlockSchema& schema,
                                                         const DecodeOptions& options,
                                                         const ColumnLayout& layout,
                                                         const std::string& topic, Gear gear);
/// Every column by its name.
[[nodiscard]] std::unique_ptr<Decoder> make_json_decoder(const BlockSchema& schema,
                                                         const DecodeOptions& options, Gear gear);
[[nodiscard]] std::unique_ptr<Decoder> make_raw_decoder(const BlockSchema& schema,
                                                        const ColumnLayout& layout,
                                                        const std::string& topic);

}  // namespace sluice
