// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/settings_parts.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

void read_summary_files(const FlagValues& flags, OutputSettings& out, Problems& problems) {
  for (const Setting<std::string>& file : flags.all("summary-file")) {
    const std::string& path = file.value;
    const bool known = path.ends_with(".json") || path.ends_with(".prom") || path.ends_with(".md");
    if (!known) {
      problems.add(file.origin, fmt::format("'{}' has no known ending", escape_control(path, 200)),
                   "name it .json, .prom or .md");
    }
    out.summary_files.push_back(path);
  }
}

void read_verbosity(const FlagValues& flags, OutputSettings& out, Problems& problems) {
  const auto quiet = flags.last("quiet");
  const auto verbose = flags.last("verbose");
  const bool both = quiet && verbose && quiet->origin.kind == verbose->origin.kind;
  if (both) problems.add(quiet->origin, "excludes --verbose", "leave one of them out");
  out.quiet = quiet && (!verbose || quiet->origin.kind >= verbose->origin.kind);
  out.verbosity =
      out.quiet ? 0 : static_cast<int>(std::min<size_t>(flags.all("verbose").size(), 3));
}

void read_annotations(TableReader& reader, const Environment& environment, OutputSettings& out) {
  Setting<bool> annotations{environment.get("GITHUB_ACTIONS") == "true", {}};
  reader.choice<bool>("annotations", {{"github", true}, {"none", false}}, annotations);
  out.annotations = annotations.value;
}

}  // namespace

std::vector<std::string> variables_without_effect(const Environment& environment) {
  constexpr std::string_view prefix = "SLUICE_";
  std::vector<std::string> known{"VERBOSE", "CLICKHOUSE_PASSWORD"};
  std::map<std::string, std::string_view> without_variable;
  for (const Flag& flag : all_flags()) {
    const std::string name = flag_variable(flag.name).substr(prefix.size());
    if (flag.in_environment) known.push_back(name);
    without_variable.emplace(name, flag.name);
  }
  std::vector<std::string> sentences;
  for (const auto& [variable, value] : environment.all()) {
    // Those for librdkafka are looked at where its properties are known.
    if (!variable.starts_with(prefix) || variable.starts_with("SLUICE_KAFKA_")) continue;
    const std::string name = variable.substr(prefix.size());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string shown = escape_control(variable, 80);
    const auto flag = without_variable.find(name);
    if (flag != without_variable.end()) {
      sentences.push_back(fmt::format("{} is ignored: --{} has no variable", shown, flag->second));
      continue;
    }
    const std::string meant = nearest(name, known);
    if (meant.empty()) continue;  // somebody else's
    sentences.push_back(
        fmt::format("{} is ignored: there is no such variable; did you mean "
                    "'{}{}'?",
                    shown, prefix, meant));
  }
  return sentences;
}

ConfigValue flags_as_table(const FlagValues& flags) {
  ConfigValue table = ConfigValue::make_table({});
  for (const Flag& flag : all_flags()) {
    const auto given = flags.last(flag.name);
    if (!given) continue;
    table.entries.push_back({std::string(flag.name), given->origin,
                             ConfigValue::make_text(given->value, given->origin)});
  }
  return table;
}

void read_metrics_listen(TableReader& reader, std::string_view key, OutputSettings& out,
                         Problems& problems) {
  Setting<std::string> address;
  reader.text(key, address);
  if (address.origin.kind == Origin::Kind::built_in) return;
  out.metrics_listen = parse_listen_address(address.value);
  if (out.metrics_listen || address.value == "none") return;
  problems.add(address.origin,
               fmt::format("'{}' is no address to listen on", escape_control(address.value, 200)),
               "write it like 127.0.0.1:9464, [::]:9464, unix:/run/sluice.sock, or none");
}

OutputSettings read_output_settings(const FlagValues& flags, const Environment& environment,
                                    Problems& problems) {
  OutputSettings out;
  out.yes = flags.has("yes");
  out.no_input = flags.has("no-input");
  const ConfigValue table = flags_as_table(flags);
  TableReader reader(table, "", problems);
  Setting<OutputFormat> format{out.format, {}};
  reader.choice<OutputFormat>("output",
                              {{"text", OutputFormat::text},
                               {"json", OutputFormat::json},
                               {"jsonl", OutputFormat::jsonl},
                               {"tsv", OutputFormat::tsv},
                               {"prometheus", OutputFormat::prometheus}},
                              format);
  out.format = format.value;
  Setting<ProgressMode> progress{out.progress, {}};
  reader.choice<ProgressMode>("progress",
                              {{"auto", ProgressMode::automatic},
                               {"bar", ProgressMode::bar},
                               {"line", ProgressMode::line},
                               {"json", ProgressMode::json},
                               {"none", ProgressMode::none}},
                              progress);
  out.progress = progress.value;
  Setting<Milliseconds> interval;
  reader.duration("progress-interval", interval);
  if (interval.origin.kind != Origin::Kind::built_in) {
    out.progress_interval = std::max(interval.value, Milliseconds(50));
  }
  reader.choice<ColorMode>(
      "color",
      {{"auto", ColorMode::automatic}, {"always", ColorMode::always}, {"never", ColorMode::never}},
      out.color);
  Setting<LogFormat> log_format{out.log_format, {}};
  reader.choice<LogFormat>(
      "log-format",
      {{"auto", LogFormat::automatic}, {"text", LogFormat::text}, {"json", LogFormat::json}},
      log_format);
  out.log_format = log_format.value;
  Setting<std::string> log_file;
  reader.text("log-file", log_file);
  out.log_file = log_file.value;
  read_metrics_listen(reader, "metrics-listen", out, problems);
  read_summary_files(flags, out, problems);
  read_verbosity(flags, out, problems);
  read_annotations(reader, environment, out);
  return out;
}

}  // namespace sluice::cli
