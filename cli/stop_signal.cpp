// SPDX-License-Identifier: Apache-2.0
#include "cli/stop_signal.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "cli/exit_code.hpp"
#include "core/base/check.hpp"

namespace sluice::cli {
namespace {

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

StopSignal::StopSignal(SignalActions actions) : actions_(std::move(actions)) {
  ::sigemptyset(&caught_);
  for (const int signal : {SIGINT, SIGTERM}) {
    if (!is_ignored(signal)) ::sigaddset(&caught_, signal);
  }
  if (!is_ignored(SIGHUP)) ::sigaddset(&caught_, SIGHUP);
  if (actions_.show_status && !is_ignored(SIGUSR1)) ::sigaddset(&caught_, SIGUSR1);
  CHECK(::pthread_sigmask(SIG_BLOCK, &caught_, &mask_before_) == 0);
  signals_ = FileDescriptor(::signalfd(-1, &caught_, SFD_CLOEXEC));
  end_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC));
  CHECK(signals_.open() && end_.open());
  thread_ = std::thread([this] { watch(); });
}

StopSignal::~StopSignal() {
  const uint64_t one = 1;
  const ssize_t written = ::write(end_.get(), &one, sizeof one);
  static_cast<void>(written);
  thread_.join();
  ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void StopSignal::watch() {
  while (true) {
    std::array<pollfd, 2> waiting{{{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) <= 0) continue;
    if (waiting[1].revents != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
    take(static_cast<int>(info.ssi_signo));
  }
}

void StopSignal::take(int signal) {
  if (signal == SIGHUP && actions_.hang_up) return actions_.hang_up();
  if (signal == SIGUSR1) return actions_.show_status();
  int none = 0;
  if (signal_.compare_exchange_strong(none, signal)) return actions_.stop(signal);
  const int code = exit_code_of(Errc::cancelled, signal);
  actions_.before_exit(code);
  ::_exit(code);
}

}  // namespace sluice::cli
