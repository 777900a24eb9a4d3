// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/config_value.hpp"
#include "cli/problem.hpp"
#include "cli/secret.hpp"
#include "core/base/clock.hpp"

namespace sluice::cli {

/// Reads one table of the configuration, strictly: every key must be asked for, every value must
/// have its type and its unit. What is wrong becomes a problem and leaves the setting as it was, so
/// that one pass finds everything.
///
/// Values that came from a flag or the environment are text and are read as such.
class TableReader {
 public:
  /// `path` as in "pipelines.orders"; empty for the whole configuration.
  TableReader(const ConfigValue& table, std::string path, Problems& problems);

  void text(std::string_view key, Setting<std::string>& out);
  void boolean(std::string_view key, Setting<bool>& out);
  void count(std::string_view key, uint64_t smallest, uint64_t largest, Setting<uint64_t>& out);
  void size(std::string_view key, uint64_t smallest, Setting<uint64_t>& out);
  void duration(std::string_view key, Setting<Milliseconds>& out);
  void text_list(std::string_view key, Setting<std::vector<std::string>>& out);
  void secret(std::string_view key, SecretReference& out);

  /// One of a closed set of words.
  template <class T>
  void choice(std::string_view key, const std::vector<std::pair<std::string, T>>& words,
              Setting<T>& out) {
    const ConfigValue* value = find(key);
    if (value == nullptr) return;
    std::vector<std::string> names;
    for (const auto& [name, meaning] : words) {
      if (value->kind == ConfigValue::Kind::text && value->text == name) {
        out = {meaning, value->origin};
        return;
      }
      names.push_back(name);
    }
    refuse_choice(key, *value, names);
  }

  /// The value of a key that the caller reads itself, or null. The key counts as known.
  [[nodiscard]] const ConfigValue* find(std::string_view key);
  /// The same, but a problem unless it is a table.
  [[nodiscard]] const ConfigValue* table(std::string_view key);
  /// A key of the design that this version does not have.
  void later(std::string_view key);
  /// A word that belongs to a later version.
  void later_word(std::string_view key, const std::vector<std::string>& words);
  /// Reports the keys nobody asked for. Call last.
  void finish();

  void problem(const ConfigValue& value, std::string_view key, std::string message,
               std::string hint = {});
  /// "pipelines.orders.topic", or the flag it came from.
  [[nodiscard]] std::string name_of(std::string_view key) const;

 private:
  [[nodiscard]] const std::string* as_text(std::string_view key, const ConfigValue& value);
  void refuse_choice(std::string_view key, const ConfigValue& value,
                     const std::vector<std::string>& names);
  template <class Parse>
  void number(std::string_view key, const char* what, std::string_view example, uint64_t smallest,
              uint64_t largest, const Parse& parse, Setting<uint64_t>& out);

  const ConfigValue& table_;
  std::string path_;
  Problems& problems_;
  std::set<std::string, std::less<>> known_;
  std::set<std::string, std::less<>> later_;    ///< known, but nothing to suggest
  std::set<std::string, std::less<>> refused_;  ///< already reported as of a later version
};

/// Reads a reference to a secret: exactly one of file, env, credential, command. `setting` names it
/// in messages. A secret written out is refused: it belongs in none of our files.
void read_secret(const ConfigValue& value, const std::string& setting, Problems& problems,
                 SecretReference& out);

}  // namespace sluice::cli
