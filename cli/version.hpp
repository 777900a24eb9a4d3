// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace sluice::cli {

/// "0.1.0"
[[nodiscard]] std::string_view version_number();
/// "a1b2c3d", or "unknown".
[[nodiscard]] std::string_view version_revision();
/// "2.0.2", "7.88.1": of the libraries this process runs with.
[[nodiscard]] std::string kafka_library_version();
[[nodiscard]] std::string curl_library_version();
/// The lines of --version.
[[nodiscard]] std::string version_text();
/// The same for -o json.
[[nodiscard]] nlohmann::ordered_json version_json();

}  // namespace sluice::cli
