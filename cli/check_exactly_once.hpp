// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/connections.hpp"
#include "cli/findings.hpp"
#include "cli/settings.hpp"
#include "core/base/clock.hpp"
#include "core/model/requirement.hpp"

namespace sluice::cli {

/// What exactly-once depends on (delivery.md section 4.5), requirement by requirement.
struct Preflight {
  std::vector<Requirement> requirements;
  Milliseconds safe_age{0};  ///< ExactlyOnce::safe_age
  bool provenance = false;   ///< ExactlyOnce::provenance
};

/// Looks at the table and its servers, at the topic and the group. Changes nothing but a group of
/// its own, which it removes.
[[nodiscard]] Result<Preflight> preflight_exactly_once(const PipelineSettings& pipeline,
                                                       const Connections& connections,
                                                       const Clock& clock);

/// For a run: what the preflight found, or Errc::config with what is not met and how to mend it.
[[nodiscard]] Result<ExactlyOnce> require_exactly_once(const PipelineSettings& pipeline,
                                                       const Connections& connections,
                                                       const Clock& clock);

/// Whether a pipeline can be exactly-once, requirement by requirement (delivery.md section 4.5).
void check_exactly_once(const PipelineSettings& pipeline, const Connections& connections,
                        const Clock& clock, Findings& findings);

}  // namespace sluice::cli
