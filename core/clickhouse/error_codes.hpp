// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/result.hpp"
#include "core/deliver/retry.hpp"

namespace sluice::clickhouse {

/// How much of the server's text may be shown.
enum class TextPolicy : uint8_t {
  shown,     ///< it names settings, tables, limits
  masked,    ///< quoted parts are left out: they may be record content
  withheld,  ///< it quotes record content: only facts that are none are taken from it
};

/// What an exception of ClickHouse means for an INSERT: delivery.md section 2 as data.
struct ErrorCode {
  int code = 0;
  std::string_view name;  ///< as ClickHouse calls it
  AttemptClass kind = AttemptClass::retry;
  bool ambiguous = true;  ///< the rows may have landed, or may still
  Errc errc = Errc::unavailable;
  std::string_view slug;
  std::string_view fix;  ///< {table} and {user} stand for themselves
  TextPolicy text = TextPolicy::shown;
  uint32_t times = 1;  ///< as Attempt::times
};

/// The entry of a code; of an unknown one the rule for unknown codes: try again, then stop.
[[nodiscard]] const ErrorCode& error_code(int code);

/// 252 has two meanings with opposite cures; this is "too many partitions for one INSERT".
[[nodiscard]] const ErrorCode& too_many_partitions();

/// All entries, sorted by code.
[[nodiscard]] std::span<const ErrorCode> error_codes();

}  // namespace sluice::clickhouse
