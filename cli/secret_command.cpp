// SPDX-License-Identifier: Apache-2.0
#include "cli/secret_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cli/file.hpp"
#include "cli/secret.hpp"
#include "cli/text.hpp"
#include "core/base/check.hpp"

namespace sluice::cli {
namespace {

/// posix_spawn's two description objects, freed together.
class SpawnPlan {
 public:
  SpawnPlan() {
    CHECK(::posix_spawn_file_actions_init(&actions_) == 0);
    CHECK(::posix_spawnattr_init(&attributes_) == 0);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  /// Own process group (so that its children can be ended with it), signals as a fresh program.
  int start(const std::vector<std::string>& command, int output, pid_t& process) {
    sigset_t none;
    sigset_t broken_pipe;
    ::sigemptyset(&none);
    ::sigemptyset(&broken_pipe);
    ::sigaddset(&broken_pipe, SIGPIPE);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &broken_pipe);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    std::vector<char*> arguments;
    for (const std::string& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
    arguments.push_back(nullptr);
    return ::posix_spawnp(&process, arguments[0], &actions_, &attributes_, arguments.data(),
                          environ);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

enum class ReadEnd : uint8_t { closed, timeout, too_long, failed };

ReadEnd read_until_closed(int descriptor, TimePoint deadline, size_t bytes_max, std::string& out) {
  std::array<char, 4096> buffer{};
  while (true) {
    const auto left =
        std::chrono::duration_cast<Milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return ReadEnd::timeout;
    pollfd waiting{descriptor, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return ReadEnd::failed;
    if (ready <= 0) continue;
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count == 0) return ReadEnd::closed;
    if (count < 0 && errno != EINTR) return ReadEnd::failed;
    if (count > 0) out.append(buffer.data(), static_cast<size_t>(count));
    ::explicit_bzero(buffer.data(), buffer.size());
    if (out.size() > bytes_max) return ReadEnd::too_long;
  }
}

/// Waits for the end of the process, at most until the deadline; then it is killed.
int wait_for(pid_t process, TimePoint deadline, bool& timed_out) {
  int status = 0;
  while (::waitpid(process, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= deadline) {
      timed_out = true;
      ::kill(-process, SIGKILL);
      ::waitpid(process, &status, 0);
      return status;
    }
    ::poll(nullptr, 0, 5);
  }
  return status;
}

Error command_error(Errc code, const std::string& program, const std::string& what) {
  return {code, "secret-unavailable",
          fmt::format("the command '{}' {}", escape_control(program), what),
          "run the command by hand as the same user; it must print the secret and nothing else"};
}

}  // namespace

Result<std::string> run_secret_command(const std::vector<std::string>& command,
                                       Milliseconds timeout, size_t bytes_max) {
  CHECK(!command.empty());
  const std::string& program = command.front();
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return command_error(Errc::unavailable, program, "got no pipe: " + system_message(errno));
  }
  const FileDescriptor reading(ends[0]);
  FileDescriptor writing(ends[1]);
  SpawnPlan plan;
  pid_t process = -1;
  const int failure = plan.start(command, writing.get(), process);
  if (failure != 0) {
    return command_error(Errc::config, program, "cannot be run: " + system_message(failure));
  }
  writing = FileDescriptor();
  const TimePoint deadline = std::chrono::steady_clock::now() + timeout;
  std::string output;
  output.reserve(bytes_max);  // growing would leave copies behind
  const ReadEnd end = read_until_closed(reading.get(), deadline, bytes_max, output);
  bool timed_out = end == ReadEnd::timeout;
  if (end != ReadEnd::closed) ::kill(-process, SIGKILL);
  const int status = wait_for(process, deadline, timed_out);

  std::string reason;
  if (timed_out) {
    reason = fmt::format("did not end within {}", short_duration(timeout));
  } else if (end == ReadEnd::too_long) {
    reason = fmt::format("printed more than {}", short_bytes(static_cast<double>(bytes_max)));
  } else if (end == ReadEnd::failed || WIFSIGNALED(status)) {
    reason = "was ended by a signal";
  } else if (WEXITSTATUS(status) == 127 && output.empty()) {
    return command_error(Errc::config, program, "cannot be run");
  } else if (WEXITSTATUS(status) != 0) {
    reason = fmt::format("failed with exit code {}", WEXITSTATUS(status));
  } else {
    return output;
  }
  wipe(output);
  return command_error(Errc::unavailable, program, reason);
}

}  // namespace sluice::cli
