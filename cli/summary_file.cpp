// SPDX-License-Identifier: Apache-2.0
#include "cli/summary_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/file.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr size_t prom_bytes_max = 16 << 20;

/// Label values: backslash, quote and line break are escaped, nothing else.
std::string label(const std::string& value) {
  std::string out;
  for (const char character : value) {
    if (character == '\\' || character == '"') out += '\\';
    if (character == '\n') {
      out += "\\n";
    } else {
      out += character;
    }
  }
  return out;
}

std::string series(std::string_view name, const RunReport& run, const PipelineResult& pipeline) {
  return fmt::format("{}{{command=\"{}\",pipeline=\"{}\"}}", name, label(run.command),
                     label(pipeline.report.name));
}

/// Series and value of every sample in the text.
std::map<std::string, std::string> samples(const std::string& text) {
  std::map<std::string, std::string> found;
  for (const std::string& line : split(text, '\n')) {
    const size_t blank = line.rfind(' ');
    if (line.empty() || line[0] == '#' || blank == std::string::npos) continue;
    found[line.substr(0, blank)] = line.substr(blank + 1);
  }
  return found;
}

template <class Value>
void add_metric(std::string& out, const RunReport& run, std::string_view name,
                std::string_view help, const Value& value) {
  out += fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n", name, help);
  for (const PipelineResult& pipeline : run.pipelines) {
    out += fmt::format("{} {}\n", series(name, run, pipeline), value(pipeline));
  }
}

void add_last_success(std::string& out, const RunReport& run, double finished,
                      const std::string& before) {
  constexpr std::string_view name = "sluice_run_last_success_timestamp_seconds";
  const auto old = samples(before);
  std::string lines;
  for (const PipelineResult& pipeline : run.pipelines) {
    const std::string key = series(name, run, pipeline);
    const auto known = old.find(key);
    if (pipeline.report.caught_up && !pipeline.report.error) {
      lines += fmt::format("{} {:.3f}\n", key, finished);
    } else if (known != old.end()) {
      lines += fmt::format("{} {}\n", key, known->second);
    }
  }
  if (lines.empty()) return;
  out += fmt::format("# HELP {0} When a run last caught up.\n# TYPE {0} gauge\n{1}", name, lines);
}

Error summary_error(const std::string& path, std::string_view verb, int number) {
  return {Errc::io, "summary-file",
          fmt::format("summary file {} cannot be {}: {}", escape_control(path), verb,
                      system_message(number)),
          "check its folder, its permissions and the free space"};
}

Result<void> append(const std::string& path, const std::string& text) {
  const FileDescriptor file =
      TRY(open_file(path, "summary file", O_WRONLY | O_CREAT | O_APPEND, 0644));
  return write_all(file.get(), text, "summary file " + escape_control(path));
}

/// The new text under another name, safely on disk, then in the old one's place.
Result<void> replace(const std::string& path, const std::string& text) {
  std::string temporary = path + ".XXXXXX";
  const FileDescriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!file.open()) return summary_error(path, "written", errno);
  // Others read it: that is what it is for.
  bool safe = ::fchmod(file.get(), 0644) == 0;
  safe = safe && write_all(file.get(), text, "summary file").ok() && ::fsync(file.get()) == 0;
  safe = safe && ::rename(temporary.c_str(), path.c_str()) == 0;
  if (safe) return sync_folder(folder_of(path), "folder of the summary file");
  const int number = errno;
  ::unlink(temporary.c_str());
  return summary_error(path, "replaced", number);
}

bool is_replaced(const std::string& path) {
  return !path.ends_with(".json") && !path.ends_with(".md");
}

}  // namespace

Result<void> check_summary_file(const std::string& path) {
  struct stat status {};
  const std::string folder = folder_of(path);
  if (::stat(folder.c_str(), &status) != 0) return summary_error(path, "written", errno);
  const bool appended = !is_replaced(path) && ::access(path.c_str(), F_OK) == 0;
  const int writable =
      appended ? ::access(path.c_str(), W_OK) : ::access(folder.c_str(), W_OK | X_OK);
  if (writable != 0) return summary_error(path, "written", errno);
  return {};
}

std::string prometheus_text(const RunReport& run, const std::string& before) {
  const double finished = static_cast<double>(run.finished_at.time_since_epoch().count()) / 1e3;
  std::string out;
  add_last_success(out, run, finished, before);
  add_metric(out, run, "sluice_run_last_completion_timestamp_seconds", "When a run last ended.",
             [&](const PipelineResult&) { return fmt::format("{:.3f}", finished); });
  add_metric(out, run, "sluice_run_duration_seconds", "How long the last run took.",
             [](const PipelineResult& pipeline) {
               return fmt::format("{:.3f}",
                                  static_cast<double>(pipeline.report.duration.count()) / 1e3);
             });
  add_metric(out, run, "sluice_run_exit_code", "Exit code of the pipeline in the last run.",
             [](const PipelineResult& pipeline) { return pipeline.exit_code; });
  add_metric(out, run, "sluice_run_records_read", "Records the last run read.",
             [](const PipelineResult& pipeline) { return pipeline.report.counts.read; });
  add_metric(out, run, "sluice_run_rows_inserted", "Rows the last run inserted.",
             [](const PipelineResult& pipeline) { return pipeline.report.counts.inserted; });
  add_metric(out, run, "sluice_run_records_rejected", "Records the last run rejected.",
             [](const PipelineResult& pipeline) { return pipeline.report.counts.rejected; });
  add_metric(out, run, "sluice_run_records_skipped", "Records the last run skipped.",
             [](const PipelineResult& pipeline) { return pipeline.report.counts.skipped; });
  return out;
}

Result<void> append_markdown(const std::string& path, const RunReport& run) {
  return append(path, report_markdown(run));
}

Result<void> write_summary_file(const std::string& path, const RunReport& run) {
  if (path.ends_with(".json")) return append(path, report_json(run).dump() + "\n");
  if (!is_replaced(path)) return append_markdown(path, run);
  const auto before = read_file(path, "summary file", prom_bytes_max);
  return replace(path, prometheus_text(run, before ? before->text : std::string()));
}

}  // namespace sluice::cli
