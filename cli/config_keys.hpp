// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace sluice::cli {

/// What a key takes; the JSON Schema says it to editors.
enum class ConfigType {
  text,
  word,  ///< one of those in ConfigKey::value: "a | b"
  boolean,
  integer,
  count,           ///< 250_000 or "250k"
  size,            ///< bytes, or "64MiB"
  duration,        ///< "1s"
  texts,           ///< an array of strings, or one string with commas
  secret,          ///< a reference to a secret
  values,          ///< a table of plain values
  properties,      ///< the same, and tables: dotted names, references to secrets
  texts_by_name,   ///< a table of strings
  unknown_fields,  ///< a word, or { into = COLUMN }
};

/// One key of the configuration, as the manual and `sluice help config` describe it. That these are
/// the keys that are read is held by tests/unit/cli/config_keys_test.cpp.
struct ConfigKey {
  std::string_view table;  ///< "kafka.security"; empty: the top level
  std::string_view key;    ///< "protocol"
  ConfigType type;
  std::string_view value;     ///< TOML of an example, or words to choose from: "a | b"
  std::string_view fallback;  ///< what holds without the key; may be empty
  std::string_view help;
};

/// Every key, in the order of the manual.
[[nodiscard]] std::span<const ConfigKey> all_config_keys();

}  // namespace sluice::cli
