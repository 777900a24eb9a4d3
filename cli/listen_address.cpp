// SPDX-License-Identifier: Apache-2.0
#include "cli/listen_address.hpp"

#include <errno.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "core/clickhouse/url.hpp"

namespace sluice::cli {
namespace {

constexpr int backlog = 16;
constexpr mode_t unix_socket_mode = 0660;
using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Error cannot_listen(const std::string& where, int number) {
  if (number == EADDRINUSE) {
    return {.code = Errc::unavailable,
            .slug = "metrics-listen",
            .message =
                fmt::format("metrics cannot be served on {}: another process listens there", where),
            .fix = "give another --metrics-listen (none: no metrics), or end that process"};
  }
  return {
      .code = Errc::config,
      .slug = "metrics-listen",
      .message = fmt::format("metrics cannot be served on {}: {}", where, system_message(number)),
      .fix = "give --metrics-listen an address of this machine, or a path that can be written"};
}

std::optional<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::nullopt;
  ::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

template <class T>
const sockaddr* generic(const T& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// Removes the socket file of a process that is gone; 0, or why it must stay.
int clear_path(const sockaddr_un& address) {
  struct stat found {};
  if (::lstat(address.sun_path, &found) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(found.st_mode)) return EEXIST;
  const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), generic(address), sizeof address) == 0) return EADDRINUSE;
  if (errno != ECONNREFUSED) return errno;
  return ::unlink(address.sun_path) == 0 ? 0 : errno;
}

Result<Listener> listen_on_unix(const std::string& path) {
  const std::string where = "unix:" + path;
  const std::optional<sockaddr_un> address = unix_address(path);
  if (!address) return cannot_listen(where, ENAMETOOLONG);
  if (const int why = clear_path(*address); why != 0) return cannot_listen(where, why);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const bool listens =
      socket.open() && ::bind(socket.get(), generic(*address), sizeof *address) == 0 &&
      ::chmod(path.c_str(), unix_socket_mode) == 0 && ::listen(socket.get(), backlog) == 0;
  if (!listens) return cannot_listen(where, errno);
  return Listener{std::move(socket), where};
}

std::string host_and_port(const std::string& host, const std::string& port) {
  return host.find(':') == std::string::npos ? host + ":" + port : "[" + host + "]:" + port;
}

std::string in_use(const FileDescriptor& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  const bool known =
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
      ::getnameinfo(generic(address), size, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0;
  if (!known) return "an unknown address";
  return host_and_port(host.data(), port.data());
}

/// 0, or why not.
int listen_on_one(const addrinfo& candidate, FileDescriptor& out) {
  FileDescriptor socket(
      ::socket(candidate.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.open()) return errno;
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (candidate.ai_family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  const bool listens = ::bind(socket.get(), candidate.ai_addr, candidate.ai_addrlen) == 0 &&
                       ::listen(socket.get(), backlog) == 0;
  if (!listens) return errno;
  out = std::move(socket);
  return 0;
}

}  // namespace

bool ListenAddress::local() const {
  return is_unix() || (!host.empty() && clickhouse::is_loopback(host));
}

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  constexpr std::string_view unix_prefix = "unix:";
  constexpr int port_max = 65535;
  if (text.substr(0, unix_prefix.size()) == unix_prefix) {
    const std::string path(text.substr(unix_prefix.size()));
    const bool usable = !path.empty() && path.find('\0') == std::string::npos && unix_address(path);
    if (!usable) return std::nullopt;
    return ListenAddress{.host = {}, .port = {}, .path = path};
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool number = !port.empty() && port.size() <= 5 &&
                      port.find_first_not_of("0123456789") == std::string_view::npos;
  if (!number || std::stoi(std::string(port)) > port_max) return std::nullopt;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool plain = host.find_first_of("[]/@ \t") == std::string_view::npos &&
                     (host.find(':') != std::string_view::npos) == bracketed;
  if (!plain) return std::nullopt;
  return ListenAddress{.host = std::string(host), .port = std::string(port), .path = {}};
}

Result<Listener> listen_on(const ListenAddress& address) {
  if (address.is_unix()) return listen_on_unix(address.path);
  const std::string where = host_and_port(address.host, address.port);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const char* host = address.host.empty() ? nullptr : address.host.c_str();
  const int failed = ::getaddrinfo(host, address.port.c_str(), &wanted, &found);
  if (failed != 0) {
    Error error = cannot_listen(where, EADDRNOTAVAIL);
    error.message =
        fmt::format("metrics cannot be served on {}: {}", where, ::gai_strerror(failed));
    return error;
  }
  const AddressList list(found, &::freeaddrinfo);
  int why = EADDRNOTAVAIL;
  // Every address of the machine: one IPv6 socket takes both families, where there is IPv6.
  for (const int family : {AF_INET6, AF_INET}) {
    for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
      if (one->ai_family != family) continue;
      FileDescriptor socket;
      why = listen_on_one(*one, socket);
      if (why == 0) {
        std::string described = in_use(socket);
        return Listener{std::move(socket), std::move(described)};
      }
      if (why == EADDRINUSE || why == EACCES) return cannot_listen(where, why);
    }
  }
  return cannot_listen(where, why);
}

}  // namespace sluice::cli
