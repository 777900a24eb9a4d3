// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/connections.hpp"
#include "cli/console.hpp"
#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/full_load.hpp"
#include "cli/group_reset.hpp"
#include "cli/monitor.hpp"
#include "cli/reload.hpp"
#include "cli/report.hpp"
#include "cli/runner.hpp"
#include "cli/settings.hpp"
#include "cli/stop_signal.hpp"
#include "cli/summary_file.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

/// Sets the code the process ends with.
void decide_exit_code(RunReport& run, const RunSettings& settings) {
  std::vector<int> codes;
  for (const PipelineResult& pipeline : run.pipelines) codes.push_back(pipeline.exit_code);
  const int worst = worst_exit_code(codes);
  const bool nothing = worst == exit_code::ok && run.totals().read == 0 && !run.passed_over();
  run.no_data = nothing && settings.no_data_exit_code != exit_code::ok;
  run.exit_code = run.no_data ? settings.no_data_exit_code : worst;
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
  for (const std::string& line : reject_lines(run, true)) console.write_plain(line + "\n");
}

void tell_settings(const Settings& settings, const Connections& connections, Console& console) {
  for (const std::string& text : settings.run.times_read) console.note(text);
  for (const std::string& text : connections.notes) console.note(text);
  for (const std::string& text : settings.warnings) console.warning("", "configuration", text);
  for (const std::string& text : connections.warnings) console.warning("", "secret-file", text);
}

/// What -o json owes its reader even when nobody waits for the end.
void write_end_at_once(Console& console, OutputFormat format, int code) {
  if (!is_json(format)) return;
  const Error error{Errc::cancelled, "stopped-at-once",
                    "a second signal ended the run at once: what was not committed is read again",
                    "run it again"};
  console.output().write_at_once(exit_error_json(error, code, "").dump() + "\n");
}

/// `result_written` says that the result is, or is being, written.
SignalActions actions_of(Console& console, RunControl& control, const OutputSettings& output,
                         std::atomic<bool>& result_written, bool continuous) {
  SignalActions actions;
  actions.stop = [&console, &control](int) {
    console.stopping();
    control.stop();
  };
  actions.before_exit = [&console, &result_written, format = output.format](int code) {
    console.restore();
    if (!result_written.exchange(true)) return write_end_at_once(console, format, code);
    std::this_thread::sleep_for(std::chrono::seconds{1});  // the result is being written
  };
  actions.show_status = [&control] { control.tell(&Monitor::show_status); };
  if (!continuous && output.log_file.empty()) return actions;
  actions.hang_up = [&console, &control, continuous] {
    control.tell(&Monitor::reloading);
    console.reopen_log();
    if (continuous) return control.ask_reload();
    control.tell(&Monitor::reloaded);
  };
  return actions;
}

/// Reads the configuration again whenever that is asked for. What is wrong leaves the old one.
void reload_when_asked(const Invocation& invocation, const Environment& environment, WallTime now,
                       const Configuration& present, Console& console, RunControl& control,
                       const std::stop_token& end) {
  while (control.wait_reload(end)) {
    Problems problems;
    std::optional<Error> error;
    auto next = read_configuration(invocation, environment, now, problems, error);
    if (next == nullptr) {
      const Error reason = error ? *error : problems.all().front().error();
      console.error({reason.code, "reload-failed",
                     "the configuration was not reloaded: " + reason.message, reason.fix},
                    "", "");
    } else if (same_effect(present, *next)) {
      console.note("configuration reloaded: nothing changed");
    }
    control.tell(&Monitor::config_read, next != nullptr);
    control.tell(&Monitor::reloaded);
    if (next != nullptr && !same_effect(present, *next)) {
      console.note("configuration reloaded: the pipelines start again with it");
      return control.change(std::move(next));
    }
  }
}

