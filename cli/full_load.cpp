// SPDX-License-Identifier: Apache-2.0
#include "cli/full_load.hpp"

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "cli/exit_code.hpp"
#include "cli/runner.hpp"
#include "cli/text.hpp"
#include "core/base/text.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/snapshot_marks.hpp"
#include "core/decode/column_layout.hpp"
#include "core/kafka/snapshot_groups.hpp"
#include "core/model/replacing.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Letters and digits, good for names of tables and groups; a pipeline's own in this run.
std::string load_id(const std::string& run_id) {
  std::random_device device;
  return fmt::format("{}{:04x}", lower(run_id), device() & 0xFFFFu);
}

/// Whether the last row of each key has to be found before the table can be replaced: one that
/// replaces rows by the key itself shows what is left of each.
bool by_key(const PipelineSettings& pipeline, const Table& target) {
  return pipeline.write.value == Write::overwrite_delete_stale && pipeline.columns.overwrite &&
         !replaces_by(target, pipeline.columns.key);
}

Result<LoadLook> look_at(const PipelineSettings& pipeline, const Configuration& configuration,
                         const std::string& run_id) {
  const SystemClock clock;
  Observer nobody;
  const Settings& settings = configuration.settings;
  const Connections& connections = configuration.connections;
  FullPorts ports = TRY(open_full(pipeline, settings, connections, connections.cluster, {}, clock));
  const FullColumns filled = full_columns(pipeline, ports.target);
  TRY(lay_out(filled.table, filled.columns, pipeline.format.value));
  if (pipeline.write.value == Write::overwrite_delete_stale) {
    auto tables = TRY(clickhouse::open_snapshot_tables(ports.server, ports.names, clock));
    return Snapshot(snapshot_options(pipeline, ports.target, settings.run, run_id), *ports.source,
                    *tables, *ports.groups, nobody, clock)
        .look();
  }
  std::unique_ptr<SnapshotMarks> marks;
  if (pipeline.write.value == Write::append) {
    marks = TRY(clickhouse::open_snapshot_marks(ports.server, ports.names, clock));
  }
  return FullLoad(full_load_options(pipeline, ports.target, settings.run, run_id), *ports.source,
                  marks.get(), *ports.groups, nobody, clock)
      .look();
}

std::string sentence(const PipelineSettings& pipeline, const LoadLook& look) {
  const std::string& table = pipeline.table.value;
  const bool replaces = pipeline.write.value == Write::overwrite_delete_stale;
  const std::string load = fmt::format(
      "would load {} of {} of topic {}{}", counted(look.records() - look.done, "record"),
      counted(look.fixed.size(), "partition"), pipeline.topic.value,
      replaces && pipeline.columns.overwrite
          ? fmt::format(", the last of each {},", join(pipeline.columns.key, ", "))
          : "");
  const std::string begun = look.taken_up.empty()
                                ? ""
                                : fmt::format(" (going on with {}, of which {} are done)",
                                              look.taken_up, grouped(look.done));
  switch (pipeline.write.value) {
    case Write::append:
      return fmt::format(
          "{} into {} as a snapshot{}, which {}__latest then shows; group {} stays "
          "where it is",
          load, table, begun, table, pipeline.group.value);
    case Write::overwrite:
      return fmt::format(
          "{} into {}{}, over the rows with the same {}; stale rows and group {} "
          "stay",
          load, table, begun, join(pipeline.columns.key, ", "), pipeline.group.value);
    case Write::overwrite_delete_stale:
      return fmt::format(
          "{} into {}.{}{}, verify them, and swap it with {} ({} now); group {} "
          "would go on where they end",
          load, pipeline.database(), look.table_name, begun, table,
          look.rows ? counted(*look.rows, "row") : "rows unknown", pipeline.group.value);
  }
  return {};
}

