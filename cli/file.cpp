// SPDX-License-Identifier: Apache-2.0
#include "cli/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "cli/text.hpp"

namespace sluice::cli {
namespace {

Error io_error(std::string_view what, const std::string& path, std::string_view verb, int number) {
  return {Errc::io, "file-failed",
          fmt::format("{} {} cannot be {}: {}", what, escape_control(path), verb,
                      system_message(number)),
          "check the path, its permissions and the free space"};
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (number_ >= 0) ::close(number_);
}

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : number_(std::exchange(other.number_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (number_ >= 0) ::close(number_);
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

std::string system_message(int number) { return std::generic_category().message(number); }

Result<FileText> read_file(const std::string& path, std::string_view what, size_t bytes_max) {
  FileDescriptor opened;
  int descriptor = STDIN_FILENO;
  if (path != "-") {
    opened = TRY(open_file(path, what, O_RDONLY, 0));
    descriptor = opened.get();
  }
  FileText file;
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return io_error(what, path, "read", errno);
  if (S_ISREG(status.st_mode)) {
    file.mode = status.st_mode & 07777u;
    file.owner = status.st_uid;
  }
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error(what, path, "read", errno);
    if (count == 0) return file;
    file.text.append(buffer.data(), static_cast<size_t>(count));
    ::explicit_bzero(buffer.data(), buffer.size());  // secrets are read here too
    if (file.text.size() > bytes_max) {
      return Error{Errc::io, "file-failed",
                   fmt::format("{} {} is larger than {}", what, escape_control(path),
                               short_bytes(static_cast<double>(bytes_max))),
                   "check that it is the file you mean"};
    }
  }
}

Result<FileDescriptor> open_file(const std::string& path, std::string_view what, int flags,
                                 mode_t mode) {
  FileDescriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode));
  const bool writing = (flags & O_ACCMODE) != O_RDONLY;
  if (!descriptor.open())
    return io_error(what, path, writing ? "opened for writing" : "read", errno);
  return descriptor;
}

Result<void> write_all(int descriptor, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) {
      return Error{Errc::io, "file-failed",
                   fmt::format("{} cannot be written: {}", what, system_message(errno)),
                   "check its permissions and the free space"};
    }
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> sync_folder(const std::string& folder, std::string_view what) {
  const FileDescriptor descriptor = TRY(open_file(folder, what, O_RDONLY | O_DIRECTORY, 0));
  // Some file systems cannot sync a folder and say EINVAL: there it has no meaning.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL) {
    return io_error(what, folder, "synced", errno);
  }
  return {};
}

}  // namespace sluice::cli
