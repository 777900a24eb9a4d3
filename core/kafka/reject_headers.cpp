// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/reject_headers.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "core/base/text.hpp"

namespace sluice::kafka {
namespace {

constexpr std::string_view prefix = "sluice.error.";
constexpr std::string_view first_name = "sluice.error.code";

template <class Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

/// What one of our headers says; false when it cannot be read.
bool read_header(std::string_view name, const std::string& value, RejectedRecord& record,
                 RejectedBy& by) {
  if (name == "code") {
    const auto reason = reject_reason(value);
    record.reason = reason.value_or(RejectReason::none);
    return reason.has_value();
  }
  if (name == "clickhouse_code") return read_number(value, record.code);
  if (name == "partition") return read_number(value, record.partition.value);
  if (name == "offset") return read_number(value, record.offset.value);
  if (name == "timestamp") return read_number(value, record.timestamp_ms);
  if (name == "column") record.column = value;
  if (name == "message") record.message = value;
  if (name == "topic") record.topic = value;
  if (name == "run") by.run = value;
  if (name == "group") by.group = value;
  return true;
}

}  // namespace

std::vector<Header> reject_headers(const RejectedRecord& record, const RejectedBy& by) {
  std::vector<Header> headers = record.headers;
  const auto add = [&](std::string_view name, std::string value) {
    headers.push_back({.name = std::string(prefix).append(name), .value = std::move(value)});
  };
  add("code", std::string(to_string(record.reason)));
  if (record.code != 0) add("clickhouse_code", std::to_string(record.code));
  add("column", record.column);
  add("message", printable(record.message));
  add("topic", record.topic);
  add("partition", std::to_string(record.partition.value));
  add("offset", std::to_string(record.offset.value));
  add("timestamp", std::to_string(record.timestamp_ms));
  add("run", by.run);
  add("group", by.group);
  return headers;
}

std::optional<RejectedBy> take_reject_headers(RejectedRecord& record) {
  // A record that was itself read from a reject topic has such headers of its own: ours are last.
  const auto last = std::find_if(record.headers.rbegin(), record.headers.rend(),
                                 [](const Header& header) { return header.name == first_name; });
  if (last == record.headers.rend()) return std::nullopt;
  const auto first = std::prev(last.base());
  RejectedRecord origin;
  RejectedBy by;
  for (auto header = first; header != record.headers.end(); ++header) {
    const std::string_view name = header->name;
    if (name.substr(0, prefix.size()) != prefix) return std::nullopt;
    if (!read_header(name.substr(prefix.size()), header->value, origin, by)) return std::nullopt;
  }
  record.topic = std::move(origin.topic);
  record.partition = origin.partition;
  record.offset = origin.offset;
  record.timestamp_ms = origin.timestamp_ms;
  record.reason = origin.reason;
  record.code = origin.code;
  record.column = std::move(origin.column);
  record.message = std::move(origin.message);
  record.headers.erase(first, record.headers.end());
  return by;
}

}  // namespace sluice::kafka
