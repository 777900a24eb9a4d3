// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/connections.hpp"
#include "cli/findings.hpp"
#include "cli/settings.hpp"
#include "core/base/clock.hpp"

namespace sluice::cli {

/// Whether a pipeline can be exactly-once, requirement by requirement (delivery.md section 4.5).
void check_exactly_once(const PipelineSettings& pipeline, const Connections& connections,
                        const Clock& clock, Findings& findings);

}  // namespace sluice::cli
