// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "cli/file.hpp"

namespace sluice::cli {

void Output::write(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  errno = 0;
  auto written = write_all(STDOUT_FILENO, text, "standard output");
  if (written) return;
  closed_ = true;
  if (errno != EPIPE) status_ = std::move(written);
}

void Output::write_at_once(std::string_view text) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  if (!lock || closed_ || ::poll(&out, 1, 0) != 1) return;
  closed_ = true;
  static_cast<void>(write_all(STDOUT_FILENO, text, "standard output"));
}

bool Output::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

Result<void> Output::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace sluice::cli
