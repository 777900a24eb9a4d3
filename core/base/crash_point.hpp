// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

/// Places where tests let the process die, as kill -9 would: what is promised after a crash is
/// tested at each of them (SLUICE_CRASH_AT=NAME or NAME:COUNT, read by main). With SLUICE_FREEZE_AT
/// it stands still there, as with kill -STOP, until somebody continues it. Costs a comparison.
class CrashPoints {
 public:
  static CrashPoints& instance() {
    static CrashPoints points;
    return points;
  }
  /// Dies, or freezes, when `name` is passed for the count-th time.
  void arm(std::string name, int count, bool freezes) {
    left_ = count;
    freezes_ = freezes;
    name_ = std::move(name);
  }
  void pass(std::string_view name) {
    constexpr int like_kill_9 = 137;
    if (name_.empty() || name != name_ || --left_ != 0) return;
    if (!freezes_) ::_exit(like_kill_9);
    ::kill(::getpid(), SIGSTOP);
  }

 private:
  std::string name_;
  bool freezes_ = false;
  std::atomic<int> left_ = 0;
};

inline void crash_point(std::string_view name) { CrashPoints::instance().pass(name); }

}  // namespace sluice
