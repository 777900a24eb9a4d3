// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/data_type.hpp"

namespace sluice {

/// What happens to a column that an INSERT does not name.
enum class DefaultKind : uint8_t { none, expression, materialized, alias, ephemeral };

struct TableColumn {
  std::string name;
  DataType type;
  DefaultKind default_kind = DefaultKind::none;
  std::string default_expression;  ///< ClickHouse SQL as DESCRIBE prints it; empty for `none`

  /// Whether a record may fill it.
  [[nodiscard]] bool insertable() const {
    return default_kind == DefaultKind::none || default_kind == DefaultKind::expression;
  }
  [[nodiscard]] bool same_as(const TableColumn& other) const {
    return name == other.name && type.name == other.type.name &&
           default_kind == other.default_kind && default_expression == other.default_expression;
  }
  /// Whether values of it can be encoded here. JSON with a DEFAULT cannot: where ClickHouse
  /// evaluates that for some rows of an INSERT it infers other types than it does for the rest.
  [[nodiscard]] bool encodable() const {
    return type.encodable() && !(type.holds_json() && default_kind == DefaultKind::expression);
  }
};

/// A ClickHouse table as DESCRIBE and system.tables show it.
struct Table {
  std::string database;
  std::string name;
  std::string uuid;    ///< all zeros where the database engine has none
  std::string engine;  ///< "MergeTree"
  std::string engine_full;
  std::string server_time_zone;  ///< zone of DateTime columns that name none
  std::vector<TableColumn> columns;

  [[nodiscard]] std::string full_name() const { return database + "." + name; }
  /// Whether a row encoded for one fits the other: the same columns, types and defaults.
  [[nodiscard]] bool same_columns(const Table& other) const;
};

/// Whether rows go away by themselves, by what system.tables shows as engine_full.
[[nodiscard]] inline bool has_ttl(std::string_view engine_full) {
  return engine_full.find(" TTL ") != std::string_view::npos;
}

/// Whether a row that was inserted is counted until somebody deletes it.
[[nodiscard]] inline bool keeps_rows(std::string_view engine_full) {
  const std::string_view engine = engine_full.substr(0, engine_full.find_first_of(" ("));
  const bool plain =
      engine == "MergeTree" || engine == "ReplicatedMergeTree" || engine == "SharedMergeTree";
  return plain && !has_ttl(engine_full);
}

inline bool Table::same_columns(const Table& other) const {
  return server_time_zone == other.server_time_zone &&
         std::equal(columns.begin(), columns.end(), other.columns.begin(), other.columns.end(),
                    [](const TableColumn& a, const TableColumn& b) { return a.same_as(b); });
}

}  // namespace sluice
