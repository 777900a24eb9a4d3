// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/http_headers.hpp"

#include <algorithm>
#include <charconv>

#include "core/base/text.hpp"

namespace sluice::clickhouse {
namespace {

constexpr uint64_t header_bytes_max = 64ull << 10;

bool is_same(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char left, char right) { return to_lower(left) == right; });
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// The number `text` begins with; only up to a day's worth of seconds is believed.
std::optional<std::chrono::seconds> seconds_in(std::string_view text) {
  constexpr int day = 86'400;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data() || value < 0) return std::nullopt;
  return std::chrono::seconds(std::min(value, day));
}

/// "timeout=30, max=9999"
std::optional<std::chrono::seconds> keep_alive_timeout(std::string_view value) {
  constexpr std::string_view key = "timeout=";
  const size_t found = value.find(key);
  if (found == std::string_view::npos) return std::nullopt;
  return seconds_in(value.substr(found + key.size()));
}

}  // namespace

bool HeaderReader::add(std::string_view line) {
  bytes_ += line.size();
  if (bytes_ > header_bytes_max) return false;
  if (line.substr(0, 5) == "HTTP/") {
    reply_.exception_code.clear();
    reply_.from_clickhouse = false;
    reply_.retry_after.reset();
    reply_.content_type.clear();
    finished_ = framed_ = false;
    keep_alive_.reset();
    return true;
  }
  if (trimmed(line).empty()) {
    finished_ = true;
    return true;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  add_field(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  return true;
}

void HeaderReader::add_field(std::string_view name, std::string_view value) {
  if (is_same(name, "x-clickhouse-exception-code")) {
    reply_.exception_code = value;
  } else if (is_same(name, "x-clickhouse-query-id") || is_same(name, "x-clickhouse-summary")) {
    reply_.from_clickhouse = true;
  } else if (is_same(name, "content-type")) {
    reply_.content_type = value;
  } else if (is_same(name, "retry-after")) {
    reply_.retry_after = seconds_in(value);
  } else if (is_same(name, "keep-alive")) {
    keep_alive_ = keep_alive_timeout(value);
  } else if (is_same(name, "content-length")) {
    framed_ = true;
  } else if (is_same(name, "transfer-encoding")) {
    framed_ = framed_ || value.find("chunked") != std::string_view::npos;
  }
}

}  // namespace sluice::clickhouse
