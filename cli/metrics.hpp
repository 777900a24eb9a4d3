// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <atomic>
#include <string>
#include <vector>

#include "cli/health.hpp"

namespace sluice::cli {

/// The configuration as it was read last: at the start, then at every reload.
struct Reloads {
  std::atomic<bool> successful{true};
  std::atomic<int64_t> success_ms{0};  ///< unix milliseconds
};

/// Everything that /metrics shows, in the names of cli.md section 9. Nothing is kept here: each
/// scrape asks the meters. A value that is not known has no sample. Thread-safe.
class Metrics final : public prometheus::Collectable {
 public:
  /// Both outlive it. `memory_max` is --memory.
  Metrics(const Health& health, const Reloads& reloads, uint64_t memory_max)
      : health_(health), reloads_(reloads), memory_max_(memory_max) {}

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
  /// Prometheus' text format, version 0.0.4.
  [[nodiscard]] std::string text() const;

 private:
  const Health& health_;
  const Reloads& reloads_;
  const uint64_t memory_max_;
};

}  // namespace sluice::cli
