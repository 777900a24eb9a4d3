// SPDX-License-Identifier: Apache-2.0
#include "cli/watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/exit_code.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr uint64_t rejects_told_max = 10;

uint64_t lag_of(const Observer::Assignment& partition) {
  if (!partition.end || *partition.end <= partition.start) return 0;
  return static_cast<uint64_t>(partition.end->value - partition.start.value);
}

struct Starts {
  uint64_t resumed = 0;
  uint64_t fresh = 0;
  uint64_t lag = 0;
};

Starts count_starts(std::span<const Observer::Assignment> partitions) {
  Starts starts;
  for (const Observer::Assignment& partition : partitions) {
    ++(partition.from_committed ? starts.resumed : starts.fresh);
    starts.lag += lag_of(partition);
  }
  return starts;
}

std::string start_words(const StartAt& start) {
  return start.kind == StartAt::Kind::table ? "behind the table's rows" : "at " + start_word(start);
}

}  // namespace

std::string start_line(std::span<const Observer::Assignment> partitions, const StartAt& start) {
  const Starts starts = count_starts(partitions);
  if (partitions.empty()) return "no partitions: other members of the group have them";
  if (starts.fresh == 0) {
    return fmt::format("resuming from committed offsets on {} (lag {})",
                       counted(starts.resumed, "partition"), grouped(starts.lag));
  }
  if (starts.resumed == 0) {
    return fmt::format("starting {} on {} (lag {}): the group has no offsets", start_words(start),
                       counted(starts.fresh, "partition"), grouped(starts.lag));
  }
  return fmt::format("resuming from committed offsets on {}, starting {} on {} (lag {})",
                     counted(starts.resumed, "partition"), start_words(start),
                     counted(starts.fresh, "partition"), grouped(starts.lag));
}

void PipelineWatch::assigned(std::span<const Assignment> partitions) {
  meter_.assigned(partitions);
  counts_.phase = Phase::running;
  const Starts starts = count_starts(partitions);
  const bool again = assigned_before_.exchange(true);
  console_.say(fmt::format(
      "{}  {}", pipeline_.name,
      again ? fmt::format("now has {} of the group", counted(partitions.size(), "partition"))
            : start_line(partitions, pipeline_.start.value)));
  if (console_.human() && !console_.log().to_file()) return;
  const std::string from = starts.fresh == 0     ? "committed"
                           : starts.resumed == 0 ? start_word(pipeline_.start.value)
                                                 : "committed," + start_word(pipeline_.start.value);
  console_.log().write(LogLevel::info, again ? "partitions assigned" : "pipeline started",
                       {{"pipeline", pipeline_.name},
                        {"topic", pipeline_.topic.value},
                        {"table", pipeline_.table.value},
                        {"group", pipeline_.group.value},
                        {"partitions", static_cast<uint64_t>(partitions.size())},
                        {"start", from},
                        {"lag", starts.lag}});
}

void PipelineWatch::revoked(std::span<const PartitionId> partitions, bool lost) {
  meter_.revoked(partitions, lost);
  console_.log().write(
      LogLevel::debug, lost ? "partitions lost" : "partitions revoked",
      {{"pipeline", pipeline_.name}, {"partitions", static_cast<uint64_t>(partitions.size())}});
}

void PipelineWatch::inserted(const Inserted& insert) {
  meter_.inserted(insert);
  if (!console_.logs_inserts()) return;
  console_.log().write(LogLevel::info, "insert",
                       {{"pipeline", pipeline_.name},
                        {"rows", insert.rows},
                        {"bytes", insert.bytes},
                        {"wire_bytes", insert.wire_bytes},
                        {"ms", static_cast<int64_t>(insert.duration.count())},
                        {"attempts", static_cast<uint64_t>(insert.attempts)},
                        {"trigger", std::string(insert.trigger)},
                        {"offsets", std::string(insert.label)}});
}

void PipelineWatch::retrying(const Retrying& attempt) {
  meter_.retrying(attempt);
  const std::string text = escape_control(attempt.error.message);
  console_.event({{"type", "warning"},
                  {"slug", "insert-retried"},
                  {"pipeline", pipeline_.name},
                  {"message", valid_utf8(text)},
                  {"attempt", attempt.attempt},
                  {"wait_ms", attempt.wait.count()}});
  console_.say(fmt::format("{}  warning: insert is tried again in {}: {}", pipeline_.name,
                           short_duration(attempt.wait), text));
  if (console_.human() && !console_.log().to_file()) return;
  console_.log().write(LogLevel::warning, "insert retried",
                       {{"pipeline", pipeline_.name},
                        {"attempt", static_cast<uint64_t>(attempt.attempt)},
                        {"wait_ms", static_cast<int64_t>(attempt.wait.count())},
                        {"rows", attempt.insert.rows},
                        {"offsets", attempt.insert.label},
                        {"error", text}});
}

