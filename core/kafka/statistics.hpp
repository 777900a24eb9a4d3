// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "core/kafka/source.hpp"

namespace sluice::kafka {

/// How often librdkafka tells, where somebody wants to know.
inline constexpr const char* statistics_interval_ms = "5000";

/// Takes what we show out of the JSON of librdkafka's statistics; nothing when it is none. Pure.
[[nodiscard]] std::optional<ClientStatistics> parse_statistics(std::string_view json);

}  // namespace sluice::kafka
