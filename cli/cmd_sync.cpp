// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_sync.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/connections.hpp"
#include "cli/console.hpp"
#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/monitor.hpp"
#include "cli/report.hpp"
#include "cli/settings.hpp"
#include "cli/stop_signal.hpp"
#include "cli/summary_file.hpp"
#include "cli/sync_run.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

/// The code the process ends with.
int final_code(const RunReport& run, const RunSettings& settings) {
  std::vector<int> codes;
  for (const PipelineResult& pipeline : run.pipelines) codes.push_back(pipeline.exit_code);
  const int worst = worst_exit_code(codes);
  const bool nothing = worst == exit_code::ok && run.totals().read == 0;
  return nothing ? settings.no_data_exit_code : worst;
}

void write_summaries(const Settings& settings, const Environment& environment, Console& console,
                     RunReport& run) {
  std::vector<std::string> paths = settings.output.summary_files;
  for (const std::string& path : paths) {
    const auto written = write_summary_file(path, run);
    if (written) continue;
    console.error(written.error(), "", "");
    run.error = written.error();
    run.exit_code = worst_exit_code({run.exit_code, exit_code::io});
  }
  const auto step_summary = environment.get("GITHUB_STEP_SUMMARY");
  if (!settings.output.annotations || !step_summary) return;
  const auto written = append_markdown(*step_summary, run);
  if (!written) console.warning("", "summary-file", written.error().message);
}

/// The result on stdout, in the form that was asked for.
void write_result(const Settings& settings, Console& console, const RunReport& run) {
  const OutputFormat format = settings.output.format;
  if (format != OutputFormat::text) {
    console.output().write(report_json(run).dump() + "\n");
    const Error* error = run.failure();
    const bool last_line = format == OutputFormat::jsonl && error != nullptr;
    if (last_line) console.output().write(exit_error_json(*error, run).dump() + "\n");
    return;
  }
  if (!settings.output.quiet) return console.output().write(report_text(run));
  // Cron mails what is printed: rejects are worth a mail, a run without them is not.
  if (run.exit_code != exit_code::rejected) return;
  for (const std::string& line : reject_lines(run)) console.write_plain(line + "\n");
}

void tell_settings(const Settings& settings, const Connections& connections, Console& console) {
  for (const std::string& text : settings.run.times_read) console.note(text);
  for (const std::string& text : connections.notes) console.note(text);
  for (const std::string& text : settings.warnings) console.warning("", "configuration", text);
  for (const std::string& text : connections.warnings) console.warning("", "secret-file", text);
}

SignalActions actions_of(Console& console, Monitor& monitor, std::stop_source& stop,
                         bool log_to_file) {
  SignalActions actions;
  actions.stop = [&console, &monitor, &stop](int) {
    console.stopping();
    monitor.stopping();
    stop.request_stop();
  };
  actions.before_exit = [&console] { console.restore(); };
  actions.show_status = [&monitor] { monitor.show_status(); };
  if (!log_to_file) return actions;
  actions.hang_up = [&console, &monitor] {
    monitor.reloading();
    console.reopen_log();
    monitor.reloaded();
  };
  return actions;
}

int finish(const Settings& settings, const Environment& environment, Console& console,
           RunReport& run) {
  run.exit_code = final_code(run, settings.run);
  write_summaries(settings, environment, console, run);
  write_result(settings, console, run);
  if (settings.run.stats) console.write_plain(stats_text(run));
  console.run_finished(run);
  for (const Result<void>& status : {console.log().status(), console.output().status()}) {
    if (status.ok()) continue;
    console.error(status.error(), "", "");
    run.exit_code = worst_exit_code({run.exit_code, exit_code::io});
  }
  const bool told = run.failure() != nullptr && settings.output.log_format != LogFormat::json;
  if (told) console.write_plain(fmt::format("exit {}\n", run.exit_code));
  return run.exit_code;
}

}  // namespace

int run_sync_command(const Invocation& invocation, const Environment& environment,
                     Problems problems) {
  const SystemClock clock;
  const Settings settings =
      read_settings(invocation, environment, system_config_folder, clock.wall(), problems);
  if (!problems.empty()) return fail(problems, settings.output, environment);

  auto connections = make_connections(settings, environment);
  if (!connections) return fail(connections.error(), settings.output, environment);
  std::stop_source stop;
  Console console(settings.output, environment, clock);
  if (const auto opened = console.open(); !opened) {
    return fail(opened.error(), settings.output, environment);
  }
  const std::string run_id = make_run_id(clock.wall());
  Monitor monitor(settings, environment, console, clock, run_id);
  const StopSignal signal(actions_of(console, monitor, stop, !settings.output.log_file.empty()));
  if (const auto started = monitor.start(); !started) {
    return fail(started.error(), settings.output, environment);
  }
  console.run_started(run_id, settings);
  tell_settings(settings, *connections, console);
  SyncRunner runner(settings, *connections, console, monitor, clock, run_id);
  RunReport run = runner.run(stop, [&signal] { return signal.signal(); });
  return finish(settings, environment, console, run);
}

}  // namespace sluice::cli
