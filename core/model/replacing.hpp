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

}  // namespace sluice
