// SPDX-License-Identifier: Apache-2.0
#include "core/decode/field_names.hpp"

#include <utility>

namespace sluice {

size_t UnknownFieldNames::number_of(std::string_view name) {
  const auto known = numbers_.find(name);
  if (known != numbers_.end()) return known->second;
  const size_t number = numbers_.size();
  if (number == names_max) return names_max;
  new_.emplace_back(name);
  numbers_.emplace(name, number);
  return number;
}

void UnknownFieldNames::keep(std::string_view key, std::string_view value) {
  if (!text_.empty()) text_ += ',';
  text_.append(key).append(":").append(value);
}

std::vector<std::string> UnknownFieldNames::take_new() { return std::exchange(new_, {}); }

}  // namespace sluice
