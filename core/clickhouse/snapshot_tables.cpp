// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/snapshot_tables.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/base/wait.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/server.hpp"
#include "core/model/quote.hpp"
#include "core/model/replacing.hpp"

namespace sluice::clickhouse {
namespace {

std::string literal(std::string_view text) { return in_quotes(text, '\''); }

Error unreadable(std::string_view what) {
  return {.code = Errc::failed,
          .slug = "clickhouse-answer",
          .message = "ClickHouse's answer about " + std::string(what) + " makes no sense",
          .fix = "see what stands between sluice and the server"};
}

Error name_taken(const std::string& name) {
  return {.code = Errc::config,
          .slug = "snapshot-name-taken",
          .message = name + " exists, and is none of ours: its comment says nothing of sluice",
          .fix = "rename or drop it"};
}

/// Without it a plain MergeTree remembers no token.
constexpr std::string_view window = "non_replicated_deduplication_window";

class HttpSnapshotTables final : public SnapshotTables {
 public:
  HttpSnapshotTables(Server server, SnapshotTablesOptions options, Milliseconds timeout)
      : server_(std::move(server)), options_(std::move(options)), timeout_(timeout) {}

  Result<SnapshotTarget> target() override;
  Result<std::vector<SideTable>> side_tables(const std::string& infix) override;
  Result<std::string> create(const std::string& name, const std::string& comment) override;
  Result<void> seal(const std::string& name) override;
  Result<uint64_t> rows(const std::string& name) override;
  Result<void> create_keyed(const std::string& name, const std::string& comment,
                            const std::vector<std::string>& key) override;
  Result<uint64_t> keys(const std::string& name) override;
  Result<void> fill(const std::string& name, const std::string& from) override;
  Result<bool> same_columns(const std::string& name) override;
  Result<void> exchange(const std::string& name) override;
  Result<void> set_comment(const std::string& name, const std::string& comment) override;
  Result<void> rename(const std::string& name, const std::string& to) override;
  Result<void> drop(const std::string& name) override;

 private:
  Result<bool> replicas_apart(const SnapshotTarget& target);
  Result<uint64_t> count(const std::string& name, const std::string& clauses);
  Result<void> find_dictionaries(std::vector<std::string>& dependents);
  Result<void> wait_for_end(const std::string& mark);
  /// Every statement waits until what it did is seen by the next one.
  Result<void> run(const std::string& statement, const std::string& what, bool once = false) {
    Result<void> done = server_.command(statement, what, once);
    if (done.ok() || done.error().code != Errc::no_permission) return done;
    Error error = std::move(done).error();
    error.fix = "GRANT SELECT, INSERT, ALTER, CREATE TABLE, DROP TABLE ON " +
                in_quotes(options_.database, '`') + ".* to the user, and TABLE ENGINE ON *" +
                (options_.cluster.empty() ? "" : " and CLUSTER ON *.*") +
                " where the server asks for it";
    return error;
  }

