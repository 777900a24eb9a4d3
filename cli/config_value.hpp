// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/origin.hpp"

namespace sluice::cli {

struct ConfigEntry;

/// One value of the configuration, whatever it was written in (TOML, JSON, environment, a flag),
/// with its origin. Tables keep the order in which their keys were first written.
struct ConfigValue {
  enum class Kind : uint8_t { boolean, integer, number, text, array, table };

  Kind kind = Kind::table;
  Origin origin;
  bool boolean = false;
  int64_t integer = 0;
  double number = 0;
  std::string text;
  std::vector<ConfigValue> items;
  std::vector<ConfigEntry> entries;

  static ConfigValue make_text(std::string text, Origin origin);
  static ConfigValue make_table(Origin origin);

  /// The entry of a table, or null.
  [[nodiscard]] const ConfigEntry* find(std::string_view key) const;
  [[nodiscard]] ConfigEntry* find(std::string_view key);
  void erase(std::string_view key);
  /// "a string", "an integer", …: for error messages.
  [[nodiscard]] std::string_view kind_name() const;
};

struct ConfigEntry {
  std::string key;
  Origin origin;  ///< of the key itself
  ConfigValue value;
};

/// Lays `above` over `below`, key by key; arrays and plain values are replaced whole. Keys that
/// exclude each other (the kinds of a secret reference, topic and file of `reject`, url and urls)
/// are replaced together, so that the later one wins instead of contradicting the earlier.
void merge(ConfigValue& below, const ConfigValue& above);

/// Sets the value at a path of tables, made where missing: {"kafka", "brokers"}.
void set_path(ConfigValue& root, const std::vector<std::string>& path, ConfigValue value);

}  // namespace sluice::cli
