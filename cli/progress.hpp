// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::cli {

enum class Phase : uint8_t { waiting, starting, running, done, stopped, failed };

/// Numbers of one running pipeline: written by its threads, read by whoever draws. Each is exact,
/// together they may be a moment apart.
struct LiveCounts {
  std::atomic<bool> endless{false};
  std::atomic<Phase> phase{Phase::waiting};
  std::atomic<uint64_t> read{0};
  std::atomic<uint64_t> rejected{0};
  std::atomic<uint64_t> open{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> target{0};
  std::atomic<uint64_t> passed{0};
  std::atomic<int64_t> batches_in_flight{0};
  std::atomic<int64_t> milliseconds{0};  ///< the run took, once it is over

  void take(const Observer::Progress& progress);
};

/// One pipeline as it is shown.
struct ProgressView {
  bool endless = false;  ///< nothing to be done with: target - passed is the lag
  std::string name;
  Phase phase = Phase::waiting;
  uint64_t read = 0;
  uint64_t target = 0;
  uint64_t passed = 0;
  uint64_t rejected = 0;
  double rows_per_second = 0;
  double bytes_per_second = 0;
  Milliseconds duration{0};

  [[nodiscard]] uint64_t percent() const;
  [[nodiscard]] uint64_t lag() const { return target > passed ? target - passed : 0; }
  /// Seconds to the end at the present rate; nothing while that is unknown.
  [[nodiscard]] std::optional<uint64_t> seconds_left() const;
};

/// How fast one pipeline is, from looks at its counters. Smoothed over about two seconds.
class RateMeter {
 public:
  /// Takes a look and fills in the rates of the view.
  void look(TimePoint now, const LiveCounts& counts, ProgressView& view);

 private:
  bool started_ = false;
  TimePoint time_{};
  uint64_t read_ = 0;
  uint64_t bytes_ = 0;
  double rows_ = 0;
  double byte_rate_ = 0;
};

struct BarStyle {
  size_t columns = 80;
  bool color = false;
  bool unicode = false;
};

/// "orders  ━━━━━━╸━━━  64%  8.31M/12.9M  412k rows/s  181 MB/s  ETA 11s"
[[nodiscard]] std::string bar_line(const ProgressView& view, size_t name_width,
                                   const BarStyle& style);

/// {"type":"progress","pipeline":…}, one line.
[[nodiscard]] std::string progress_json(const ProgressView& view);

}  // namespace sluice::cli
