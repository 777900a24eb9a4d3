// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cli/log.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/report.hpp"
#include "cli/settings.hpp"
#include "cli/terminal.hpp"

namespace sluice::cli {

/// "error[table-missing]: …", the pipeline and where it is defined, and "  fix: …".
[[nodiscard]] std::string error_block(const Error& error, const std::string& pipeline,
                                      const std::string& place, bool color);

/// "::error title=…::…" for GitHub's runners.
[[nodiscard]] std::string github_annotation(std::string_view level, std::string_view title,
                                            std::string_view message);

/// Everything a run tells while it runs, and the forms it tells it in:
///
///   a person at a terminal   short lines and bars on stderr
///   cron, CI, a log file     log lines, text or JSON, and a progress line now and then
///   -o jsonl                 events on stdout
///
/// Thread-safe.
class Console {
 public:
  Console(const OutputSettings& settings, const Environment& environment, const Clock& clock);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// Opens the log file, where there is one.
  [[nodiscard]] Result<void> open();
  void reopen_log();

  [[nodiscard]] Log& log() { return log_; }
  [[nodiscard]] Output& output() { return output_; }
  /// A person is watching: short lines instead of log lines on stderr.
  [[nodiscard]] bool human() const { return human_; }
  [[nodiscard]] bool events() const { return settings_.format == OutputFormat::jsonl; }
  /// Whether each insert is logged at info: in logs made for machines and files, and with -v.
  [[nodiscard]] bool logs_inserts() const;

  /// A line for the person at the terminal; nothing anywhere else.
  void say(const std::string& text);
  /// Text for stderr as it is, in every form.
  void write_plain(const std::string& text) { screen_.write(text); }
  /// A line of -o jsonl; nothing in other formats.
  void event(const nlohmann::ordered_json& event);
  void note(const std::string& text);
  void warning(const std::string& pipeline, std::string_view slug, const std::string& message);
  void error(const Error& error, const std::string& pipeline, const std::string& place);

  void run_started(const std::string& run_id, const std::string& command, const Settings& settings);
  /// Counters of the pipelines to show, in order; they are looked at until stop_progress().
  void start_progress(std::vector<std::pair<std::string, LiveCounts*>> pipelines);
  /// Shows one more.
  void add_progress(const std::string& pipeline, LiveCounts& counts);
  void stop_progress();
  void run_finished(const RunReport& run);
  /// The first signal came.
  void stopping();
  /// Shows the cursor again; for the moment before an immediate exit.
  void restore() noexcept { screen_.restore(); }

 private:
  struct Shown {
    std::string name;
    LiveCounts* counts;
    RateMeter meter;
  };
  [[nodiscard]] std::vector<ProgressView> look();
  void run_ticker(const std::stop_token& stop);
  void draw_bars();
  void write_lines();
  void annotate(std::string_view level, std::string_view title, std::string_view message);

  const OutputSettings settings_;
  const Clock& clock_;
  Screen screen_;
  bool human_;
  bool json_log_;
  ProgressMode progress_;
  Log log_;
  Output output_;
  std::mutex shown_mutex_;
  std::vector<Shown> shown_;
  std::mutex tick_mutex_;
  std::condition_variable_any tick_;
  std::jthread ticker_;
};

}  // namespace sluice::cli
