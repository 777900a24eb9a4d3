// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/property_table.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "core/base/check.hpp"

namespace sluice::kafka {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

bool parse_line(std::string_view line, PropertyInfo& out) {
  const size_t first = line.find('|');
  if (first == std::string_view::npos) return false;
  const size_t second = line.find('|', first + 1);
  if (second == std::string_view::npos) return false;
  const std::string_view name = trimmed(line.substr(0, first));
  const std::string_view who = trimmed(line.substr(first + 1, second - first - 1));
  if (name.empty() || (who != "C" && who != "P" && who != "*")) return false;
  // Callbacks and pointers, which text cannot set.
  if (line.find("see dedicated API") != std::string_view::npos) return false;
  out.name = name;
  out.for_consumer = who != "P";
  out.for_producer = who != "C";
  out.no_longer_used = line.find("No longer used") != std::string_view::npos;
  return true;
}

// The library prints its table to a FILE and offers no other way to it.
std::string shown_by_library() {
  char* text = nullptr;
  size_t size = 0;
  FILE* file = open_memstream(&text, &size);
  CHECK(file != nullptr);
  rd_kafka_conf_properties_show(file);
  CHECK(std::fclose(file) == 0);
  const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
  return std::string(text, size);
}

}  // namespace

std::vector<PropertyInfo> parse_property_table(std::string_view text) {
  std::vector<PropertyInfo> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    PropertyInfo property;
    if (parse_line(text.substr(0, end), property)) out.push_back(std::move(property));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto by_name = [](const PropertyInfo& a, const PropertyInfo& b) { return a.name < b.name; };
  std::stable_sort(out.begin(), out.end(), by_name);
  // A name of both tables (client and topic) keeps its first line, the client's.
  const auto same = [](const PropertyInfo& a, const PropertyInfo& b) { return a.name == b.name; };
  out.erase(std::unique(out.begin(), out.end(), same), out.end());
  return out;
}

const std::vector<PropertyInfo>& property_table() {
  static const std::vector<PropertyInfo> table = parse_property_table(shown_by_library());
  return table;
}

const PropertyInfo* find_property(std::string_view name) {
  const std::vector<PropertyInfo>& table = property_table();
  const auto at = std::find_if(table.begin(), table.end(),
                               [&](const PropertyInfo& property) { return property.name == name; });
  return at == table.end() ? nullptr : &*at;
}

}  // namespace sluice::kafka
