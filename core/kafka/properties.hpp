// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
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

/// What an error of librdkafka or of a broker is taken for.
struct ErrorSignal {
  std::string name;  ///< "NOT_LEADER_FOR_PARTITION"; those of the library begin with "_"
  enum class Meaning : uint8_t {
    waits,    ///< passes by itself
    refused,  ///< credentials or a grant: ends the run
    missing,  ///< a topic or partition that is not there: asked again, then it ends the run
    fenced,   ///< of a commit: the partition is no longer ours
    fatal,    ///< of a commit: ends the run
  } meaning = Meaning::waits;
};
/// Every error that has a meaning of its own, as errors.hpp decides it.
[[nodiscard]] std::vector<ErrorSignal> error_signals();

/// "librdkafka 2.0.2 [gzip snappy …]"
[[nodiscard]] std::string version_line();

/// Errc::config where this security.protocol would send credentials to another machine in plain
/// text, unless that is allowed.
[[nodiscard]] Result<void> check_plaintext(std::string_view protocol, const std::string& brokers,
                                           bool allowed);

}  // namespace sluice::kafka
