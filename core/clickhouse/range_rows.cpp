// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/range_rows.hpp"

#include <fmt/format.h>

#include <charconv>

#include "core/base/check.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/server.hpp"
#include "core/model/quote.hpp"

namespace sluice::clickhouse {
namespace {

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
  std::string topic;
  if (!rows.columns.topic.empty()) {
    topic = in_quotes(rows.columns.topic, '`') + " = " + in_quotes(rows.topic, '\'') + " AND ";
  }
  return topic + "(" + ranges + ")";
}

}  // namespace

OriginColumns origin_columns(const Table& table) {
  OriginColumns out;
  for (const TableColumn& column : table.columns) {
    if (column.name == "_topic") out.topic = column.name;
    if (column.name == "_partition") out.partition = column.name;
    if (column.name == "_offset") out.offset = column.name;
  }
  return out;
}

Result<std::optional<uint64_t>> count_range_rows(const ServerOptions& options,
                                                 const RangeRows& rows, const Clock& clock) {
  Server server = TRY(open_server(options, rows.database, rows.table, clock));
  const Table table = TRY(describe_table(server, rows.database, rows.table));
  return count_range_rows(server, table, rows);
}

Result<std::optional<uint64_t>> count_range_rows(Server& server, const Table& table,
                                                 const RangeRows& rows) {
  if (!TRY(table_has_rows(server, table))) return std::optional<uint64_t>(0);
  if (!rows.columns.known()) return std::optional<uint64_t>();
  const auto found =
      TRY(server.ask("SELECT count() FROM " + name_of(rows) + " WHERE " + condition(rows),
                     "count the rows of the range in " + shown_table(rows.database, rows.table)));
  uint64_t count = 0;
  const std::string text = found.empty() || found.front().empty() ? "" : found.front().front();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return Error{Errc::failed, "clickhouse-answer", "ClickHouse's answer to a count is no number",
                 "see what stands between sluice and the server"};
  }
  return std::optional(count);
}

Result<void> delete_range_rows(const ServerOptions& options, const RangeRows& rows,
                               const Clock& clock) {
  CHECK(rows.columns.known());
  Server server = TRY(open_server(options, rows.database, rows.table, clock));
  return server.command(
      "DELETE FROM " + name_of(rows) + " WHERE " + condition(rows) +
          " SETTINGS mutations_sync = 2, lightweight_deletes_sync = 2",
      "delete the rows of the range from " + shown_table(rows.database, rows.table));
}

}  // namespace sluice::clickhouse
