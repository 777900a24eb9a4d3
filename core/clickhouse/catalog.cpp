// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/catalog.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/clickhouse/insert_query.hpp"
#include "core/model/quote.hpp"

namespace sluice::clickhouse {
namespace {

constexpr std::string_view null_field = "\\N";

std::string literal(std::string_view text) { return in_quotes(text, '\''); }

Error config_error(std::string_view slug, std::string message, std::string fix) {
  return {.code = Errc::config,
          .slug = std::string(slug),
          .message = std::move(message),
          .fix = std::move(fix)};
}

std::string where_table(std::string_view database, std::string_view name) {
  return " FROM system.tables WHERE database = " + literal(database) +
         " AND name = " + literal(name);
}

DefaultKind default_kind_of(std::string_view word) {
  if (word.empty()) return DefaultKind::none;
  if (word == "DEFAULT") return DefaultKind::expression;
  if (word == "ALIAS") return DefaultKind::alias;
  if (word == "EPHEMERAL") return DefaultKind::ephemeral;
  return DefaultKind::materialized;
}

bool is_plain_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

/// A missing table is reported all the same when the list of tables cannot be had.
std::vector<TsvRow> rows_or_none(Result<std::vector<TsvRow>> result) {
  return result.ok() ? std::move(result).value() : std::vector<TsvRow>{};
}

std::vector<std::string> similar_tables(Server& server, const std::string& database,
                                        const std::string& name) {
  const std::vector<TsvRow> rows = rows_or_none(
      server.ask("SELECT database, name FROM system.tables WHERE lower(database) NOT IN ('system', "
                 "'information_schema') ORDER BY database, name LIMIT 20000",
                 "list the tables"));
  std::vector<std::string> names;
  std::vector<std::string> elsewhere;
  for (const TsvRow& row : rows) {
    if (row.size() != 2) continue;
    names.push_back(row[0] + "." + row[1]);
    if (row[1] == name) elsewhere.push_back(names.back());
  }
  std::vector<std::string> near = nearest_names(database + "." + name, names);
  if (near.empty()) near = std::move(elsewhere);
  near.resize(std::min<size_t>(near.size(), 3));
  return near;
}

std::vector<std::string> similar_databases(Server& server, const std::string& database) {
  const std::vector<TsvRow> rows = rows_or_none(
      server.ask("SELECT name FROM system.databases LIMIT 20000", "list the databases"));
  std::vector<std::string> names;
  for (const TsvRow& row : rows) {
    if (row.size() == 1) names.push_back(row[0]);
  }
  return nearest_names(database, names);
}

/// Says of a missing table, database or grant what was probably meant.
Error with_suggestions(Error error, Server& server, const std::string& database,
                       const std::string& name) {
  std::vector<std::string> names;
  if (error.slug == "table-missing") {
    error.message = "ClickHouse has no table " + shown_table(database, name);
    names = similar_tables(server, database, name);
  } else if (error.slug == "database-missing") {
    error.message = "ClickHouse has no database " + shown_name(database);
    names = similar_databases(server, database);
  } else if (error.slug == "clickhouse-permission") {
    error.fix += "; or, for a user who may fill only some columns, GRANT SHOW COLUMNS ON " +
                 server.target().table + " TO " + server.target().user;
  }
  if (!names.empty()) error.fix = did_you_mean(names) + " or " + error.fix;
  return error;
}

Result<void> check_engine(const Table& table) {
  const bool readable_only = table.engine == "View" || table.engine == "LiveView" ||
                             table.engine == "Dictionary" || table.engine == "Merge";
  if (!readable_only) return {};
  return config_error(
      "table-not-insertable",
      shown_table(table.database, table.name) + " is a " + table.engine + " and takes no rows",
      "name the table behind it");
}

}  // namespace

std::string shown_name(std::string_view name) {
  return printable(is_plain_name(name) ? std::string(name) : in_quotes(name, '`'), 256);
}

std::string shown_table(std::string_view database, std::string_view name) {
  return shown_name(database) + "." + shown_name(name);
}

Result<std::vector<TableColumn>> parse_description(const std::vector<TsvRow>& rows) {
  std::vector<TableColumn> columns;
  for (const TsvRow& row : rows) {
    if (row.size() < 4) {
      return config_error("clickhouse-setting", "DESCRIBE TABLE shows no defaults to this user",
                          "take describe_compact_output out of the user's settings profile");
    }
    columns.push_back({.name = row[0],
                       .type = TRY(parse_data_type(row[1])),
                       .default_kind = default_kind_of(row[2]),
                       .default_expression = row[3]});
  }
  return columns;
}

Result<Table> describe_table(Server& server, const std::string& database, const std::string& name) {
  const std::string what = "describe the table " + server.target().table;
  const auto zone = TRY(server.ask("SELECT timezone()", "ask for the time zone"));
  const auto properties = TRY(
      server.ask("SELECT toString(uuid), engine, engine_full" + where_table(database, name), what));
  auto description =
      server.ask("DESCRIBE TABLE " + in_quotes(database, '`') + "." + in_quotes(name, '`'), what);
  if (!description.ok()) {
    return with_suggestions(std::move(description).error(), server, database, name);
  }
  Table table;
  table.database = database;
  table.name = name;
  table.uuid = "00000000-0000-0000-0000-000000000000";
  if (!zone.empty() && zone.front().size() == 1) table.server_time_zone = zone.front()[0];
  if (!properties.empty() && properties.front().size() == 3) {
    table.uuid = properties.front()[0];
    table.engine = properties.front()[1];
    table.engine_full = properties.front()[2];
  }
  TRY(check_engine(table));
  table.columns = TRY(parse_description(*description));
  const auto is_insertable = [](const TableColumn& column) { return column.insertable(); };
  if (std::none_of(table.columns.begin(), table.columns.end(), is_insertable)) {
    return config_error("table-not-insertable",
                        "no column of " + shown_table(database, name) + " can be filled",
                        "give the table a column that is neither MATERIALIZED nor ALIAS");
  }
  return table;
}

Result<ServerSettings> read_settings(Server& server) {
  const auto rows =
      TRY(server.ask("SELECT name, value, toString(readonly) FROM system.settings WHERE name IN (" +
                         wanted_settings_list() + ")",
                     "read the settings"));
  ServerSettings settings;
  for (const TsvRow& row : rows) {
    if (row.size() == 3) settings[row[0]] = {.value = row[1], .readonly = row[2] != "0"};
  }
  if (settings.count("insert_deduplication_token") == 0) {
    return config_error("clickhouse-too-old",
                        "ClickHouse at " + server.target().origin +
                            " has no insert_deduplication_token: it is older than 22.2",
                        "use a newer server");
  }
  return settings;
}

Result<bool> table_has_rows(Server& server, const Table& table) {
  const std::string shown = shown_table(table.database, table.name);
  const std::string what = "find out whether " + shown + " holds rows";
  const auto counted = TRY(
      server.ask("SELECT toString(total_rows)" + where_table(table.database, table.name), what));
  if (counted.size() == 1 && counted.front().size() == 1 && counted.front()[0] != null_field) {
    return counted.front()[0] != "0";
  }
  auto found = server.ask("SELECT 1 FROM " + in_quotes(table.database, '`') + "." +
                              in_quotes(table.name, '`') + " LIMIT 1",
                          what);
  if (found.ok()) return !found->empty();
  Error error = std::move(found).error();
  if (error.code == Errc::no_permission) {
    error.fix = "GRANT SELECT ON " + shown + " TO " + server.target().user;
  }
  return error;
}

Result<void> check_insert(Server& server, const Table& table, std::string_view parameters) {
  constexpr size_t columns_tried_max = 200;
  Result<void> all = server.try_insert(empty_insert_query(table), parameters);
  if (all.ok() || all.error().slug != "clickhouse-permission") return all;
  size_t tried = 0;
  for (const TableColumn& column : table.columns) {
    if (!column.insertable() || ++tried > columns_tried_max) continue;
    if (server.try_insert(empty_insert_query(table, column), parameters).ok()) return {};
  }
  return all;
}

std::optional<Warning> engine_warning(const Table& table) {
  const std::string shown = shown_table(table.database, table.name);
  const auto warning = [&](std::string_view slug, std::string_view why) {
    return Warning{.slug = std::string(slug), .message = shown + " " + std::string(why)};
  };
  if (table.engine == "Null") return warning("table-null", "is a Null table: it drops every row");
  if (table.engine == "Memory") {
    return warning("table-memory", "is a Memory table: its rows are gone when the server restarts");
  }
  if (table.engine == "Buffer") {
    return warning("table-buffer",
                   "is a Buffer table: rows it acknowledged are lost when the server dies before "
                   "they are written");
  }
  if (table.engine == "Distributed") {
    return warning("table-distributed",
                   "is a Distributed table: an INSERT that is tried again may leave some of its "
                   "rows twice");
  }
  if (table.engine_full.find("async_insert = 1") != std::string::npos) {
    return warning("table-async-insert",
                   "has async_insert = 1 in its own settings, which wins over ours: inserts are "
                   "not deduplicated");
  }
  return std::nullopt;
}

Result<void> catch_up(Server& server, const Table& table) {
  if (!table.engine.starts_with("Replicated") && !table.engine.starts_with("Shared")) return {};
  return server.command(
      "SYSTEM SYNC REPLICA " + in_quotes(table.database, '`') + "." + in_quotes(table.name, '`') +
          " LIGHTWEIGHT",
      "bring the replica of " + shown_table(table.database, table.name) + " up to date");
}

}  // namespace sluice::clickhouse
