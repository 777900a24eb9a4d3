// SPDX-License-Identifier: Apache-2.0
#include "cli/config_keys.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sluice::cli
