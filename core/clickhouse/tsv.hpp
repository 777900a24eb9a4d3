// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::clickhouse {

using TsvRow = std::vector<std::string>;

/// Reads ClickHouse's TabSeparated: fields end with a tab, rows with a line end, both and the
/// backslash escaped within. \N (NULL) becomes "\N". Total: every text is some table. Pure.
[[nodiscard]] std::vector<TsvRow> parse_tsv(std::string_view text);

}  // namespace sluice::clickhouse
