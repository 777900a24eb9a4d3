// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice {

/// Reads "1.2.3.4" as the number ClickHouse stores for IPv4; leading zeros mean nothing.
[[nodiscard]] bool parse_ipv4(std::string_view text, uint32_t& address);

/// Reads the text of an IPv6 address into network byte order: "2001:db8::1", "::ffff:1.2.3.4", and
/// an IPv4 address alone, which stands for ::ffff: and it.
[[nodiscard]] bool parse_ipv6(std::string_view text, std::array<uint8_t, 16>& address);

/// Reads a UUID, 32 hexadecimal digits with or without the four hyphens, into the two numbers that
/// ClickHouse stores, first half first.
[[nodiscard]] bool parse_uuid(std::string_view text, std::array<uint64_t, 2>& halves);

}  // namespace sluice
