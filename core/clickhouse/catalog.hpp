// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/clickhouse/insert_settings.hpp"
#include "core/clickhouse/server.hpp"
#include "core/clickhouse/tsv.hpp"
#include "core/model/table.hpp"

/// What the server knows about a table. All of it works for a user who may only INSERT into it.
namespace sluice::clickhouse {

/// Its columns, engine and UUID. A table or database that does not exist is Errc::config with the
/// names that were probably meant.
[[nodiscard]] Result<Table> describe_table(Server& server, const std::string& database,
                                           const std::string& name);

/// Of a replicated table: waits for what another replica has acknowledged, and this one may still
/// lack. Needs SYSTEM SYNC REPLICA.
[[nodiscard]] Result<void> catch_up(Server& server, const Table& table);

/// The settings sluice sends, as this user sees them. Errc::config for a server that has no
/// deduplication tokens (before 22.2).
[[nodiscard]] Result<ServerSettings> read_settings(Server& server);

/// Whether the table holds a row: from the server's row count where the engine has one, else by
/// looking, which needs SELECT.
[[nodiscard]] Result<bool> table_has_rows(Server& server, const Table& table);

/// Whether this user may insert with these URL parameters. A user who may fill only some columns
/// passes: which ones the records have is seen later.
[[nodiscard]] Result<void> check_insert(Server& server, const Table& table,
                                        std::string_view parameters);

struct Warning {
  std::string slug;
  std::string message;
};

/// Why rows that this table acknowledged may be lost or come twice; nothing for an ordinary one.
[[nodiscard]] std::optional<Warning> engine_warning(const Table& table);

/// The columns of the answer to DESCRIBE TABLE. Pure.
[[nodiscard]] Result<std::vector<TableColumn>> parse_description(const std::vector<TsvRow>& rows);

/// "shop.orders", with back quotes where a name needs them; control characters escaped.
[[nodiscard]] std::string shown_table(std::string_view database, std::string_view name);
/// "loader", with back quotes where it needs them; control characters escaped.
[[nodiscard]] std::string shown_name(std::string_view name);

}  // namespace sluice::clickhouse
