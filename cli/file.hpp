// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "core/base/result.hpp"

/// Files of this machine, each system call wrapped once. Errors are Errc::io unless said otherwise.
namespace sluice::cli {

/// Owns a file descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int number) : number_(number) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

struct FileText {
  std::string text;
  mode_t mode = 0;  ///< permissions; 0 for what is no regular file
  uid_t owner = 0;
};

/// "Permission denied (errno 13)" of the last failed call.
[[nodiscard]] std::string system_message(int number);

/// Reads a whole file; "-" is standard input. `what` names it in messages ("configuration file").
[[nodiscard]] Result<FileText> read_file(const std::string& path, std::string_view what,
                                         size_t bytes_max);

/// open(2) with O_CLOEXEC; what does not exist is created with `mode`.
[[nodiscard]] Result<FileDescriptor> open_file(const std::string& path, std::string_view what,
                                               int flags, mode_t mode);

/// Writes all of it, whatever interrupts.
[[nodiscard]] Result<void> write_all(int descriptor, std::string_view bytes, std::string_view what);

/// The folder a path is in.
[[nodiscard]] std::string folder_of(const std::string& path);

/// fsync of a folder, so that a file created or renamed in it is still there after a crash.
[[nodiscard]] Result<void> sync_folder(const std::string& folder, std::string_view what);

}  // namespace sluice::cli
