// SPDX-License-Identifier: Apache-2.0
#include "cli/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/exit_code.hpp"
#include "cli/text.hpp"
#include "cli/version.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

double seconds_of(Milliseconds duration) { return static_cast<double>(duration.count()) / 1e3; }

std::string rate(uint64_t rows, Milliseconds duration) {
  if (duration.count() <= 0 || rows == 0) return "-";
  return short_count(static_cast<double>(rows) / seconds_of(duration)) + "/s";
}

using Row = TextRow;

Row table_row(const std::string& name, const std::string& table, const Counts& counts,
              Milliseconds duration) {
  return {name,
          table,
          grouped(counts.read),
          grouped(counts.inserted),
          grouped(counts.rejected),
          grouped(counts.skipped),
          short_bytes(static_cast<double>(counts.bytes)),
          short_duration(duration),
          rate(counts.read, duration)};
}

/// Names to the left, numbers to the right.
std::string align(const std::vector<Row>& rows) {
  constexpr size_t left_columns = 2;
  std::set<size_t> right;
  for (size_t column = left_columns; column < rows.front().size(); ++column) right.insert(column);
  return aligned(rows, right);
}

std::vector<Row> table_rows(const RunReport& run) {
  std::vector<Row> rows{
      {"PIPELINE", "TABLE", "READ", "INSERTED", "REJECTED", "SKIPPED", "BYTES", "TIME", "RATE"}};
  for (const PipelineResult& pipeline : run.pipelines) {
    rows.push_back(table_row(pipeline.report.name, pipeline.table, pipeline.report.counts,
                             pipeline.report.duration));
  }
  if (run.pipelines.size() > 1) rows.push_back(table_row("total", "", run.totals(), run.duration));
  return rows;
}

/// Of pipelines that were not passed over.
std::string how_it_ended(const RunReport& run) {
  const std::string_view again = run.was_reset ? "run it again, without --reset-to, for the rest"
                                               : "run it again for the rest";
  const bool failed = run.failed() != nullptr;
  if (run.command == "tail" && !failed && run.exit_code != exit_code::limit) {
    return fmt::format("stopped: what was inserted is committed; {}", again);
  }
  const bool caught_up =
      std::all_of(run.pipelines.begin(), run.pipelines.end(), [](const PipelineResult& pipeline) {
        return pipeline.report.caught_up || pipeline.passed_over;
      });
  if (caught_up) {
    const WallTime target = run.until ? std::min(*run.until, run.started_at) : run.started_at;
    return "caught up with everything written before " + utc_words(target);
  }
  if (failed) return "not caught up: see the error; what was inserted is committed";
  if (run.exit_code == exit_code::limit) {
    return fmt::format("stopped by a limit before the end; {}", again);
  }
  return fmt::format("interrupted; what was inserted is committed; {}", again);
}

/// One sentence about how the run ended.
std::string ending(const RunReport& run) {
  if (run.passed_over()) return "passed over: another sync of it runs";
  std::vector<std::string> names;
  for (const PipelineResult& pipeline : run.pipelines) {
    if (pipeline.passed_over) names.push_back(pipeline.report.name);
  }
  if (names.empty()) return how_it_ended(run);
  return fmt::format("{}\npassed over, as another sync of it runs: {}", how_it_ended(run),
                     join(names, ", "));
}

Json counts_json(const Counts& counts) {
  return {{"read", counts.read},
          {"inserted", counts.inserted},
          {"rejected", counts.rejected},
          {"skipped", counts.skipped},
          {"bytes", counts.bytes},
          {"inserts", counts.inserts},
          {"retries", counts.retries},
          {"lost", counts.lost},
          {"unknown_fields", counts.unknown_fields}};
}

Json partition_json(const PartitionReport& partition) {
  const Offset settled = partition.committed ? *partition.committed : partition.to;
  Json out{{"partition", partition.partition.value},
           {"from", partition.from.value},
           {"to", partition.to.value},
           {"end", partition.end.value}};
  out["committed"] = partition.committed ? Json(partition.committed->value) : Json(nullptr);
  out["lag"] = std::max<int64_t>(0, partition.end.value - settled.value);
  return out;
}

Json rejects_json(const PipelineResult& pipeline) {
  Json reasons = Json::object();
  for (const auto& [reason, count] : pipeline.report.counts.rejected_by) {
    if (count > 0) reasons[std::string(to_string(reason))] = count;
  }
  const Json sink = pipeline.reject_sink.empty() ? Json(nullptr) : Json(pipeline.reject_sink);
  return {{"by_reason", std::move(reasons)}, {"sink", sink}};
}

