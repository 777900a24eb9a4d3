// SPDX-License-Identifier: Apache-2.0
#include "core/decode/metadata_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <utility>

namespace sluice {

using Kind = ColumnSource::Kind;

/// What a record's columns are told, that of a replayed one being where it was first read.
struct MetadataColumns::Origin {
  std::string_view topic;
  int64_t partition;
  int64_t offset;
  int64_t timestamp_ms;
  const Record& record;
  std::vector<Header> headers;

  [[nodiscard]] const Header* header(std::string_view name) const {
    const auto found = std::find_if(headers.rbegin(), headers.rend(),
                                    [&](const Header& header) { return header.name == name; });
    return found == headers.rend() ? nullptr : &*found;
  }
};

namespace {

constexpr int64_t milliseconds = 1000;
constexpr int64_t year_2300_ms = 10'413'792'000'000;  ///< where a DateTime64 ends

void append_integer(int64_t value, Column& column) {
  std::array<uint64_t, 4> words{static_cast<uint64_t>(value)};
  column.append_fixed_bytes(words.data());
}

Fault check_time(int64_t timestamp_ms, const DataType& type) {
  const bool seconds = type.kind == TypeKind::datetime;
  const int64_t end = seconds ? (int64_t{UINT32_MAX} + 1) * milliseconds : year_2300_ms;
  return timestamp_ms < 0 || timestamp_ms >= end ? Fault::date_out_of_range : Fault::none;
}

Fault append_timestamp(int64_t timestamp_ms, Column& column) {
  constexpr uint32_t millisecond_digits = 3;
  const DataType& type = column.type();
  const Fault fault = check_time(timestamp_ms, type);
  if (fault != Fault::none) return fault;
  if (type.kind == TypeKind::datetime) {
    column.append_fixed(static_cast<uint32_t>(timestamp_ms / milliseconds));
    return Fault::none;
  }
  int64_t ticks = timestamp_ms;
  for (uint32_t digits = millisecond_digits; digits < type.precision; ++digits) {
    if (__builtin_mul_overflow(ticks, 10, &ticks)) return Fault::date_out_of_range;
  }
  column.append_fixed(ticks);
  return Fault::none;
}

void append_text(const Header& header, Column& column) {
  if (header.null_value && column.nullable()) return column.append_null();
  column.append_string(header.value);
}

void append_headers(const std::vector<Header>& headers, Column& column) {
  const bool map = column.kind() == TypeKind::map;
  for (const Header& header : headers) {
    Column& pair = map ? column : column.child(0);
    pair.child(0).append_string(header.name);
    append_text(header, pair.child(1));
    if (!map) pair.append_tuple();
  }
  column.append_array();
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(text, out);
  return out;
}

std::string json_text(const Header& header, const DataType& type) {
  const bool null = header.null_value && type.kind == TypeKind::nullable;
  return null ? "null" : json_string(header.value);
}

std::string json_headers(const std::vector<Header>& headers, const DataType& type) {
  const bool map = type.kind == TypeKind::map;
  const DataType& pair = map ? type : type.elements.front();
  std::string out;
  for (const Header& header : headers) {
    const std::string name = json_string(header.name);
    const std::string value = json_text(header, pair.elements[1]);
    if (!out.empty()) out += ',';
    if (map) {
      out += name + ":" + value;
    } else if (pair.element_names.empty()) {
      out += "[" + name + "," + value + "]";
    } else {
      out += "{" + json_string(pair.element_names[0]) + ":" + name + "," +
             json_string(pair.element_names[1]) + ":" + value + "}";
    }
  }
  return map ? "{" + out + "}" : "[" + out + "]";
}

std::string json_time(int64_t timestamp_ms) {
  const std::chrono::sys_days day = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(timestamp_ms)));
  const std::chrono::year_month_day date(day);
  const int64_t rest = timestamp_ms - std::chrono::milliseconds(day.time_since_epoch()).count();
  return fmt::format("\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"", int(date.year()),
                     unsigned(date.month()), unsigned(date.day()), rest / 3'600'000,
                     rest / 60'000 % 60, rest / 1000 % 60, rest % 1000);
}

}  // namespace

MetadataColumns::MetadataColumns(const BlockSchema& schema, const ColumnLayout& layout,
                                 std::string topic)
    : topic_(std::move(topic)), snapshot_(layout.snapshot) {
  for (size_t column = 0; column < layout.columns.size(); ++column) {
    const ColumnSource& source = layout.columns[column];
    const bool elsewhere = source.kind == Kind::field || source.kind == Kind::unknown_fields ||
                           source.kind == Kind::nothing;
    if (elsewhere) continue;
    const auto& keys = layout.key_columns;
    fills_.push_back({column, source, &schema.columns()[column],
                      std::find(keys.begin(), keys.end(), column) != keys.end()});
    needs_headers_ = needs_headers_ || source.kind == Kind::headers ||
                     source.kind == Kind::header_names || source.kind == Kind::header_values ||
                     source.kind == Kind::header;
  }
}

MetadataColumns::Origin MetadataColumns::origin_of(const Record& record) const {
  if (record.original != nullptr) {
    const RejectedRecord& first = *record.original;
    return {first.topic,
            first.partition.value,
            first.offset.value,
            first.timestamp_ms,
            record,
            needs_headers_ ? first.headers : std::vector<Header>{}};
  }
  Origin origin{topic_, record.partition.value, record.offset.value, record.timestamp_ms, record,
                {}};
  if (needs_headers_ && record.headers != nullptr) origin.headers = record.headers->headers();
  return origin;
}

