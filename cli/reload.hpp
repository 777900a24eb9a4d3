// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>

#include "cli/connections.hpp"
#include "cli/monitor.hpp"
#include "cli/settings.hpp"

namespace sluice::cli {

/// What a run is told, with the secrets fetched.
struct Configuration {
  Settings settings;
  Connections connections;
};

/// Reads settings and secrets. Null when something is wrong: then `problems` or `error` says what.
[[nodiscard]] std::unique_ptr<Configuration> read_configuration(const Invocation& invocation,
                                                                const Environment& environment,
                                                                WallTime now, Problems& problems,
                                                                std::optional<Error>& error);

/// Whether pipelines would run alike under both.
[[nodiscard]] bool same_effect(const Configuration& a, const Configuration& b);

/// Where the thread of the signals and the run meet: a run is a series of turns, each under one
/// configuration; a signal ends the turn, and the next one begins or does not. Thread-safe.
class RunControl {
 public:
  /// A turn begins; its stop source. Already stopped when the run is to end. `monitor` shows it
  /// until end_turn().
  [[nodiscard]] std::stop_source begin_turn(Monitor& monitor);
  void end_turn();
  /// Tells the monitor of the present turn; nothing between two turns.
  template <class... Arguments>
  void tell(void (Monitor::*function)(Arguments...), Arguments... arguments) {
    const std::lock_guard lock(mutex_);
    if (monitor_ != nullptr) (monitor_->*function)(arguments...);
  }
  /// The run is to end.
  void stop();
  /// The next turn has this configuration; the present one ends.
  void change(std::unique_ptr<Configuration> configuration);
  /// What the next turn is to have; null when the run is to end.
  [[nodiscard]] std::unique_ptr<Configuration> next();

  /// Somebody asks for the configuration to be read again.
  void ask_reload();
  /// Waits for that; false when `end` is asked for first.
  [[nodiscard]] bool wait_reload(const std::stop_token& end);

 private:
  std::mutex mutex_;
  std::condition_variable_any asked_;
  bool reload_asked_ = false;
  bool stopping_ = false;
  std::stop_source turn_;
  Monitor* monitor_ = nullptr;
  std::unique_ptr<Configuration> next_;
};

}  // namespace sluice::cli
