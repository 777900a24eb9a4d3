// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/types.hpp"

namespace sluice {

/// One Kafka header. Names repeat; values may be null (data() == nullptr).
struct Header {
  std::string name;
  std::string value;
  bool null_value = false;
};

/// Gives the headers of a record when asked, since few records are ever asked.
class HeaderSource {
 public:
  virtual ~HeaderSource() = default;
  [[nodiscard]] virtual std::vector<Header> headers() const = 0;
};

struct RejectedRecord;

/// One Kafka record as read. Views are valid only inside the call that hands it over.
struct Record {
  PartitionId partition;
  Offset offset;
  int64_t timestamp_ms = -1;  ///< unix milliseconds; -1 when the broker gave none
  std::string_view key;       ///< data() == nullptr: null key
  std::string_view value;     ///< data() == nullptr: null value, a tombstone
  const HeaderSource* headers = nullptr;
  /// Of a record that is read again out of the rejects: where and with which headers it was first
  /// read. Columns get these.
  const RejectedRecord* original = nullptr;

  [[nodiscard]] bool tombstone() const { return value.data() == nullptr; }
};

/// Why a record was not turned into a row. The closed set that labels metrics and JSON.
enum class RejectReason : uint8_t {
  none,
  decode,     ///< not one complete, valid JSON object
  schema,     ///< an unknown field where that is an error, a duplicate key, too many fields
  type,       ///< a value that does not fit its column
  too_large,  ///< over max_record_bytes
  insert,     ///< ClickHouse itself refused the row
};

/// A record passed over on purpose. Counted, never kept.
enum class SkipReason : uint8_t {
  tombstone,
  empty,
  filter,  ///< its own timestamp lies outside the range that was asked for
};

/// "decode", "schema", …: the word used in metrics, JSON and headers.
[[nodiscard]] std::string_view to_string(RejectReason reason);
/// The reason of that word; nothing for "none" and for any other word.
[[nodiscard]] std::optional<RejectReason> reject_reason(std::string_view word);

/// A record that is not going to be a row, whole, with the reason.
struct RejectedRecord {
  std::string topic;
  PartitionId partition;
  Offset offset;
  int64_t timestamp_ms = -1;
  std::string key;
  std::string value;
  bool null_key = false;
  bool null_value = false;
  std::vector<Header> headers;
  RejectReason reason = RejectReason::none;
  int code = 0;         ///< ClickHouse's exception code where it refused the row, else 0
  std::string column;   ///< the column at fault, may be empty
  std::string message;  ///< why, for people; never the record's content
};

}  // namespace sluice
