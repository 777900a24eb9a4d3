// SPDX-License-Identifier: Apache-2.0
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "cli/config_text.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr int depth_max = 256;

Origin origin_of(const std::string& name, const toml::source_region& region) {
  Origin origin{Origin::Kind::file, name, region.begin.line, region.begin.column, 0};
  const bool one_line = region.end.line == region.begin.line;
  if (one_line && region.end.column > region.begin.column) {
    origin.width = region.end.column - region.begin.column;
  }
  return origin;
}

/// Dates and times are taken as they are written: settings read times from text.
std::string text_of(const toml::node& node) {
  std::ostringstream out;
  if (const auto* date = node.as_date()) out << date->get();
  if (const auto* time = node.as_time()) out << time->get();
  if (const auto* both = node.as_date_time()) out << both->get();
  return out.str();
}

ConfigValue convert(const std::string& name, const toml::node& node);

ConfigValue convert_table(const std::string& name, const toml::table& table) {
  ConfigValue value = ConfigValue::make_table(origin_of(name, table.source()));
  for (const auto& [key, child] : table) {
    value.entries.push_back(
        {std::string(key.str()), origin_of(name, key.source()), convert(name, child)});
  }
  // toml++ sorts keys; people expect the order they wrote.
  std::stable_sort(value.entries.begin(), value.entries.end(),
                   [](const ConfigEntry& left, const ConfigEntry& right) {
                     return std::pair(left.origin.line, left.origin.column) <
                            std::pair(right.origin.line, right.origin.column);
                   });
  return value;
}

// Recursion is bounded: toml++ refuses values nested deeper than 256, too_deep() dotted keys.
ConfigValue convert(const std::string& name, const toml::node& node) {
  if (const auto* table = node.as_table()) return convert_table(name, *table);
  ConfigValue value;
  value.origin = origin_of(name, node.source());
  if (const auto* array = node.as_array()) {
    value.kind = ConfigValue::Kind::array;
    for (const toml::node& item : *array) value.items.push_back(convert(name, item));
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = ConfigValue::Kind::boolean;
    value.boolean = boolean->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = ConfigValue::Kind::integer;
    value.integer = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    value.kind = ConfigValue::Kind::number;
    value.number = number->get();
  } else {
    value.kind = ConfigValue::Kind::text;
    value.text = node.is_string() ? node.as_string()->get() : text_of(node);
  }
  return value;
}

/// Whether tables stand in tables for more than so many levels, as dotted keys can have it.
bool too_deep(const toml::node& node, int levels) {
  if (levels == 0) return true;
  if (const auto* table = node.as_table()) {
    for (const auto& [key, child] : *table) {
      if (too_deep(child, levels - 1)) return true;
    }
  }
  if (const auto* array = node.as_array()) {
    for (const toml::node& child : *array) {
      if (too_deep(child, levels - 1)) return true;
    }
  }
  return false;
}

/// toml++'s own words, without the "Error while parsing …:" that says nothing to an administrator.
std::string plain_reason(std::string_view description) {
  const size_t colon = description.find(": ");
  const bool preamble = description.rfind("Error while", 0) == 0 && colon != std::string_view::npos;
  return std::string(preamble ? description.substr(colon + 2) : description);
}

}  // namespace

std::optional<ConfigValue> parse_toml(const std::string& name, std::string_view text,
                                      Problems& problems) {
  problems.add_source(name, text);
  try {
    const toml::table parsed = toml::parse(text, name);
    if (!too_deep(parsed, depth_max)) return convert_table(name, parsed);
    problems.add(origin_of(name, {{1, 1}, {1, 1}, nullptr}),
                 "the configuration is nested too deeply");
  } catch (const toml::parse_error& error) {
    Origin origin = origin_of(name, error.source());
    if (problems.may_hold_secret(origin)) {
      problems.add(origin, "this is not valid TOML (the line is not shown: it may hold a secret)");
    } else {
      problems.add(origin, "this is not valid TOML: " + plain_reason(error.description()));
    }
  }
  return std::nullopt;
}

}  // namespace sluice::cli
