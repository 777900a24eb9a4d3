// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_rejects.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/cmd_run.hpp"
#include "cli/connections.hpp"
#include "cli/console.hpp"
#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/kept_rejects.hpp"
#include "cli/reject_file.hpp"
#include "cli/reject_replay.hpp"
#include "cli/report.hpp"
#include "cli/settings.hpp"
#include "cli/text.hpp"
#include "core/kafka/source.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

/// "topic orders.rejects"
std::string place_of(const PipelineSettings& pipeline) {
  const RejectSettings& reject = pipeline.reject;
  return reject.topic.value.empty() ? "file " + escape_control(reject.file.value)
                                    : "topic " + reject.topic.value;
}

/// The newest rejected records of one pipeline, and how many there are in all.
class Newest {
 public:
  /// Without `payloads` keys, values and headers are dropped; with them at most `bytes_max`.
  Newest(uint64_t limit, bool payloads, uint64_t bytes_max)
      : limit_(limit), payloads_(payloads), bytes_max_(bytes_max) {}

  void add(KeptReject kept) {
    ++total_;
    if (!payloads_) {
      for (std::string* text : {&kept.record.key, &kept.record.value}) {
        text->clear();
        text->shrink_to_fit();
      }
      kept.record.headers.clear();
    }
    bytes_ += bytes_of(kept);
    const WallTime time = kept.rejected_at;
    kept_.emplace(time, std::move(kept));  // behind those of the same moment
    while (kept_.size() > limit_ || (bytes_ > bytes_max_ && kept_.size() > 1)) {
      bytes_ -= bytes_of(kept_.begin()->second);
      kept_.erase(kept_.begin());
    }
  }
  void add_left(const KeptRejectsLeft& left) { left_ = left; }

  [[nodiscard]] uint64_t total() const { return total_; }
  [[nodiscard]] uint64_t unreadable() const { return left_.unreadable; }
  [[nodiscard]] uint64_t of_other_groups() const { return left_.of_other_groups; }
  /// Oldest first.
  [[nodiscard]] const std::multimap<WallTime, KeptReject>& kept() const { return kept_; }

 private:
  static uint64_t bytes_of(const KeptReject& kept) {
    uint64_t bytes = kept.record.key.size() + kept.record.value.size();
    for (const Header& header : kept.record.headers) {
      bytes += header.name.size() + header.value.size();
    }
    return bytes;
  }

  uint64_t limit_;
  bool payloads_;
  uint64_t bytes_max_;
  uint64_t total_ = 0;
  KeptRejectsLeft left_;
  uint64_t bytes_ = 0;
  std::multimap<WallTime, KeptReject> kept_;
};

Result<void> read_rejects(const Settings& settings, const kafka::ClusterOptions& cluster,
                          const PipelineSettings& pipeline, Newest& newest) {
  const KeptRejectsWanted wanted{pipeline.group.value, settings.rejects.since};
  newest.add_left(TRY(read_kept_rejects(cluster, pipeline.reject, wanted,
                                        [&](KeptReject&& kept) { newest.add(std::move(kept)); })));
  return {};
}

/// "; 3 records of other groups than sluice-orders stay there", or nothing.
std::string others_text(const PipelineSettings& pipeline, const Newest& newest) {
  if (newest.of_other_groups() == 0) return {};
  return fmt::format(
      "; {} of other groups than {} stay{} there", counted(newest.of_other_groups(), "record"),
      escape_control(pipeline.group.value, 256), newest.of_other_groups() == 1 ? "s" : "");
}

/// No control byte reaches the terminal.
std::string text_table(const Newest& newest) {
  std::vector<TextRow> rows{
      {"TOPIC", "PARTITION", "OFFSET", "TIME", "REASON", "COLUMN", "MESSAGE"}};
  for (const auto& [time, kept] : newest.kept()) {
    const RejectedRecord& record = kept.record;
    const std::string column = escape_control(valid_utf8(record.column), 256);
    rows.push_back({escape_control(valid_utf8(record.topic), 256),
                    std::to_string(record.partition.value), std::to_string(record.offset.value),
                    utc_seconds(time), std::string(to_string(record.reason)),
                    column.empty() ? "-" : column, escape_control(valid_utf8(record.message))});
  }
  return aligned(rows, {1, 2});
}

/// One pipeline's rejects on stdout, in the form that was asked for.
class Listing {
 public:
  Listing(const Settings& settings, Console& console) : settings_(settings), console_(console) {}

  void show(const PipelineSettings& pipeline, const Newest& newest) {
    if (settings_.rejects.raw) {
      show_raw(newest);
    } else if (settings_.output.format == OutputFormat::json) {
      documents_.push_back(document(pipeline, newest));
    } else if (settings_.output.format == OutputFormat::jsonl) {
      for (const auto& [time, kept] : newest.kept()) console_.event(line(pipeline, kept));
    } else {
      show_text(pipeline, newest);
    }
    show_notes(pipeline, newest);
  }
  void finish() {
    if (settings_.rejects.raw || settings_.output.format != OutputFormat::json) return;
    const Json all{{"type", "rejects"}, {"v", 1}, {"pipelines", documents_}};
    console_.output().write(all.dump() + "\n");
  }

