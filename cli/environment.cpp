// SPDX-License-Identifier: Apache-2.0
#include "cli/environment.hpp"

#include <unistd.h>

#include <utility>

namespace sluice::cli {

Environment::Environment(std::map<std::string, std::string> variables)
    : variables_(std::move(variables)) {
  std::erase_if(variables_, [](const auto& variable) { return variable.second.empty(); });
}

Environment Environment::of_process() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return Environment(std::move(variables));
}

std::optional<std::string> Environment::get(std::string_view name) const {
  const auto found = variables_.find(std::string(name));
  if (found == variables_.end()) return std::nullopt;
  return found->second;
}

std::string flag_variable(std::string_view flag) {
  std::string name = "SLUICE_";
  for (const char character : flag) {
    const bool letter = character >= 'a' && character <= 'z';
    name += character == '-' ? '_' : letter ? static_cast<char>(character - 'a' + 'A') : character;
  }
  return name;
}

}  // namespace sluice::cli
