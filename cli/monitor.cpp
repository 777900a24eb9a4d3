// SPDX-License-Identifier: Apache-2.0
#include "cli/monitor.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr Milliseconds beat_interval_max{1'000};
constexpr Milliseconds beat_interval_min{50};
constexpr Milliseconds status_interval{5'000};
constexpr const char* text_type = "text/plain; charset=utf-8";

/// The service manager ends us when it hears nothing for the whole time: a pipeline that hangs for
/// half of it is not told alive any more.
HealthLimits limits_of(const Notifier& notifier) {
  HealthLimits limits;
  if (notifier.watchdog()) limits.turn_max = *notifier.watchdog() / 2;
  return limits;
}

int64_t monotonic_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
}

HttpAnswer verdict(const std::vector<std::string>& complaints) {
  constexpr unsigned fine = 200;
  constexpr unsigned service_unavailable = 503;
  if (complaints.empty()) return {fine, text_type, "ok\n"};
  return {service_unavailable, text_type, escape_control_lines(join(complaints, "\n")) + "\n"};
}

}  // namespace

Monitor::Monitor(const Settings& settings, const Environment& environment, Console& console,
                 const Clock& clock, const std::string& run_id)
    : settings_(settings),
      console_(console),
      clock_(clock),
      notifier_(environment),
      health_(settings, clock, run_id, limits_of(notifier_)),
      metrics_(health_, reloads_, settings.run.memory.value) {
  config_read(true);
}

Monitor::~Monitor() = default;

Result<void> Monitor::start() {
  const std::optional<ListenAddress>& address = settings_.output.metrics_listen;
  if (address) {
    Listener listener = TRY(listen_on(*address));
    const std::string where = listener.described;
    server_ = TRY(MetricsServer::start(
        std::move(listener), [this](std::string_view path) { return page(path); }, clock_));
    tell_listening(where);
  }
  if (notifier_.wanted()) {
    beat_thread_ = std::jthread([this](const std::stop_token& stop) { run_beat(stop); });
  }
  return {};
}

void Monitor::tell_listening(const std::string& where) {
  const bool is_unix = settings_.output.metrics_listen->is_unix();
  console_.note(is_unix ? fmt::format("metrics are served on {}", where)
                        : fmt::format("metrics are served on http://{}/metrics", where));
  if (settings_.output.metrics_listen->local()) return;
  console_.warning("", "metrics-listen",
                   fmt::format("metrics are served beyond this machine, on {}: everyone who "
                               "reaches it sees names of topics and tables, and counts",
                               where));
}

std::optional<HttpAnswer> Monitor::page(std::string_view path) const {
  constexpr unsigned fine = 200;
  if (path == "/metrics") {
    return HttpAnswer{fine, "text/plain; version=0.0.4; charset=utf-8", metrics_.text()};
  }
  if (path == "/healthz") return verdict(health_.hanging());
  if (path == "/readyz") return verdict(health_.missing());
  if (path == "/status") {
    return HttpAnswer{fine, "application/json", health_.status().dump() + "\n"};
  }
  return std::nullopt;
}

void Monitor::run_beat(const std::stop_token& stop) {
  Milliseconds interval = beat_interval_max;
  if (notifier_.watchdog()) {
    interval = std::clamp(*notifier_.watchdog() / 4, beat_interval_min, beat_interval_max);
  }
  std::string told;
  TimePoint told_at{};
  std::unique_lock lock(beat_mutex_);
  while (!stop.stop_requested()) {
    if (notifier_.watchdog() && health_.hanging().empty()) notifier_.send("WATCHDOG=1");
    if (!ready_told_ && health_.all_run()) {
      notifier_.send("READY=1");
      ready_told_ = true;
    }
    const TimePoint now = clock_.now();
    std::string line = health_.status_line();
    const bool due = told_at == TimePoint{} || now - told_at >= status_interval;
    if (due) {
      // Kafka or ClickHouse may be away for longer than a start may take.
      if (!ready_told_) notifier_.send("EXTEND_TIMEOUT_USEC=30000000");
      if (line != told) notifier_.send("STATUS=" + line);
      told = std::move(line);
      told_at = now;
    }
    beat_.wait_for(lock, stop, interval, [] { return false; });
  }
}

void Monitor::reloading() {
  notifier_.send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds()));
}

void Monitor::reloaded() {
  if (ready_told_) notifier_.send("READY=1");
}

void Monitor::config_read(bool accepted) {
  reloads_.successful = accepted;
  if (accepted) reloads_.success_ms = clock_.wall().time_since_epoch().count();
}

void Monitor::stopping() { notifier_.send("STOPPING=1"); }

void Monitor::show_status() { console_.write_plain(health_.status().dump() + "\n"); }

}  // namespace sluice::cli