 private:
  static Json line(const PipelineSettings& pipeline, const KeptReject& kept) {
    Json out{{"type", "reject"}, {"pipeline", name_of(pipeline)}};
    out.update(reject_json(kept));
    return out;
  }
  static Json name_of(const PipelineSettings& pipeline) {
    return pipeline.name.empty() ? Json(nullptr) : Json(pipeline.name);
  }
  static Json document(const PipelineSettings& pipeline, const Newest& newest) {
    Json out{{"name", name_of(pipeline)},         {"sink", valid_utf8(pipeline.reject.describe())},
             {"total", newest.total()},           {"shown", newest.kept().size()},
             {"unreadable", newest.unreadable()}, {"rejects", Json::array()}};
    for (const auto& [time, kept] : newest.kept()) out["rejects"].push_back(reject_json(kept));
    return out;
  }

  void show_raw(const Newest& newest) {
    for (const auto& [time, kept] : newest.kept()) {
      if (!kept.record.null_value) console_.output().write(kept.record.value + "\n");
    }
  }

  void show_text(const PipelineSettings& pipeline, const Newest& newest) {
    std::string out;
    const bool several = settings_.pipelines.size() > 1;
    if (newest.total() == 0) {
      out = fmt::format("{}no rejected records in {}{}\n", several ? pipeline.name + ": " : "",
                        place_of(pipeline), others_text(pipeline, newest));
    } else {
      if (several) out = fmt::format("{}, {}:\n", pipeline.name, place_of(pipeline));
      out += text_table(newest);
    }
    console_.output().write(out);
  }

  /// Beside the result: on stderr.
  void show_notes(const PipelineSettings& pipeline, const Newest& newest) {
    if (newest.unreadable() > 0) {
      console_.warning(pipeline.name, "reject-lines",
                       fmt::format("{} of {} cannot be read", counted(newest.unreadable(), "line"),
                                   place_of(pipeline)));
    }
    const uint64_t shown = newest.kept().size();
    if (shown == newest.total() || settings_.output.quiet) return;
    const bool short_of_memory = shown < settings_.rejects.limit.value;
    console_.write_plain(fmt::format("the {} newest of {}; {} shows more\n", grouped(shown),
                                     counted(newest.total(), "rejected record"),
                                     short_of_memory ? "--memory" : "--limit"));
  }

  const Settings& settings_;
  Console& console_;
  Json documents_ = Json::array();
};

/// What a replay would do.
void show_plan(const Settings& settings, const PipelineSettings& pipeline, const Newest& newest,
               Console& console) {
  if (settings.output.format != OutputFormat::text) {
    const Json plan{{"type", "replay_plan"},
                    {"v", 1},
                    {"pipeline", pipeline.name},
                    {"sink", valid_utf8(pipeline.reject.describe())},
                    {"table", pipeline.table.value},
                    {"records", newest.total()},
                    {"of_other_groups", newest.of_other_groups()}};
    return console.output().write(plan.dump() + "\n");
  }
  console.output().write(fmt::format("{}: would replay {} of {} into {}{}\n", pipeline.name,
                                     counted(newest.total(), "record"), place_of(pipeline),
                                     pipeline.table.value, others_text(pipeline, newest)));
}

/// Lists, or with --replay --dry-run counts.
int list(Settings settings, const Environment& environment) {
  if (!settings.rejects.replay) {  // then ClickHouse's secrets are not needed
    settings.clickhouse = {};
    for (auto& [name, destination] : settings.destinations) destination = {};
  }
  const auto connections = make_connections(settings, environment);
  if (!connections) return fail(connections.error(), settings.output, environment);
  const SystemClock clock;
  Console console(settings.output, environment, clock);
  if (const auto opened = console.open(); !opened) {
    return fail(opened.error(), settings.output, environment);
  }
  for (const std::string& text : settings.run.times_read) console.note(text);
  for (const std::string& text : settings.warnings) console.warning("", "configuration", text);
  for (const std::string& text : connections->warnings) console.warning("", "secret-file", text);
  Listing listing(settings, console);
  const bool payloads = settings.rejects.raw || settings.output.format != OutputFormat::text;
  for (const PipelineSettings& pipeline : settings.pipelines) {
    Newest newest(settings.rejects.limit.value, payloads && !settings.rejects.replay,
                  settings.run.memory.value);
    const auto read = read_rejects(settings, connections->cluster, pipeline, newest);
    if (!read) return fail(read.error(), settings.output, environment);
    if (settings.rejects.replay) {
      show_plan(settings, pipeline, newest, console);
    } else {
      listing.show(pipeline, newest);
    }
  }
  if (!settings.rejects.replay) listing.finish();
  const auto status = console.output().status();
  return status.ok() ? exit_code::ok : fail(status.error(), settings.output, environment);
}

