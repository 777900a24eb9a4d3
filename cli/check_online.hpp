// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/connections.hpp"
#include "cli/findings.hpp"
#include "cli/settings.hpp"
#include "core/base/clock.hpp"
#include "core/model/table.hpp"

/// What `sluice check --online` asks Kafka and ClickHouse, beside how rows go into the tables.
namespace sluice::cli {

/// The newest values of a pipeline's topic; finds out on the way whether the topic is there and may
/// be read, and whether the group may be asked. Nothing is joined and nothing committed.
[[nodiscard]] std::vector<std::string> check_topic(const PipelineSettings& pipeline,
                                                   const Connections& connections,
                                                   Findings& findings);

/// Whether those values would become rows.
void check_sample(const PipelineSettings& pipeline, const Table& table,
                  const std::vector<std::string>& values, Findings& findings);

/// Whether a repeat of an INSERT whose answer was lost is dropped.
void check_repeats(const PipelineSettings& pipeline, const Table& table, Findings& findings);

/// Whether the server's clock goes with ours.
void check_clock(const Connections& connections, const Clock& clock, Findings& findings);

}  // namespace sluice::cli