void PipelineWatch::rejected(const RejectedRecord& record) {
  // What ClickHouse says about a row can quote the row: that goes to the reject sink only.
  const bool quotes = record.reason == RejectReason::insert;
  const std::string message = quotes
                                  ? fmt::format("ClickHouse refused the row (code {})", record.code)
                                  : escape_control(record.message);
  console_.event({{"type", "reject"},
                  {"pipeline", pipeline_.name},
                  {"topic", record.topic},
                  {"partition", record.partition.value},
                  {"offset", record.offset.value},
                  {"reason", to_string(record.reason)},
                  {"column", valid_utf8(escape_control(record.column))},
                  {"message", message}});
  const uint64_t told = rejects_told_.fetch_add(1);
  if (told > rejects_told_max) return;
  if (told == rejects_told_max) {
    return console_.warning(pipeline_.name, "rejects", "further rejects are counted and not shown");
  }
  const std::string column = record.column.empty() ? "" : fmt::format(", column {}", record.column);
  console_.say(fmt::format("{}  rejected {}[{}] offset {} ({}{}): {}", pipeline_.name, record.topic,
                           record.partition.value, record.offset.value, to_string(record.reason),
                           escape_control(column, 100), message));
  if (console_.human() && !console_.log().to_file()) return;
  console_.log().write(LogLevel::warning, "record rejected",
                       {{"pipeline", pipeline_.name},
                        {"topic", record.topic},
                        {"partition", static_cast<int64_t>(record.partition.value)},
                        {"offset", record.offset.value},
                        {"reason", std::string(to_string(record.reason))},
                        {"column", record.column},
                        {"error", message}});
}

void PipelineWatch::committed(std::span<const CommitOutcome> offsets) {
  meter_.committed(offsets);
  if (!console_.log().shows(LogLevel::debug)) return;
  for (const CommitOutcome& outcome : offsets) {
    const std::string result = outcome.result == CommitResult::ok       ? "ok"
                               : outcome.result == CommitResult::fenced ? "fenced"
                                                                        : "unknown";
    console_.log().write(LogLevel::debug, "commit",
                         {{"pipeline", pipeline_.name},
                          {"partition", static_cast<int64_t>(outcome.partition.value)},
                          {"offset", outcome.offset.value},
                          {"result", result}});
  }
}

void PipelineWatch::ignored_fields(std::string_view names) {
  const std::string shown = escape_control(names);
  console_.say(fmt::format("{}  {} has no column for these fields, they are ignored: {}",
                           pipeline_.name, pipeline_.table.value, shown));
  if (console_.human() && !console_.log().to_file()) return;
  console_.log().write(
      LogLevel::info, "fields ignored",
      {{"pipeline", pipeline_.name}, {"table", pipeline_.table.value}, {"fields", shown}});
}

void PipelineWatch::warning(std::string_view slug, std::string_view message) {
  console_.warning(pipeline_.name, slug, std::string(message));
}

void PipelineWatch::finished(const PipelineReport& report, int exit_code) {
  meter_.finished(report);
  counts_.milliseconds = report.duration.count();
  counts_.phase = report.error ? Phase::failed : report.caught_up ? Phase::done : Phase::stopped;
  const bool nothing = report.caught_up && !assigned_before_;
  if (nothing) console_.say(pipeline_.name + "  nothing new: the group is at the end already");
  if (console_.human() && !console_.log().to_file()) return;
  console_.log().write(LogLevel::info, "pipeline finished",
                       {{"pipeline", pipeline_.name},
                        {"code", static_cast<int64_t>(exit_code)},
                        {"read", report.counts.read},
                        {"inserted", report.counts.inserted},
                        {"rejected", report.counts.rejected},
                        {"skipped", report.counts.skipped},
                        {"inserts", report.counts.inserts},
                        {"seconds", static_cast<double>(report.duration.count()) / 1e3}});
}

}  // namespace sluice::cli
