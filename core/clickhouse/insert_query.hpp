// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "core/model/insert.hpp"
#include "core/model/table.hpp"

/// The text of an INSERT. Pure.
namespace sluice::clickhouse {

/// The statement whose data follow in the body, without a line end.
///
///   plain             INSERT INTO `db`.`t` (`a`, `b`) FORMAT Native
///   flagged           INSERT INTO `db`.`t` (`a`, `b`, `o`)
///                     WITH <default of e> AS `e`
///                     SELECT __sluice_v0 AS `a`,
///                            if(__sluice_m1, CAST(<default of b>, 'B'), __sluice_v1) AS `b`,
///                            CAST(<default of o>, 'O') AS `o`
///                     FROM (SELECT v0 AS __sluice_v0, … FROM input('v0 A, v1 B, m1 UInt8'))
///                     FORMAT Native
///   cast              as flagged, with CAST(__sluice_v0, 'A') AS `a`
///   json_each_row     INSERT INTO `db`.`t` FORMAT JSONEachRow
///   dry run           as each of them, with FUNCTION null('`a` A, `b` B, …') for the table
///
/// A DEFAULT may use any other column of the table: those the body leaves out (`o`, with a DEFAULT
/// of its own) and those no INSERT fills (`e`) are given their own defaults under their names, as
/// the server does it. The inner SELECT renames the columns of the body, so that a table may have
/// a column that is called v1 too.
///
/// `table` is the one the insert was made for.
[[nodiscard]] std::string insert_query(const Table& table, const Insert& insert);

/// An INSERT of all columns a record may fill, to be sent without rows.
[[nodiscard]] std::string empty_insert_query(const Table& table);
/// The same of one column.
[[nodiscard]] std::string empty_insert_query(const Table& table, const TableColumn& column);

}  // namespace sluice::clickhouse
