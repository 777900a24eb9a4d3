// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::kafka {

/// One line of librdkafka's own table of properties.
struct PropertyInfo {
  std::string name;
  bool for_consumer = true;
  bool for_producer = true;
  bool no_longer_used = false;  ///< accepted and without effect
};

/// Every text property of the linked librdkafka, sorted by name, each name once. Read once and
/// kept.
[[nodiscard]] const std::vector<PropertyInfo>& property_table();

/// The entry of `name`, or null.
[[nodiscard]] const PropertyInfo* find_property(std::string_view name);

/// Reads what rd_kafka_conf_properties_show() prints: "name | C/P/* | range | default | … | text".
[[nodiscard]] std::vector<PropertyInfo> parse_property_table(std::string_view text);

}  // namespace sluice::kafka
