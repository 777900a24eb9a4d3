// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sluice {

/// The names of fields that no column is named after. Only the first 100 are kept.
class UnknownFieldNames {
 public:
  static constexpr size_t names_max = 100;

  /// The number of the name, below names_max; names_max where it is none of those kept.
  size_t number_of(std::string_view name);
  /// Names that are new since the last call.
  [[nodiscard]] std::vector<std::string> take_new();

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };

  std::unordered_map<std::string, size_t, Hash, std::equal_to<>> numbers_;
  std::vector<std::string> new_;
};

}  // namespace sluice
