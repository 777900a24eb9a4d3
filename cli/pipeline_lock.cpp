// SPDX-License-Identifier: Apache-2.0
#include "cli/pipeline_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace sluice::cli {
namespace {

constexpr mode_t private_folder = 0700;
constexpr mode_t lock_mode = 0600;
constexpr size_t name_bytes_max = 150;

/// FNV-1a: the same in every build, so that two versions exclude each other, too.
uint32_t hash_of(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (const char character : text) hash = (hash ^ static_cast<uint8_t>(character)) * 16777619u;
  return hash;
}

std::string lock_name(const std::string& brokers, const std::string& group) {
  std::string shown = group.substr(0, name_bytes_max);
  std::replace_if(
      shown.begin(), shown.end(),
      [](char character) {
        const bool letter = (character | 0x20) >= 'a' && (character | 0x20) <= 'z';
        const bool digit = character >= '0' && character <= '9';
        return !letter && !digit && character != '.' && character != '-' && character != '_';
      },
      '_');
  return fmt::format("{}.{:08x}.lock", shown, hash_of(brokers + '\n' + group));
}

std::string holder_of(const FileDescriptor& file) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  std::string pid(text.data(), size > 0 ? static_cast<size_t>(size) : 0);
  const bool digits = std::all_of(
      pid.begin(), pid.end(), [](char character) { return character >= '0' && character <= '9'; });
  return digits ? pid : std::string();
}

}  // namespace

Result<PipelineLock> PipelineLock::take(const std::string& folder, const std::string& brokers,
                                        const std::string& group) {
  if (::mkdir(folder.c_str(), private_folder) != 0 && errno != EEXIST) {
    return Error{Errc::io, "lock-file",
                 fmt::format("the folder {} for lock files cannot be made: {}", folder,
                             system_message(errno)),
                 "name one that can be written with RUNTIME_DIRECTORY"};
  }
  PipelineLock lock;
  FileDescriptor file = TRY(open_file(folder + "/" + lock_name(brokers, group), "lock file",
                                      O_RDWR | O_CREAT | O_NOFOLLOW, lock_mode));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return Error{Errc::io, "lock-file", "the lock cannot be taken: " + system_message(errno),
                   "name a folder on a local disk with RUNTIME_DIRECTORY"};
    }
    lock.holder_ = holder_of(file);
    return lock;
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(file.get(), 0) == 0) {
    TRY(write_all(file.get(), pid, "lock file"));
  }
  lock.file_ = std::move(file);
  return lock;
}

}  // namespace sluice::cli
