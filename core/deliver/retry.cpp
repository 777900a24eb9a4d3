// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/retry.hpp"

#include <algorithm>

namespace sluice {
namespace {

// Zero is a fixed point of the generator.
std::minstd_rand::result_type usable_seed(uint64_t seed) {
  const auto folded = static_cast<std::minstd_rand::result_type>(seed ^ (seed >> 32U));
  return folded == 0 ? 1 : folded;
}

Milliseconds elapsed(TimePoint since, TimePoint now) {
  return std::chrono::duration_cast<Milliseconds>(now - since);
}

}  // namespace

Retry::Retry(const RetryOptions& options, TimePoint started, uint64_t seed)
    : options_(options), started_(started), random_(usable_seed(seed)) {}

Retry::Decision Retry::after(const Attempt& attempt, TimePoint now) {
  ++attempts_;
  if (attempt.kind != AttemptClass::success && attempt.ambiguous) ambiguous_ = true;
  if (attempt.kind != AttemptClass::retry_briefly) brief_since_.reset();
  // A wish for an hour would look like a hang; whoever asks again too early is told so again.
  const Milliseconds wish = std::min(attempt.retry_after, options_.slow_cap);
  switch (attempt.kind) {
    case AttemptClass::success:
      return {Next::done, {}};
    case AttemptClass::retry:
      return again(std::max(backoff(options_.base, options_.cap), wish), now);
    case AttemptClass::retry_slow: {
      const Milliseconds wait = backoff(options_.slow_base, options_.slow_cap);
      return again(std::max({wait, options_.slow_base, wish}), now);
    }
    case AttemptClass::retry_briefly:
      return again_briefly(attempt.times, now);
    case AttemptClass::resend:
      if (++cut_bodies_ > attempt.times) return {Next::isolate, {}};
      return again(backoff(options_.base, options_.cap), now);
    case AttemptClass::isolate:
      return {Next::isolate, {}};
    case AttemptClass::split:
      return {Next::split, {}};
    case AttemptClass::refresh_schema:
      return {Next::refresh_schema, {}};
    case AttemptClass::fatal:
      return {Next::fatal, {}};
  }
  return {Next::fatal, {}};
}

Retry::Decision Retry::again(Milliseconds wait, TimePoint now) const {
  if (options_.time_max.count() == 0) return {Next::again, wait};
  const Milliseconds left = options_.time_max - elapsed(started_, now);
  if (left.count() <= 0) return {Next::give_up, {}};
  return {Next::again, std::min(wait, left)};
}

Retry::Decision Retry::again_briefly(uint32_t times, TimePoint now) {
  if (!brief_since_) brief_since_ = now;
  const Milliseconds left = options_.brief_max * times - elapsed(*brief_since_, now);
  if (left.count() <= 0) return {Next::fatal, {}};
  return again(std::min(backoff(options_.base, options_.cap), left), now);
}

Milliseconds Retry::backoff(Milliseconds base, Milliseconds cap) {
  constexpr uint32_t doublings_max = 20;
  const int64_t factor = int64_t{1} << std::min(failures_, doublings_max);
  const int64_t most = std::max<int64_t>(1, std::min(cap.count(), base.count() * factor));
  ++failures_;
  // Full jitter may draw nearly nothing: a small floor keeps a refused connection from spinning.
  const int64_t least = std::min(most, base.count() / 10);
  return Milliseconds(std::uniform_int_distribution<int64_t>(least, most)(random_));
}

}  // namespace sluice
