// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/table.hpp"

namespace sluice {

/// What a ReplacingMergeTree(version, is_deleted) replaces by.
struct ReplacingEngine {
  std::string version;           ///< of rows with the same key the one with the largest wins
  std::string is_deleted;        ///< 1: the key is gone
  std::vector<std::string> key;  ///< the columns it is ordered by; empty where it is by expressions
};

/// Reads it from Table::engine_full, replicated and shared engines too. Nothing where the engine is
/// another one or lacks one of the two columns.
[[nodiscard]] std::optional<ReplacingEngine> replacing_engine(const Table& table);

/// A CREATE TABLE of `name` with the columns of `table` that replaces rows by `key`. Columns for
/// version and deletion are added where the table has none of the names _version and _is_deleted.
[[nodiscard]] std::string replacing_ddl(const Table& table, std::string_view name,
                                        const std::vector<std::string>& key);

/// Whether rows of the table are replaced by exactly these columns.
[[nodiscard]] bool replaces_by(const Table& table, const std::vector<std::string>& key);

/// A table with the columns of `table` and two more, that replaces rows by `key` whatever the
/// engine of `table` is: version and deletion are columns of its own. create_statement() makes it.
[[nodiscard]] Table keyed_copy(const Table& table, std::string name,
                               const std::vector<std::string>& key);
/// Whether keyed_copy() added it.
[[nodiscard]] bool is_keyed_copy_column(std::string_view name);

/// CREATE TABLE IF NOT EXISTS with the table's columns and engine.
[[nodiscard]] std::string create_statement(const Table& table, std::string_view comment);

}  // namespace sluice
