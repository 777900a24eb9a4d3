// SPDX-License-Identifier: Apache-2.0
// The part of PipelineRun that follows the table: its columns may change while rows flow.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"
#include "core/pipeline/run.hpp"

namespace sluice {
namespace {

constexpr Milliseconds table_look_interval{10'000};
constexpr Milliseconds table_look_interval_down{60'000};  ///< while ClickHouse does not answer
constexpr int stale_tables_max = 3;  ///< refusals of what the table itself says it takes

}  // namespace

/// What we encode for: the table, or of raw records those of its columns that they fill.
Result<Table> PipelineRun::target(Table table) const {
  return filled_table(std::move(table), options_.columns, options_.format);
}

void PipelineRun::encode_for(Table table) {
  decoder_.reset();
  batcher_.reset();
  schema_.emplace(std::move(table));
  const Result<ColumnLayout> layout = lay_out(schema_->table(), options_.columns, options_.format);
  CHECK(layout.ok());  // else target() would have refused the table
  // Rows that go as text have no columns to look at.
  awaits_field_ = awaits_field_ && schema_->format() == InsertFormat::native;
  field_columns_ = layout->columns_of_fields();
  decoder_ = make_decoder(*schema_, options_.format, options_.decode, *layout, options_.topic);
  BatchLimits limits = options_.batch;
  limits.rows_max = batch_rows_max_;
  limits.one_partition = exact();
  batcher_.emplace(*schema_, limits);
  table_look_next_ = ports_.clock.now() + table_look_interval;
}

/// An INSERT for columns that are gone is refused, but one that lacks a new column is not: so the
/// table is looked at now and then.
void PipelineRun::look_at_table() {
  const TimePoint now = ports_.clock.now();
  if (stale_ || now < table_look_next_) return;
  std::optional<Table> seen = ports_.sink.look();
  table_look_next_ = now + (seen ? table_look_interval : table_look_interval_down);
  if (!seen) return;
  const Result<Table> table = target(std::move(*seen));
  const bool same = table.ok() && table->same_columns(schema_->table()) &&
                    (!exact() || table->uuid == schema_->table().uuid);
  if (same) return;
  stale_ =
      Error{Errc::unavailable, "table-changed",
            fmt::format("the columns of {} changed", schema_->table().full_name()), "run it again"};
}

void PipelineRun::adopt_table() {
  if (!delivery_->empty()) return;
  Result<Table> table = ports_.sink.describe();
  if (table.ok()) table = target(std::move(*table));
  if (!table.ok()) {
    // While the server is away nothing can be sent either.
    if (table.error().code == Errc::unavailable && options_.unavailable_max.count() == 0) return;
    fatal_ = true;
    return fail(std::move(table).error());
  }
  const bool smaller = batch_rows_max_ < batcher_->rows_max();
  if (exact()) {
    withdraw_armed();
    if (fatal_) return;
    replay_open();
    if (table->uuid != schema_->table().uuid) return leave_replaced_table();
  }
  const bool changed = !table->same_columns(schema_->table());
  stale_in_a_row_ = changed || smaller ? 0 : stale_in_a_row_ + 1;
  if (stale_in_a_row_ > stale_tables_max) {
    fatal_ = true;
    return fail(std::move(*stale_));
  }
  if (changed) {
    ports_.observer.warning(
        "table-changed",
        fmt::format("the columns of {} changed: what ClickHouse has not acknowledged is read and "
                    "encoded again",
                    table->full_name()));
  }
  for (auto& [partition, session] : sessions_) {
    session.judged_to =
        changed ? Offset{0} : std::max(session.judged_to, session.cursor.position());
    if (changed) session.refused.clear();
  }
  encode_anew(std::move(*table));
}

/// The table's place was taken by another: what is under way is nobody's to send, and the other has
/// to be looked at before anything is promised of it.
void PipelineRun::leave_replaced_table() {
  fatal_ = true;
  for (const auto& [partition, session] : sessions_) {
    if (!session.replay) continue;
    return fail(halted(partition, *session.replay, "the table is another one since"));
  }
  fail(table_replaced());
}

Error PipelineRun::table_replaced() const {
  return {Errc::unavailable, "table-replaced",
          fmt::format("{} was replaced by another table", schema_->table().full_name()),
          "run it again: it looks at the new one first"};
}

void PipelineRun::encode_anew(Table table) {
  for (const Batch& batch : ready_) abandon_rows(batch.rows());
  ready_.clear();
  for (const Batch& batch : armed_) abandon_rows(batch.rows());
  armed_.clear();
  std::map<PartitionId, Offset> positions;
  for (auto& [partition, session] : sessions_) {
    abandon_rows(batcher_->abandon(partition));
    const Offset from = session.cursor.committable();
    const std::vector<OffsetRange> ahead = session.cursor.settled_ahead();
    session.settled.insert(session.settled.begin(), ahead.begin(), ahead.end());
    session.cursor = Cursor(from);
    session.digest_from = from;
    session.records = session.crc = 0;
    session.at_end = false;
    positions.emplace(partition, from);
  }
  encode_for(std::move(table));
  stale_.reset();
  if (Result<void> sought = ports_.source.seek(positions); !sought.ok()) {
    fatal_ = true;
    fail(std::move(sought).error());
  }
}

}  // namespace sluice
