// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/result.hpp"
#include "core/clickhouse/http.hpp"
#include "core/deliver/retry.hpp"
#include "core/model/insert.hpp"

/// What an answer (or none) means: delivery.md section 2, rules 0 to 3 and its table. Pure.
namespace sluice::clickhouse {

/// Whom we talk to and about what, for messages.
struct Target {
  std::string origin;
  std::string table;  ///< full name
  std::string user;
};

/// One attempt, judged.
struct Verdict {
  Attempt attempt;
  int code = 0;                             ///< ClickHouse's exception code, 0 when there was none
  std::optional<uint64_t> row;              ///< the row it blames, 0-based within the insert
  Error error;                              ///< of everything but success
  RetryReason reason = RetryReason::other;  ///< of an INSERT that is tried again
};

/// Why an answer that leads to another attempt does so; `code` is the exception it was judged by.
[[nodiscard]] RetryReason retry_reason(const HttpReply& reply, int code);

/// Judges the answer to an INSERT. Success is only: HTTP 200, arrived whole, with a ClickHouse
/// header, without an exception header, and with an empty body.
[[nodiscard]] Verdict judge_insert(const HttpReply& reply, const Insert& insert,
                                   const Target& target);

/// Judges the answer to a query whose result is in the body. `what` completes
/// "ClickHouse does not …".
[[nodiscard]] Verdict judge_query(const HttpReply& reply, std::string_view what,
                                  const Target& target);

}  // namespace sluice::clickhouse
