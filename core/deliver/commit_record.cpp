// SPDX-License-Identifier: Apache-2.0
#include "core/deliver/commit_record.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

namespace sluice {
namespace {

constexpr std::string_view magic = "slu1|";

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
    table[byte] = crc;
  }
  return table;
}

template <class T>
std::optional<T> parse(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Cuts the text up to the next '|' off the front of `rest`.
std::string_view take_field(std::string_view& rest) {
  const size_t bar = rest.find('|');
  const std::string_view field = rest.substr(0, bar);
  rest.remove_prefix(bar == std::string_view::npos ? rest.size() : bar + 1);
  return field;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr auto table = make_crc_table();
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc = table[(crc ^ static_cast<unsigned char>(byte)) & 0xFFu] ^ (crc >> 8);
  }
  return ~crc;
}

std::string CommitRecord::encode() const {
  std::string text = fmt::format("{}D|{}|{}|{}", magic, run, range.first.value, range.next.value);
  return fmt::format("{}|{:08x}", text, crc32c(text));
}

CommitRecord CommitRecord::decode(std::string_view metadata) {
  CommitRecord record;
  if (metadata.empty()) return record;
  record.kind = Kind::foreign;
  if (!metadata.starts_with(magic)) return record;

  const size_t last_bar = metadata.rfind('|');
  const std::string crc = fmt::format("{:08x}", crc32c(metadata.substr(0, last_bar)));
  if (metadata.substr(last_bar + 1) != crc) {
    record.kind = Kind::damaged;
    return record;
  }
  std::string_view rest = metadata.substr(0, last_bar);
  rest.remove_prefix(magic.size());
  const std::string_view state = take_field(rest);
  const std::string_view run = take_field(rest);
  const auto first = parse<int64_t>(take_field(rest));
  const auto next = parse<int64_t>(take_field(rest));
  if (state != "D" || !first || !next || !rest.empty()) return record;
  record.kind = Kind::ours;
  record.run = run;
  record.range = {Offset{*first}, Offset{*next}};
  return record;
}

}  // namespace sluice
