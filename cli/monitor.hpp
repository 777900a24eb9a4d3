// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "cli/console.hpp"
#include "cli/environment.hpp"
#include "cli/health.hpp"
#include "cli/metrics.hpp"
#include "cli/metrics_server.hpp"
#include "cli/notify.hpp"

namespace sluice::cli {

/// How others see a run: --metrics-listen, the service manager, SIGUSR1. One for each run.
///
/// Thread-safe. Nothing of it waits for a pipeline, so it answers even when all of them hang.
class Monitor {
 public:
  /// Everything given outlives it. Starts no thread yet, so that StopSignal can come between.
  Monitor(const Settings& settings, const Environment& environment, Console& console,
          const Clock& clock, const std::string& run_id);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  /// Begins to listen and to tell the service manager. Errc::unavailable when another process
  /// listens there, else Errc::config.
  [[nodiscard]] Result<void> start();

  /// The pipelines, also those whose topics are still to be found: they are added here.
  [[nodiscard]] Health& health() { return health_; }

  /// SIGHUP: what follows until reloaded() is the service manager's "reloading".
  void reloading();
  void reloaded();
  /// The configuration was read, and accepted or not.
  void config_read(bool accepted);
  /// The run was asked to end.
  void stopping();
  /// /status on standard error, as one line.
  void show_status();

 private:
  [[nodiscard]] std::optional<HttpAnswer> page(std::string_view path) const;
  void tell_listening(const std::string& where);
  void run_beat(const std::stop_token& stop);

  const Settings& settings_;
  Console& console_;
  const Clock& clock_;
  const Notifier notifier_;
  Reloads reloads_;
  Health health_;
  const Metrics metrics_;
  std::atomic<bool> ready_told_{false};
  std::unique_ptr<MetricsServer> server_;
  std::mutex beat_mutex_;
  std::condition_variable_any beat_;
  std::jthread beat_thread_;
};

}  // namespace sluice::cli
