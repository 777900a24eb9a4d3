// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace sluice {

using Milliseconds = std::chrono::milliseconds;
/// Monotonic point in time.
using TimePoint = std::chrono::steady_clock::time_point;
/// Wall-clock point in time, milliseconds precise, UTC.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Milliseconds>;

/// All time in core comes from here, so that tests can script it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

/// The machine's clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] WallTime wall() const override {
    return std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
  }
};

}  // namespace sluice