Fault MetadataColumns::append(const Record& record, Block& block) {
  const Origin from = origin_of(record);
  for (const Fill& fill : fills_) {
    const Fault fault = append(fill, from, block.column(fill.column));
    if (fault == Fault::none) continue;
    fault_column_ = fill.table_column;
    return fault;
  }
  return Fault::none;
}

Fault MetadataColumns::append(const Record& record, std::string& members) {
  const Origin from = origin_of(record);
  for (const Fill& fill : fills_) {
    const Fault fault = append(fill, from, members);
    if (fault == Fault::none) continue;
    fault_column_ = fill.table_column;
    return fault;
  }
  return Fault::none;
}

Fault MetadataColumns::append(const Fill& fill, const Origin& from, Column& column) const {
  switch (fill.source.kind) {
    case Kind::topic:
      column.append_string(from.topic);
      return Fault::none;
    case Kind::partition:
      append_integer(from.partition, column);
      return Fault::none;
    case Kind::offset:
      append_integer(from.offset, column);
      return Fault::none;
    case Kind::timestamp:
      return from.timestamp_ms == -1 ? Fault::none : append_timestamp(from.timestamp_ms, column);
    case Kind::key:
      if (from.record.key.data() == nullptr && fill.required) return Fault::no_key;
      if (from.record.key.data() != nullptr) column.append_string(from.record.key);
      return Fault::none;
    case Kind::value:
      if (!from.record.tombstone()) column.append_string(from.record.value);
      return Fault::none;
    case Kind::header: {
      const Header* header = from.header(fill.source.header);
      if (header != nullptr && !header->null_value) column.append_string(header->value);
      return Fault::none;
    }
    case Kind::headers:
      append_headers(from.headers, column);
      return Fault::none;
    case Kind::header_names:
      for (const Header& header : from.headers) column.child(0).append_string(header.name);
      column.append_array();
      return Fault::none;
    case Kind::header_values:
      for (const Header& header : from.headers) append_text(header, column.child(0));
      column.append_array();
      return Fault::none;
    case Kind::deleted:
      column.append_fixed(static_cast<uint8_t>(from.record.tombstone() ? 1 : 0));
      return Fault::none;
    case Kind::snapshot_id:
      column.append_string(snapshot_.id);
      return Fault::none;
    case Kind::snapshot_time:
      return append_timestamp(snapshot_.time_ms, column);
    case Kind::field:
    case Kind::unknown_fields:
    case Kind::nothing:
      return Fault::none;
  }
  return Fault::none;
}

Fault MetadataColumns::append(const Fill& fill, const Origin& from, std::string& members) const {
  const DataType& type = fill.table_column->type;
  const auto add = [&](std::string_view value) {
    members += ',';
    append_json_string(fill.table_column->name, members);
    members.append(":").append(value);
  };
  const auto add_time = [&](int64_t timestamp_ms) {
    const Fault fault = check_time(timestamp_ms, type.bare());
    if (fault != Fault::none) return fault;
    const bool seconds = type.bare().kind == TypeKind::datetime;
    add(seconds ? std::to_string(timestamp_ms / milliseconds) : json_time(timestamp_ms));
    return Fault::none;
  };
  const auto list = [&](const auto& text) {
    std::string out;
    for (const Header& header : from.headers)
      out.append(out.empty() ? "" : ",").append(text(header));
    add("[" + out + "]");
  };
  switch (fill.source.kind) {
    case Kind::topic:
      add(json_string(from.topic));
      break;
    case Kind::partition:
      add(std::to_string(from.partition));
      break;
    case Kind::offset:
      add(std::to_string(from.offset));
      break;
    case Kind::timestamp:
      return from.timestamp_ms == -1 ? Fault::none : add_time(from.timestamp_ms);
    case Kind::key:
      if (from.record.key.data() == nullptr && fill.required) return Fault::no_key;
      if (from.record.key.data() != nullptr) add(json_string(from.record.key));
      break;
    case Kind::value:
      if (from.record.tombstone()) break;
      add(type.bare().kind == TypeKind::json ? std::string(from.record.value)
                                             : json_string(from.record.value));
      break;
    case Kind::header: {
      const Header* header = from.header(fill.source.header);
      if (header != nullptr && !header->null_value) add(json_string(header->value));
      break;
    }
    case Kind::headers:
      add(json_headers(from.headers, type));
      break;
    case Kind::header_names:
      list([](const Header& header) { return json_string(header.name); });
      break;
    case Kind::header_values:
      list([&](const Header& header) { return json_text(header, type.elements.front()); });
      break;
    case Kind::deleted:
      add(from.record.tombstone() ? "1" : "0");
      break;
    case Kind::snapshot_id:
      add(json_string(snapshot_.id));
      break;
    case Kind::snapshot_time:
      return add_time(snapshot_.time_ms);
    case Kind::field:
    case Kind::unknown_fields:
    case Kind::nothing:
      break;
  }
  return Fault::none;
}

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  for (const char character : text) {
    if (character == '"' || character == '\\') {
      out += '\\';
      out += character;
    } else if (static_cast<unsigned char>(character) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(character));
    } else {
      out += character;
    }
  }
  out += '"';
}

}  // namespace sluice
