// SPDX-License-Identifier: Apache-2.0
#include "cli/reload.hpp"

#include <utility>

namespace sluice::cli {

std::unique_ptr<Configuration> read_configuration(const Invocation& invocation,
                                                  const Environment& environment, WallTime now,
                                                  Problems& problems, std::optional<Error>& error) {
  auto configuration = std::make_unique<Configuration>();
  configuration->settings =
      read_settings(invocation, environment, system_config_folder, now, problems);
  if (!problems.empty()) return nullptr;
  auto connections = make_connections(configuration->settings, environment);
  if (!connections) {
    error = std::move(connections).error();
    return nullptr;
  }
  configuration->connections = std::move(*connections);
  return configuration;
}

bool same_effect(const Configuration& a, const Configuration& b) {
  const kafka::ClusterOptions& x = a.connections.cluster;
  const kafka::ClusterOptions& y = b.connections.cluster;
  return x.brokers == y.brokers && x.properties == y.properties &&
         x.allow_unsafe_properties == y.allow_unsafe_properties &&
         x.allow_plaintext_auth == y.allow_plaintext_auth &&
         a.connections.servers == b.connections.servers &&
         a.settings.pipelines == b.settings.pipelines &&
         a.settings.output.metrics_listen == b.settings.output.metrics_listen &&
         a.settings.run == b.settings.run;
}

std::stop_source RunControl::begin_turn(Monitor& monitor) {
  const std::lock_guard lock(mutex_);
  monitor_ = &monitor;
  turn_ = std::stop_source();
  if (stopping_) turn_.request_stop();
  return turn_;
}

void RunControl::end_turn() {
  const std::lock_guard lock(mutex_);
  monitor_ = nullptr;
}

void RunControl::stop() {
  tell(&Monitor::stopping);
  std::stop_source turn(std::nostopstate);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    next_.reset();
    turn = turn_;
  }
  turn.request_stop();
}

void RunControl::change(std::unique_ptr<Configuration> configuration) {
  std::stop_source turn(std::nostopstate);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    next_ = std::move(configuration);
    turn = turn_;
  }
  turn.request_stop();
}

std::unique_ptr<Configuration> RunControl::next() {
  const std::lock_guard lock(mutex_);
  return std::move(next_);
}

void RunControl::ask_reload() {
  {
    const std::lock_guard lock(mutex_);
    reload_asked_ = true;
  }
  asked_.notify_all();
}

bool RunControl::wait_reload(const std::stop_token& end) {
  std::unique_lock lock(mutex_);
  if (!asked_.wait(lock, end, [this] { return reload_asked_; })) return false;
  reload_asked_ = false;
  return true;
}

}  // namespace sluice::cli