  Server server_;
  SnapshotTablesOptions options_;
  Milliseconds timeout_;  ///< of what has to look at every row
};

Result<SnapshotTarget> HttpSnapshotTables::target() {
  const std::string what = "describe " + options_.shown(options_.table);
  const auto rows = TRY(server_.ask(
      "SELECT toString(t.uuid), t.comment, t.engine, d.engine, toString(t.total_rows), "
      "arrayStringConcat(arrayMap((a, b) -> concat('view ', a, '.', b), t.dependencies_database, "
      "t.dependencies_table), '\\n'), t.engine_full, t.create_table_query FROM system.tables AS t "
      "JOIN system.databases AS d ON "
      "t.database = d.name WHERE t.database = " +
          literal(options_.database) + " AND t.name = " + literal(options_.table),
      what));
  if (rows.empty()) {
    return Error{Errc::config, "table-missing",
                 "ClickHouse has no table " + options_.shown(options_.table),
                 "check the table's name, or create it"};
  }
  const TsvRow& row = rows.front();
  if (row.size() != 8) return unreadable(options_.shown(options_.table));
  SnapshotTarget out{.uuid = row[0],
                     .comment = row[1],
                     .engine = row[2],
                     .engine_full = row[6],
                     .definition = row[7],
                     .database_engine = row[3],
                     .rows = {},
                     .dependents = {}};
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(row[4].data(), row[4].data() + row[4].size(), count);
  if (error == std::errc{} && end == row[4].data() + row[4].size()) out.rows = count;
  std::string_view names = row[5];
  while (!names.empty()) {
    const size_t line = names.find('\n');
    out.dependents.emplace_back(names.substr(0, line));
    names.remove_prefix(line == std::string_view::npos ? names.size() : line + 1);
  }
  TRY(find_dictionaries(out.dependents));
  // Who may not see policies cannot be told of them.
  const auto policies = server_.ask(
      "SELECT short_name FROM system.row_policies WHERE database = " + literal(options_.database) +
          " AND table = " + literal(options_.table),
      "list the row policies of " + options_.shown(options_.table));
  if (policies.ok()) {
    for (const TsvRow& policy : *policies) {
      if (!policy.empty()) out.dependents.push_back("row policy " + policy[0]);
    }
  }
  out.replicas_apart = TRY(replicas_apart(out));
  return out;
}

/// Dictionaries whose source is the table, made by a statement or by the server's configuration.
Result<void> HttpSnapshotTables::find_dictionaries(std::vector<std::string>& dependents) {
  // Who may not see dictionaries cannot be told of them.
  const auto found = server_.ask(
      "SELECT DISTINCT if(database = '', name, concat(database, '.', name)) AS full_name FROM ("
      "SELECT d.database AS database, d.name AS name FROM system.tables AS t ARRAY JOIN "
      "loading_dependent_database AS db, loading_dependent_table AS tb "
      "JOIN system.dictionaries AS d ON d.database = db AND d.name = tb WHERE t.database = " +
          literal(options_.database) + " AND t.name = " + literal(options_.table) +
          " UNION ALL SELECT database, name FROM system.dictionaries WHERE source = " +
          literal("ClickHouse: " + options_.database + "." + options_.table) +
          ") ORDER BY full_name",
      "list the dictionaries of " + options_.shown(options_.table));
  if (!found.ok() && found.error().code == Errc::no_permission) return {};
  if (!found.ok()) return found.error();
  for (const TsvRow& row : *found) {
    if (!row.empty()) dependents.push_back("dictionary " + row[0]);
  }
  return {};
}

/// Whether a swap here leaves other servers with the old table.
Result<bool> HttpSnapshotTables::replicas_apart(const SnapshotTarget& target) {
  const bool replicated = target.engine.starts_with("Replicated");
  if (!options_.cluster.empty()) return !replicated && !target.engine.starts_with("Shared");
  if (!replicated || target.database_engine == "Replicated") return false;
  const auto found =
      TRY(server_.ask("SELECT toString(total_replicas > 1) FROM system.replicas "
                      "WHERE database = " +
                          literal(options_.database) + " AND table = " + literal(options_.table),
                      "count the replicas of " + options_.shown(options_.table)));
  return !found.empty() && !found.front().empty() && found.front().front() == "1";
}

Result<std::vector<SideTable>> HttpSnapshotTables::side_tables(const std::string& infix) {
  std::vector<SideTable> out;
  const std::string prefix = options_.table + infix;
  for (TsvRow& row : TRY(server_.ask("SELECT name, comment FROM system.tables WHERE database = " +
                                         literal(options_.database) + " AND startsWith(name, " +
                                         literal(prefix) + ") ORDER BY name",
                                     "list the tables beside " + options_.shown(options_.table)))) {
    if (row.size() == 2 && row[0].size() > prefix.size()) {
      out.push_back({std::move(row[0]), std::move(row[1])});
    }
  }
  return out;
}

Result<std::string> HttpSnapshotTables::create(const std::string& name,
                                               const std::string& comment) {
  const std::string what = "create " + options_.shown(name);
  const std::string where =
      " FROM system.tables WHERE database = " + literal(options_.database) + " AND name = ";
  const auto engines =
      TRY(server_.ask("SELECT engine_full" + where + literal(options_.table), what));
  if (engines.empty() || engines.front().empty()) return unreadable(options_.shown(options_.table));
  const std::string engine =
      engine_for_copy(engines.front().front(), name.substr(options_.table.size()));
  TRY(run("CREATE TABLE IF NOT EXISTS " + options_.quoted(name) + options_.on_cluster() + " AS " +
              options_.quoted(options_.table) + (engine.empty() ? "" : " ENGINE = " + engine) +
              " COMMENT " + literal(comment),
          what));
  const auto found =
      TRY(server_.ask("SELECT toString(uuid), comment" + where + literal(name), what));
  if (found.size() == 1 && found.front().size() == 2 && found.front()[1] == comment) {
    if (engines.front().front().starts_with("MergeTree")) {
      TRY(run("ALTER TABLE " + options_.quoted(name) + options_.on_cluster() + " MODIFY SETTING " +
                  std::string(window) + " = 10000",
              what));
    }
    return found.front()[0];
  }
  return name_taken(options_.shown(name));
}

Result<void> HttpSnapshotTables::seal(const std::string& name) {
  const Table target = TRY(describe_table(server_, options_.database, options_.table));
  if (target.engine != "MergeTree") return {};
  const size_t at = target.engine_full.find(std::string(window) + " = ");
  std::string change = " RESET SETTING " + std::string(window);
  if (at != std::string::npos) {
    const std::string set = target.engine_full.substr(at);
    change = " MODIFY SETTING " + set.substr(0, set.find_first_of(", \n", window.size() + 3));
  }
  return run("ALTER TABLE " + options_.quoted(name) + options_.on_cluster() + change,
             "set the settings of " + options_.shown(name));
}

Result<uint64_t> HttpSnapshotTables::rows(const std::string& name) { return count(name, ""); }

Result<uint64_t> HttpSnapshotTables::keys(const std::string& name) {
  const Milliseconds usual = server_.wait_up_to(timeout_);
  auto counted = count(name, " FINAL");
  server_.wait_up_to(usual);
  return counted;
}

Result<uint64_t> HttpSnapshotTables::count(const std::string& name, const std::string& clauses) {
  const auto found = TRY(server_.ask("SELECT count() FROM " + options_.quoted(name) + clauses +
                                         " SETTINGS select_sequential_consistency = 1",
                                     "count the rows of " + options_.shown(name)));
  uint64_t count = 0;
  if (found.size() != 1 || found.front().size() != 1) return unreadable(options_.shown(name));
  const std::string& text = found.front().front();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size())
    return unreadable(options_.shown(name));
  return count;
}

Result<void> HttpSnapshotTables::create_keyed(const std::string& name, const std::string& comment,
                                              const std::vector<std::string>& key) {
  const std::string what = "create " + options_.shown(name);
  const Table target = TRY(describe_table(server_, options_.database, options_.table));
  for (const std::string& column : key) {
    const bool there = std::any_of(target.columns.begin(), target.columns.end(),
                                   [&](const TableColumn& one) { return one.name == column; });
    if (there) continue;
    return Error{Errc::config, "column-layout",
                 options_.shown(options_.table) + " has no column " + shown_name(column) +
                     ", by which rows are to be replaced",
                 "correct key, or add the column to the table"};
  }
  Table keyed = keyed_copy(target, name, key);
  keyed.engine_full += ", " + std::string(window) + " = 10000";
  TRY(run(create_statement(keyed, comment), what));
  const auto found =
      TRY(server_.ask("SELECT comment FROM system.tables WHERE database = " +
                          literal(options_.database) + " AND name = " + literal(name),
                      what));
  if (found.size() == 1 && found.front().size() == 1 && found.front().front() == comment) return {};
  return name_taken(options_.shown(name));
}

Result<void> HttpSnapshotTables::fill(const std::string& name, const std::string& from) {
  const Table target = TRY(describe_table(server_, options_.database, options_.table));
  std::string columns;
  for (const TableColumn& column : target.columns) {
    if (!column.insertable()) continue;
    columns += (columns.empty() ? "" : ", ") + in_quotes(column.name, '`');
  }
  const std::string mark = "sluice: fills " + options_.quoted(name);
  const auto filled =
      run("INSERT INTO " + options_.quoted(name) + " (" + columns +
              ") SETTINGS max_partitions_per_insert_block = 0, log_comment = " + literal(mark) +
              " SELECT " + columns + " FROM " + options_.quoted(from) + " FINAL",
          "fill " + options_.shown(name), true);
  if (filled.ok() || filled.error().code != Errc::unavailable) return filled;
  return wait_for_end(mark);
}

/// A statement goes on when its answer is no longer waited for.
Result<void> HttpSnapshotTables::wait_for_end(const std::string& mark) {
  constexpr Milliseconds pause{1000};
  for (;;) {
    const auto found = TRY(server_.ask(
        "SELECT count() FROM system.processes WHERE Settings['log_comment'] = " + literal(mark),
        "tell whether a statement still runs"));
    if (found.empty() || found.front().empty()) return unreadable("its processes");
    if (found.front().front() == "0") return {};
    (void)wait_for(pause, {});
  }
}

Result<bool> HttpSnapshotTables::same_columns(const std::string& name) {
  const Table target = TRY(describe_table(server_, options_.database, options_.table));
  Table other = TRY(describe_table(server_, options_.database, name));
  std::erase_if(other.columns,
                [](const TableColumn& column) { return is_keyed_copy_column(column.name); });
  return target.same_columns(other);
}

Result<void> HttpSnapshotTables::exchange(const std::string& name) {
  Result<void> swapped =
      run("EXCHANGE TABLES " + options_.quoted(options_.table) + " AND " + options_.quoted(name) +
              options_.on_cluster(),
          "swap " + options_.shown(options_.table) + " and " + options_.shown(name), true);
  if (swapped.ok() || options_.cluster.empty()) return swapped;
  Error error = std::move(swapped).error();
  // What one server refuses others may do; rights are looked at before any is asked.
  if (error.code != Errc::no_permission) error.code = Errc::unavailable;
  return error;
}

Result<void> HttpSnapshotTables::set_comment(const std::string& name, const std::string& comment) {
  const std::string& table = name.empty() ? options_.table : name;
  return run("ALTER TABLE " + options_.quoted(table) + options_.on_cluster() + " MODIFY COMMENT " +
                 literal(comment),
             "set the comment of " + options_.shown(table));
}

Result<void> HttpSnapshotTables::rename(const std::string& name, const std::string& to) {
  return run("RENAME TABLE " + options_.quoted(name) + " TO " + options_.quoted(to) +
                 options_.on_cluster(),
             "rename " + options_.shown(name), true);
}

Result<void> HttpSnapshotTables::drop(const std::string& name) {
  return run("DROP TABLE IF EXISTS " + options_.quoted(name) + options_.on_cluster() + " SYNC",
             "drop " + options_.shown(name));
}

}  // namespace