int finish(const Settings& settings, const Environment& environment, Console& console,
           RunReport& run, std::atomic<bool>& result_written) {
  decide_exit_code(run, settings.run);
  write_summaries(settings, environment, console, run);
  result_written = true;
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

/// What a run did up to and with its latest turn, whose pipelines know what they did before. Those
/// that a changed configuration no longer has keep their place in the report.
RunReport continued(RunReport run, RunReport turn) {
  turn.started_at = run.started_at;
  for (PipelineResult& earlier : run.pipelines) {
    const bool goes_on = std::any_of(
        turn.pipelines.begin(), turn.pipelines.end(),
        [&](const PipelineResult& one) { return one.report.name == earlier.report.name; });
    if (!goes_on) turn.pipelines.push_back(std::move(earlier));
  }
  return turn;
}

int run_command(const Invocation& invocation, const Environment& environment, Problems problems) {
  std::optional<Error> error;
  auto configuration =
      read_configuration(invocation, environment, SystemClock().wall(), problems, error);
  if (configuration == nullptr) {
    const OutputSettings output = read_output_settings(invocation.flags, environment, problems);
    return error ? fail(*error, output, environment) : fail(problems, output, environment);
  }
  if (configuration->settings.run.dry_run) return show_full_plans(*configuration);
  if (configuration->settings.run.reset_to) {
    const auto moved = reset_groups(*configuration, environment, SystemClock());
    if (!moved) return fail(moved.error(), configuration->settings.output, environment);
  }
  return run_configuration(invocation, environment, std::move(configuration));
}

}  // namespace

int run_configuration(const Invocation& invocation, const Environment& environment,
                      std::unique_ptr<Configuration> configuration) {
  const SystemClock clock;
  const WallTime now = clock.wall();
  const OutputSettings output = configuration->settings.output;
  const bool continuous = configuration->settings.run.continuous;
  for (const std::string& path : output.summary_files) {
    if (const auto checked = check_summary_file(path); !checked) {
      return fail(checked.error(), output, environment);
    }
  }
  RunControl control;
  Console console(output, environment, clock);
  if (const auto opened = console.open(); !opened) {
    return fail(opened.error(), output, environment);
  }
  std::atomic<bool> result_written = false;
  const StopSignal signal(actions_of(console, control, output, result_written, continuous));
  const std::string run_id = make_run_id(now);
  RunReport run;
  for (bool first = true;; first = false) {
    Monitor monitor(configuration->settings, environment, console, clock, run_id);
    const std::stop_source stop = control.begin_turn(monitor);
    const auto started = monitor.start();
    if (!started && first) {
      control.end_turn();
      result_written = true;
      return fail(started.error(), output, environment);
    }
    if (!started) console.error(started.error(), "", "");
    if (first) console.run_started(run_id, invocation.command, configuration->settings);
    tell_settings(configuration->settings, configuration->connections, console);
    Runner runner(configuration->settings, configuration->connections, console, monitor, clock,
                  run_id, first ? nullptr : &run);
    {
      std::jthread reloader;
      if (continuous) {
        reloader = std::jthread([&](const std::stop_token& end) {
          reload_when_asked(invocation, environment, now, *configuration, console, control, end);
        });
      }
      RunReport turn = runner.run(stop, [&signal] { return signal.signal(); });
      run = first ? std::move(turn) : continued(std::move(run), std::move(turn));
    }
    control.end_turn();
    auto next = control.next();
    if (next == nullptr) break;
    configuration = std::move(next);
  }
  run.command = invocation.command;
  run.duration = std::chrono::duration_cast<Milliseconds>(run.finished_at - run.started_at);
  run.was_reset = configuration->settings.run.reset_to.has_value();
  return finish(configuration->settings, environment, console, run, result_written);
}

int run_sync_command(const Invocation& invocation, const Environment& environment,
                     Problems problems) {
  return run_command(invocation, environment, std::move(problems));
}

int run_tail_command(const Invocation& invocation, const Environment& environment,
                     Problems problems) {
  return run_command(invocation, environment, std::move(problems));
}

}  // namespace sluice::cli
