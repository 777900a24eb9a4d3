// SPDX-License-Identifier: Apache-2.0
// The forms in which `sluice status` tells what it knows.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/exit_code.hpp"
#include "cli/health.hpp"
#include "cli/metrics_page.hpp"
#include "cli/status.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;
using Level = StatusProblem::Level;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json or_null(const std::optional<WallTime>& time) {
  return time ? Json(utc_milliseconds(*time)) : Json(nullptr);
}
Json or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(valid_utf8(text));
}

Json problems_json(const std::vector<StatusProblem>& problems) {
  Json out = Json::array();
  for (const StatusProblem& problem : problems) {
    out.push_back({{"level", problem.level == Level::error ? "error" : "warning"},
                   {"slug", problem.slug},
                   {"message", valid_utf8(problem.message)},
                   {"fix", valid_utf8(problem.fix)}});
  }
  return out;
}

Json partition_json(const PartitionStatus& partition) {
  return {{"partition", partition.partition.value},
          {"committed", or_null(partition.committed)},
          {"start", or_null(partition.start)},
          {"end", or_null(partition.end)},
          {"lag", or_null(partition.lag)},
          {"lag_seconds", or_null(partition.lag_seconds)},
          {"client_id", or_null(partition.client_id)},
          {"host", or_null(partition.host)}};
}

Json run_json(const RangeRunStatus& run) {
  return {{"kind", run.kind},
          {"id", valid_utf8(run.id)},
          {"group", valid_utf8(run.group)},
          {"range", or_null(run.asked)},
          {"running", or_null(run.running)},
          {"records", or_null(run.total)},
          {"remaining", or_null(run.remaining)}};
}

Json pipeline_json(const PipelineStatus& pipeline) {
  Json out{{"name", pipeline.name},
           {"topic", or_null(pipeline.topic)},
           {"table", or_null(pipeline.table)},
           {"state", or_null(pipeline.state)},
           {"lag", or_null(pipeline.lag)},
           {"lag_seconds", or_null(pipeline.lag_seconds)},
           {"rows_per_s", or_null(pipeline.rows_per_second)},
           {"last_insert_at", or_null(pipeline.last_insert_at)},
           {"rejected_24h", or_null(pipeline.rejected_24h)},
           {"group",
            {{"id", valid_utf8(pipeline.group)},
             {"state", or_null(pipeline.group_state)},
             {"members", or_null(pipeline.members)}}},
           {"partitions", Json::array()},
           {"runs", nullptr},
           {"problems", problems_json(pipeline.problems)}};
  for (const PartitionStatus& partition : pipeline.partitions) {
    out["partitions"].push_back(partition_json(partition));
  }
  if (!pipeline.runs) return out;
  out["runs"] = Json::array();
  for (const RangeRunStatus& run : *pipeline.runs) out["runs"].push_back(run_json(run));
  return out;
}

constexpr std::string_view unknown = "?";

/// "0s", "0.4s", "31s", "41m", "2h 05m", "3d 04h"
std::string age_text(double seconds) {
  const auto whole = static_cast<uint64_t>(seconds);
  if (seconds == 0) return "0s";
  if (whole < 10) return fmt::format("{:.1f}s", seconds);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m", whole / 60);
  if (whole < 24 * 3600) return fmt::format("{}h {:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d {:02}h", whole / 3600 / 24, whole / 3600 % 24);
}

template <class T, class Form>
std::string known(const std::optional<T>& value, const Form& form) {
  return value ? form(*value) : std::string(unknown);
}

bool is_bad(const std::string& state) { return state == "stalled" || state == "failing"; }

std::string upper(std::string text) {
  for (char& letter : text) {
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  }
  return text;
}

std::string state_text(const std::string& state) {
  if (state.empty()) return std::string(unknown);
  return is_bad(state) ? upper(state) : state;
}

/// A pipeline that nobody runs, or that has nothing to do, has no rate worth a number.
std::string rate_text(const PipelineStatus& pipeline, std::string_view none) {
  if (pipeline.members == 0u) return std::string(none);
  const std::optional<double>& rate = pipeline.rows_per_second;
  if (pipeline.state == "idle" && rate.value_or(0) == 0) return std::string(none);
  return known(rate, [](double value) {
    return (value < 10 ? fmt::format("{:.3g}", value) : short_count(value)) + "/s";
  });
}

