// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clickhouse/error_codes.hpp"
#include "core/clickhouse/http.hpp"
#include "core/model/insert.hpp"

/// The text of an exception taken apart. It may quote record content, hostile record content too:
/// what is taken from it for people is never that content, and positions are chosen so that quoted
/// text cannot pass for the server's own. Pure.
namespace sluice::clickhouse {

struct Exception {
  int code = 0;  ///< 0: an exception whose code could not be read
  std::string name;
  std::string text;  ///< behind "DB::Exception:", without "(NAME) (version …)"
};

/// The exception an answer carries in its header or its body, whatever the HTTP status.
[[nodiscard]] std::optional<Exception> find_exception(const HttpReply& reply);

/// The row it blames, 0-based within the insert; nothing when it names none of this insert's.
[[nodiscard]] std::optional<uint64_t> blamed_row(const Exception& exception, const Insert& insert);

/// The column it blames, where the text names one.
[[nodiscard]] std::string blamed_column(const Exception& exception, const Insert& insert);

/// The materialized view behind the table that it happened in; empty when it was the table itself.
[[nodiscard]] std::string failing_view(const Exception& exception);

/// What may be told of the text, one line, control characters escaped, at most 1 KB.
[[nodiscard]] std::string presentable(const Exception& exception, TextPolicy policy);

}  // namespace sluice::clickhouse
