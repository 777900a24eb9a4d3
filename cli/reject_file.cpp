// SPDX-License-Identifier: Apache-2.0
#include "cli/reject_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/file.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr size_t buffer_bytes_max = 1 << 20;

Error reject_error(const std::string& path, std::string_view what) {
  return {Errc::io, "reject-file", fmt::format("reject file {} {}", escape_control(path), what),
          "check its folder, its permissions and the free space; the record was not committed"};
}

/// Holds the file for one writer at a time, so that lines of two processes never mix.
class FileLock {
 public:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {
    while (::flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FileLock() { ::flock(descriptor_, LOCK_UN); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

/// Whether what the file holds ends within a line.
bool ends_within_line(int descriptor) {
  struct stat status {};
  char last = '\n';
  if (::fstat(descriptor, &status) != 0 || status.st_size == 0) return false;
  return ::pread(descriptor, &last, 1, status.st_size - 1) == 1 && last != '\n';
}

class RejectFile final : public RejectSink {
 public:
  RejectFile(std::string path, FileDescriptor file, std::string run_id, const Clock& clock)
      : path_(std::move(path)), file_(std::move(file)), run_id_(std::move(run_id)), clock_(clock) {}

  Result<void> write(const RejectedRecord& record) override {
    buffer_ += reject_line(record, run_id_, clock_.wall());
    if (buffer_.size() < buffer_bytes_max) return {};
    return write_buffer();
  }

  Result<void> flush() override {
    TRY(write_buffer());
    if (::fsync(file_.get()) != 0) {
      return reject_error(path_, "cannot be made durable: " + system_message(errno));
    }
    return {};
  }

 private:
  Result<void> write_buffer() {
    if (buffer_.empty()) return {};
    const FileLock lock(file_.get());
    // A write that failed half-way, ours or another's, must not swallow the next record.
    if (ends_within_line(file_.get())) buffer_.insert(0, "\n");
    const auto written = write_all(file_.get(), buffer_, "reject file " + escape_control(path_));
    if (!written) return reject_error(path_, "cannot be written: " + system_message(errno));
    buffer_.clear();
    return {};
  }

  std::string path_;
  FileDescriptor file_;
  std::string run_id_;
  const Clock& clock_;
  std::string buffer_;
};

void add_bytes(nlohmann::ordered_json& out, const std::string& name, const std::string& bytes,
               bool null) {
  if (null) {
    out[name] = nullptr;
  } else if (is_utf8(bytes)) {
    out[name] = bytes;
  } else {
    out[name + "_base64"] = base64(bytes);
  }
}

}  // namespace

std::string reject_line(const RejectedRecord& record, const std::string& run_id,
                        WallTime rejected_at) {
  nlohmann::ordered_json out{{"v", 1},
                             {"rejected_at", utc_milliseconds(rejected_at)},
                             {"run", run_id},
                             {"topic", record.topic},
                             {"partition", record.partition.value},
                             {"offset", record.offset.value}};
  const bool timed = record.timestamp_ms >= 0;
  out["timestamp"] = timed ? nlohmann::ordered_json(record.timestamp_ms) : nullptr;
  out["reason"] = to_string(record.reason);
  out["code"] = record.code;
  out["column"] = valid_utf8(record.column);
  out["message"] = valid_utf8(record.message);
  add_bytes(out, "key", record.key, record.null_key);
  add_bytes(out, "value", record.value, record.null_value);
  out["headers"] = nlohmann::ordered_json::array();
  for (const Header& header : record.headers) {
    nlohmann::ordered_json entry;
    add_bytes(entry, "name", header.name, false);
    add_bytes(entry, "value", header.value, header.null_value);
    out["headers"].push_back(std::move(entry));
  }
  return out.dump() + "\n";
}

Result<std::unique_ptr<RejectSink>> open_reject_file(const std::string& path,
                                                     const std::string& run_id,
                                                     const Clock& clock) {
  FileDescriptor file(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600));
  if (!file.open()) {
    const std::string reason = errno == ELOOP ? "it is a symbolic link" : system_message(errno);
    return reject_error(path, "cannot be opened: " + reason);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return reject_error(path, "is not a regular file");
  }
  TRY(sync_folder(folder_of(path), "folder of the reject file"));
  return std::unique_ptr<RejectSink>(
      std::make_unique<RejectFile>(path, std::move(file), run_id, clock));
}

}  // namespace sluice::cli