std::string insert_text(const Status& status, const PipelineStatus& pipeline,
                        std::string_view none) {
  if (pipeline.state == "never_run") return std::string(none);
  return known(pipeline.last_insert_at, [&](WallTime time) {
    const Milliseconds age = std::max(Milliseconds{0}, status.checked_at - time);
    return age_text(static_cast<double>(age.count()) / 1e3) + " ago";
  });
}

std::string rejected_text(const PipelineStatus& pipeline, std::string_view none) {
  if (!pipeline.keeps_rejects && !pipeline.rejected_24h) return std::string(none);
  return known(pipeline.rejected_24h, grouped);
}

/// Coloured once it is aligned: escape codes would count as columns.
std::string colored(std::string table, const StatusStyle& style) {
  if (!style.color) return table;
  for (const std::string_view word : {" STALLED ", " FAILING "}) {
    for (size_t at = table.find(word); at != std::string::npos; at = table.find(word, at + 1)) {
      table.replace(at, word.size(),
                    fmt::format(" \x1b[1;31m{}\x1b[0m ", word.substr(1, word.size() - 2)));
    }
  }
  return table;
}

std::string pipelines_text(const Status& status, const StatusStyle& style) {
  const std::string_view arrow = style.unicode ? "→" : "->";
  const std::string_view none = style.unicode ? "–" : "-";
  std::vector<TextRow> rows{{"PIPELINE", "STATE", fmt::format("TOPIC{}TABLE", arrow), "LAG",
                             "BEHIND", "RATE", "LAST INSERT", "REJECTED(24h)"}};
  for (const PipelineStatus& pipeline : status.pipelines) {
    const std::string& topic = pipeline.topic;
    const std::string& table = pipeline.table;
    rows.push_back({pipeline.name, state_text(pipeline.state),
                    table.empty() ? topic : fmt::format("{}{}{}", topic, arrow, table),
                    known(pipeline.lag, grouped), known(pipeline.lag_seconds, age_text),
                    rate_text(pipeline, none), insert_text(status, pipeline, none),
                    rejected_text(pipeline, none)});
  }
  for (TextRow& row : rows) {
    for (std::string& cell : row) cell = escape_control(valid_utf8(cell), 256);
  }
  return colored(aligned(rows, {}), style);
}

std::string offset_text(const std::optional<int64_t>& offset) {
  return known(offset, [](int64_t value) { return std::to_string(value); });
}

std::string count_text(const std::optional<uint64_t>& count) {
  return known(count, [](uint64_t value) { return std::to_string(value); });
}

std::string partitions_text(const PipelineStatus& pipeline) {
  std::string out =
      fmt::format("GROUP {}  STATE {}  MEMBERS {}  TOTAL-LAG {}\n",
                  escape_control(valid_utf8(pipeline.group), 256),
                  pipeline.group_state.empty() ? unknown : std::string_view(pipeline.group_state),
                  known(pipeline.members, [](size_t value) { return std::to_string(value); }),
                  count_text(pipeline.lag));
  std::vector<TextRow> rows{{"TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-START-OFFSET",
                             "LOG-END-OFFSET", "LAG", "BEHIND", "CLIENT-ID"}};
  for (const PartitionStatus& partition : pipeline.partitions) {
    // As kafka-consumer-groups says it: no commit, no member.
    rows.push_back({pipeline.topic, std::to_string(partition.partition.value),
                    partition.committed ? std::to_string(*partition.committed) : "-",
                    offset_text(partition.start), offset_text(partition.end),
                    count_text(partition.lag), known(partition.lag_seconds, age_text),
                    partition.client_id.empty() ? "-" : escape_control(partition.client_id, 256)});
  }
  return out + aligned(rows, {});
}

/// A line for each backfill and snapshot that is not done.
std::string runs_text(const PipelineStatus& pipeline) {
  std::string out;
  for (const RangeRunStatus& run : pipeline.runs.value_or(std::vector<RangeRunStatus>{})) {
    if (run.done()) continue;
    const std::string progress =
        run.total && run.remaining
            ? fmt::format("{} of {} left ({}% done)", grouped(*run.remaining),
                          counted(*run.total, "record"),
                          *run.total == 0 ? 100 : (*run.total - *run.remaining) * 100 / *run.total)
            : "its progress is not known";
    out += fmt::format(
        "{}: {} {}{} {}: {}\n", pipeline.name, run.kind, escape_control(valid_utf8(run.id), 64),
        run.asked.empty() ? "" : " (" + escape_control(valid_utf8(run.asked), 200) + ")",
        run.running ? *run.running ? "running" : "not running" : "maybe running", progress);
  }
  return out;
}

