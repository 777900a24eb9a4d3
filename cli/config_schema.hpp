// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace sluice::cli {

/// A JSON Schema (draft 7) of the configuration, for editors: every key of all_config_keys() with
/// its type and meaning. The generated file is checked in as man/share/schema/sluice.schema.json.
[[nodiscard]] std::string config_schema();

}  // namespace sluice::cli
