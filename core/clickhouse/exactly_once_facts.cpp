// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <set>
#include <utility>

#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/exactly_once.hpp"
#include "core/clickhouse/server.hpp"
#include "core/model/quote.hpp"

namespace sluice::clickhouse {
namespace {

constexpr size_t views_max = 64;

std::string literal(std::string_view text) { return in_quotes(text, '\''); }

std::string where(std::string_view database, std::string_view name) {
  return " WHERE database = " + literal(database) + " AND name = " + literal(name);
}

/// What this user may not see, or this server does not have, is left out.
std::vector<TsvRow> rows_or_none(Result<std::vector<TsvRow>> result) {
  return result.ok() ? std::move(result).value() : std::vector<TsvRow>{};
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class FactReader {
 public:
  FactReader(Server& server, const Clock& clock) : server_(server), clock_(clock) {}

  Result<ExactlyOnceFacts> read(const std::string& database, const std::string& table) {
    facts_.origin = server_.target().origin;
    TRY(read_server());
    facts_.table = TRY(describe_table(server_, database, table));
    TRY(read_keys());
    facts_.settings = TRY(read_delivery_settings());
    facts_.plain_defaults = read_defaults("system.merge_tree_settings");
    facts_.replicated_defaults = read_defaults("system.replicated_merge_tree_settings");
    TRY(read_views(database, table));
    read_replica();
    read_rate();
    return std::move(facts_);
  }

 private:
  Result<void> read_server() {
    const auto before = clock_.wall();
    const auto rows =
        TRY(server_.ask("SELECT version(), toUnixTimestamp64Milli(now64(3))", "tell its version"));
    const auto after = clock_.wall();
    if (rows.size() != 1 || rows.front().size() != 2) return unreadable("its version");
    facts_.version = rows.front()[0];
    const auto theirs = number<int64_t>(rows.front()[1]);
    if (!theirs) return unreadable("its clock");
    const auto ours = before + (after - before) / 2;
    facts_.clock_ahead =
        Milliseconds(*theirs) - std::chrono::duration_cast<Milliseconds>(ours.time_since_epoch());
    return {};
  }

  Result<void> read_keys() {
    const Table& table = facts_.table;
    const auto key = TRY(
        server_.ask("SELECT partition_key FROM system.tables" + where(table.database, table.name),
                    "tell the partition key of " + server_.target().table));
    if (!key.empty() && !key.front().empty()) facts_.partition_key = key.front()[0];
    const auto columns = TRY(
        server_.ask("SELECT name FROM system.columns WHERE database = " + literal(table.database) +
                        " AND table = " + literal(table.name) + " AND is_in_partition_key",
                    "tell the partition key of " + server_.target().table));
    for (const TsvRow& row : columns) facts_.key_columns.push_back(row.front());
    return {};
  }

  Result<ServerSettings> read_delivery_settings() {
    ServerSettings settings = TRY(read_settings(server_));
    const auto more =
        TRY(server_.ask("SELECT name, value, toString(readonly) FROM system.settings WHERE name IN "
                        "('max_insert_block_size', 'max_memory_usage')",
                        "read the settings"));
    for (const TsvRow& row : more) {
      if (row.size() != 3) continue;
      // Memory is the server's to limit.
      const bool fixed = row[2] != "0" && row[0] != "max_memory_usage";
      settings[row[0]] = {.value = row[1], .readonly = fixed};
    }
    return settings;
  }

  MergeTreeDefaults read_defaults(const std::string& from) {
    MergeTreeDefaults defaults;
    const auto rows = rows_or_none(server_.ask(
        "SELECT name, value FROM " + from +
            " WHERE name IN ('replicated_deduplication_window', "
            "'replicated_deduplication_window_seconds', 'non_replicated_deduplication_window', "
            "'async_insert')",
        "read the MergeTree settings"));
    for (const TsvRow& row : rows) {
      if (row.size() == 2) defaults[row[0]] = row[1];
    }
    return defaults;
  }

  /// Walks from the table to every view that an INSERT into it feeds.
  Result<void> read_views(const std::string& database, const std::string& table) {
    std::vector<std::pair<std::string, std::string>> open{{database, table}};
    std::set<std::pair<std::string, std::string>> seen;
    for (size_t index = 0; index < open.size() && facts_.views.size() < views_max; ++index) {
      const auto rows = TRY(server_.ask(
          "SELECT view_database, view_name FROM system.tables ARRAY JOIN dependencies_database AS "
          "view_database, dependencies_table AS view_name" +
              where(open[index].first, open[index].second),
          "tell the views of " + server_.target().table));
      for (const TsvRow& row : rows) {
        if (row.size() != 2 || !seen.emplace(row[0], row[1]).second) continue;
        FedView view = TRY(read_view(row[0], row[1]));
        if (view.target) open.emplace_back(view.target->database, view.target->name);
        facts_.views.push_back(std::move(view));
      }
    }
    return {};
  }

  Result<FedView> read_view(const std::string& database, const std::string& name) {
    FedView view{.name = shown_table(database, name), .target = std::nullopt};
    const std::string what = "tell where the view " + view.name + " writes to";
    const auto rows = TRY(server_.ask(
        "SELECT create_table_query, toString(uuid) FROM system.tables" + where(database, name),
        what));
    if (rows.size() != 1 || rows.front().size() != 2) return view;
    auto target = view_target(rows.front()[0]);
    const bool named = target.has_value();
    if (!named) target.emplace(database, ".inner_id." + rows.front()[1]);
    if (target->first.empty()) target->first = database;
    auto table = TRY(read_target(*target, what));
    // Databases without UUIDs name a view's own table after the view.
    if (!table && !named) table = TRY(read_target({database, ".inner." + name}, what));
    view.target = std::move(table);
    return view;
  }

  Result<std::optional<DeduplicatingTable>> read_target(
      const std::pair<std::string, std::string>& target, const std::string& what) {
    const auto rows = TRY(server_.ask(
        "SELECT engine, engine_full FROM system.tables" + where(target.first, target.second),
        what));
    if (rows.size() != 1 || rows.front().size() != 2) {
      return std::optional<DeduplicatingTable>();
    }
    return std::optional(DeduplicatingTable{.database = target.first,
                                            .name = target.second,
                                            .engine = rows.front()[0],
                                            .engine_full = rows.front()[1]});
  }

  void read_replica() {
    const Table& table = facts_.table;
    if (table.engine.find("Replicated") != 0 && table.engine.find("Shared") != 0) return;
    const auto rows = rows_or_none(
        server_.ask("SELECT zookeeper_path, total_replicas FROM system.replicas WHERE database = " +
                        literal(table.database) + " AND table = " + literal(table.name),
                    "tell the replicas"));
    if (rows.size() != 1 || rows.front().size() != 2) return;
    facts_.keeper_path = rows.front()[0];
    facts_.replicas = number<uint64_t>(rows.front()[1]).value_or(1);
  }

  void read_rate() {
    const Table& table = facts_.table;
    const auto rows = rows_or_none(server_.ask(
        "SELECT count() / 600 FROM system.part_log WHERE event_type = 'NewPart' AND event_date >= "
        "yesterday() AND event_time > now() - 600 AND database = " +
            literal(table.database) + " AND table = " + literal(table.name),
        "tell how often it was inserted into"));
    if (rows.size() == 1 && rows.front().size() == 1) {
      facts_.blocks_per_second = number<double>(rows.front()[0]);
    }
  }

  [[nodiscard]] static Error unreadable(std::string_view what) {
    return {.code = Errc::failed,
            .slug = "clickhouse-answer",
            .message = "ClickHouse's answer about " + std::string(what) + " makes no sense",
            .fix = "see what stands between sluice and the server"};
  }

  Server& server_;
  const Clock& clock_;
  ExactlyOnceFacts facts_;
};

}  // namespace

Result<ExactlyOnceFacts> read_exactly_once_facts(const ServerOptions& options,
                                                 const std::string& database,
                                                 const std::string& table, const Clock& clock) {
  Server server = TRY(open_server(options, database, table, clock));
  return FactReader(server, clock).read(database, table);
}

}  // namespace sluice::clickhouse
