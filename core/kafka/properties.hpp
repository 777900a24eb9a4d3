// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

/// What librdkafka says about its own properties, for checking configuration without a broker.
namespace sluice::kafka {

/// Asks librdkafka whether it takes this key and value. Errc::config with librdkafka's reason and,
/// for an unknown key, the nearest known one; keys that sluice sets itself are refused by name.
[[nodiscard]] Result<void> check_property(const std::string& key, const std::string& value,
                                          bool allow_unsafe);

/// Whether the value of this property is a secret (passwords, keys, tokens): refused on argv,
/// never printed.
[[nodiscard]] bool is_secret_property(std::string_view key);

/// All property names the linked librdkafka knows, sorted, without aliases of removed ones.
[[nodiscard]] std::vector<std::string> property_names();

/// "librdkafka 2.0.2 [gzip snappy …]"
[[nodiscard]] std::string version_line();

}  // namespace sluice::kafka
