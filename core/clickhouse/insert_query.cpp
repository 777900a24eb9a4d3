// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/insert_query.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include "core/model/quote.hpp"

namespace sluice::clickhouse {
namespace {

constexpr std::string_view renamed = "__sluice_";

/// Adds items with a separator between them.
class List {
 public:
  explicit List(std::string& text) : text_(text) {}
  std::string& next() {
    if (!first_) text_ += ", ";
    first_ = false;
    return text_;
  }
  [[nodiscard]] bool empty() const { return first_; }

 private:
  std::string& text_;
  bool first_ = true;
};

std::string name_of(std::string_view column) { return in_quotes(column, '`'); }

std::string full_name(const Table& table) {
  return in_quotes(table.database, '`') + "." + in_quotes(table.name, '`');
}

/// Where the rows go: into the table, or nowhere.
std::string target_of(const Table& table, const Insert& insert) {
  if (!insert.dry_run) return full_name(table);
  std::string structure;
  List columns(structure);
  for (const TableColumn& column : table.columns) {
    if (column.insertable()) columns.next() += name_of(column.name) + " " + column.type.name;
  }
  return "FUNCTION null(" + in_quotes(structure, '\'') + ")";
}

/// What ClickHouse puts into a column of `type` that gets no value.
std::string default_value(std::string_view expression, std::string_view type) {
  const std::string type_literal = in_quotes(type, '\'');
  if (expression.empty()) return "defaultValueOfTypeName(" + type_literal + ")";
  std::string text("CAST(");
  return text.append(expression).append(", ").append(type_literal).append(")");
}

std::string value_name(size_t position) { return "v" + std::to_string(position); }
std::string flag_name(size_t position) { return "m" + std::to_string(position); }

/// "v0 AS __sluice_v0, …" and "v0 UInt64, …" for every column of the body.
struct BodyColumns {
  std::string renaming;
  std::string structure;

  explicit BodyColumns(const std::vector<InsertColumn>& columns) {
    List names(renaming);
    List types(structure);
    for (size_t position = 0; position < columns.size(); ++position) {
      add(names, types, value_name(position), columns[position].type);
      if (columns[position].flagged) add(names, types, flag_name(position), "UInt8");
    }
  }

 private:
  static void add(List& names, List& types, const std::string& name, std::string_view type) {
    names.next().append(name).append(" AS ").append(renamed).append(name);
    types.next().append(name).append(" ").append(type);
  }
};

/// The value of a column: from the body, or its default where the row has none.
std::string value_of(const InsertColumn& column, size_t position) {
  const std::string value = std::string(renamed) + value_name(position);
  if (!column.cast_type.empty()) {
    return "CAST(" + value + ", " + in_quotes(column.cast_type, '\'') + ")";
  }
  if (!column.flagged) return value;
  return "if(" + std::string(renamed) + flag_name(position) + ", " +
         default_value(column.default_expression, column.type) + ", " + value + ")";
}

std::string select_query(const Table& table, const Insert& insert) {
  std::string names;
  std::string aliases;  // of columns that cannot be inserted into, for defaults that use them
  std::string values;
  List name_list(names);
  List alias_list(aliases);
  List value_list(values);
  std::set<std::string_view> sent;
  for (size_t position = 0; position < insert.columns.size(); ++position) {
    const InsertColumn& column = insert.columns[position];
    sent.insert(column.name);
    name_list.next() += name_of(column.name);
    value_list.next() += value_of(column, position) + " AS " + name_of(column.name);
  }
  const bool flagged = std::any_of(insert.columns.begin(), insert.columns.end(),
                                   [](const InsertColumn& column) { return column.flagged; });
  for (const TableColumn& column : table.columns) {
    if (!flagged || sent.count(column.name) != 0) continue;
    const std::string value =
        default_value(column.default_expression, column.type.name) + " AS " + name_of(column.name);
    // One evaluation for the column and for what is derived from it: think of generateUUIDv4().
    if (column.default_kind == DefaultKind::expression) {
      name_list.next() += name_of(column.name);
      value_list.next() += value;
    } else {
      alias_list.next() += value;
    }
  }
  const BodyColumns body(insert.columns);
  std::string query = "INSERT INTO " + target_of(table, insert) + " (" + names + ")";
  if (!aliases.empty()) query += " WITH " + aliases;
  query += " SELECT " + values + " FROM (SELECT " + body.renaming + " FROM input(" +
           in_quotes(body.structure, '\'') + ")) FORMAT Native";
  return query;
}

std::string column_query(const std::string& target, const std::string& names) {
  return "INSERT INTO " + target + " (" + names + ") FORMAT Native";
}

}  // namespace

std::string insert_query(const Table& table, const Insert& insert) {
  if (insert.format == InsertFormat::json_each_row) {
    return "INSERT INTO " + target_of(table, insert) + " FORMAT JSONEachRow";
  }
  if (!insert.plain()) return select_query(table, insert);
  std::string names;
  List list(names);
  for (const InsertColumn& column : insert.columns) list.next() += name_of(column.name);
  return column_query(target_of(table, insert), names);
}

std::string empty_insert_query(const Table& table) {
  std::string names;
  List list(names);
  for (const TableColumn& column : table.columns) {
    if (column.insertable()) list.next() += name_of(column.name);
  }
  return column_query(full_name(table), names);
}

std::string empty_insert_query(const Table& table, const TableColumn& column) {
  return column_query(full_name(table), name_of(column.name));
}

}  // namespace sluice::clickhouse
