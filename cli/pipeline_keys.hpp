// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "cli/config_value.hpp"
#include "cli/problem.hpp"
#include "cli/settings.hpp"

namespace sluice::cli {

/// Whether Kafka takes it for a topic; pipelines are named by the same rule.
[[nodiscard]] bool is_topic_name(std::string_view name);

/// Reads every key of one pipeline's table, or of [defaults]; `path` names the table.
void read_pipeline_keys(const ConfigValue& table, const std::string& path, WallTime now,
                        PipelineSettings& out, Problems& problems);

/// Fills in what was left out (group, database), replaces placeholders, and checks what must hold
/// between the keys of one pipeline.
void complete_pipeline(const std::string& database, PipelineSettings& out, Problems& problems);

}  // namespace sluice::cli
