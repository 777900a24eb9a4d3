// SPDX-License-Identifier: Apache-2.0
#include "cli/origin_columns.hpp"

#include <algorithm>

#include "core/clickhouse/catalog.hpp"

namespace sluice::cli {
namespace {

void apply(const std::vector<ColumnRule>& rules, clickhouse::OriginColumns& columns) {
  for (const ColumnRule& rule : rules) {
    for (std::string* name : {&columns.topic, &columns.partition, &columns.offset}) {
      if (*name == rule.column) name->clear();
    }
  }
  for (const ColumnRule& rule : rules) {
    if (rule.source.kind == ColumnSource::Kind::topic) columns.topic = rule.column;
    if (rule.source.kind == ColumnSource::Kind::partition) columns.partition = rule.column;
    if (rule.source.kind == ColumnSource::Kind::offset) columns.offset = rule.column;
  }
}

}  // namespace

Result<clickhouse::OriginColumns> origin_columns_of(const PipelineSettings& pipeline,
                                                    const clickhouse::ServerOptions& options,
                                                    const Clock& clock) {
  auto server =
      TRY(clickhouse::open_server(options, pipeline.database(), pipeline.table_name(), clock));
  auto columns = clickhouse::origin_columns(
      TRY(clickhouse::describe_table(server, pipeline.database(), pipeline.table_name())));
  apply(pipeline.columns.rules, columns);
  // Rows of the other topics have the same partitions and offsets.
  const bool several = pipeline.topics_regex.origin.kind != Origin::Kind::built_in;
  if (several && columns.topic.empty()) return clickhouse::OriginColumns{};
  return columns;
}

bool names_tell_origin(const PipelineSettings& pipeline) {
  const clickhouse::OriginColumns plain{"_topic", "_partition", "_offset", ""};
  clickhouse::OriginColumns columns = plain;
  apply(pipeline.columns.rules, columns);
  return columns.topic == plain.topic && columns.partition == plain.partition &&
         columns.offset == plain.offset;
}

}  // namespace sluice::cli
