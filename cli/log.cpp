// SPDX-License-Identifier: Apache-2.0
#include "cli/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/text.hpp"

namespace sluice::cli {
namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return "error";
    case LogLevel::warning:
      return "warn";
    case LogLevel::info:
      return "info";
    case LogLevel::debug:
      return "debug";
  }
  return "info";
}

/// Plain words stay as they are; the rest is quoted so that a reader can take the line apart.
std::string log_value(const std::string& text) {
  static constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/,+@%[]()*{}";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string quoted;
  for (const char character : text) {
    if (character == '"' || character == '\\') quoted += '\\';
    quoted += character;
  }
  return "\"" + escape_control(quoted) + "\"";
}

std::string field_text(const LogField& field) {
  if (const auto* text = std::get_if<std::string>(&field.value)) return log_value(*text);
  if (const auto* number = std::get_if<uint64_t>(&field.value)) return std::to_string(*number);
  if (const auto* number = std::get_if<int64_t>(&field.value)) return std::to_string(*number);
  return fmt::format("{:.1f}", std::get<double>(field.value));
}

}  // namespace

std::string text_log_line(WallTime time, LogLevel level, std::string_view message,
                          std::span<const LogField> fields) {
  std::string line = fmt::format("{} {:<5} {}", utc_seconds(time), level_name(level), message);
  for (const LogField& field : fields) line += fmt::format(" {}={}", field.name, field_text(field));
  return line + "\n";
}

std::string json_log_line(WallTime time, LogLevel level, std::string_view message,
                          std::span<const LogField> fields) {
  nlohmann::ordered_json line;
  line["time"] = utc_milliseconds(time);
  line["level"] = level_name(level);
  line["message"] = message;
  for (const LogField& field : fields) {
    auto& value = line[std::string(field.name)];
    if (const auto* text = std::get_if<std::string>(&field.value)) {
      value = valid_utf8(*text);
    } else {
      std::visit([&](const auto& number) { value = number; }, field.value);
    }
  }
  return line.dump() + "\n";
}

Log::Log(const Clock& clock, Screen& screen, LogLevel level, bool json)
    : clock_(clock), screen_(screen), level_(level), json_(json) {}

Result<void> Log::open(const std::string& path) {
  path_ = path;
  return reopen();
}

Result<void> Log::reopen() {
  if (path_.empty()) return {};
  FileDescriptor file = TRY(open_file(path_, "log file", O_WRONLY | O_CREAT | O_APPEND, 0640));
  const std::lock_guard lock(mutex_);
  file_ = std::move(file);
  return {};
}

void Log::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!shows(level)) return;
  const std::span<const LogField> list(fields.begin(), fields.size());
  const WallTime now = clock_.wall();
  const std::string line =
      json_ ? json_log_line(now, level, message, list) : text_log_line(now, level, message, list);
  if (!to_file()) return screen_.write(line);
  const std::lock_guard lock(mutex_);
  auto written = write_all(file_.get(), line, "log file " + escape_control(path_));
  if (!written && status_.ok()) status_ = std::move(written);
}

Result<void> Log::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace sluice::cli