Json pipeline_json(const PipelineResult& pipeline) {
  const PipelineReport& report = pipeline.report;
  Json out{{"name", report.name},
           {"topic", pipeline.topic},
           {"table", pipeline.table},
           {"exit_code", pipeline.exit_code},
           {"exit_reason", pipeline.reason()},
           {"caught_up", report.caught_up}};
  out.update(counts_json(report.counts));
  out["seconds"] = seconds_of(report.duration);
  out["partitions"] = Json::array();
  for (const auto& partition : report.partitions)
    out["partitions"].push_back(partition_json(partition));
  out["rejects"] = rejects_json(pipeline);
  out["gaps"] = Json::array();
  for (const Gap& gap : report.gaps) {
    out["gaps"].push_back({{"partition", gap.partition.value},
                           {"from", gap.lost.first.value},
                           {"to", gap.lost.next.value},
                           {"resumed", gap.resumed.value}});
  }
  const int64_t last = report.last_record_timestamp_ms;
  out["last_record_at"] =
      last < 0 ? Json(nullptr) : Json(utc_milliseconds(WallTime(Milliseconds(last))));
  if (report.error) {
    out["error"] = {{"slug", report.error->slug},
                    {"message", valid_utf8(report.error->message)},
                    {"fix", valid_utf8(report.error->fix)}};
  }
  return out;
}

std::string gap_line(const std::string& topic, const Gap& gap) {
  if (gap.lost.empty()) {
    return fmt::format("{}[{}] was truncated or created anew: read from offset {}", topic,
                       gap.partition.value, gap.resumed.value);
  }
  return fmt::format("{}[{}]: the records of [{}, {}) were deleted before they were read", topic,
                     gap.partition.value, gap.lost.first.value, gap.lost.next.value);
}

std::string milliseconds_text(std::chrono::nanoseconds duration) {
  return fmt::format("{:.2f}s", std::chrono::duration<double>(duration).count());
}

}  // namespace

std::string_view PipelineResult::reason() const {
  if (passed_over) return "passed-over";
  // It reached no limit: another pipeline's failure stopped it.
  if (report.interrupted && exit_code == exit_code::limit) return "fail-fast";
  return exit_reason(exit_code);
}

Counts RunReport::totals() const {
  Counts totals;
  for (const PipelineResult& pipeline : pipelines) {
    const Counts& counts = pipeline.report.counts;
    totals.read += counts.read;
    totals.inserted += counts.inserted;
    totals.rejected += counts.rejected;
    totals.skipped += counts.skipped;
    totals.open += counts.open;
    totals.bytes += counts.bytes;
    totals.inserts += counts.inserts;
    totals.retries += counts.retries;
    totals.wire_bytes += counts.wire_bytes;
    totals.lost += counts.lost;
    totals.unknown_fields += counts.unknown_fields;
  }
  return totals;
}

bool RunReport::caught_up() const {
  return std::all_of(pipelines.begin(), pipelines.end(),
                     [](const PipelineResult& pipeline) { return pipeline.report.caught_up; });
}

bool RunReport::passed_over() const {
  return !pipelines.empty() &&
         std::all_of(pipelines.begin(), pipelines.end(),
                     [](const PipelineResult& pipeline) { return pipeline.passed_over; });
}

const PipelineResult* RunReport::failed() const {
  std::vector<int> codes;
  for (const PipelineResult& pipeline : pipelines) {
    if (pipeline.report.error) codes.push_back(pipeline.exit_code);
  }
  const int worst = worst_exit_code(codes);
  const auto found = std::find_if(pipelines.begin(), pipelines.end(), [&](const auto& pipeline) {
    return pipeline.report.error.has_value() && pipeline.exit_code == worst;
  });
  return found == pipelines.end() ? nullptr : &*found;
}

std::string_view RunReport::reason() const {
  if (no_data && !error) return "no-data";
  if (passed_over() && exit_code == exit_code::ok) return "passed-over";
  return exit_reason(exit_code);
}

const Error* RunReport::failure() const {
  if (const PipelineResult* pipeline = failed()) return &*pipeline->report.error;
  return error ? &*error : nullptr;
}

std::string report_text(const RunReport& run) {
  std::string out = align(table_rows(run)) + "\n" + ending(run) + "\n";
  for (const std::string& line : reject_lines(run)) out += line + "\n";
  return out;
}

