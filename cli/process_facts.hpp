// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

namespace sluice::cli {

/// What this process uses, as Prometheus' standard process metrics name it. What the system does
/// not tell is absent.
struct ProcessFacts {
  std::optional<double> cpu_seconds;
  std::optional<double> resident_bytes;
  std::optional<double> open_fds;
  std::optional<double> max_fds;
  std::optional<double> start_time_seconds;  ///< unix time
};

[[nodiscard]] ProcessFacts process_facts();

}  // namespace sluice::cli
