// SPDX-License-Identifier: Apache-2.0
#include "cli/notify.hpp"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>

namespace sluice::cli {
namespace {

/// A path, or with a leading @ a name in the abstract namespace.
FileDescriptor connect_to(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool usable =
      (name.front() == '/' || name.front() == '@') && name.size() < sizeof address.sun_path;
  if (!usable) return {};
  ::memcpy(address.sun_path, name.data(), name.size());
  if (name.front() == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto* target = reinterpret_cast<const sockaddr*>(&address);
  if (!socket.open() || ::connect(socket.get(), target, size) != 0) return {};
  return socket;
}

std::optional<int64_t> number(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  int64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [stopped, failed] = std::from_chars(text->data(), end, value);
  if (failed != std::errc() || stopped != end) return std::nullopt;
  return value;
}

}  // namespace

Notifier::Notifier(const Environment& environment) {
  const std::optional<std::string> name = environment.get("NOTIFY_SOCKET");
  if (name) socket_ = connect_to(*name);
  const std::optional<int64_t> microseconds = number(environment.get("WATCHDOG_USEC"));
  const std::optional<int64_t> process = number(environment.get("WATCHDOG_PID"));
  const bool ours = !process || *process == ::getpid();
  if (wanted() && ours && microseconds && *microseconds >= 1000) {
    watchdog_ = Milliseconds(*microseconds / 1000);
  }
}

void Notifier::send(std::string_view assignments) const {
  if (!wanted()) return;
  const ssize_t sent =
      ::send(socket_.get(), assignments.data(), assignments.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  static_cast<void>(sent);
}

}  // namespace sluice::cli
