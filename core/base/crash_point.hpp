// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <atomic>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

/// Places where tests let the process die, as kill -9 would: what is promised after a crash is
/// tested at each of them (SLUICE_CRASH_AT=NAME or NAME:COUNT, read by main). Costs a comparison.
class CrashPoints {
 public:
  static CrashPoints& instance() {
    static CrashPoints points;
    return points;
  }
  /// Dies when `name` is passed for the count-th time.
  void arm(std::string name, int count) {
    left_ = count;
    name_ = std::move(name);
  }
  void pass(std::string_view name) {
    constexpr int like_kill_9 = 137;
    if (!name_.empty() && name == name_ && --left_ == 0) ::_exit(like_kill_9);
  }

 private:
  std::string name_;
  std::atomic<int> left_ = 0;
};

inline void crash_point(std::string_view name) { CrashPoints::instance().pass(name); }

}  // namespace sluice
