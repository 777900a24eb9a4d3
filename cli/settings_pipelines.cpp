// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>

#include "cli/pipeline_keys.hpp"
#include "cli/settings_parts.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"
#include "cli/units.hpp"

namespace sluice::cli {
namespace {

/// Flags that stand for a key of every pipeline, and the key.
struct PipelineFlag {
  const char* flag;
  const char* table;  ///< "" or the table the key is in
  const char* key;
};
constexpr std::array overriding_flags{PipelineFlag{"batch-rows", "batch", "rows"},
                                      PipelineFlag{"batch-bytes", "batch", "bytes"},
                                      PipelineFlag{"batch-age", "batch", "age"},
                                      PipelineFlag{"senders", "", "senders"},
                                      PipelineFlag{"on-error", "", "on_error"},
                                      PipelineFlag{"on-gap", "", "on_gap"},
                                      PipelineFlag{"from", "", "start"}};
constexpr std::array adhoc_flags{PipelineFlag{"topic", "", "topic"},
                                 PipelineFlag{"table", "", "table"},
                                 PipelineFlag{"format", "", "format"},
                                 PipelineFlag{"group", "", "group"},
                                 PipelineFlag{"reject-topic", "reject", "topic"},
                                 PipelineFlag{"reject-file", "reject", "file"}};

void overlay(const PipelineFlag& names, const FlagValues& flags, ConfigValue& table) {
  const auto given = flags.last(names.flag);
  if (!given) return;
  std::vector<std::string> path{names.key};
  if (*names.table != '\0') path.insert(path.begin(), names.table);
  set_path(table, path, ConfigValue::make_text(given->value, given->origin));
}

const ConfigValue& table_or_empty(const ConfigValue& root, std::string_view key) {
  static const ConfigValue empty = ConfigValue::make_table({});
  const ConfigEntry* entry = root.find(key);
  const bool table = entry != nullptr && entry->value.kind == ConfigValue::Kind::table;
  return table ? entry->value : empty;
}

/// What every pipeline is read with.
struct Reading {
  const Invocation& invocation;
  const Settings& settings;
  WallTime now;
  Problems& problems;
};

PipelineSettings read_one(const std::string& name, const Origin& origin, const ConfigValue& table,
                          const std::string& path, const Reading& reading) {
  ConfigValue full = table;
  for (const PipelineFlag& flag : overriding_flags) {
    const bool of_range =
        reading.invocation.command == "backfill" && std::string_view(flag.flag) == "from";
    if (!of_range) overlay(flag, reading.invocation.flags, full);
  }
  PipelineSettings out;
  out.name = name;
  out.origin = origin;
  read_pipeline_keys(full, path, reading.now, out, reading.problems);
  if (reading.invocation.flags.has("full") && out.mode.value != Mode::full) {
    out.mode = {Mode::full, Origin::flag("--full")};
    out.write = {Write::overwrite_delete_stale, Origin::flag("--full")};
  }
  if (out.disabled.value) return out;
  const std::string& destination = out.destination.value;
  const auto& destinations = reading.settings.destinations;
  if (!destination.empty() && destinations.count(destination) == 0) {
    std::vector<std::string> names;
    for (const auto& [known, unused] : destinations) names.push_back(known);
    const std::string hint = did_you_mean(destination, names);
    reading.problems.add(
        out.destination.origin,
        fmt::format("destination: there is no [destinations.{}]", escape_control(destination, 64)),
        !hint.empty() || names.empty() ? hint : "there are: " + join(names, ", "));
    out.destination = {};
  }
  complete_pipeline(reading.settings.servers_of(out.destination.value).database.value, out,
                    reading.problems);
  return out;
}

void check_groups(const std::vector<PipelineSettings>& pipelines, Problems& problems) {
  for (size_t index = 0; index < pipelines.size(); ++index) {
    const PipelineSettings& pipeline = pipelines[index];
    const auto twin = std::find_if(
        pipelines.begin(), pipelines.begin() + static_cast<ptrdiff_t>(index),
        [&](const PipelineSettings& other) { return other.group.value == pipeline.group.value; });
    if (twin == pipelines.begin() + static_cast<ptrdiff_t>(index)) continue;
    problems.add(pipeline.group.origin,
                 fmt::format("pipelines {} and {} have the same group '{}': each would get only a "
                             "part of the records",
                             twin->name, pipeline.name, escape_control(pipeline.group.value, 80)),
                 "use group = \"sluice-{pipeline}\"");
  }
}

constexpr std::string_view tag_prefix = "tag:";

/// Whether a name, a glob or "tag:hourly" means the pipeline.
bool matches(const std::string& pattern, const PipelineSettings& pipeline) {
  if (!pattern.starts_with(tag_prefix)) {
    return ::fnmatch(pattern.c_str(), pipeline.name.c_str(), 0) == 0;
  }
  const std::string tag = pattern.substr(tag_prefix.size());
  const auto& tags = pipeline.tags.value;
  return std::any_of(tags.begin(), tags.end(), [&](const std::string& one) {
    return ::fnmatch(tag.c_str(), one.c_str(), 0) == 0;
  });
}

/// What could have been meant instead.
std::vector<std::string> selectable(const std::vector<PipelineSettings>& all, bool tags) {
  std::vector<std::string> words;
  for (const PipelineSettings& pipeline : all) {
    if (!tags) words.push_back(pipeline.name);
    for (const std::string& tag : pipeline.tags.value) {
      const std::string word = std::string(tag_prefix) + tag;
      const bool known = std::find(words.begin(), words.end(), word) != words.end();
      if (tags && !known) words.push_back(word);
    }
  }
  return words;
}

Problem unknown_pipeline(const std::string& pattern, const std::vector<PipelineSettings>& all,
                         bool any_file) {
  const bool tag = pattern.starts_with(tag_prefix);
  const std::vector<std::string> words = selectable(all, tag);
  std::string hint = did_you_mean(pattern, words);
  if (hint.empty()) {
    hint = !any_file     ? "there is no configuration file: write ./sluice.toml, or name one with "
                           "--config"
           : all.empty() ? "the configuration has no pipelines"
           : words.empty() ? "no pipeline has tags"
                           : "there are: " + join(words, ", ");
  }
  const std::string shown = escape_control(pattern, 64);
  return {Errc::usage,
          "usage",
          {},
          tag ? fmt::format("no pipeline has the tag '{}'", shown.substr(tag_prefix.size()))
              : fmt::format("unknown pipeline '{}'", shown),
          hint};
}

/// The pipelines that were asked for, by name, glob or tag; all of them when nothing was.
void select(const std::vector<std::string>& wanted, const std::vector<PipelineSettings>& all,
            Settings& out, Problems& problems) {
  std::vector<bool> chosen(all.size(), wanted.empty());
  for (const std::string& pattern : wanted) {
    bool found = false;
    for (size_t index = 0; index < all.size(); ++index) {
      if (!matches(pattern, all[index])) continue;
      found = true;
      chosen[index] = true;
      if (all[index].disabled.value && pattern == all[index].name) {
        problems.add(Problem{Errc::usage,
                             "usage",
                             {},
                             fmt::format("pipeline '{}' is disabled", pattern),
                             "take 'disabled' out of its table"});
      }
    }
    if (!found) problems.add(unknown_pipeline(pattern, all, !out.config_files.empty()));
  }
  for (size_t index = 0; index < all.size(); ++index) {
    if (chosen[index] && !all[index].disabled.value) out.pipelines.push_back(all[index]);
  }
}

void read_configured(const Reading& reading, const ConfigValue& root, Settings& out) {
  Problems& problems = reading.problems;
  const ConfigValue& defaults = table_or_empty(root, "defaults");
  PipelineSettings unused;
  read_pipeline_keys(defaults, "defaults", reading.now, unused, problems);
  problems.close_places();  // else every pipeline would report the same again
  std::vector<PipelineSettings> all;
  for (const ConfigEntry& entry : table_or_empty(root, "pipelines").entries) {
    const std::string path = "pipelines." + entry.key;
    if (entry.value.kind != ConfigValue::Kind::table) {
      problems.add(entry.value.origin,
                   fmt::format("{}: expected a table, found {}", path, entry.value.kind_name()));
      continue;
    }
    if (!is_topic_name(entry.key)) {
      problems.add(entry.origin,
                   fmt::format("'{}' is not a pipeline name", escape_control(entry.key, 64)),
                   "names have letters, digits, '.', '_' and '-'");
      continue;
    }
    ConfigValue table = defaults;
    merge(table, entry.value);
    all.push_back(read_one(entry.key, entry.origin, table, path, reading));
  }
  std::vector<PipelineSettings> enabled;
  std::copy_if(all.begin(), all.end(), std::back_inserter(enabled),
               [](const PipelineSettings& pipeline) { return !pipeline.disabled.value; });
  check_groups(enabled, problems);
  select(reading.invocation.arguments, all, out, problems);
}

/// A snapshot takes the whole topic up to now, and only a snapshot replaces a table.
void check_snapshot_flags(const Invocation& invocation, const std::vector<PipelineSettings>& chosen,
                          Problems& problems) {
  if (invocation.command != "sync" || chosen.empty()) return;
  const FlagValues& flags = invocation.flags;
  const auto full =
      std::find_if(chosen.begin(), chosen.end(),
                   [](const auto& pipeline) { return pipeline.mode.value == Mode::full; });
  for (const char* flag : {"keep-old", "allow-empty", "allow-shrink", "allow-views"}) {
    // A variable may be meant for another run.
    const bool given = flags.has(flag) && flags.last(flag)->origin.kind == Origin::Kind::flag;
    if (full != chosen.end() || !given) continue;
    problems.add(flags.last(flag)->origin, "needs --full",
                 "add it, or set mode = \"full\" in the pipeline");
  }
  if (full == chosen.end()) return;
  for (const char* flag : {"from", "until"}) {
    const auto given = flags.last(flag);
    if (!given || given->value == "start") continue;
    const std::string of = full->mode.origin.kind == Origin::Kind::flag
                               ? "--full"
                               : fmt::format("mode = \"full\" of pipeline {}", full->name);
    problems.add(given->origin,
                 fmt::format("excludes {}: a snapshot takes the whole topic up to now", of),
                 "leave one of them out");
  }
}

/// Without a configuration `status` needs no table, and `rejects` none to list: the place is
/// enough, and the group where one place holds the rejects of several.
bool needs_no_table(const Invocation& invocation) {
  const FlagValues& flags = invocation.flags;
  if (invocation.command == "status") return flags.has("topic") && !flags.has("table");
  return invocation.command == "rejects" && !flags.has("replay") &&
         (flags.has("reject-topic") || flags.has("reject-file"));
}

PipelineSettings without_table(const FlagValues& flags) {
  PipelineSettings out;
  const auto value = [&](const char* flag) {
    return flags.last(flag).value_or(Setting<std::string>{});
  };
  out.topic = value("topic");
  out.table = value("table");
  out.group = value("group");
  out.name = out.topic.value;
  if (out.group.value.empty() && !out.name.empty()) out.group.value = "sluice-" + out.name;
  out.reject.topic = value("reject-topic");
  out.reject.file = value("reject-file");
  return out;
}

/// `init` proposes a table: it needs none.
void name_table(const Setting<std::string>& topic, ConfigValue& table) {
  if (table.find("table") != nullptr) return;
  std::string name = topic.value;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
  set_path(table, {"table"}, ConfigValue::make_text(name, topic.origin));
}

void check_dry_run(const Settings& settings, Problems& problems) {
  if (!settings.run.dry_run) return;
  for (const PipelineSettings& pipeline : settings.pipelines) {
    if (pipeline.mode.value == Mode::full) continue;
    problems.add(
        Origin::flag("--dry-run"),
        fmt::format("is for full loads, and pipeline {} goes on at its offsets", pipeline.name),
        "add --full, or ask sluice status");
    return;
  }
}

void read_adhoc(const Reading& reading, const ConfigValue& root, Settings& out) {
  const Invocation& invocation = reading.invocation;
  Problems& problems = reading.problems;
  const auto topic = invocation.flags.last("topic");
  if (!invocation.arguments.empty()) {
    const Origin origin = topic ? topic->origin : Origin::flag("");
    problems.add(origin, "excludes pipeline names: it makes a pipeline of its own",
                 "leave one of them out");
  }
  ConfigValue table = table_or_empty(root, "defaults");
  for (const PipelineFlag& flag : adhoc_flags) overlay(flag, invocation.flags, table);
  if (invocation.command == "init") name_table(*topic, table);
  if (invocation.flags.has("reject-topic") && invocation.flags.has("reject-file")) {
    problems.add(Origin::flag("--reject-file"), "excludes --reject-topic", "leave one of them out");
  }
  if (needs_no_table(invocation)) {
    return out.pipelines.push_back(without_table(invocation.flags));
  }
  out.pipelines.push_back(read_one(topic->value, topic->origin, table, "defaults", reading));
}

}  // namespace

std::vector<std::string> configured_pipelines(const FlagValues& flags,
                                              const Environment& environment,
                                              const std::string& system_folder) {
  Problems ignored;
  const auto& named = flags.all("config");
  const bool standard_input =
      std::any_of(named.begin(), named.end(), [](const auto& file) { return file.value == "-"; });
  std::vector<std::string> names;
  if (standard_input) return names;
  const ConfigFiles files = read_config_files(named, environment, system_folder, ignored);
  for (const ConfigEntry& entry : table_or_empty(files.root, "pipelines").entries) {
    if (is_topic_name(entry.key)) names.push_back(entry.key);
  }
  return names;
}

void read_pipelines(const Invocation& invocation, const ConfigValue& root, WallTime now,
                    Settings& out, Problems& problems) {
  const Reading reading{invocation, out, now, problems};
  if (invocation.flags.has("topic") || needs_no_table(invocation)) {
    read_adhoc(reading, root, out);
    check_dry_run(out, problems);
    return check_snapshot_flags(invocation, out.pipelines, problems);
  }
  for (const PipelineFlag& flag : adhoc_flags) {
    const auto given = invocation.flags.last(flag.flag);
    if (!given) continue;
    problems.add(given->origin, "needs --topic", "it makes a pipeline with no configuration");
  }
  read_configured(reading, root, out);
  check_dry_run(out, problems);
  check_snapshot_flags(invocation, out.pipelines, problems);
}

}  // namespace sluice::cli
