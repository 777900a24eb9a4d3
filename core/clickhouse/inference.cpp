// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/inference.hpp"

#include <algorithm>
#include <utility>

#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/server.hpp"
#include "core/model/quote.hpp"

namespace sluice::clickhouse {

Result<std::vector<std::string>> infer_types(const ServerOptions& options,
                                             const std::vector<std::string>& values,
                                             const Clock& clock) {
  Server server = TRY(open_server(options, "", "", clock));
  Server brief = TRY(open_server(options, "", "", clock, {.time_max = Milliseconds{1}}));
  std::vector<std::string> types;
  for (const std::string& lines : values) {
    std::string objects;
    for (size_t begin = 0; begin < lines.size();) {
      const size_t end = std::min(lines.find('\n', begin), lines.size());
      objects += "{\"c\":" + lines.substr(begin, end - begin) + "}\n";
      begin = end + 1;
    }
    const auto rows =
        brief.ask("DESCRIBE format(JSONEachRow, " + in_quotes(objects, '\'') + ")", "infer types");
    const bool found = rows.ok() && rows->size() == 1 && rows->front().size() > 1;
    // That nothing can be inferred is an answer, too; that there is no server is none.
    if (!found) (void)TRY(server.ask("SELECT 1", "answer a question"));
    types.push_back(found ? rows->front()[1] : std::string());
  }
  return types;
}

Result<void> create_table(const ServerOptions& options, const std::string& database,
                          const std::string& table, const std::string& statement,
                          const Clock& clock) {
  Server server = TRY(open_server(options, database, table, clock));
  const std::string shown = shown_table(database, table);
  const auto there = TRY(server.ask("EXISTS TABLE " + shown, "say whether " + shown + " is there"));
  if (!there.empty() && there.front().front() == "1") {
    return Error{.code = Errc::config,
                 .slug = "table-exists",
                 .message = shown + " is there already",
                 .fix = "give another --table, or leave out --create"};
  }
  return server.command(statement, "create the table " + shown, true);
}

}  // namespace sluice::clickhouse
