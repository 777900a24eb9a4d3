// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/clickhouse/sink.hpp"

namespace sluice::clickhouse {

/// How far the server's clock is ahead of ours, to about half the time a question takes.
[[nodiscard]] Result<Milliseconds> clock_ahead(const ServerOptions& server, const Clock& clock);

}  // namespace sluice::clickhouse