nlohmann::ordered_json report_json(const RunReport& run) {
  Json out{{"type", "summary"},
           {"v", 1},
           {"command", run.command},
           {"run_id", run.run_id},
           {"exit_code", run.exit_code},
           {"exit_reason", run.reason()},
           {"version", version_number()},
           {"started_at", utc_milliseconds(run.started_at)},
           {"finished_at", utc_milliseconds(run.finished_at)},
           {"seconds", seconds_of(run.duration)},
           {"caught_up", run.caught_up()},
           {"totals", counts_json(run.totals())},
           {"pipelines", Json::array()}};
  for (const PipelineResult& pipeline : run.pipelines)
    out["pipelines"].push_back(pipeline_json(pipeline));
  if (const Error* error = run.failure()) {
    const Json fields = exit_error_json(*error, run);
    for (const char* field : {"slug", "message", "fix", "pipeline"}) out[field] = fields[field];
  }
  return out;
}

nlohmann::ordered_json exit_error_json(const Error& error, int exit_code,
                                       const std::string& pipeline) {
  Json out{{"type", "exit_error"},        {"v", 1},
           {"exit_code", exit_code},      {"exit_reason", exit_reason(exit_code)},
           {"slug", error.slug},          {"message", valid_utf8(error.message)},
           {"fix", valid_utf8(error.fix)}};
  out["pipeline"] = pipeline.empty() ? Json(nullptr) : Json(pipeline);
  return out;
}

nlohmann::ordered_json exit_error_json(const Error& error, const RunReport& run) {
  const PipelineResult* failed = run.failed();
  return exit_error_json(error, run.exit_code, failed == nullptr ? "" : failed->report.name);
}

std::string stats_text(const RunReport& run) {
  std::vector<Row> rows{{"PIPELINE", "TABLE", "POLL", "DECODE", "COMMIT", "IDLE", "COMPRESS",
                         "SEND", "READ", "SENT", "INSERTS", "RETRIES"}};
  for (const PipelineResult& pipeline : run.pipelines) {
    const StageTimes& times = pipeline.report.times;
    const Counts& counts = pipeline.report.counts;
    rows.push_back({pipeline.report.name, pipeline.table, milliseconds_text(times.poll),
                    milliseconds_text(times.decode), milliseconds_text(times.commit),
                    milliseconds_text(times.idle), milliseconds_text(times.compress),
                    milliseconds_text(times.send), short_bytes(static_cast<double>(counts.bytes)),
                    short_bytes(static_cast<double>(counts.wire_bytes)), grouped(counts.inserts),
                    grouped(counts.retries)});
  }
  return align(rows);
}

std::string report_markdown(const RunReport& run) {
  std::string out =
      fmt::format("### sluice {}: {} (exit {})\n\n", run.command, run.reason(), run.exit_code);
  const std::vector<Row> rows = table_rows(run);
  for (size_t index = 0; index < rows.size(); ++index) {
    out += fmt::format("| {} |\n", join(rows[index], " | "));
    if (index == 0) out += "|---|---|--:|--:|--:|--:|--:|--:|--:|\n";
  }
  out += "\n" + ending(run) + "\n";
  for (const std::string& line : reject_lines(run)) out += "\n" + line + "\n";
  for (const PipelineResult& pipeline : run.pipelines) {
    if (!pipeline.report.error) continue;
    out += fmt::format("\n**{}**: {}\n", pipeline.report.name,
                       escape_control(pipeline.report.error->message));
  }
  return out + "\n";
}

std::vector<std::string> reject_lines(const RunReport& run, bool named) {
  std::vector<std::string> lines;
  const auto name = [named](const PipelineResult& pipeline) {
    return named ? pipeline.report.name + ": " : std::string();
  };
  for (const PipelineResult& pipeline : run.pipelines) {
    for (const Gap& gap : pipeline.report.gaps) {
      lines.push_back(name(pipeline) + gap_line(pipeline.topic, gap));
    }
  }
  for (const PipelineResult& pipeline : run.pipelines) {
    const uint64_t rejected = pipeline.report.counts.rejected;
    if (rejected == 0) continue;
    const size_t colon = pipeline.reject_sink.find(':');
    const std::string sink = colon == std::string::npos
                                 ? ""
                                 : fmt::format(" to {} {}", pipeline.reject_sink.substr(0, colon),
                                               pipeline.reject_sink.substr(colon + 1));
    // Without a configuration only flags say where they are; of PIPELINE:TOPIC the pipeline knows.
    const std::string& of = pipeline.report.name;
    const std::string next =
        pipeline.place.empty() ? "" : "      next: sluice rejects " + of.substr(0, of.find(':'));
    lines.push_back(name(pipeline) + counted(rejected, "record") + " rejected" + sink + next);
  }
  return lines;
}

}  // namespace sluice::cli
