// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_status.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "cli/cmd_verify.hpp"
#include "cli/connections.hpp"
#include "cli/console.hpp"
#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/settings.hpp"
#include "cli/status.hpp"
#include "cli/status_ask.hpp"
#include "cli/status_look.hpp"
#include "cli/terminal.hpp"
#include "cli/topic_pattern.hpp"

namespace sluice::cli {
namespace {

constexpr Milliseconds wait_step{1000};
constexpr std::string_view clear_screen = "\x1b[H\x1b[2J";

/// One look, by whichever way, within this time.
using Look = std::function<Result<StatusLook>(Milliseconds timeout)>;

std::string rendered(const Status& status, const StatusSettings& settings,
                     const OutputSettings& output, const TerminalFacts& facts) {
  switch (output.format) {
    case OutputFormat::tsv:
      return status_tsv(status, settings.partitions);
    case OutputFormat::prometheus:
      return status_metrics(status);
    case OutputFormat::json:
    case OutputFormat::jsonl:
      return status_json(status).dump() + "\n";
    case OutputFormat::text:
      break;
  }
  return status_text(status, {settings.partitions, facts.color, facts.unicode});
}

/// Shows what one look found, and again with --watch, until it has what --wait waits for.
class Viewer {
 public:
  Viewer(const StatusSettings& settings, const OutputSettings& output,
         const Environment& environment, Console& console)
      : settings_(settings),
        output_(output),
        environment_(environment),
        console_(console),
        facts_(terminal_facts(::isatty(STDOUT_FILENO) == 1, environment, output.color)) {}

  int show(const Look& look) {
    const TimePoint begun = SystemClock().now();
    while (true) {
      const TimePoint started = SystemClock().now();
      auto found = look(time_for(begun));
      if (!found && !waits(begun)) return fail(found.error(), output_, environment_);
      if (found) apply_thresholds(settings_, found->status);
      const bool healthy = found.ok() && found->status.exit_code() == exit_code::ok;
      if (found && (settings_.watch || healthy || !waits(begun))) {
        write(found->status);
        unfinished_ = found->unfinished;
        if (!settings_.watch || console_.output().closed()) return found->status.exit_code();
      }
      const Milliseconds step = settings_.watch.value_or(wait_step);
      std::this_thread::sleep_until(std::max(started + step, SystemClock().now()));
    }
  }
  [[nodiscard]] bool unfinished() const { return unfinished_; }

 private:
  /// Whether there is time for one more look.
  [[nodiscard]] bool waits(TimePoint begun) const {
    return settings_.wait && SystemClock().now() + wait_step < begun + *settings_.wait;
  }
  [[nodiscard]] Milliseconds time_for(TimePoint begun) const {
    if (!settings_.wait) return settings_.timeout.value;
    const auto left =
        std::chrono::duration_cast<Milliseconds>(begun + *settings_.wait - SystemClock().now());
    return std::clamp(left, wait_step, std::max(wait_step, settings_.timeout.value));
  }
  void write(const Status& status) {
    std::string text = rendered(status, settings_, output_, facts_);
    const bool is_text = output_.format == OutputFormat::text;
    if (is_text && output_.quiet && status.exit_code() == exit_code::ok) return;
    if (is_text && settings_.watch && facts_.movement) text.insert(0, clear_screen);
    console_.output().write(text);
    // Formats that have no place for sentences.
    const bool silent =
        output_.format == OutputFormat::tsv || output_.format == OutputFormat::prometheus;
    if (silent) console_.write_plain(status_problem_lines(status));
  }