std::string line_of(const std::string& names, const StatusProblem& problem) {
  return fmt::format("{}{}{}{}{}\n", names, names.empty() ? "" : ": ",
                     escape_control(valid_utf8(problem.message)),
                     problem.fix.empty() ? "" : "  fix: ", escape_control(valid_utf8(problem.fix)));
}

std::string tsv_field(std::string text) {
  return text.empty() ? std::string(unknown) : escape_control(valid_utf8(text));
}

std::string tsv_number(const std::optional<double>& number) {
  return known(number, [](double value) { return fmt::format("{:.3f}", value); });
}

std::string tsv_line(const std::vector<std::string>& fields) { return join(fields, "\t") + "\n"; }

std::string pipeline_tsv(const PipelineStatus& pipeline) {
  std::vector<std::string> slugs;
  for (const StatusProblem& problem : pipeline.problems) slugs.push_back(problem.slug);
  return tsv_line({tsv_field(pipeline.name), tsv_field(pipeline.state), tsv_field(pipeline.topic),
                   tsv_field(pipeline.table), count_text(pipeline.lag),
                   tsv_number(pipeline.lag_seconds), tsv_number(pipeline.rows_per_second),
                   known(pipeline.last_insert_at, utc_milliseconds),
                   count_text(pipeline.rejected_24h), tsv_field(pipeline.group),
                   tsv_field(pipeline.group_state),
                   known(pipeline.members, [](size_t value) { return std::to_string(value); }),
                   slugs.empty() ? "-" : join(slugs, ",")});
}

std::string partition_tsv(const PipelineStatus& pipeline, const PartitionStatus& partition) {
  return tsv_line({tsv_field(pipeline.name), tsv_field(pipeline.topic),
                   std::to_string(partition.partition.value),
                   partition.committed ? std::to_string(*partition.committed) : "-",
                   offset_text(partition.start), offset_text(partition.end),
                   count_text(partition.lag), tsv_number(partition.lag_seconds),
                   partition.client_id.empty() ? "-" : tsv_field(partition.client_id),
                   partition.host.empty() ? "-" : tsv_field(partition.host)});
}

double unix_seconds(WallTime time) {
  return static_cast<double>(time.time_since_epoch().count()) / 1e3;
}

void add_partition_metrics(MetricsPage& page, const Status& status) {
  const auto each = [&](auto value) {
    for (const PipelineStatus& pipeline : status.pipelines) {
      for (const PartitionStatus& partition : pipeline.partitions) {
        page.add_known({{"pipeline", pipeline.name},
                        {"topic", pipeline.topic},
                        {"partition", std::to_string(partition.partition.value)}},
                       value(partition));
      }
    }
  };
  page.gauge("sluice_kafka_consumer_lag_records",
             "Records between the group's committed offset and the end of the partition.");
  each([](const PartitionStatus& partition) { return partition.lag; });
  page.gauge("sluice_kafka_consumer_lag_seconds",
             "Age of the oldest record that is not committed; 0 at the end.");
  each([](const PartitionStatus& partition) { return partition.lag_seconds; });
  page.gauge("sluice_kafka_committed_offset", "The group's committed offset.");
  each([](const PartitionStatus& partition) { return partition.committed; });
  page.gauge("sluice_kafka_end_offset",
             "End of the partition; with read_committed the last stable offset.");
  each([](const PartitionStatus& partition) { return partition.end; });
  page.gauge("sluice_kafka_start_offset", "First offset that the broker still holds.");
  each([](const PartitionStatus& partition) { return partition.start; });
}

void add_state_metrics(MetricsPage& page, const Status& status) {
  std::vector<std::string> states;
  for (const PipelineState state : pipeline_states()) states.emplace_back(to_string(state));
  states.emplace_back("never_run");
  page.gauge("sluice_pipeline_state", "1 for the state that the pipeline is in, 0 for the others.");
  for (const PipelineStatus& pipeline : status.pipelines) {
    if (pipeline.state.empty()) continue;
    for (const std::string& state : states) {
      page.add({{"pipeline", pipeline.name}, {"state", state}},
               state == pipeline.state ? 1.0 : 0.0);
    }
  }
}

}  // namespace

