// SPDX-License-Identifier: Apache-2.0
#include "cli/config_keys.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "cli/settings.hpp"
#include "cli/text.hpp"
#include "folder.hpp"

namespace sluice::cli {
namespace {

using Keys = std::map<std::string, std::set<std::string>>;

/// Every key by its table, as the manual describes them: batch.rows of pipelines.NAME is rows of
/// pipelines.NAME.batch, and batch is a key of pipelines.NAME.
Keys documented() {
  Keys keys;
  for (const ConfigKey& key : all_config_keys()) {
    std::string table(key.table);
    const std::vector<std::string> parts = split(key.key, '.');
    if (!table.empty()) {
      const size_t dot = table.find('.');
      keys[""].insert(table.substr(0, dot));
      const bool nested = dot != std::string::npos && table != "pipelines.NAME";
      if (nested) keys[table.substr(0, dot)].insert(table.substr(dot + 1));
    }
    for (const std::string& part : parts) {
      keys[table].insert(part);
      table += (table.empty() ? "" : ".") + part;
    }
  }
  keys[""].insert("defaults");
  keys[""].insert("destinations");  // the keys of [clickhouse]
  return keys;
}

/// What ./sluice.toml, with one key that nobody knows, makes sluice say about those that there are.
std::set<std::string> known_keys() {
  Invocation invocation;
  invocation.command = "check";
  Problems problems;
  (void)read_settings(invocation, Environment{}, "etc", WallTime{}, problems);
  constexpr std::string_view prefix = "there are: ";
  for (const Problem& problem : problems.all()) {
    if (problem.hint.rfind(prefix, 0) != 0) continue;
    const auto words = split(problem.hint.substr(prefix.size()), ',');
    std::set<std::string> known;
    for (const std::string& word : words) known.emplace(trim(word));
    return known;
  }
  return {};
}

using ConfigKeys = InFolder;

TEST_F(ConfigKeys, TheManualDescribesExactlyTheKeysThatAreRead) {
  for (const auto& [table, keys] : documented()) {
    write("sluice.toml", (table.empty() ? "" : "[" + table + "]\n") +
                             std::string("zzzzzzzzzzzzzzzzzzzzzzz = 1\n"));
    EXPECT_EQ(keys, known_keys()) << "[" << table << "]: mend cli/config_keys.cpp";
  }
}

/// The example of the key, as TOML.
std::string good_value(const ConfigKey& key) {
  const bool words = key.type == ConfigType::word || key.type == ConfigType::boolean ||
                     key.type == ConfigType::unknown_fields;
  const std::string first(trim(split(key.value, '|').front()));
  if (!words) return std::string(key.value);
  return key.type == ConfigType::boolean ? first : "\"" + first + "\"";
}

/// One value of each kind that the type does not take.
std::vector<std::string> bad_values(ConfigType type) {
  using Type = ConfigType;
  const auto is_any = [type](std::initializer_list<Type> types) {
    return std::find(types.begin(), types.end(), type) != types.end();
  };
  std::vector<std::string> out{"0.5"};
  if (!is_any({Type::boolean})) out.emplace_back("true");
  if (!is_any({Type::integer, Type::count, Type::size})) out.emplace_back("1");
  if (!is_any({Type::texts})) out.emplace_back("[\"a\"]");
  if (!is_any({Type::text, Type::texts})) out.emplace_back("\"zzz\"");
  const bool table = is_any({Type::values, Type::properties, Type::texts_by_name});
  out.emplace_back(table ? "{ zzz = [1] }" : "{ zzz = 1 }");
  return out;
}

/// Problems with what stands in line 2.
std::string problems_of_line_2() {
  Invocation invocation;
  invocation.command = "check";
  Problems problems;
  (void)read_settings(invocation, Environment{}, "etc", WallTime{}, problems);
  std::string out;
  for (const Problem& problem : problems.all()) {
    if (problem.origin.line == 2) out += problem.message + "\n";
  }
  return out;
}

TEST_F(ConfigKeys, TheTypesAreThoseThatAreRead) {
  for (const ConfigKey& key : all_config_keys()) {
    const std::string table = key.table.empty() ? "" : "[" + std::string(key.table) + "]";
    const auto told_about = [&](const std::string& value) {
      write("sluice.toml",
            table + "\n" + std::string(key.key) + " = " + value + "\n[destinations.archive]\n");
      return problems_of_line_2();
    };
    EXPECT_EQ(told_about(good_value(key)), "") << key.table << "." << key.key;
    for (const std::string& value : bad_values(key.type)) {
      EXPECT_NE(told_about(value), "") << key.table << "." << key.key << " = " << value;
    }
  }
}

}  // namespace
}  // namespace sluice::cli
