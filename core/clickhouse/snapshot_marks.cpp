// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/snapshot_marks.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/server.hpp"
#include "core/model/quote.hpp"

namespace sluice::clickhouse {
namespace {

std::string literal(std::string_view text) { return in_quotes(text, '\''); }

/// The columns that SELECT * has.
constexpr std::string_view columns_of =
    "SELECT toString(groupArray((name, type))) FROM (SELECT name, type FROM system.columns WHERE "
    "default_kind NOT IN ('MATERIALIZED', 'ALIAS', 'EPHEMERAL') AND database = {} AND table = {} "
    "ORDER BY position)";

class HttpSnapshotMarks final : public SnapshotMarks {
 public:
  HttpSnapshotMarks(Server server, SnapshotTablesOptions options)
      : server_(std::move(server)), options_(std::move(options)) {}

  Result<void> prepare() override {
    TRY(look());  // nothing is made when the other name is taken
    TRY(prepare_table());
    return prepare_view();
  }

  Result<void> look() override {
    (void)TRY(ours(marks(), marks_comment()));
    (void)TRY(ours(view(), view_comment()));
    return {};
  }

  Result<uint64_t> rows(const std::string& id) override {
    TRY(catch_up(server_, TRY(describe_table(server_, options_.database, options_.table))));
    return count(options_.table, "_snapshot_id", id);
  }

  Result<uint64_t> marked(const std::string& id) override {
    return count(marks(), "snapshot_id", id);
  }

  Result<void> mark(const SnapshotStamp& snapshot, uint64_t rows) override {
    return server_.command(
        fmt::format("INSERT INTO {} (snapshot_id, snapshot_time, rows) SELECT {}, "
                    "fromUnixTimestamp64Milli(toInt64({})), {}",
                    options_.quoted(marks()), literal(snapshot.id), snapshot.time_ms, rows),
        "write into " + options_.shown(marks()));
  }

  Result<void> unmark(const std::string& id) override {
    return server_.command("ALTER TABLE " + options_.quoted(marks()) + options_.on_cluster() +
                               " DELETE WHERE snapshot_id = " + literal(id) +
                               " SETTINGS mutations_sync = 2",
                           "delete a row of " + options_.shown(marks()));
  }

  Result<void> remove(const std::string& id) override {
    return server_.command("ALTER TABLE " + options_.quoted(options_.table) +
                               " DELETE WHERE _snapshot_id = " + literal(id),
                           "delete rows of " + options_.shown(options_.table));
  }

 private:
  [[nodiscard]] std::string marks() const { return options_.table + "__snapshots"; }
  [[nodiscard]] std::string view() const { return options_.table + "__latest"; }
  [[nodiscard]] std::string marks_comment() const {
    return "sluice: the snapshots of " + options_.shown(options_.table) + " that are whole";
  }
  [[nodiscard]] std::string view_comment() const {
    return "sluice: the rows of the latest whole snapshot of " + options_.shown(options_.table);
  }

  Result<uint64_t> count(const std::string& table, std::string_view column, const std::string& id) {
    const auto found = TRY(server_.ask(fmt::format("SELECT count() FROM {} WHERE {} = {} SETTINGS "
                                                   "select_sequential_consistency = 1",
                                                   options_.quoted(table), column, literal(id)),
                                       "count the rows of a snapshot in " + options_.shown(table)));
    uint64_t out = 0;
    const std::string text = found.empty() || found.front().empty() ? "" : found.front().front();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error == std::errc{} && end == text.data() + text.size()) return out;
    return Error{Errc::failed, "clickhouse-answer", "ClickHouse's answer to a count is no number",
                 "see what stands between sluice and the server"};
  }

  /// Whether it is there; somebody else's is an error.
  Result<bool> ours(const std::string& name, const std::string& comment) {
    const auto found =
        TRY(server_.ask("SELECT comment FROM system.tables WHERE database = " +
                            literal(options_.database) + " AND name = " + literal(name),
                        "look for " + options_.shown(name)));
    if (found.empty()) return false;
    if (found.front().size() == 1 && found.front().front() == comment) return true;
    return Error{
        Errc::config, "snapshot-name-taken",
        options_.shown(name) + " exists, and is none of ours: its comment is not '" + comment + "'",
        "rename or drop it"};
  }

  Result<void> prepare_table() {
    const std::string comment = marks_comment();
    if (TRY(ours(marks(), comment))) return {};
    const Table target = TRY(describe_table(server_, options_.database, options_.table));
    const bool replicated = target.engine.starts_with("Replicated");
    TRY(server_.command(
        "CREATE TABLE IF NOT EXISTS " + options_.quoted(marks()) + options_.on_cluster() +
            " (snapshot_id String, snapshot_time DateTime64(3), rows UInt64, completed_at "
            "DateTime64(3) DEFAULT now64(3)) ENGINE = " +
            (replicated ? "Replicated" : "") + "MergeTree ORDER BY completed_at COMMENT " +
            literal(comment),
        "create " + options_.shown(marks())));
    return {};
  }

  Result<void> prepare_view() {
    const std::string comment = view_comment();
    const bool there = TRY(ours(view(), comment));
    if (there && TRY(columns(view())) == TRY(columns(options_.table))) return {};
    return server_.command(
        fmt::format("CREATE {}VIEW {}{}{} AS SELECT * FROM {} WHERE _snapshot_id IN (SELECT "
                    "snapshot_id FROM {} ORDER BY completed_at DESC LIMIT 1) COMMENT {}",
                    there ? "OR REPLACE " : "", there ? "" : "IF NOT EXISTS ",
                    options_.quoted(view()), options_.on_cluster(), options_.quoted(options_.table),
                    options_.quoted(marks()), literal(comment)),
        "create " + options_.shown(view()));
  }

  Result<std::string> columns(const std::string& table) {
    const auto found =
        TRY(server_.ask(fmt::format(columns_of, literal(options_.database), literal(table)),
                        "list the columns of " + options_.shown(table)));
    return found.empty() || found.front().empty() ? std::string() : found.front().front();
  }

  Server server_;
  SnapshotTablesOptions options_;
};

}  // namespace

Result<std::unique_ptr<SnapshotMarks>> open_snapshot_marks(const ServerOptions& server,
                                                           const SnapshotTablesOptions& options,
                                                           const Clock& clock) {
  Server opened = TRY(open_server(server, options.database, options.table, clock));
  return std::unique_ptr<SnapshotMarks>(
      std::make_unique<HttpSnapshotMarks>(std::move(opened), options));
}

}  // namespace sluice::clickhouse
