// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace sluice::cli {

/// Where a setting's value was written. The kinds stand in order of precedence.
struct Origin {
  enum class Kind : uint8_t { built_in, file, environment, flag };
  Kind kind = Kind::built_in;
  std::string name;     ///< "sluice.toml", "SLUICE_BROKERS", "--brokers"
  uint32_t line = 0;    ///< of `file`, from 1; 0 when unknown
  uint32_t column = 0;  ///< of `file`, from 1
  uint32_t width = 0;   ///< columns it takes, 0 when unknown

  /// "sluice.toml:14:1", "SLUICE_BROKERS", "--brokers", "default"
  [[nodiscard]] std::string describe() const;
  /// "sluice.toml:14": enough to find it, for messages about something else.
  [[nodiscard]] std::string place() const;

  bool operator==(const Origin&) const = default;
  static Origin flag(std::string name) { return {Kind::flag, std::move(name), 0, 0, 0}; }
  static Origin environment(std::string name) {
    return {Kind::environment, std::move(name), 0, 0, 0};
  }
};

/// A value and where it came from.
template <class T>
struct Setting {
  T value{};
  Origin origin{};
  bool operator==(const Setting& other) const { return value == other.value; }
};

}  // namespace sluice::cli
