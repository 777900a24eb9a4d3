// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "cli/connections.hpp"
#include "cli/settings.hpp"
#include "cli/status.hpp"

namespace sluice::cli {

/// A look at every pipeline by way of Kafka and ClickHouse.
struct StatusLook {
  Status status;
  /// A thread still waits for somebody who does not answer: end the process without it.
  bool unfinished = false;
};

/// Looks at all pipelines at once, joins no group, and returns within `timeout` and half a second
/// whatever does not answer; what is not known by then is absent.
[[nodiscard]] StatusLook look_at_pipelines(std::shared_ptr<const Settings> settings,
                                           std::shared_ptr<const Connections> connections,
                                           Milliseconds timeout);

}  // namespace sluice::cli
