// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/commit_record.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "core/base/check.hpp"
#include "core/base/crc32c.hpp"

namespace sluice {
namespace {

constexpr std::string_view magic = "slu1|";

template <class T>
std::optional<T> parse(std::string_view text, int base = 10) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Cuts the text up to the next `mark` off the front of `rest`.
std::string_view take_field(std::string_view& rest, char mark) {
  const size_t end = rest.find(mark);
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return field;
}

std::optional<Offset> parse_offset(std::string_view text) {
  const auto value = parse<int64_t>(text);
  if (!value) return std::nullopt;
  return Offset{*value};
}

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Nothing in a field may look like the record's own marks.
std::string plain(std::string_view text, size_t bytes_max) {
  std::string out(text.substr(0, bytes_max));
  for (char& c : out) {
    if (c == '|' || c < ' ' || c > '~') c = '?';
  }
  return out;
}

std::optional<OffsetRange> parse_range(std::string_view text) {
  const auto first = parse_offset(take_field(text, ','));
  const auto next = parse_offset(text);
  if (!first || !next) return std::nullopt;
  return OffsetRange{*first, *next};
}

std::optional<Witness> parse_witness(std::string_view text) {
  const auto offset = parse_offset(take_field(text, ','));
  const auto timestamp = parse<int64_t>(take_field(text, ','));
  const auto crc = parse<uint32_t>(text, 16);
  if (!offset || !timestamp || !crc) return std::nullopt;
  return Witness{*offset, *timestamp, *crc};
}

std::optional<Handover> parse_handover(std::string_view text) {
  Handover out;
  out.table_uuid = take_field(text, ',');
  const auto next = parse_offset(take_field(text, ','));
  const auto at = parse<int64_t>(take_field(text, ','));
  if (!next || !at || (text != "0" && text != "1")) return std::nullopt;
  out.next = *next;
  out.at_ms = *at;
  out.group_was_new = text == "1";
  return out;
}

std::optional<Intent> parse_intent(std::string_view text) {
  Intent out;
  const auto next = parse_offset(take_field(text, ','));
  out.nonce = take_field(text, ',');
  const auto records = parse<uint64_t>(take_field(text, ','));
  const auto crc = parse<uint32_t>(take_field(text, ','), 16);
  out.table_uuid = take_field(text, ',');
  const auto at = parse<int64_t>(take_field(text, ','));
  if (!next || !is_hex(out.nonce, 32) || !records || !crc || !at) return std::nullopt;
  out.next = *next;
  out.records = *records;
  out.crc = *crc;
  out.at_ms = *at;
  while (!text.empty()) {
    const auto offset = parse_offset(take_field(text, ','));
    if (!offset) return std::nullopt;
    out.excluded.push_back(*offset);
  }
  return out;
}

/// Reads "k=value" into the record; false when it is nothing we know.
bool read_field(std::string_view field, CommitRecord& out) {
  if (field.size() < 2 || field[1] != '=') return false;
  const std::string_view value = field.substr(2);
  const auto take = [](auto parsed, auto& target) {
    if (parsed) target = *parsed;
    return parsed.has_value();
  };
  switch (field[0]) {
    case 't':
      return take(parse<int64_t>(value), out.inserted_at_ms);
    case 'n':
      return take(parse<int64_t>(value), out.renewed_at_ms);
    case 's':
      return take(parse<uint64_t>(value), out.sequence);
    case 'e':
      return take(parse_range(value), out.fixed);
    case 'c':
      return take(parse<uint64_t>(value), out.rows);
    case 'w':
      out.asked = value;
      return true;
    case 'r':
      return take(parse_witness(value), out.witness);
    case 'h':
      return take(parse_handover(value), out.handover);
    case 'i':
      return take(parse_intent(value), out.intent);
    default:
      return false;
  }
}

}  // namespace

std::string CommitRecord::encode() const {
  std::string text = fmt::format("{}{}|{}|{}|{}", magic, intent ? 'I' : 'D', plain(run, 64),
                                 range.first.value, range.next.value);
  if (inserted_at_ms >= 0) text += fmt::format("|t={}", inserted_at_ms);
  if (renewed_at_ms >= 0) text += fmt::format("|n={}", renewed_at_ms);
  if (sequence > 0) text += fmt::format("|s={}", sequence);
  if (fixed) text += fmt::format("|e={},{}", fixed->first.value, fixed->next.value);
  if (rows > 0) text += fmt::format("|c={}", rows);
  if (!asked.empty()) text += "|w=" + plain(asked, asked_max);
  if (witness) {
    text +=
        fmt::format("|r={},{},{:08x}", witness->offset.value, witness->timestamp_ms, witness->crc);
  }
  if (handover) {
    text += fmt::format("|h={},{},{},{}", handover->table_uuid, handover->next.value,
                        handover->at_ms, handover->group_was_new ? 1 : 0);
  }
  if (intent) {
    CHECK(intent->excluded.size() <= excluded_max);
    text += fmt::format("|i={},{},{},{:08x},{},{}", intent->next.value, intent->nonce,
                        intent->records, intent->crc, intent->table_uuid, intent->at_ms);
    for (const Offset offset : intent->excluded) text += fmt::format(",{}", offset.value);
  }
  CHECK(text.size() + 9 <= size_max);
  return fmt::format("{}|{:08x}", text, crc32c(text));
}

CommitRecord CommitRecord::decode(std::string_view metadata) {
  CommitRecord record;
  if (metadata.empty()) return record;
  CommitRecord unknown;
  unknown.kind = Kind::foreign;
  if (!metadata.starts_with(magic)) return unknown;

  const size_t last_bar = metadata.rfind('|');
  const std::string crc = fmt::format("{:08x}", crc32c(metadata.substr(0, last_bar)));
  if (metadata.substr(last_bar + 1) != crc) {
    unknown.kind = Kind::damaged;
    return unknown;
  }
  std::string_view rest = metadata.substr(0, last_bar);
  rest.remove_prefix(magic.size());
  const std::string_view state = take_field(rest, '|');
  record.run = take_field(rest, '|');
  const auto first = parse_offset(take_field(rest, '|'));
  const auto next = parse_offset(take_field(rest, '|'));
  if (!first || !next) return unknown;
  record.range = {*first, *next};
  while (!rest.empty()) {
    if (!read_field(take_field(rest, '|'), record)) return unknown;
  }
  if (state != (record.intent ? "I" : "D")) return unknown;
  record.kind = Kind::ours;
  return record;
}

std::string_view asked_words(std::string_view asked) { return asked.substr(0, asked.find(" #")); }

std::string_view asked_mark(std::string_view asked) {
  const size_t found = asked.find(" #");
  return found == std::string_view::npos ? std::string_view() : asked.substr(found + 2);
}

}  // namespace sluice
