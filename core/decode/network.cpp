// SPDX-License-Identifier: Apache-2.0
#include "core/decode/network.hpp"

#include <algorithm>
#include <optional>

#include "core/base/text.hpp"
#include "core/decode/digits.hpp"

namespace sluice {

namespace {

constexpr size_t groups_max = 8;  // of 16 bits each

std::optional<uint32_t> hex_value(char c) {
  if (is_digit(c)) return static_cast<uint32_t>(c - '0');
  const char lower = to_lower(c);
  if (lower >= 'a' && lower <= 'f') return static_cast<uint32_t>(lower - 'a' + 10);
  return std::nullopt;
}

/// Four numbers below 256 with points between them. `strict`: without leading zeros.
std::optional<uint32_t> dotted(std::string_view text, bool strict) {
  uint32_t address = 0;
  for (int part = 0; part < 4; ++part) {
    if (part != 0 && !take_char(text, '.')) return std::nullopt;
    const size_t count = count_digits(text);
    if (count == 0 || count > 3 || (strict && count > 1 && text.front() == '0')) {
      return std::nullopt;
    }
    const auto octet = digits_value<uint32_t>(take(text, count));
    if (octet > 255) return std::nullopt;
    address = address << 8 | octet;
  }
  if (!text.empty()) return std::nullopt;
  return address;
}

/// The groups of an IPv6 address, before and after its "::".
class GroupReader {
 public:
  bool read(std::string_view text);
  void write(std::array<uint8_t, 16>& address) const;

 private:
  bool read_hex(std::string_view& text);
  bool add(uint32_t group);

  std::array<uint16_t, groups_max> groups_{};
  size_t count_ = 0;
  std::optional<size_t> gap_;  // index of the group that the "::" stands before
};

bool GroupReader::add(uint32_t group) {
  if (count_ == groups_max) return false;
  groups_[count_++] = static_cast<uint16_t>(group);
  return true;
}

bool GroupReader::read_hex(std::string_view& text) {
  uint32_t group = 0;
  size_t count = 0;
  for (; count < text.size() && count < 4; ++count) {
    const auto digit = hex_value(text[count]);
    if (!digit) break;
    group = group << 4 | *digit;
  }
  text.remove_prefix(count);
  return count != 0 && add(group);
}

bool GroupReader::read(std::string_view text) {
  bool colon_before = false;  // a single one, which a group must follow
  if (text.starts_with(':') && !text.starts_with("::")) return false;
  while (!text.empty()) {
    if (text.starts_with("::")) {
      if (gap_ || count_ == groups_max) return false;
      gap_ = count_;
      text.remove_prefix(2);
      colon_before = false;
      if (text.starts_with(':')) return false;
      continue;
    }
    if (const auto address = dotted(text, true)) {
      return add(*address >> 16) && add(*address & 0xFFFF) && (gap_ || count_ == groups_max);
    }
    if (!read_hex(text)) return false;
    colon_before = !text.starts_with("::") && take_char(text, ':');
    if (!colon_before && !text.empty() && text.front() != ':') return false;
  }
  return !colon_before && (gap_ || count_ == groups_max);
}

void GroupReader::write(std::array<uint8_t, 16>& address) const {
  address.fill(0);
  const size_t before = gap_.value_or(count_);
  for (size_t i = 0; i < count_; ++i) {
    const size_t position = i < before ? i : groups_max - count_ + i;
    address[2 * position] = static_cast<uint8_t>(groups_[i] >> 8);
    address[2 * position + 1] = static_cast<uint8_t>(groups_[i]);
  }
}

}  // namespace

bool parse_ipv4(std::string_view text, uint32_t& address) {
  const auto value = dotted(text, false);
  address = value.value_or(0);
  return value.has_value();
}

bool parse_ipv6(std::string_view text, std::array<uint8_t, 16>& address) {
  if (const auto value = dotted(text, true)) {
    address.fill(0);
    address[10] = address[11] = 0xFF;
    for (size_t i = 0; i < 4; ++i) address[12 + i] = static_cast<uint8_t>(*value >> (24 - 8 * i));
    return true;
  }
  GroupReader reader;
  if (!reader.read(text)) return false;
  reader.write(address);
  return true;
}

bool parse_uuid(std::string_view text, std::array<uint64_t, 2>& halves) {
  const bool hyphens = text.size() == 36;
  if (!hyphens && text.size() != 32) return false;
  size_t digits = 0;
  halves = {};
  for (size_t i = 0; i < text.size(); ++i) {
    if (hyphens && (i == 8 || i == 13 || i == 18 || i == 23)) {
      if (text[i] != '-') return false;
      continue;
    }
    const auto digit = hex_value(text[i]);
    if (!digit) return false;
    halves[digits / 16] = halves[digits / 16] << 4 | *digit;
    ++digits;
  }
  return true;
}

}  // namespace sluice
