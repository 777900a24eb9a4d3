// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/status.hpp"

namespace sluice::cli {

/// Asks a running tail (or sync) for its /status: `where` is http[s]://host:port, host:port,
/// unix:/path or a path. `names` are names or globs of pipelines; none means all. What such a
/// process does not know (the group's members, 24 hours of rejects) is absent.
///
/// Returns within `timeout` and half a second. Errc::usage for an address that is none or a name
/// that the process does not have, Errc::unavailable when nobody answers like one.
[[nodiscard]] Result<Status> ask_running(const std::string& where,
                                         const std::vector<std::string>& names,
                                         Milliseconds timeout);

/// What the document says. `before` is one of a moment earlier, for the rate. Pure.
[[nodiscard]] Result<Status> status_of_running(const std::string& before, const std::string& now);

}  // namespace sluice::cli
