// SPDX-License-Identifier: Apache-2.0
#include "cli/console.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr Milliseconds bar_interval{200};
constexpr Milliseconds line_interval{30'000};

bool is_human(const OutputSettings& settings, const TerminalFacts& facts) {
  return facts.movement && settings.log_format == LogFormat::automatic && !settings.quiet;
}

ProgressMode progress_mode(const OutputSettings& settings, const TerminalFacts& facts) {
  ProgressMode mode = settings.progress;
  if (mode == ProgressMode::automatic) {
    if (settings.quiet) return ProgressMode::none;
    mode = facts.movement ? ProgressMode::bar : ProgressMode::line;
  }
  return mode == ProgressMode::bar && !facts.movement ? ProgressMode::line : mode;
}

LogLevel log_level(const OutputSettings& settings) {
  if (settings.quiet) return LogLevel::error;
  return settings.verbosity > 0 ? LogLevel::debug : LogLevel::info;
}

std::string escape_annotation(std::string_view text, bool property) {
  std::string out;
  for (const char character : text) {
    const bool special = character == '%' || character == '\r' || character == '\n' ||
                         (property && (character == ':' || character == ','));
    out += special ? fmt::format("%{:02X}", static_cast<uint8_t>(character))
                   : std::string(1, character);
  }
  return out;
}

std::string indented(const std::string& text) {
  std::string out;
  for (const char character : text) {
    out += character;
    if (character == '\n') out += "  ";
  }
  return out;
}

}  // namespace

std::string error_block(const Error& error, const std::string& pipeline, const std::string& place,
                        bool color) {
  const std::string_view on = color ? "\x1b[1;31m" : "";
  const std::string_view off = color ? "\x1b[0m" : "";
  std::string out = fmt::format("{}error[{}]{}: {}\n", on, error.slug, off,
                                indented(escape_control_lines(error.message)));
  if (!pipeline.empty()) {
    out += fmt::format("  pipeline {}{}\n", pipeline, place.empty() ? "" : " (" + place + ")");
  }
  if (!error.fix.empty())
    out += fmt::format("  fix: {}\n", indented(escape_control_lines(error.fix)));
  return out;
}

std::string github_annotation(std::string_view level, std::string_view title,
                              std::string_view message) {
  return fmt::format("::{} title={}::{}\n", level, escape_annotation(title, true),
                     escape_annotation(message, false));
}

Console::Console(const OutputSettings& settings, const Environment& environment, const Clock& clock)
    : settings_(settings),
      clock_(clock),
      screen_(terminal_facts(::isatty(STDERR_FILENO) == 1, environment, settings.color),
              environment),
      human_(is_human(settings, screen_.facts())),
      json_log_(settings.log_format == LogFormat::json),
      progress_(progress_mode(settings, screen_.facts())),
      log_(clock, screen_, log_level(settings), json_log_) {}

Console::~Console() { stop_progress(); }

Result<void> Console::open() {
  return settings_.log_file.empty() ? Result<void>() : log_.open(settings_.log_file);
}

void Console::reopen_log() {
  const auto opened = log_.reopen();
  if (!opened) warning("", "log-file", opened.error().message);
}

bool Console::logs_inserts() const {
  return json_log_ || log_.to_file() || settings_.verbosity > 0;
}

void Console::say(const std::string& text) {
  if (human_) screen_.write(escape_control_lines(text));
}

void Console::event(const nlohmann::ordered_json& event) {
  if (events()) output_.write(event.dump() + "\n");
}

void Console::note(const std::string& text) {
  say(text);
  if (!human_ || log_.to_file()) log_.write(LogLevel::info, text, {});
}

void Console::annotate(std::string_view level, std::string_view title, std::string_view message) {
  if (settings_.annotations) {
    screen_.write(github_annotation(level, title, escape_control_lines(message)));
  }
}

void Console::warning(const std::string& pipeline, std::string_view slug,
                      const std::string& message) {
  const std::string text = escape_control(message);
  nlohmann::ordered_json event_line{{"type", "warning"}, {"slug", slug}, {"message", text}};
  if (!pipeline.empty()) event_line["pipeline"] = pipeline;
  event(event_line);
  say(fmt::format("{}warning: {}", pipeline.empty() ? "" : pipeline + "  ", text));
  if (!human_ || log_.to_file()) {
    const std::string name(slug);
    if (pipeline.empty()) {
      log_.write(LogLevel::warning, "warning", {{"slug", name}, {"message", text}});
    } else {
      log_.write(LogLevel::warning, "warning",
                 {{"pipeline", pipeline}, {"slug", name}, {"message", text}});
    }
  }
  if (!settings_.quiet) annotate("warning", slug, text);
}

void Console::error(const Error& error, const std::string& pipeline, const std::string& place) {
  if (json_log_ || log_.to_file()) {
    log_.write(LogLevel::error, "error",
               {{"pipeline", pipeline},
                {"slug", error.slug},
                {"error", error.message},
                {"fix", error.fix}});
  }
  const bool told = json_log_ && !log_.to_file();
  if (!told) screen_.write(error_block(error, pipeline, place, screen_.facts().color));
  annotate("error", error.slug, error.message);
}

void Console::run_started(const std::string& run_id, const std::string& command,
                          const Settings& settings) {
  std::vector<std::string> names;
  for (const PipelineSettings& pipeline : settings.pipelines) names.push_back(pipeline.name);
  const std::string config = join(settings.config_files, ", ");
  event({{"type", "start"},
         {"v", 1},
         {"command", command},
         {"run_id", run_id},
         {"pipelines", names},
         {"config", settings.config_files}});
  say(fmt::format("{} {}{}", settings.run.continuous ? "tailing" : "syncing",
                  counted(names.size(), "pipeline"),
                  config.empty() ? "" : fmt::format(" (config {})", config)));
  if (human_ && !log_.to_file()) return;
  log_.write(LogLevel::info, "run started",
             {{"run", run_id},
              {"command", command},
              {"pipelines", join(names, ",")},
              {"config", config.empty() ? "none" : config}});
}