/// The pipeline reads what it has rejected, with a group of its own; all else stays.
void turn_to_rejects(PipelineSettings& pipeline) {
  pipeline.replayed_group = pipeline.group.value;
  pipeline.on_error.value = OnError::reject;
  pipeline.start.value = {};
  const bool topic = !pipeline.reject.topic.value.empty();
  // A file keeps no offsets, so none that tell what was under way.
  if (!topic) pipeline.delivery.value = DeliveryLevel::at_least_once;
  pipeline.topics_regex.value.clear();
  pipeline.topic.value = topic ? pipeline.reject.topic.value : pipeline.reject.file.value;
  pipeline.group.value = replay_group(pipeline.group.value);
}

Result<void> check_selection(const Invocation& invocation, Settings& settings) {
  const auto keeps_none = [](const PipelineSettings& pipeline) { return !pipeline.reject.given(); };
  auto& pipelines = settings.pipelines;
  const auto named = std::find_if(pipelines.begin(), pipelines.end(), keeps_none);
  const bool asked = !invocation.arguments.empty() && named != pipelines.end();
  if (asked || std::all_of(pipelines.begin(), pipelines.end(), keeps_none)) {
    return Error{Errc::config, "no-rejects",
                 asked ? fmt::format("pipeline {} keeps no rejected records", named->name)
                       : "no pipeline keeps its rejected records",
                 "add reject = { topic = \"NAME\" } or reject = { file = \"PATH\" }, or give "
                 "--reject-topic or --reject-file"};
  }
  std::erase_if(pipelines, keeps_none);
  const auto loads_all = [](const PipelineSettings& pipeline) {
    return pipeline.mode.value == Mode::full;
  };
  const auto full = std::find_if(pipelines.begin(), pipelines.end(), loads_all);
  const bool only_full = std::all_of(pipelines.begin(), pipelines.end(), loads_all);
  const bool is_asked = !invocation.arguments.empty() || only_full;
  if (settings.rejects.replay && full != pipelines.end() && is_asked) {
    return Error{Errc::config, "replay-full-load",
                 fmt::format("pipeline {} loads everything at each run (mode = \"full\"): its "
                             "rejected records belong to the load that they were in",
                             full->name),
                 fmt::format("mend the table or the producer, then load it again: sluice sync {}",
                             full->name)};
  }
  if (settings.rejects.replay) std::erase_if(pipelines, loads_all);
  // One that the configuration names is made by the first run.
  for (const PipelineSettings& pipeline : pipelines) {
    const Setting<std::string>& file = pipeline.reject.file;
    const bool typed = file.origin.kind == Origin::Kind::flag && !file.value.empty();
    if (!typed || reject_file_exists(file.value)) continue;
    return Error{Errc::io, "reject-file",
                 fmt::format("there is no reject file {}", escape_control(file.value)),
                 "check its name and the folder you are in"};
  }
  return {};
}

}  // namespace

int run_rejects_command(const Invocation& invocation, const Environment& environment,
                        Problems problems) {
  const SystemClock clock;
  Settings settings =
      read_settings(invocation, environment, system_config_folder, clock.wall(), problems);
  if (!problems.empty()) return fail(problems, settings.output, environment);
  if (const auto checked = check_selection(invocation, settings); !checked) {
    return fail(checked.error(), settings.output, environment);
  }
  if (settings.rejects.raw && settings.output.format != OutputFormat::text) {
    return fail(Error{Errc::usage, "usage", "--raw writes payloads as they are, which is no JSON",
                      "leave out --raw or -o: -o jsonl has whole records"},
                settings.output, environment);
  }
  if (settings.rejects.raw && ::isatty(STDOUT_FILENO) == 1) {
    return fail(Error{Errc::usage, "usage", "--raw would write records as they are to the terminal",
                      "write them to a file or a pipe"},
                settings.output, environment);
  }
  if (!settings.rejects.replay || settings.rejects.dry_run) {
    return list(std::move(settings), environment);
  }
  for (PipelineSettings& pipeline : settings.pipelines) turn_to_rejects(pipeline);
  settings.run.start_is_explicit = true;  // that the table has rows is no reason to stop
  settings.run.until.reset();
  settings.output.metrics_listen = {};  // the address is that of a tail beside us
  auto configuration = std::make_unique<Configuration>();
  auto connections = make_connections(settings, environment);
  if (!connections) return fail(connections.error(), settings.output, environment);
  configuration->settings = std::move(settings);
  configuration->connections = std::move(*connections);
  return run_configuration(invocation, environment, std::move(configuration));
}

}  // namespace sluice::cli