  const StatusSettings& settings_;
  const OutputSettings& output_;
  const Environment& environment_;
  Console& console_;
  const TerminalFacts facts_;
  bool unfinished_ = false;
};

int show(const StatusSettings& settings, const OutputSettings& output,
         const std::vector<std::string>& warnings, const Environment& environment,
         const Look& look) {
  const SystemClock clock;
  Console console(output, environment, clock);
  if (const auto opened = console.open(); !opened) {
    return fail(opened.error(), output, environment);
  }
  for (const std::string& text : warnings) console.warning("", "configuration", text);
  Viewer viewer(settings, output, environment, console);
  int code = viewer.show(look);
  if (const auto written = console.output().status(); !written) {
    code = fail(written.error(), output, environment);
  }
  // A thread that waits for somebody who does not answer must not hold up the end, nor find the
  // libraries' global state gone.
  if (viewer.unfinished()) std::_Exit(code);
  return code;
}

int ask(const Invocation& invocation, const Environment& environment, Problems problems) {
  const OutputSettings output = read_output_settings(invocation.flags, environment, problems);
  const StatusSettings settings = read_status_settings(invocation.flags, output.format, problems);
  if (!problems.empty()) return fail(problems, output, environment);
  return show(settings, output, {}, environment, [&](Milliseconds timeout) -> Result<StatusLook> {
    return StatusLook{TRY(ask_running(settings.ask, invocation.arguments, timeout)), false};
  });
}

/// What to look at, and pipelines of which that is known without a look.
struct Shown {
  std::shared_ptr<const Settings> settings;
  std::vector<PipelineSettings> without_topic;
};

/// A pipeline with topics_regex is shown as those of its topics; one whose topics cannot be told,
/// as one whose topic is missing.
Shown with_topics(const std::shared_ptr<const Settings>& settings, const Connections& connections,
                  Milliseconds timeout) {
  const auto has_many = [](const PipelineSettings& pipeline) {
    return !pipeline.topics_regex.value.empty();
  };
  const auto& configured = settings->pipelines;
  if (std::none_of(configured.begin(), configured.end(), has_many)) return {settings, {}};
  const auto existing = kafka::list_topics(connections.cluster, timeout / 2);
  Shown out;
  auto all = std::make_shared<Settings>(*settings);
  all->pipelines.clear();
  for (const PipelineSettings& pipeline : configured) {
    if (!has_many(pipeline) || !existing) {
      all->pipelines.push_back(pipeline);
      if (has_many(pipeline)) all->pipelines.back().topic.value = pipeline.topics_regex.value;
      continue;
    }
    RejectSettings rejects = pipeline.reject;
    const auto topics = matching_topics(pipeline, *existing);
    for (const std::string& topic : topics) {
      all->pipelines.push_back(pipeline_of_topic(pipeline, topic));
      // They share the place of their rejects: what is in there is counted once.
      all->pipelines.back().reject = std::exchange(rejects, {});
    }
    if (topics.empty()) out.without_topic.push_back(pipeline);
  }
  out.settings = std::move(all);
  return out;
}

}  // namespace

int run_status_command(const Invocation& invocation, const Environment& environment,
                       Problems problems) {
  if (invocation.flags.has("ask")) return ask(invocation, environment, std::move(problems));
  const SystemClock clock;
  const auto settings = std::make_shared<const Settings>(
      read_settings(invocation, environment, system_config_folder, clock.wall(), problems));
  if (!problems.empty()) return fail(problems, settings->output, environment);
  auto made = make_connections(*settings, environment);
  if (!made) return fail(made.error(), settings->output, environment);
  const auto connections = std::make_shared<const Connections>(std::move(*made));
  if (settings->status.verify) return run_verify(*settings, *connections, environment);
  return show(
      settings->status, settings->output, settings->warnings, environment,
      [&](Milliseconds timeout) -> Result<StatusLook> {
        const TimePoint began = SystemClock().now();
        Shown shown = with_topics(settings, *connections, timeout);
        const auto spent = std::chrono::duration_cast<Milliseconds>(SystemClock().now() - began);
        auto look = look_at_pipelines(std::move(shown.settings), connections, timeout - spent);
        for (const PipelineSettings& pipeline : shown.without_topic) {
          PipelineLook none;
          none.errors.push_back(no_topic_matches(pipeline));
          look.status.pipelines.push_back(
              pipeline_status(pipeline, none, std::nullopt, look.status.checked_at));
        }
        return look;
      });
}

}  // namespace sluice::cli
