// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"

namespace sluice {

enum class InsertFormat : uint8_t { native, json_each_row };

/// One column of an INSERT's body.
///
/// A flagged column is followed in the body by a UInt8 column that is 1 where the record had no
/// value, so that the server evaluates the column's DEFAULT for just those rows:
///   INSERT INTO t (a, b) SELECT v0 AS a, if(m1, CAST(<default>, 'T'), v1) AS b
///   FROM input('v0 …, v1 …, m1 UInt8') FORMAT Native
/// A column with a cast_type (never flagged) is text that the server parses: CAST(v1, 'JSON').
/// Body column names are the table's own in an insert that is plain(), else v0, v1, m1, … by
/// position.
struct InsertColumn {
  std::string name;  ///< in the table
  std::string type;  ///< in the body (DataType::wire_name); the server casts it
  bool flagged = false;
  std::string default_expression;  ///< of a flagged column
  std::string cast_type{};         ///< the table's type where the statement must cast, else empty
};

/// One INSERT as the sink sends it: every attempt has these bytes and this token.
///
/// The views in `pieces` belong to whoever submitted it and stay valid and unchanged until the
/// sink hands back the outcome with this id.
struct Insert {
  uint64_t id = 0;
  std::string token;  ///< insert_deduplication_token: 128 random bits, text
  InsertFormat format = InsertFormat::native;
  std::vector<InsertColumn> columns;     ///< empty for json_each_row: no column list
  std::vector<std::string_view> pieces;  ///< the body, in order, uncompressed
  uint64_t rows = 0;
  uint64_t bytes = 0;  ///< sum of pieces
  std::string label;   ///< "topic[partition] [first,next) …" for logs
  /// No attempt begins after this moment (steady clock), which moves on as long as the process is
  /// alive: one that stood still must not send what another has taken over. Null: no such limit.
  const std::atomic<TimePoint>* begin_before = nullptr;
  /// Once an attempt may have landed, none begins after this moment: by then the table may have
  /// forgotten the token.
  std::optional<TimePoint> resend_before;
  bool may_have_landed = false;  ///< before the first attempt already: sent by an earlier process
  /// The rows go nowhere: it is only asked whether ClickHouse can read them.
  bool dry_run = false;

  /// Whether the body goes into the table as it is: nothing flagged, nothing cast.
  [[nodiscard]] bool plain() const {
    return std::none_of(columns.begin(), columns.end(), [](const InsertColumn& column) {
      return column.flagged || !column.cast_type.empty();
    });
  }
};

/// Why an attempt of an INSERT is made again: the closed set that labels metrics.
enum class RetryReason : uint8_t {
  network,         ///< no connection, or one that broke
  timeout,         ///< no answer in time
  too_many_parts,  ///< ClickHouse cannot merge as fast as we insert
  memory,          ///< ClickHouse has none left
  readonly,        ///< the table or the user may only read at the moment
  http_5xx,        ///< a proxy's or server's failure without an exception of ClickHouse's
  other,
};

/// "network", "timeout", …: the word used in metrics.
[[nodiscard]] std::string_view to_string(RetryReason reason);

/// What became of an Insert, after all retries.
struct InsertOutcome {
  enum class Kind : uint8_t {
    inserted,     ///< ClickHouse acknowledged it
    readable,     ///< of a dry run: ClickHouse could read all of its rows
    refused_row,  ///< a row of it was refused and the message names it: `row`
    refused,      ///< a row of it was refused, the message names none
    too_large,    ///< refused for its size or number of partitions before anything was written
    stale_table,  ///< the table's columns are no longer those the insert was made for
    failed,       ///< given up: `error`
  };
  uint64_t id = 0;
  Kind kind = Kind::failed;
  uint64_t row = 0;  ///< of refused_row: 0-based within the insert
  Error error;       ///< of everything but `inserted`
  int exception_code = 0;
  uint32_t attempts = 0;
  bool ambiguous = false;     ///< an attempt before may have landed
  uint64_t wire_bytes = 0;    ///< body bytes sent in the last attempt, after compression
  Milliseconds duration{0};   ///< from submit to outcome
  Milliseconds send_time{0};  ///< of the last attempt
  Milliseconds compress_time{0};
};

}  // namespace sluice