nlohmann::ordered_json status_json(const Status& status) {
  const int code = status.exit_code();
  Json out{{"type", "status"},
           {"v", 1},
           {"checked_at", utc_milliseconds(status.checked_at)},
           {"healthy", code == exit_code::ok},
           {"exit_code", code},
           {"exit_reason", exit_reason(code)},
           {"clickhouse", Json::array()},
           {"pipelines", Json::array()},
           {"problems", problems_json(status.problems)}};
  for (const ServerStatus& server : status.clickhouse) {
    out["clickhouse"].push_back({{"endpoint", valid_utf8(server.url)}, {"up", or_null(server.up)}});
  }
  for (const PipelineStatus& pipeline : status.pipelines) {
    out["pipelines"].push_back(pipeline_json(pipeline));
  }
  return out;
}

std::string status_problem_lines(const Status& status) {
  std::string out;
  for (const StatusProblem& problem : status.problems) out += line_of("", problem);
  std::vector<StatusProblem> told;
  for (const PipelineStatus& pipeline : status.pipelines) {
    for (const StatusProblem& problem : pipeline.problems) {
      if (std::find(told.begin(), told.end(), problem) != told.end()) continue;
      told.push_back(problem);
      std::vector<std::string> names;
      for (const PipelineStatus& other : status.pipelines) {
        const auto& list = other.problems;
        if (std::find(list.begin(), list.end(), problem) != list.end()) names.push_back(other.name);
      }
      out += line_of(join(names, ", "), problem);
    }
  }
  return out;
}

std::string status_text(const Status& status, const StatusStyle& style) {
  std::string out;
  if (style.partitions) {
    for (const PipelineStatus& pipeline : status.pipelines) {
      out += (out.empty() ? "" : "\n") + partitions_text(pipeline);
    }
  } else {
    out = pipelines_text(status, style);
  }
  for (const PipelineStatus& pipeline : status.pipelines) out += runs_text(pipeline);
  return out + status_problem_lines(status);
}

std::string status_tsv(const Status& status, bool partitions) {
  std::string out = partitions
                        ? tsv_line({"pipeline", "topic", "partition", "committed", "start", "end",
                                    "lag", "lag_seconds", "client_id", "host"})
                        : tsv_line({"pipeline", "state", "topic", "table", "lag", "lag_seconds",
                                    "rows_per_s", "last_insert_at", "rejected_24h", "group",
                                    "group_state", "members", "problems"});
  for (const PipelineStatus& pipeline : status.pipelines) {
    if (!partitions) out += pipeline_tsv(pipeline);
    for (const PartitionStatus& partition : pipeline.partitions) {
      if (partitions) out += partition_tsv(pipeline, partition);
    }
  }
  return out;
}

std::string status_metrics(const Status& status) {
  MetricsPage page;
  add_state_metrics(page, status);
  add_partition_metrics(page, status);
  page.gauge("sluice_last_insert_timestamp_seconds",
             "When ClickHouse last acknowledged a batch, unix time in seconds.");
  for (const PipelineStatus& pipeline : status.pipelines) {
    if (!pipeline.last_insert_at) continue;
    page.add({{"pipeline", pipeline.name}}, unix_seconds(*pipeline.last_insert_at));
  }
  page.gauge("sluice_rejected_records_24h",
             "Records written to the pipeline's reject topic within the last 24 hours.");
  for (const PipelineStatus& pipeline : status.pipelines) {
    page.add_known({{"pipeline", pipeline.name}}, pipeline.rejected_24h);
  }
  page.gauge("sluice_backfill_records_remaining", "Records that a backfill has still to insert.");
  for (const PipelineStatus& pipeline : status.pipelines) {
    for (const RangeRunStatus& run : pipeline.runs.value_or(std::vector<RangeRunStatus>{})) {
      if (run.kind != "backfill") continue;
      page.add_known({{"pipeline", pipeline.name}, {"id", run.id}}, run.remaining);
    }
  }
  page.gauge("sluice_clickhouse_up", "1 if the server answers, else 0.");
  for (const ServerStatus& server : status.clickhouse) {
    if (server.up) page.add({{"endpoint", server.url}}, *server.up ? 1.0 : 0.0);
  }
  return metrics_text(page.take());
}

}  // namespace sluice::cli
