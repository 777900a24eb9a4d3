// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/settings.hpp"

/// Settings written back as a configuration. Secrets stay the references they are; the arguments of
/// a command that fetches one are left out.
namespace sluice::cli {

struct EffectiveOptions {
  bool origins = false;  ///< each line says in a comment where its value comes from
  bool defaults = true;  ///< also what nobody has set
};

/// [kafka] and [clickhouse].
[[nodiscard]] std::string connections_toml(const Settings& settings,
                                           const EffectiveOptions& options);

/// The whole configuration of the chosen pipelines, as `sluice check --show` prints it.
[[nodiscard]] std::string effective_toml(const Settings& settings, const EffectiveOptions& options);

/// A string as TOML writes it.
[[nodiscard]] std::string toml_text(std::string_view text);

}  // namespace sluice::cli
