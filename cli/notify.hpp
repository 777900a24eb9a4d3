// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/environment.hpp"
#include "cli/file.hpp"
#include "core/base/clock.hpp"

namespace sluice::cli {

/// Tells the service manager how we are (sd_notify(3)'s datagrams, by NOTIFY_SOCKET). Without a
/// service manager it does nothing. Never blocks, never fails aloud. Thread-safe.
class Notifier {
 public:
  explicit Notifier(const Environment& environment);

  [[nodiscard]] bool wanted() const { return socket_.open(); }
  /// How long the service manager waits for WATCHDOG=1 before it ends us; absent: it does not.
  [[nodiscard]] std::optional<Milliseconds> watchdog() const { return watchdog_; }

  /// "READY=1", or several assignments on lines of their own.
  void send(std::string_view assignments) const;

 private:
  FileDescriptor socket_;  ///< connected
  std::optional<Milliseconds> watchdog_;
};

}  // namespace sluice::cli
