// SPDX-License-Identifier: Apache-2.0
#include "cli/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/exit_code.hpp"
#include "cli/health.hpp"
#include "cli/text.hpp"
#include "core/deliver/commit_record.hpp"

namespace sluice::cli {
namespace {

using Level = StatusProblem::Level;

constexpr Milliseconds stall_max = HealthLimits{}.stall_max;

StatusProblem unhealthy(std::string slug, std::string message, std::string fix) {
  return {Level::error, exit_code::unhealthy, std::move(slug), std::move(message), std::move(fix)};
}

StatusProblem warning(std::string slug, std::string message, std::string fix) {
  return {Level::warning, exit_code::ok, std::move(slug), std::move(message), std::move(fix)};
}

uint64_t distance(Offset from, Offset to) {
  return to > from ? static_cast<uint64_t>(to.value - from.value) : 0;
}

/// "41m", "2h 05m", "3d 04h": whole minutes are enough for what lies back.
std::string age_words(Milliseconds age) {
  const auto minutes = std::max<int64_t>(0, age.count()) / 60'000;
  if (minutes == 0) return short_duration(std::max(age, Milliseconds{0}));
  if (minutes < 60) return fmt::format("{}m", minutes);
  if (minutes < 24 * 60) return fmt::format("{}h {:02}m", minutes / 60, minutes % 60);
  return fmt::format("{}d {:02}h", minutes / 60 / 24, minutes / 60 % 24);
}

/// The newest insert that the group's commits know of.
std::optional<WallTime> last_insert(const PipelineLook& look) {
  if (!look.committed) return std::nullopt;
  std::optional<WallTime> last;
  for (const auto& [partition, committed] : *look.committed) {
    const int64_t at = CommitRecord::decode(committed.metadata).inserted_at_ms;
    if (at >= 0) last = std::max(last.value_or(WallTime{}), WallTime(Milliseconds(at)));
  }
  return last;
}

std::optional<double> lag_seconds(const PipelineLook& look, PartitionId partition,
                                  std::optional<uint64_t> lag, WallTime now) {
  if (lag == 0u) return 0;
  const auto found = look.oldest.find(partition);
  if (!lag || found == look.oldest.end()) return std::nullopt;
  if (!found->second) return 0;  // only what is no record lies before the end
  return static_cast<double>(std::max<int64_t>(0, (now - *found->second).count())) / 1e3;
}

std::vector<PartitionStatus> partitions_of(const PipelineSettings& pipeline,
                                           const PipelineLook& look, WallTime now) {
  std::map<PartitionId, PartitionStatus> out;
  if (look.held) {
    for (const auto& [partition, held] : *look.held) {
      out[partition].start = held.first.value;
      out[partition].end = held.end.value;
    }
  }
  if (look.committed) {
    for (const auto& [partition, committed] : *look.committed) {
      out[partition].committed = committed.offset.value;
    }
  }
  const auto next = next_offsets(pipeline, look);
  std::vector<PartitionStatus> list;
  for (auto& [partition, status] : out) {
    status.partition = partition;
    const auto at = next.find(partition);
    if (status.end && at != next.end()) status.lag = distance(at->second, Offset{*status.end});
    status.lag_seconds = lag_seconds(look, partition, status.lag, now);
    if (look.group) {
      for (const kafka::GroupMember& member : look.group->members) {
        const std::pair wanted(pipeline.topic.value, partition);
        if (std::find(member.partitions.begin(), member.partitions.end(), wanted) ==
            member.partitions.end()) {
          continue;
        }
        status.client_id = member.client_id;
        status.host = member.host;
      }
    }
    list.push_back(std::move(status));
  }
  return list;
}

/// Sum and maximum over the partitions, known only when each is.
void add_totals(const PipelineLook& look, PipelineStatus& out) {
  if (!look.held || !look.committed) return;
  uint64_t lag = 0;
  double seconds = 0;
  bool lag_known = true;
  bool seconds_known = true;
  for (const PartitionStatus& partition : out.partitions) {
    lag_known = lag_known && partition.lag.has_value();
    seconds_known = seconds_known && partition.lag_seconds.has_value();
    lag += partition.lag.value_or(0);
    seconds = std::max(seconds, partition.lag_seconds.value_or(0));
  }
  if (lag_known) out.lag = lag;
  if (seconds_known) out.lag_seconds = seconds;
}

/// For how long at least nothing was inserted although there was something to insert.
std::optional<Milliseconds> quiet_time(const PipelineStatus& status, WallTime now) {
  if (!status.lag_seconds) return std::nullopt;
  auto quiet = Milliseconds(static_cast<int64_t>(*status.lag_seconds * 1e3));
  if (status.last_insert_at) quiet = std::min(quiet, now - *status.last_insert_at);
  return quiet;
}

std::string state_of(const PipelineSettings& pipeline, const PipelineLook& look,
                     const PipelineStatus& status, std::optional<bool> clickhouse_up,
                     WallTime now) {
  if (!look.committed || !look.held || !status.members) return "";
  if (*status.members == 0) return look.committed->empty() ? "never_run" : "stopped";
  if (!status.lag) return "";
  if (*status.lag == 0) return look.moved ? "running" : "idle";
  if (!look.moved && clickhouse_up == false) return "failing";
  // Whoever has just begun to work through old records has inserted nothing yet.
  const bool steady = status.group_state == "Stable" && status.last_insert_at.has_value();
  const std::optional<Milliseconds> quiet = quiet_time(status, now);
  if (!look.moved && steady && quiet && *quiet > stall_max) return "stalled";
  return *status.lag <= pipeline.batch_rows.value ? "running" : "catching_up";
}

void add_state_problem(PipelineStatus& status, WallTime now) {
  if (status.state == "stalled") {
    status.problems.push_back(
        unhealthy("stalled",
                  fmt::format("nothing was inserted for {} although {} wait",
                              age_words(quiet_time(status, now).value_or(Milliseconds{0})),
                              counted(status.lag.value_or(0), "record")),
                  "see the log of the process that reads as group " + status.group));
  }
  if (status.state == "failing") {
    status.problems.push_back(unhealthy("failing",
                                        fmt::format("{} wait and ClickHouse does not answer",
                                                    counted(status.lag.value_or(0), "record")),
                                        "the process goes on by itself once ClickHouse answers"));
  }
}

void add_offset_problems(const PipelineSettings& pipeline, const PipelineLook& look,
                         PipelineStatus& status) {
  if (!look.held || !look.committed) return;
  for (const auto& [partition, committed] : *look.committed) {
    const auto held = look.held->find(partition);
    if (held == look.held->end()) continue;
    const Offset at = committed.offset;
    std::string what;
    if (at < held->second.first) {
      what = fmt::format("the records of [{}, {}) were deleted before they were read", at.value,
                         held->second.first.value);
    } else if (at > held->second.end) {
      what = fmt::format(
          "the group stands at {}, beyond the end {}: it was truncated or created "
          "anew",
          at.value, held->second.end.value);
    } else {
      continue;
    }
    const bool goes_on = pipeline.on_gap.value == OnGap::go_on;
    const std::string message =
        fmt::format("{}[{}]: {}", pipeline.topic.value, partition.value, what);
    const std::string fix = goes_on ? "the next run goes on behind it (on_gap = continue)"
                                    : "the next run stops there; run it with --on-gap continue to "
                                      "go on behind it";
    status.problems.push_back(goes_on ? warning("offsets-lost", message, fix)
                                      : unhealthy("offsets-lost", message, fix));
  }
}

/// Kafka counts from when the group's last member left it, which was not before its last insert: it
/// may be later, and was where the offsets have outlived that.
void add_expiry_problem(const PipelineLook& look, PipelineStatus& status, WallTime now) {
  const bool resting = status.members == 0u && look.committed && !look.committed->empty();
  if (!resting || !look.offsets_retention || !status.last_insert_at) return;
  const Milliseconds age = now - *status.last_insert_at;
  if (age < *look.offsets_retention / 2 || age > *look.offsets_retention) return;
  status.problems.push_back(warning(
      "offsets-expire",
      fmt::format("Kafka forgets the offsets of group {} when it rests for {}, and its last insert "
                  "was {} ago",
                  status.group, age_words(*look.offsets_retention), age_words(age)),
      fmt::format("run it before {}, or raise the brokers' offsets.retention.minutes",
                  utc_seconds(*status.last_insert_at + *look.offsets_retention))));
}

/// "sluice-orders.backfill.7c1e90b4" as ("backfill", "7c1e90b4").
std::pair<std::string, std::string> kind_and_id(const std::string& group) {
  for (const char* kind : {"backfill", "snapshot"}) {
    const std::string mark = fmt::format(".{}.", kind);
    const size_t at = group.rfind(mark);
    if (at != std::string::npos) return {kind, group.substr(at + mark.size())};
  }
  return {"", group};
}

RangeRunStatus range_run_status(const RangeRunLook& look) {
  RangeRunStatus out;
  std::tie(out.kind, out.id) = kind_and_id(look.group);
  out.group = look.group;
  if (look.description) out.running = !look.description->members.empty();
  if (!look.committed) return out;
  uint64_t total = 0;
  uint64_t remaining = 0;
  bool known = false;
  for (const auto& [partition, committed] : *look.committed) {
    const CommitRecord record = CommitRecord::decode(committed.metadata);
    if (!record.fixed) continue;  // a partition that is not of the range
    known = true;
    total += distance(record.fixed->first, record.fixed->next);
    remaining += distance(std::max(committed.offset, record.fixed->first), record.fixed->next);
    if (out.asked.empty()) out.asked = asked_words(record.asked);
  }
  if (known) {
    out.total = total;
    out.remaining = remaining;
  }
  return out;
}

}  // namespace

int Status::exit_code() const {
  std::vector<int> codes;
  const auto add = [&](const std::vector<StatusProblem>& list) {
    for (const StatusProblem& problem : list) {
      if (problem.level == Level::error) codes.push_back(problem.exit_code);
    }
  };
  add(problems);
  for (const PipelineStatus& pipeline : pipelines) add(pipeline.problems);
  return worst_exit_code(codes);
}

std::map<PartitionId, Offset> next_offsets(const PipelineSettings& pipeline,
                                           const PipelineLook& look) {
  std::map<PartitionId, Offset> next;
  if (!look.held || !look.committed) return next;
  // A partition that came after the group began is read whole.
  const bool from_first =
      pipeline.start.value.kind == StartAt::Kind::earliest ||
      (pipeline.start.value.kind != StartAt::Kind::table && !look.committed->empty());
  for (const auto& [partition, held] : *look.held) {
    const auto committed = look.committed->find(partition);
    if (committed != look.committed->end()) {
      next[partition] = std::max(committed->second.offset, held.first);
    } else if (from_first || held.first == held.end) {
      next[partition] = held.first;
    }
  }
  return next;
}

StatusProblem status_problem(const Error& error) {
  return {Level::error, exit_code_of(error.code), error.slug, error.message, error.fix};
}

PipelineStatus pipeline_status(const PipelineSettings& pipeline, const PipelineLook& look,
                               std::optional<bool> clickhouse_up, WallTime now) {
  PipelineStatus out;
  out.name = pipeline.name;
  out.topic = pipeline.topic.value;
  out.table = pipeline.table.value;
  out.group = pipeline.group.value;
  if (look.group) {
    out.group_state = look.group->state;
    out.members = look.group->members.size();
  }
  out.partitions = partitions_of(pipeline, look, now);
  add_totals(look, out);
  out.last_insert_at = last_insert(look);
  out.keeps_rejects = pipeline.reject.given();
  out.rejected_24h = look.rejected_24h;
  out.state = state_of(pipeline, look, out, clickhouse_up, now);
  out.rows_per_second = look.rows_per_second;
  if (out.state == "stalled" || out.state == "failing") out.rows_per_second = 0;
  if (look.runs) {
    out.runs.emplace();
    for (const RangeRunLook& run : *look.runs) out.runs->push_back(range_run_status(run));
  }
  for (const Error& error : look.errors) out.problems.push_back(status_problem(error));
  add_state_problem(out, now);
  add_offset_problems(pipeline, look, out);
  add_expiry_problem(look, out, now);
  return out;
}

void apply_thresholds(const StatusSettings& settings, Status& status) {
  for (PipelineStatus& pipeline : status.pipelines) {
    const auto breach = [&](std::string_view flag, const std::string& what) {
      pipeline.problems.push_back(unhealthy(std::string(flag), what, ""));
    };
    const auto above = [&](std::string_view flag, std::string_view name, const auto& value,
                           const auto& limit) {
      if (!limit) return;
      if (!value) return breach(flag, fmt::format("{} is not known (--{})", name, flag));
      if (static_cast<double>(*value) <= static_cast<double>(*limit)) return;
      breach(flag, fmt::format("{} is {}, more than --{} {}", name,
                               grouped(static_cast<uint64_t>(*value)), flag, grouped(*limit)));
    };
    above("max-lag", "the lag", pipeline.lag, settings.lag_max);
    above("max-lag-seconds", "the lag in seconds", pipeline.lag_seconds, settings.lag_seconds_max);
    if (pipeline.keeps_rejects) {
      above("max-rejects", "the number of records rejected within 24 hours", pipeline.rejected_24h,
            settings.rejects_max);
    }
    if (!settings.age_max) continue;
    if (!pipeline.last_insert_at) {
      breach("max-age", "when the last insert was is not known (--max-age)");
      continue;
    }
    const Milliseconds age = status.checked_at - *pipeline.last_insert_at;
    if (age > *settings.age_max) {
      breach("max-age", fmt::format("the last insert was {} ago, more than --max-age {}",
                                    age_words(age), age_words(*settings.age_max)));
    }
  }
}

}  // namespace sluice::cli