Json document(const PipelineSettings& pipeline, const Result<LoadLook>& look) {
  constexpr std::array words{"append", "overwrite", "overwrite-delete-stale"};
  Json out{{"pipeline", pipeline.name},
           {"topic", pipeline.topic.value},
           {"table", pipeline.table.value},
           {"write", words.at(static_cast<size_t>(pipeline.write.value))}};
  if (!look.ok()) {
    out["error"] = {{"slug", look.error().slug},
                    {"message", valid_utf8(look.error().message)},
                    {"fix", valid_utf8(look.error().fix)}};
    return out;
  }
  out["partitions"] = look->fixed.size();
  out["records"] = look->records();
  out["done"] = look->done;
  out["resumes"] = look->taken_up.empty() ? Json(nullptr) : Json(look->taken_up);
  if (!look->table_name.empty()) {
    out["loads_into"] = pipeline.database() + "." + look->table_name;
    out["rows_now"] = look->rows ? Json(*look->rows) : Json(nullptr);
  }
  return out;
}

}  // namespace

Result<FullPorts> open_full(const PipelineSettings& pipeline, const Settings& settings,
                            const Connections& connections, const kafka::ClusterOptions& cluster,
                            const std::stop_token& stop, const Clock& clock) {
  const std::string& destination = pipeline.destination.value;
  const clickhouse::ServerOptions& server = connections.servers.at(destination).front();
  clickhouse::Server asked =
      TRY(clickhouse::open_server(server, pipeline.database(), pipeline.table_name(), clock));
  Table target = TRY(clickhouse::describe_table(asked, pipeline.database(), pipeline.table_name()));
  auto groups = TRY(kafka::open_snapshot_groups(cluster, pipeline.topic.value, stop));
  auto source = TRY(
      kafka::open_source(cluster, {.topic = pipeline.topic.value, .group = pipeline.group.value}));
  return FullPorts{
      server,
      {pipeline.database(), pipeline.table_name(), settings.servers_of(destination).cluster.value},
      std::move(target),
      std::move(groups),
      std::move(source)};
}

FullColumns full_columns(const PipelineSettings& pipeline, Table target) {
  ColumnOptions columns = pipeline.columns;
  if (pipeline.write.value == Write::append) columns.snapshot = SnapshotStamp{};
  if (by_key(pipeline, target)) target = keyed_copy(target, target.name, columns.key);
  return {std::move(target), std::move(columns)};
}

SnapshotOptions snapshot_options(const PipelineSettings& pipeline, const Table& target,
                                 const RunSettings& run, const std::string& run_id) {
  SnapshotOptions out{.topic = pipeline.topic.value,
                      .table = pipeline.table.value,
                      .table_name = pipeline.table_name(),
                      .group = pipeline.group.value,
                      .id = load_id(run_id),
                      .run_id = run_id,
                      .key = {},
                      .keep_old = run.keep_old,
                      .allow_empty = run.allow_empty,
                      .allow_shrink = run.allow_shrink,
                      .allow_views = run.allow_views};
  if (by_key(pipeline, target)) out.key = pipeline.columns.key;
  return out;
}

FullLoadOptions full_load_options(const PipelineSettings& pipeline, const Table& target,
                                  const RunSettings& run, const std::string& run_id) {
  return {.topic = pipeline.topic.value,
          .table = pipeline.table.value,
          .table_uuid = target.uuid,
          .engine_full = target.engine_full,
          .group = pipeline.group.value,
          .id = load_id(run_id),
          .run_id = run_id,
          .exactly_once = pipeline.delivery.value == DeliveryLevel::exactly_once,
          .allow_empty = run.allow_empty};
}

int show_full_plans(const Configuration& configuration) {
  const Settings& settings = configuration.settings;
  const std::string run_id = make_run_id(SystemClock().wall());
  std::vector<int> codes;
  Json all = Json::array();
  const bool text = settings.output.format == OutputFormat::text;
  for (const PipelineSettings& pipeline : settings.pipelines) {
    const auto look = look_at(pipeline, configuration, run_id);
    codes.push_back(look.ok() ? exit_code::ok : exit_code_of(look.error().code));
    if (!text) {
      all.push_back(document(pipeline, look));
    } else if (look.ok()) {
      std::cout << pipeline.name << ": " << sentence(pipeline, *look) << '\n';
    } else {
      std::cout << fmt::format("{}: would be refused: {} ({})\n  fix: {}\n", pipeline.name,
                               escape_control(look.error().message), look.error().slug,
                               escape_control(look.error().fix));
    }
  }
  if (!text) std::cout << Json{{"type", "full_plan"}, {"v", 1}, {"pipelines", all}}.dump() << '\n';
  std::cout.flush();
  return worst_exit_code(codes);
}

}  // namespace sluice::cli
