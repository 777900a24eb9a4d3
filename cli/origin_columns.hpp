// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/connections.hpp"
#include "cli/settings.hpp"
#include "core/base/clock.hpp"
#include "core/clickhouse/range_rows.hpp"

namespace sluice::cli {

/// The columns of the pipeline's table that tell where a row came from: _topic, _partition and
/// _offset, unless the pipeline fills these with something else or others with these.
[[nodiscard]] Result<clickhouse::OriginColumns> origin_columns_of(
    const PipelineSettings& pipeline, const clickhouse::ServerOptions& server, const Clock& clock);

/// Whether the pipeline leaves it to those three names.
[[nodiscard]] bool names_tell_origin(const PipelineSettings& pipeline);

}  // namespace sluice::cli
