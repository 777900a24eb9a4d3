// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>

#include <atomic>
#include <functional>
#include <thread>

#include "cli/file.hpp"

namespace sluice::cli {

/// What the signals of a run do. Called on the signal thread, outside signal context.
struct SignalActions {
  std::function<void(int)> stop;      ///< first SIGINT, SIGTERM or SIGHUP: finish and end
  std::function<void(int code)> before_exit;  ///< second one: last thing before _exit(code)
  std::function<void()> hang_up;      ///< SIGHUP; empty: as SIGTERM
  std::function<void()> show_status;  ///< SIGUSR1; empty: left as it was
};

/// Turns SIGINT, SIGTERM and SIGHUP into a request to stop, and the second of them into an
/// immediate exit with 130 or 143. A signal that was ignored when we were started (nohup,
/// background jobs) stays so. Make it before any other thread: threads inherit the mask that keeps
/// signals from them.
class StopSignal {
 public:
  explicit StopSignal(SignalActions actions);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The first signal that asked to stop, 0 for none.
  [[nodiscard]] int signal() const { return signal_.load(); }

 private:
  void watch();
  void take(int signal);

  SignalActions actions_;
  std::atomic<int> signal_{0};
  sigset_t caught_{};
  sigset_t mask_before_{};
  FileDescriptor signals_;
  FileDescriptor end_;
  std::thread thread_;
};

}  // namespace sluice::cli
