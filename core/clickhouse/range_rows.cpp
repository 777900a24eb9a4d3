// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/range_rows.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "core/base/check.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/server.hpp"
#include "core/model/quote.hpp"

namespace sluice::clickhouse {
namespace {

constexpr Milliseconds looking_max{3'600'000};  ///< for what has to look at many rows
constexpr Milliseconds starting_max{300'000};   ///< the same, while a run waits for its start

std::string name_of(const RangeRows& rows) {
  return in_quotes(rows.database, '`') + "." + in_quotes(rows.table, '`');
}

std::string condition(const RangeRows& rows) {
  std::string ranges;
  for (const auto& [partition, range] : rows.offsets) {
    if (range.empty()) continue;
    ranges += fmt::format("{}({} = {} AND {} >= {} AND {} < {})", ranges.empty() ? "" : " OR ",
                          in_quotes(rows.columns.partition, '`'), partition.value,
                          in_quotes(rows.columns.offset, '`'), range.first.value,
                          in_quotes(rows.columns.offset, '`'), range.next.value);
  }
  if (ranges.empty()) ranges = "0";
  return of_topic(rows) + " AND (" + ranges + ")";
}

template <class Number>
Result<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return value;
  return Error{Errc::failed, "clickhouse-answer", "ClickHouse's answer about rows is no number",
               "see what stands between sluice and the server"};
}

Result<std::vector<TsvRow>> ask(Server& server, const std::string& query, const RangeRows& rows,
                                size_t columns) {
  auto answer = TRY(
      server.ask(query, "tell the rows of the topic in " + shown_table(rows.database, rows.table)));
  for (const TsvRow& row : answer) {
    if (row.size() != columns) return number<int64_t>("").error();
  }
  return answer;
}

}  // namespace

OriginColumns origin_columns(const Table& table) {
  OriginColumns out;
  bool has_time = false;
  std::string snapshot;
  for (const TableColumn& column : table.columns) {
    if (column.name == "_topic") out.topic = column.name;
    if (column.name == "_partition") out.partition = column.name;
    if (column.name == "_offset") out.offset = column.name;
    const bool is_text = column.type.bare().kind == TypeKind::string;
    if (column.name == "_snapshot_id" && is_text) snapshot = column.name;
    if (column.name == "_snapshot_time") has_time = true;
  }
  if (has_time) out.snapshot = std::move(snapshot);
  return out;
}

std::string of_topic(const RangeRows& rows) {
  const OriginColumns& columns = rows.columns;
  std::string both = columns.topic.empty()
                         ? "1"
                         : in_quotes(columns.topic, '`') + " = " + in_quotes(rows.topic, '\'');
  if (columns.snapshot.empty()) return both;
  return both + " AND ifNull(" + in_quotes(columns.snapshot, '`') + ", '') = ''";
}

Result<std::optional<uint64_t>> count_range_rows(const ServerOptions& options,
                                                 const RangeRows& rows, const Clock& clock) {
  Server server = TRY(open_server(options, rows.database, rows.table, clock));
  const Table table = TRY(describe_table(server, rows.database, rows.table));
  server.wait_up_to(looking_max);
  return count_range_rows(server, table, rows);
}

Result<std::optional<uint64_t>> count_range_rows(Server& server, const Table& table,
                                                 const RangeRows& rows) {
  if (!TRY(table_has_rows(server, table))) return std::optional<uint64_t>(0);
  if (!rows.columns.known()) return std::optional<uint64_t>();
  TRY(catch_up(server, table));
  const auto found = TRY(
      ask(server, "SELECT count() FROM " + name_of(rows) + " WHERE " + condition(rows), rows, 1));
  return std::optional(TRY(number<uint64_t>(found.empty() ? "" : found.front().front())));
}

Result<std::map<PartitionId, Offset>> ends_of_rows(const ServerOptions& options,
                                                   const RangeRows& rows, const Clock& clock) {
  CHECK(rows.columns.known());
  Server server = TRY(open_server(options, rows.database, rows.table, clock));
  const Table table = TRY(describe_table(server, rows.database, rows.table));
  TRY(catch_up(server, table));
  server.wait_up_to(starting_max);
  if (!rows.columns.topic.empty()) {
    const std::string topic = in_quotes(rows.columns.topic, '`');
    const auto untold = TRY(
        ask(server, "SELECT count() FROM " + name_of(rows) + " WHERE " + topic + " = ''", rows, 1));
    if (untold.empty() || untold.front().front() != "0") {
      return Error{Errc::config, "rows-without-provenance",
                   "rows of " + shown_table(rows.database, rows.table) +
                       " do not tell where they came from: they were there before its column " +
                       shown_name(rows.columns.topic),
                   "say where to start instead of table: the time of the last row, or end"};
    }
  }
  std::map<PartitionId, Offset> ends;
  const auto found =
      TRY(ask(server,
              fmt::format("SELECT {0}, max({1}) + 1 FROM {2} WHERE {3} GROUP BY {0}",
                          in_quotes(rows.columns.partition, '`'),
                          in_quotes(rows.columns.offset, '`'), name_of(rows), of_topic(rows)),
              rows, 2));
  for (const TsvRow& row : found) {
    const auto partition = TRY(number<int32_t>(row[0]));
    ends[PartitionId{partition}] = Offset{TRY(number<int64_t>(row[1]))};
  }
  return ends;
}

Result<void> delete_range_rows(const ServerOptions& options, const RangeRows& rows,
                               const Clock& clock) {
  CHECK(rows.columns.known());
  Server server = TRY(open_server(options, rows.database, rows.table, clock));
  server.wait_up_to(looking_max);
  auto deleted = server.command(
      "DELETE FROM " + name_of(rows) + " WHERE " + condition(rows) +
          " SETTINGS mutations_sync = 2, lightweight_deletes_sync = 2",
      "delete the rows of the range from " + shown_table(rows.database, rows.table), true);
  if (deleted.ok() || deleted.error().code != Errc::unavailable) return deleted;
  Error error = std::move(deleted).error();
  error.message += ": the rows of the range may be deleted by now, or soon";
  error.fix = "run it again when ClickHouse answers: it loads them anew";
  return error;
}

}  // namespace sluice::clickhouse
