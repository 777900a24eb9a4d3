// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "cli/file.hpp"
#include "cli/terminal.hpp"
#include "core/base/clock.hpp"
#include "core/base/result.hpp"

namespace sluice::cli {

enum class LogLevel : uint8_t { error, warning, info, debug };

struct LogField {
  std::string_view name;
  std::variant<uint64_t, int64_t, double, std::string> value;
};

/// One line of a text log, with its line break:
///   2026-11-21T02:00:04Z info  run started run=01JD6K pipelines=orders
/// Values with anything but plain characters are quoted, control characters escaped.
[[nodiscard]] std::string text_log_line(WallTime time, LogLevel level, std::string_view message,
                                        std::span<const LogField> fields);
/// The same as one JSON object with time, level, message and the fields.
[[nodiscard]] std::string json_log_line(WallTime time, LogLevel level, std::string_view message,
                                        std::span<const LogField> fields);

/// The log: to standard error, or to a file that can be opened again (logrotate). Thread-safe.
class Log {
 public:
  Log(const Clock& clock, Screen& screen, LogLevel level, bool json);

  /// From now on lines go to this file, appended.
  [[nodiscard]] Result<void> open(const std::string& path);
  /// Opens the file anew, by its name.
  [[nodiscard]] Result<void> reopen();

  [[nodiscard]] bool to_file() const { return !path_.empty(); }
  [[nodiscard]] bool json() const { return json_; }
  [[nodiscard]] bool shows(LogLevel level) const { return level <= level_; }
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields);
  /// The first failure to write the file, if there was one.
  [[nodiscard]] Result<void> status() const;

 private:
  const Clock& clock_;
  Screen& screen_;
  LogLevel level_;
  bool json_;
  std::string path_;
  mutable std::mutex mutex_;
  FileDescriptor file_;
  Result<void> status_;
};

}  // namespace sluice::cli
