// SPDX-License-Identifier: Apache-2.0
#include "cli/config_value.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "cli/problem.hpp"
#include "core/base/check.hpp"

namespace sluice::cli {
namespace {

/// Keys of one table of which only one may be given.
constexpr std::array<std::array<std::string_view, 4>, 3> exclusive_groups{{
    {"file", "env", "credential", "command"},
    {"topic", "file", "", ""},
    {"url", "urls", "", ""},
}};

bool contains(const std::array<std::string_view, 4>& group, std::string_view key) {
  return std::find(group.begin(), group.end(), key) != group.end();
}

/// The group that rules the table at `key` (a secret reference, reject, a server), or null.
const std::array<std::string_view, 4>* group_of(std::string_view key) {
  if (is_secret_name(key)) return &exclusive_groups[0];
  if (key == "reject") return &exclusive_groups[1];
  if (key == "clickhouse") return &exclusive_groups[2];
  return nullptr;
}

void drop_excluded(ConfigValue& below, const ConfigValue& above, std::string_view table_key) {
  const auto* rules = group_of(table_key);
  if (rules == nullptr) return;
  const auto& group = *rules;
  const bool chosen = std::any_of(above.entries.begin(), above.entries.end(),
                                  [&](const ConfigEntry& e) { return contains(group, e.key); });
  if (!chosen) return;
  for (const std::string_view key : group) {
    if (!key.empty()) below.erase(key);
  }
}

void merge_table(ConfigValue& below, const ConfigValue& above, std::string_view key) {
  drop_excluded(below, above, key);
  for (const ConfigEntry& entry : above.entries) {
    ConfigEntry* existing = below.find(entry.key);
    if (existing == nullptr) {
      below.entries.push_back(entry);
      continue;
    }
    const bool both_tables = existing->value.kind == ConfigValue::Kind::table &&
                             entry.value.kind == ConfigValue::Kind::table;
    existing->origin = entry.origin;
    if (both_tables) {
      merge_table(existing->value, entry.value, entry.key);
      existing->value.origin = entry.value.origin;
    } else {
      existing->value = entry.value;
    }
  }
}

}  // namespace

ConfigValue ConfigValue::make_text(std::string text, Origin origin) {
  ConfigValue value;
  value.kind = Kind::text;
  value.text = std::move(text);
  value.origin = std::move(origin);
  return value;
}

ConfigValue ConfigValue::make_table(Origin origin) {
  ConfigValue value;
  value.origin = std::move(origin);
  return value;
}

const ConfigEntry* ConfigValue::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const ConfigEntry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

ConfigEntry* ConfigValue::find(std::string_view key) {
  return const_cast<ConfigEntry*>(std::as_const(*this).find(key));
}

void ConfigValue::erase(std::string_view key) {
  std::erase_if(entries, [&](const ConfigEntry& entry) { return entry.key == key; });
}

std::string_view ConfigValue::kind_name() const {
  switch (kind) {
    case Kind::boolean:
      return "a boolean";
    case Kind::integer:
      return "an integer";
    case Kind::number:
      return "a number";
    case Kind::text:
      return "a string";
    case Kind::array:
      return "an array";
    case Kind::table:
      return "a table";
  }
  return "a value";
}

void merge(ConfigValue& below, const ConfigValue& above) { merge_table(below, above, ""); }

void set_path(ConfigValue& root, const std::vector<std::string>& path, ConfigValue value) {
  CHECK(!path.empty());
  ConfigValue layer = ConfigValue::make_table(value.origin);
  ConfigValue* table = &layer;
  for (size_t index = 0; index + 1 < path.size(); ++index) {
    table->entries.push_back({path[index], value.origin, ConfigValue::make_table(value.origin)});
    table = &table->entries.back().value;
  }
  const Origin origin = value.origin;
  table->entries.push_back({path.back(), origin, std::move(value)});
  merge(root, layer);
}

}  // namespace sluice::cli
