// SPDX-License-Identifier: Apache-2.0
#include "cli/suggest.hpp"

#include <fmt/format.h>

#include "core/base/text.hpp"

namespace sluice::cli {

std::string nearest(std::string_view typed, const std::vector<std::string>& known) {
  const std::vector<std::string> names = nearest_names(typed, known, 1);
  return names.empty() ? std::string() : names.front();
}

std::string did_you_mean(std::string_view typed, const std::vector<std::string>& known) {
  const std::string word = nearest(typed, known);
  return word.empty() ? std::string() : fmt::format("did you mean '{}'?", word);
}

}  // namespace sluice::cli
