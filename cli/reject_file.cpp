// SPDX-License-Identifier: Apache-2.0
#include "cli/reject_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/text.hpp"
#include "cli/units.hpp"

namespace sluice::cli {
namespace {

constexpr size_t buffer_bytes_max = 1 << 20;

class RejectFile final : public RejectSink {
 public:
  RejectFile(std::string path, FileDescriptor file, kafka::RejectedBy by, const Clock& clock)
      : path_(std::move(path)), file_(std::move(file)), by_(std::move(by)), clock_(clock) {}

  Result<void> write(const RejectedRecord& record) override {
    buffer_ += reject_json({record, by_, clock_.wall()}).dump() + "\n";
    if (buffer_.size() < buffer_bytes_max) return {};
    return write_buffer();
  }

  Result<void> flush() override {
    // The kernel tells of bytes that it lost once; the next fsync would say that all is well.
    if (failure_) return *failure_;
    TRY(write_buffer());
    Result<void> synced = sync();
    if (!synced.ok()) failure_ = synced.error();
    return synced;
  }

 private:
  Result<void> sync() {
    if (::fsync(file_.get()) == 0) return {};
    return reject_file_error(path_, "cannot be made durable: " + system_message(errno));
  }

  Result<void> write_buffer() {
    while (!buffer_.empty()) {
      {
        const FileLock lock(file_.get());
        if (is_still(path_, file_.get())) return append();
      }
      // A replay took the file away with all that is in it; what comes now starts a new one.
      TRY(sync());
      file_ = TRY(open_reject_descriptor(path_, O_RDWR | O_CREAT | O_APPEND));
      TRY(sync_folder(folder_of(path_), "folder of the reject file"));
    }
    return {};
  }

  Result<void> append() {
    // A write that failed half-way, ours or another's, must not swallow the next record.
    if (ends_within_line(file_.get())) buffer_.insert(0, "\n");
    const auto written = write_all(file_.get(), buffer_, "reject file " + escape_control(path_));
    if (!written) return reject_file_error(path_, "cannot be written: " + system_message(errno));
    buffer_.clear();
    return {};
  }

  std::string path_;
  FileDescriptor file_;
  kafka::RejectedBy by_;
  const Clock& clock_;
  std::string buffer_;
  std::optional<Error> failure_;
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

/// The bytes that add_bytes() put there; an exception when they are not as it puts them.
std::string take_bytes(const nlohmann::json& from, const std::string& name, bool& null) {
  null = false;
  if (const auto coded = from.find(name + "_base64"); coded != from.end()) {
    auto bytes = from_base64(coded->get<std::string>());
    if (!bytes) throw nlohmann::json::other_error::create(501, "no base64", nullptr);
    return *std::move(bytes);
  }
  const auto& plain = from.at(name);
  null = plain.is_null();
  return null ? std::string() : plain.get<std::string>();
}

KeptReject kept_of(const nlohmann::json& from) {
  KeptReject kept;
  RejectedRecord& record = kept.record;
  const auto at = parse_time(from.at("rejected_at").get<std::string>(), WallTime{});
  kept.rejected_at = at.value_or(WallTime{});
  kept.by = {from.at("run").get<std::string>(), from.at("group").get<std::string>()};
  record.topic = from.at("topic").get<std::string>();
  record.partition.value = from.at("partition").get<int32_t>();
  record.offset.value = from.at("offset").get<int64_t>();
  const auto& timestamp = from.at("timestamp");
  record.timestamp_ms = timestamp.is_null() ? -1 : timestamp.get<int64_t>();
  record.reason = reject_reason(from.at("reason").get<std::string>()).value_or(RejectReason::none);
  record.code = from.at("code").get<int>();
  record.column = from.at("column").get<std::string>();
  record.message = from.at("message").get<std::string>();
  record.key = take_bytes(from, "key", record.null_key);
  record.value = take_bytes(from, "value", record.null_value);
  for (const auto& entry : from.at("headers")) {
    Header header;
    bool null_name = false;
    header.name = take_bytes(entry, "name", null_name);
    header.value = take_bytes(entry, "value", header.null_value);
    record.headers.push_back(std::move(header));
  }
  return kept;
}

}  // namespace

nlohmann::ordered_json reject_json(const KeptReject& kept) {
  const RejectedRecord& record = kept.record;
  nlohmann::ordered_json out{{"v", 1},
                             {"rejected_at", utc_milliseconds(kept.rejected_at)},
                             {"run", kept.by.run},
                             {"group", valid_utf8(kept.by.group)},
                             {"topic", valid_utf8(record.topic)},
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
  return out;
}

std::optional<KeptReject> parse_reject_line(std::string_view line) {
  try {
    return kept_of(nlohmann::json::parse(line));
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

Error reject_file_error(const std::string& path, std::string_view what) {
  return {Errc::io, "reject-file", fmt::format("reject file {} {}", escape_control(path), what),
          "check its folder, its permissions and the free space; the record was not committed"};
}

FileLock::FileLock(int descriptor) : descriptor_(descriptor) {
  while (::flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {
  }
}

FileLock::~FileLock() { ::flock(descriptor_, LOCK_UN); }

bool ends_within_line(int descriptor) {
  struct stat status {};
  char last = '\n';
  if (::fstat(descriptor, &status) != 0 || status.st_size == 0) return false;
  return ::pread(descriptor, &last, 1, status.st_size - 1) == 1 && last != '\n';
}

bool is_still(const std::string& path, int descriptor) {
  struct stat named {};
  struct stat open {};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(descriptor, &open) == 0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

Result<FileDescriptor> open_reject_descriptor(const std::string& path, int flags) {
  FileDescriptor file(::open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600));
  if (!file.open()) {
    const std::string reason = errno == ELOOP ? "it is a symbolic link" : system_message(errno);
    return reject_file_error(path, "cannot be opened: " + reason);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return reject_file_error(path, "is not a regular file");
  }
  return file;
}

Result<std::unique_ptr<RejectSink>> open_reject_file(const std::string& path,
                                                     const kafka::RejectedBy& by,
                                                     const Clock& clock) {
  FileDescriptor file = TRY(open_reject_descriptor(path, O_RDWR | O_CREAT | O_APPEND));
  TRY(sync_folder(folder_of(path), "folder of the reject file"));
  return std::unique_ptr<RejectSink>(
      std::make_unique<RejectFile>(path, std::move(file), by, clock));
}

}  // namespace sluice::cli
