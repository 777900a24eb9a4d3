// SPDX-License-Identifier: Apache-2.0
#include "cli/table_starts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "cli/origin_columns.hpp"
#include "cli/text.hpp"
#include "cli/verify.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/exactly_once.hpp"
#include "core/clickhouse/range_rows.hpp"
#include "core/clickhouse/server.hpp"
#include "core/kafka/group_view.hpp"

namespace sluice::cli {
namespace {

constexpr std::string_view slug = "table-proves-no-start";
constexpr std::string_view say_where =
    "say where to start instead of table: the time of the last row, or end";

std::string shown_of(const PipelineSettings& pipeline) {
  return clickhouse::shown_table(pipeline.database(), pipeline.table_name());
}

/// The smallest range that holds all that is wrong.
OffsetRange wrong_in(const PartitionProof& proof) {
  OffsetRange all = proof.range;
  if (!proof.all_named) return all;
  std::swap(all.first, all.next);
  for (const OffsetRanges* ranges : {&proof.lost, &proof.doubled, &proof.gone}) {
    if (ranges->empty()) continue;
    all.first = std::min(all.first, ranges->front().first);
    all.next = std::max(all.next, ranges->back().next);
  }
  return all;
}

Error not_proven(const PipelineSettings& pipeline, const PartitionProof& proof) {
  const std::string message =
      fmt::format("{} does not prove where to start: {}", shown_of(pipeline),
                  proof_sentence(pipeline.topic.value, proof));
  if (!proof.gone.empty()) {
    return {Errc::config, std::string(slug), message, std::string(say_where)};
  }
  const OffsetRange wrong = wrong_in(proof);
  return {Errc::config, std::string(slug), message,
          fmt::format("mend it, then run this again: sluice backfill {} --range {}:{} --partitions "
                      "{} --duplicates replace; or, if it never held these on purpose, {}",
                      pipeline.name, wrong.first.value, wrong.next.value, proof.partition.value,
                      say_where)};
}

/// What the rows of a table that can prove anything end at.
Result<std::map<PartitionId, Offset>> ends_of(const PipelineSettings& pipeline,
                                              const clickhouse::ServerOptions& options,
                                              const Clock& clock) {
  auto server =
      TRY(clickhouse::open_server(options, pipeline.database(), pipeline.table_name(), clock));
  const Table table =
      TRY(clickhouse::describe_table(server, pipeline.database(), pipeline.table_name()));
  const std::string hidden_by = clickhouse::hides_rows(table);
  if (!hidden_by.empty()) {
    return Error{Errc::config, std::string(slug),
                 fmt::format("{} does not prove where to start: {}", shown_of(pipeline), hidden_by),
                 std::string(say_where)};
  }
  const clickhouse::RangeRows rows{.database = pipeline.database(),
                                   .table = pipeline.table_name(),
                                   .topic = pipeline.topic.value,
                                   .columns = TRY(origin_columns_of(pipeline, options, clock)),
                                   .offsets = {}};
  if (rows.columns.known()) return clickhouse::ends_of_rows(options, rows, clock);
  return Error{Errc::config, std::string(slug),
               fmt::format("{} does not prove where to start: its rows do not tell where they came "
                           "from (columns _topic, _partition, _offset)",
                           shown_of(pipeline)),
               std::string(say_where)};
}

}  // namespace

Result<std::map<PartitionId, Offset>> starts_of_table(const PipelineSettings& pipeline,
                                                      const Connections& connections,
                                                      std::span<const PartitionId> partitions,
                                                      const Clock& clock,
                                                      const std::stop_token& stop) {
  constexpr Milliseconds timeout{30'000};
  const std::string& topic = pipeline.topic.value;
  const auto& server = connections.servers.at(pipeline.destination.value).front();
  const auto ends = TRY(ends_of(pipeline, server, clock));
  auto view = TRY(kafka::GroupView::open(connections.cluster, pipeline.group.value));
  const auto held = TRY(view.watermarks(topic, partitions, timeout));
  std::map<PartitionId, Offset> starts;
  VerifyOptions verify;
  verify.rejected = TRY(rejected_offsets(pipeline, connections));
  for (const PartitionId partition : partitions) {
    const Watermarks& marks = held.at(partition);
    const auto end = ends.find(partition);
    const Offset start = end == ends.end() ? marks.first : end->second;
    if (start > marks.end) {
      return Error{
          Errc::config, std::string(slug),
          fmt::format("{} does not prove where to start: it holds rows of {}[{}] up to "
                      "offset {}, but the partition ends at {}: the topic was truncated "
                      "or created anew",
                      shown_of(pipeline), topic, partition.value, start.value - 1, marks.end.value),
          "to load all that the topic holds now, say earliest instead of table"};
    }
    const OffsetRange before{marks.first, start};
    if (!before.empty()) verify.ranges[partition] = before;
    starts[partition] = start;
  }
  for (const PartitionProof& proof :
       TRY(verify_pipeline(pipeline, connections, verify, clock, stop))) {
    if (!proof.proven()) return not_proven(pipeline, proof);
  }
  return starts;
}

}  // namespace sluice::cli
