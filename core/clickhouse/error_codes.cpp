// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/error_codes.hpp"

#include <algorithm>
#include <array>

namespace sluice::clickhouse {
namespace {

constexpr std::string_view wait_fix =
    "look into the server's log; what was not inserted is read again by the next run";
constexpr std::string_view overload_fix =
    "lower the load or the number of senders, or raise the server's limits; what was not inserted "
    "is read again by the next run";
constexpr std::string_view memory_fix =
    "make batches smaller (batch rows, batch bytes), or raise the server's or the user's memory "
    "limit; what was not inserted is read again by the next run";
constexpr std::string_view parts_fix =
    "let merges catch up: larger batches (batch rows, batch age), fewer writers, or a coarser "
    "PARTITION BY";
constexpr std::string_view keeper_fix =
    "look at ClickHouse Keeper and system.replicas; the table takes inserts again when its "
    "replica has its session back";
constexpr std::string_view quorum_fix =
    "bring the missing replicas back, or lower insert_quorum for this user";
constexpr std::string_view space_fix = "look at the server's disks and object storage";
constexpr std::string_view schema_fix =
    "compare the table with the pipeline: SHOW CREATE TABLE {table}";
constexpr std::string_view query_fix =
    "check the settings of this server's section; if they are right, report this as a bug";
constexpr std::string_view setting_fix =
    "the user's settings profile forbids a setting that sluice needs or was given: allow it for "
    "user {user}";
constexpr std::string_view login_fix = "check the user's name and password";
constexpr std::string_view grant_fix = "GRANT INSERT ON {table} TO {user}";
constexpr std::string_view row_fix =
    "correct the record's producer or the column's type, or keep refused records with "
    "on_error = \"reject\"";
constexpr std::string_view split_fix = "make batches smaller, or raise the server's limit";

constexpr ErrorCode waits(int code, std::string_view name) {
  return {code, name, AttemptClass::retry, true, Errc::unavailable, "clickhouse-failing", wait_fix};
}

constexpr ErrorCode waits(int code, std::string_view name, std::string_view slug,
                          std::string_view fix) {
  return {code, name, AttemptClass::retry, true, Errc::unavailable, slug, fix};
}

/// Turned away before anything was done.
constexpr ErrorCode overloaded(int code, std::string_view name) {
  return {code,
          name,
          AttemptClass::retry_slow,
          false,
          Errc::unavailable,
          "clickhouse-overloaded",
          overload_fix};
}

/// Ran out of something half-way.
constexpr ErrorCode exhausted(int code, std::string_view name) {
  return {
      code,      name, AttemptClass::retry_slow, true, Errc::unavailable, "clickhouse-overloaded",
      memory_fix};
}

/// Resent so often, then the rows are looked at one by one.
constexpr ErrorCode cut_body(int code, std::string_view name, uint32_t times) {
  ErrorCode entry{code,   name, AttemptClass::resend, true, Errc::rejected, "insert-refused",
                  row_fix};
  entry.times = times;
  return entry;
}

constexpr ErrorCode row(int code, std::string_view name) {
  return {code,
          name,
          AttemptClass::isolate,
          false,
          Errc::rejected,
          "insert-refused",
          row_fix,
          TextPolicy::withheld};
}

constexpr ErrorCode too_large(int code, std::string_view name) {
  return {code, name, AttemptClass::split, false, Errc::config, "insert-too-large", split_fix};
}

constexpr ErrorCode schema(int code, std::string_view name) {
  return {code,      name, AttemptClass::refresh_schema, false, Errc::config, "table-changed",
          schema_fix};
}

constexpr ErrorCode missing(int code, std::string_view name, std::string_view slug,
                            std::string_view fix) {
  return {code, name, AttemptClass::retry_briefly, false, Errc::config, slug, fix};
}

constexpr ErrorCode config(int code, std::string_view name, std::string_view slug,
                           std::string_view fix, TextPolicy text = TextPolicy::shown) {
  return {code, name, AttemptClass::fatal, false, Errc::config, slug, fix, text};
}

constexpr ErrorCode denied(int code, std::string_view name, std::string_view slug,
                           std::string_view fix) {
  return {code, name, AttemptClass::fatal, false, Errc::no_permission, slug, fix};
}

constexpr std::string_view login = "clickhouse-login";
constexpr std::string_view permission = "clickhouse-permission";
constexpr std::string_view failing = "clickhouse-failing";
constexpr std::string_view keeper = "keeper-unavailable";
constexpr std::string_view quorum = "insert-quorum";
constexpr std::string_view storage = "clickhouse-storage";
constexpr std::string_view query = "clickhouse-query";
constexpr std::string_view setting = "clickhouse-setting";
constexpr TextPolicy withheld = TextPolicy::withheld;

constexpr std::array table{
    cut_body(3, "UNEXPECTED_END_OF_FILE", 2),
    row(6, "CANNOT_PARSE_TEXT"),
    schema(8, "THERE_IS_NO_COLUMN"),
    schema(10, "NOT_FOUND_COLUMN_IN_BLOCK"),
    schema(15, "DUPLICATE_COLUMN"),
    schema(16, "NO_SUCH_COLUMN_IN_TABLE"),
    schema(20, "NUMBER_OF_COLUMNS_DOESNT_MATCH"),
    row(25, "CANNOT_PARSE_ESCAPE_SEQUENCE"),
    row(26, "CANNOT_PARSE_QUOTED_STRING"),
    row(27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED"),
    cut_body(32, "ATTEMPT_TO_READ_AFTER_EOF", 2),
    cut_body(33, "CANNOT_READ_ALL_DATA", 1),
    config(36, "BAD_ARGUMENTS", query, query_fix, TextPolicy::masked),
    row(38, "CANNOT_PARSE_DATE"),
    row(41, "CANNOT_PARSE_DATETIME"),
    schema(44, "ILLEGAL_COLUMN"),
    config(46, "UNKNOWN_FUNCTION", query, schema_fix),
    schema(47, "UNKNOWN_IDENTIFIER"),
    config(48, "NOT_IMPLEMENTED", query, query_fix),
    config(50, "UNKNOWN_TYPE", query, schema_fix),
    row(53, "TYPE_MISMATCH"),
    missing(60, "UNKNOWN_TABLE", "table-missing", "check the table's name, or create it"),
    config(62, "SYNTAX_ERROR", query, query_fix, withheld),
    row(69, "ARGUMENT_OUT_OF_BOUND"),
    row(70, "CANNOT_CONVERT_TYPE"),
    row(72, "CANNOT_PARSE_NUMBER"),
    config(73, "UNKNOWN_FORMAT", query, query_fix),
    config(80, "INCORRECT_QUERY", query, query_fix, withheld),
    missing(81, "UNKNOWN_DATABASE", "database-missing", "check the database's name, or create it"),
    config(89, "UNKNOWN_COMPRESSION_METHOD", query, "set compression = \"none\" for this server"),
    waits(107, "FILE_DOESNT_EXIST", storage, space_fix),
    config(115, "UNKNOWN_SETTING", setting, "remove the setting, or correct its name"),
    row(117, "INCORRECT_DATA"),
    row(128, "TOO_LARGE_ARRAY_SIZE"),
    row(130, "CANNOT_READ_ARRAY_FROM_TEXT"),
    row(131, "TOO_LARGE_STRING_SIZE"),
    too_large(158, "TOO_MANY_ROWS"),
    waits(159, "TIMEOUT_EXCEEDED"),
    ErrorCode{164, "READONLY", AttemptClass::retry_briefly, false, Errc::no_permission,
              "clickhouse-readonly",
              "the user's profile is read-only: give user {user} a profile with readonly = 0",
              TextPolicy::shown, 2},
    exhausted(173, "CANNOT_ALLOCATE_MEMORY"),
    row(190, "SIZES_OF_ARRAYS_DONT_MATCH"),
    denied(192, "UNKNOWN_USER", login, login_fix),
    denied(193, "WRONG_PASSWORD", login, login_fix),
    denied(194, "REQUIRED_PASSWORD", login, login_fix),
    denied(195, "IP_ADDRESS_NOT_ALLOWED", login,
           "allow this machine's address for user {user} (HOST clause, <networks>)"),
    waits(198, "DNS_ERROR"),
    overloaded(201, "QUOTA_EXCEEDED"),
    overloaded(202, "TOO_MANY_SIMULTANEOUS_QUERIES"),
    overloaded(203, "NO_FREE_CONNECTION"),
    waits(204, "CANNOT_FSYNC", storage, space_fix),
    waits(209, "SOCKET_TIMEOUT"),
    waits(210, "NETWORK_ERROR"),
    waits(216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING"),
    missing(218, "TABLE_IS_DROPPED", "table-missing", "the table is being dropped: create it anew"),
    waits(225, "NO_ZOOKEEPER", keeper, keeper_fix),
    config(229, "QUERY_IS_TOO_LARGE", query, "raise max_query_size for user {user}"),
    waits(236, "ABORTED"),
    exhausted(241, "MEMORY_LIMIT_EXCEEDED"),
    waits(242, "TABLE_IS_READ_ONLY", "table-read-only", keeper_fix),
    waits(243, "NOT_ENOUGH_SPACE", storage, space_fix),
    waits(244, "UNEXPECTED_ZOOKEEPER_ERROR", keeper, keeper_fix),
    ErrorCode{252, "TOO_MANY_PARTS", AttemptClass::retry_slow, false, Errc::unavailable,
              "too-many-parts", parts_fix},
    waits(254, "NO_ACTIVE_REPLICAS", keeper, keeper_fix),
    waits(265, "NO_AVAILABLE_REPLICA", keeper, keeper_fix),
    waits(279, "ALL_CONNECTION_TRIES_FAILED"),
    waits(285, "TOO_FEW_LIVE_REPLICAS", quorum, quorum_fix),
    waits(286, "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE", quorum, quorum_fix),
    waits(289, "REPLICA_IS_NOT_IN_QUORUM", quorum, quorum_fix),
    denied(291, "DATABASE_ACCESS_DENIED", permission, grant_fix),
    waits(297, "SHARD_HAS_NO_CONNECTIONS"),
    too_large(307, "TOO_MANY_BYTES"),
    waits(319, "UNKNOWN_STATUS_OF_INSERT", quorum, quorum_fix),
    row(321, "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE"),
    waits(335, "BARRIER_TIMEOUT"),
    config(344, "SUPPORT_IS_DISABLED", query,
           "a setting or a materialized view does not go together with deduplication: see the "
           "server's message"),
    row(349, "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN"),
    config(359, "TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT", "table-too-large-to-drop",
           "drop it by hand with SETTINGS max_table_size_to_drop = 0, or raise the server's limit"),
    overloaded(364, "RECEIVED_ERROR_TOO_MANY_REQUESTS"),
    waits(369, "ALL_REPLICAS_ARE_STALE", keeper, keeper_fix),
    ErrorCode{372, "SESSION_NOT_FOUND", AttemptClass::fatal, false, Errc::internal, query,
              query_fix},
    ErrorCode{373, "SESSION_IS_LOCKED", AttemptClass::fatal, false, Errc::internal, query,
              query_fix},
    row(376, "CANNOT_PARSE_UUID"),
    waits(384, "PART_IS_TEMPORARILY_LOCKED"),
    ErrorCode{389, "INSERT_WAS_DEDUPLICATED", AttemptClass::success, false, Errc::unavailable,
              failing, wait_fix},
    waits(394, "QUERY_WAS_CANCELLED", "insert-cancelled",
          "somebody cancels the inserts: find out who"),
    row(395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
    too_large(396, "TOO_MANY_ROWS_OR_BYTES"),
    row(407, "DECIMAL_OVERFLOW"),
    waits(416, "REPLICA_STATUS_CHANGED", keeper, keeper_fix),
    waits(425, "SYSTEM_ERROR"),
    overloaded(439, "CANNOT_SCHEDULE_TASK"),
    row(441, "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING"),
    config(452, "SETTING_CONSTRAINT_VIOLATION", setting, setting_fix),
    row(467, "CANNOT_PARSE_BOOL"),
    row(469, "VIOLATED_CONSTRAINT"),
    config(471, "INVALID_SETTING_VALUE", setting, "correct the setting's value"),
    config(472, "READONLY_SETTING", setting, setting_fix),
    waits(473, "DEADLOCK_AVOIDED"),
    denied(497, "ACCESS_DENIED", permission, grant_fix),
    waits(499, "S3_ERROR", storage, space_fix),
    waits(500, "AZURE_BLOB_STORAGE_ERROR", storage, space_fix),
    denied(516, "AUTHENTICATION_FAILED", login, login_fix),
    waits(529, "NOT_A_LEADER", keeper, keeper_fix),
    row(563, "CANNOT_READ_MAP_FROM_TEXT"),
    overloaded(574, "DISTRIBUTED_TOO_MANY_PENDING_BYTES"),
    row(632, "UNEXPECTED_DATA_AFTER_PARSED_VALUE"),
    denied(673, "RESOURCE_ACCESS_DENIED", permission, "allow user {user} the resource"),
    row(675, "CANNOT_PARSE_IPV4"),
    row(676, "CANNOT_PARSE_IPV6"),
    row(691, "UNKNOWN_ELEMENT_OF_ENUM"),
    overloaded(700, "USER_SESSION_LIMIT_EXCEEDED"),
    denied(720, "USER_EXPIRED", login, "renew the user's VALID UNTIL"),
    waits(733, "TABLE_IS_BEING_RESTARTED", "table-read-only", keeper_fix),
    overloaded(745, "SERVER_OVERLOADED"),
    overloaded(749, "TCP_CONNECTION_LIMIT_REACHED"),
    overloaded(762, "HTTP_CONNECTION_LIMIT_REACHED"),
    denied(767, "REQUIRED_SECOND_FACTOR", login, "use a user that needs no second factor"),
    config(774, "TABLE_IS_PERMANENTLY_READ_ONLY", "table-read-only",
           "ALTER TABLE {table} RESET SETTING table_readonly"),
    waits(999, "KEEPER_EXCEPTION", keeper, keeper_fix),
    waits(1000, "POCO_EXCEPTION"),
    waits(1001, "STD_EXCEPTION"),
    waits(1002, "UNKNOWN_EXCEPTION"),
};

constexpr ErrorCode unknown{0,       "",       AttemptClass::retry, true, Errc::unavailable,
                            failing, wait_fix, TextPolicy::masked};

constexpr ErrorCode partitions{
    252,
    "TOO_MANY_PARTS",
    AttemptClass::split,
    false,
    Errc::config,
    "too-many-partitions",
    "one batch holds rows of more partitions of {table} than max_partitions_per_insert_block "
    "allows: make batches smaller, PARTITION BY coarser, or raise that setting for user {user}"};

constexpr bool by_code(const ErrorCode& left, const ErrorCode& right) {
  return left.code < right.code;
}
static_assert(std::is_sorted(table.begin(), table.end(), by_code));

}  // namespace

const ErrorCode& error_code(int code) {
  const auto* const found =
      std::lower_bound(table.begin(), table.end(), code,
                       [](const ErrorCode& entry, int value) { return entry.code < value; });
  return found != table.end() && found->code == code ? *found : unknown;
}

const ErrorCode& too_many_partitions() { return partitions; }

std::span<const ErrorCode> error_codes() { return table; }

}  // namespace sluice::clickhouse
