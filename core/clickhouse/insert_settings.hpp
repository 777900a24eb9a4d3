// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

/// The settings that go with every INSERT: delivery.md section 4.4. Pure.
namespace sluice::clickhouse {

/// A setting as the server shows it to our user (system.settings).
struct ServerSetting {
  std::string value;
  bool readonly = false;  ///< this user may not change it
};
using ServerSettings = std::map<std::string, ServerSetting>;

/// Errc::config when a setting of the user's is not one (its name is no name, it is a parameter of
/// the HTTP interface) or is one that delivery depends on.
[[nodiscard]] Result<void> check_user_settings(const std::map<std::string, std::string>& settings);

/// "'a', 'b', …": the settings sluice would like to send, for WHERE name IN (…).
[[nodiscard]] std::string wanted_settings_list();

/// Those of them that this user may not set to what delivery needs.
[[nodiscard]] std::vector<std::string> settings_out_of_reach(const ServerSettings& server);

/// The part of the URL's query that is the same for all INSERTs: ours, as far as the server has
/// them and they are not fixed to the wanted value already, then the user's. Ends with "&".
[[nodiscard]] std::string fixed_parameters(const ServerSettings& server,
                                           const std::map<std::string, std::string>& user_settings);

}  // namespace sluice::clickhouse
