// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include "core/base/clock.hpp"

namespace sluice::clickhouse {

/// How one attempt found the server.
enum class Health : uint8_t {
  good,        ///< it answered what it means, also when it refused the rows
  failing,     ///< it is away, or cannot write now
  overloaded,  ///< it has too much to do
};

/// Decides when the senders may send, all of them together.
///
///   good        everybody
///   failing     one trial at a time, after the wait of who failed last; good again: everybody
///   overloaded  the same; good again: one more sender with every success
///
/// Thread-safe.
class Gate {
 public:
  Gate(unsigned senders, const Clock& clock);

  /// Waits for the right to send one attempt, at least until `not_before`; false once `stop` was
  /// asked for. After true comes exactly one leave().
  [[nodiscard]] bool enter(TimePoint not_before, const std::stop_token& stop);
  /// The attempt is over; unless it was good, nobody starts one for `wait`.
  void leave(Health health, Milliseconds wait);

 private:
  const unsigned senders_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  uint64_t changes_ = 0;  ///< how often leave() was called
  unsigned active_ = 0;
  unsigned limit_;
  bool careful_ = false;  ///< the limit grows one by one
  TimePoint closed_until_{};
};

}  // namespace sluice::clickhouse
