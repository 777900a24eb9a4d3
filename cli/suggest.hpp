// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::cli {

/// The known word nearest to what was typed, or nothing when none is near enough to be meant, see
/// nearest_names().
[[nodiscard]] std::string nearest(std::string_view typed, const std::vector<std::string>& known);

/// "did you mean 'batch'?", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view typed,
                                       const std::vector<std::string>& known);

}  // namespace sluice::cli