void Console::start_progress(std::vector<std::pair<std::string, LiveCounts*>> pipelines) {
  {
    const std::lock_guard lock(shown_mutex_);
    shown_.clear();
    for (auto& [name, counts] : pipelines) shown_.push_back({name, counts, {}});
  }
  const bool needed = progress_ != ProgressMode::none || events();
  if (needed) ticker_ = std::jthread([this](const std::stop_token& stop) { run_ticker(stop); });
}

void Console::add_progress(const std::string& pipeline, LiveCounts& counts) {
  const std::lock_guard lock(shown_mutex_);
  shown_.push_back({pipeline, &counts, {}});
}

void Console::stop_progress() {
  if (ticker_.joinable()) {
    ticker_.request_stop();
    ticker_.join();
    if (progress_ == ProgressMode::bar) {
      draw_bars();
      screen_.keep_live();
      screen_.write("\n");
    }
  }
  const std::lock_guard lock(shown_mutex_);
  shown_.clear();
}

std::vector<ProgressView> Console::look() {
  const std::lock_guard lock(shown_mutex_);
  std::vector<ProgressView> views;
  for (Shown& shown : shown_) {
    ProgressView view;
    view.name = shown.name;
    view.phase = shown.counts->phase.load();
    view.endless = shown.counts->endless.load();
    view.read = shown.counts->read.load();
    view.rejected = shown.counts->rejected.load();
    view.target = shown.counts->target.load();
    view.passed = std::min(shown.counts->passed.load(), view.target);
    view.duration = Milliseconds(shown.counts->milliseconds.load());
    shown.meter.look(clock_.now(), *shown.counts, view);
    views.push_back(std::move(view));
  }
  return views;
}

void Console::run_ticker(const std::stop_token& stop) {
  const bool bars = progress_ == ProgressMode::bar;
  const Milliseconds bar_step = settings_.progress_interval.value_or(bar_interval);
  const Milliseconds line_step = settings_.progress_interval.value_or(line_interval);
  TimePoint next_line = clock_.now() + line_step;
  while (!stop.stop_requested()) {
    if (bars) draw_bars();
    {
      std::unique_lock lock(tick_mutex_);
      tick_.wait_for(lock, stop, bars ? bar_step : line_step, [] { return false; });
    }
    const bool due = clock_.now() >= next_line && !stop.stop_requested();
    if (!due) continue;
    next_line = clock_.now() + line_step;
    if (!bars || events()) write_lines();
  }
}

void Console::draw_bars() {
  const std::vector<ProgressView> views = look();
  size_t name_width = 0;
  for (const ProgressView& view : views) name_width = std::max(name_width, view.name.size());
  const BarStyle style{screen_.width() - 1, screen_.facts().color, screen_.facts().unicode};
  std::vector<std::string> lines;
  for (const ProgressView& view : views) lines.push_back(bar_line(view, name_width, style));
  screen_.show_live(std::move(lines));
}

void Console::write_lines() {
  for (const ProgressView& view : look()) {
    if (view.phase != Phase::running) continue;
    const std::string json = progress_json(view);
    if (events()) output_.write(json);
    if (progress_ == ProgressMode::json) screen_.write(json);
    if (progress_ != ProgressMode::line) continue;
    std::vector<LogField> fields{{"pipeline", view.name}, {"read", view.read}};
    if (!view.endless) {
      fields.push_back({"of", view.target});
      fields.push_back({"pct", view.percent()});
    }
    fields.push_back({"rows_per_s", static_cast<uint64_t>(view.rows_per_second)});
    fields.push_back({"lag", view.lag()});
    if (const auto left = view.seconds_left()) fields.push_back({"eta_s", *left});
    const auto line = json_log_ ? json_log_line : text_log_line;
    screen_.write(line(clock_.wall(), LogLevel::info, "progress", fields));
  }
}

void Console::run_finished(const RunReport& run) {
  const Counts totals = run.totals();
  if (human_ && !log_.to_file()) return;
  log_.write(LogLevel::info, "run finished",
             {{"run", run.run_id},
              {"code", static_cast<int64_t>(run.exit_code)},
              {"read", totals.read},
              {"inserted", totals.inserted},
              {"rejected", totals.rejected},
              {"skipped", totals.skipped},
              {"seconds", static_cast<double>(run.duration.count()) / 1e3}});
}

void Console::stopping() {
  int64_t batches = 0;
  uint64_t rows = 0;
  {
    const std::lock_guard lock(shown_mutex_);
    for (const Shown& shown : shown_) {
      const uint64_t open = shown.counts->open.load();
      // Rows that are in no batch yet are sent as one.
      batches += std::max<int64_t>(shown.counts->batches_in_flight.load(), open > 0 ? 1 : 0);
      rows += open;
    }
  }
  const std::string again =
      rows == 0 ? "" : fmt::format(" (up to {} would be sent again)", counted(rows, "row"));
  say(fmt::format("finishing {} {} in flight; press Ctrl-C again to stop now{}", batches,
                  batches == 1 ? "batch" : "batches", again));
  if (human_ && !log_.to_file()) return;
  log_.write(LogLevel::info, "stopping", {{"batches_in_flight", batches}, {"rows", rows}});
}

}  // namespace sluice::cli