std::string SnapshotTablesOptions::quoted(const std::string& name) const {
  return in_quotes(database, '`') + "." + in_quotes(name, '`');
}

std::string SnapshotTablesOptions::shown(const std::string& name) const {
  return shown_table(database, name);
}

std::string SnapshotTablesOptions::on_cluster() const {
  return cluster.empty() ? "" : " ON CLUSTER " + in_quotes(cluster, '`');
}

Result<std::unique_ptr<SnapshotTables>> open_snapshot_tables(const ServerOptions& server_options,
                                                             const SnapshotTablesOptions& options,
                                                             const Clock& clock) {
  Server server = TRY(open_server(server_options, options.database, options.table, clock));
  return std::unique_ptr<SnapshotTables>(
      std::make_unique<HttpSnapshotTables>(std::move(server), options, server_options.timeout));
}

std::string engine_for_copy(const std::string& engine_full, const std::string& suffix) {
  if (!engine_full.starts_with("Replicated")) return {};
  const size_t open = engine_full.find('(');
  const size_t clauses = engine_full.find(' ');
  if (open == std::string::npos || open > clauses) return {};  // no arguments: a path of its own
  size_t position = open + 1;
  std::string path;
  if (position >= engine_full.size() || engine_full[position] != '\'') return {};
  if (!read_quoted(engine_full, position, path)) return {};
  if (path.find("{uuid}") != std::string::npos) return {};
  // Beside the table's own place, never below it: that one is cleared away with the table.
  if (const size_t earlier = path.rfind("__sluice_"); earlier != std::string::npos) {
    path.resize(earlier);
  }
  return engine_full.substr(0, open + 1) + literal(path + suffix) + engine_full.substr(position);
}

}  // namespace sluice::clickhouse
