// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "cli/file.hpp"
#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/kafka/reject_headers.hpp"
#include "core/model/record.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::cli {

/// A RejectSink that appends one JSON object a line to a local file:
///
///   {"v":1,"rejected_at":"2026-11-21T02:00:04.112Z","run":"…","group":"sluice-orders",
///    "topic":"orders","partition":0,"offset":17,"timestamp":1795226404112,"reason":"type","code":0,
///    "column":"amount","message":"…","key":"…","value":"…",
///    "headers":[{"name":"…","value":"…"}]}
///
/// Bytes that are not UTF-8 stand under key_base64, value_base64 instead; null stays null. The file
/// is made with mode 0600, a symbolic link is refused. flush() returns once everything is on disk.
/// A line that an earlier crash left unfinished is ended first, so that every other line stays
/// readable. Several processes may append to one file, and it may be renamed under the lock that
/// every writer takes (FileLock): what is written after that goes to a new file of the old name.
[[nodiscard]] Result<std::unique_ptr<RejectSink>> open_reject_file(const std::string& path,
                                                                   const kafka::RejectedBy& by,
                                                                   const Clock& clock);

/// A rejected record as it is kept: who rejected it and when.
struct KeptReject {
  RejectedRecord record;
  kafka::RejectedBy by;
  WallTime rejected_at{};
};

/// The object of one such line.
[[nodiscard]] nlohmann::ordered_json reject_json(const KeptReject& kept);
/// The inverse, of a line without its line break; nothing when it is none.
[[nodiscard]] std::optional<KeptReject> parse_reject_line(std::string_view line);

/// An open reject file, and whether its name still stands for it.
[[nodiscard]] Result<FileDescriptor> open_reject_descriptor(const std::string& path, int flags);
[[nodiscard]] bool is_still(const std::string& path, int descriptor);
[[nodiscard]] Error reject_file_error(const std::string& path, std::string_view what);

/// Holds a reject file for one writer at a time, so that lines of two processes never mix.
class FileLock {
 public:
  explicit FileLock(int descriptor);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

/// Whether what the file holds ends within a line.
[[nodiscard]] bool ends_within_line(int descriptor);

}  // namespace sluice::cli
