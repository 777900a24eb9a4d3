// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "core/base/clock.hpp"

namespace sluice {

/// What one attempt of an INSERT means for the next step (delivery.md section 2).
enum class AttemptClass : uint8_t {
  success,
  retry,           ///< try again, same bytes and token
  retry_slow,      ///< the server is overloaded: wait at least a second, up to a minute
  retry_briefly,   ///< may heal by itself within 30 s (table missing during DDL), then fatal
  resend,          ///< the body arrived cut: the same bytes once or twice more, then `isolate`
  isolate,         ///< the data of a row is refused: find the row
  split,           ///< too large or too many partitions: smaller inserts
  refresh_schema,  ///< columns are not those we know: look again, once
  fatal,           ///< only a person can help
};

/// One attempt of an INSERT, classified.
struct Attempt {
  AttemptClass kind = AttemptClass::success;
  bool ambiguous = false;       ///< may have landed, or may still
  Milliseconds retry_after{0};  ///< the server's own wish, 0 when it has none
  uint32_t times = 1;           ///< `resend`: how often; `retry_briefly`: so many brief_max
};

struct RetryOptions {
  Milliseconds base{100};
  Milliseconds cap{30'000};
  Milliseconds slow_base{1'000};
  Milliseconds slow_cap{60'000};
  Milliseconds brief_max{30'000};
  Milliseconds time_max{300'000};  ///< --retry-max-time; 0: for ever
};

/// Decides, attempt by attempt, what follows for one INSERT. Full jitter, exponential.
///
/// The last wait is cut short so that one attempt is still made when time_max ends; after it comes
/// give_up. Pure: time and randomness are handed in. One object per INSERT; not thread-safe.
class Retry {
 public:
  enum class Next : uint8_t { done, again, isolate, split, refresh_schema, give_up, fatal };
  struct Decision {
    Next next = Next::done;
    Milliseconds wait{0};  ///< before `again`
  };

  Retry(const RetryOptions& options, TimePoint started, uint64_t seed);

  /// What to do after `attempt` ended at `now`.
  [[nodiscard]] Decision after(const Attempt& attempt, TimePoint now);
  [[nodiscard]] uint32_t attempts() const { return attempts_; }
  /// Whether any attempt so far may have landed.
  [[nodiscard]] bool ambiguous() const { return ambiguous_; }

 private:
  Decision again(Milliseconds wait, TimePoint now) const;
  Decision again_briefly(uint32_t times, TimePoint now);
  Milliseconds backoff(Milliseconds base, Milliseconds cap);

  RetryOptions options_;
  TimePoint started_;
  std::minstd_rand random_;
  uint32_t attempts_ = 0;
  uint32_t failures_ = 0;  ///< of the retried classes, drives the exponent
  uint32_t cut_bodies_ = 0;
  std::optional<TimePoint> brief_since_;  ///< first of the latest run of retry_briefly
  bool ambiguous_ = false;
};

}  // namespace sluice
