// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/gate.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace sluice::clickhouse {

Gate::Gate(unsigned senders, const Clock& clock)
    : senders_(senders), clock_(clock), limit_(senders) {}

bool Gate::enter(TimePoint not_before, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const TimePoint opens = std::max(not_before, closed_until_);
    const TimePoint now = clock_.now();
    if (now >= opens && active_ < limit_) {
      ++active_;
      return true;
    }
    const auto is_changed = [this, seen = changes_] { return changes_ != seen; };
    if (active_ >= limit_) {
      changed_.wait(lock, stop, is_changed);
    } else {
      changed_.wait_for(lock, stop, opens - now, is_changed);
    }
  }
  return false;
}

void Gate::leave(Health health, Milliseconds wait) {
  {
    const std::lock_guard lock(mutex_);
    CHECK(active_ > 0);
    --active_;
    ++changes_;
    if (health == Health::good) {
      careful_ = careful_ && limit_ + 1 < senders_;
      limit_ = careful_ ? limit_ + 1 : senders_;
      closed_until_ = TimePoint{};
    } else {
      careful_ = careful_ || health == Health::overloaded;
      limit_ = 1;
      closed_until_ = std::max(closed_until_, clock_.now() + wait);
    }
  }
  changed_.notify_all();
}

}  // namespace sluice::clickhouse
