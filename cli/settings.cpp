// SPDX-License-Identifier: Apache-2.0
#include "cli/settings.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/settings_parts.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

/// Standard input can be read once, and from a terminal only when that is allowed. False where it
/// must not be read: for a configuration is taken what may be a password.
bool check_standard_input(const FlagValues& flags, Problems& problems) {
  std::vector<Setting<std::string>> readers;
  for (const char* flag : {"config", "clickhouse-password-file"}) {
    for (const auto& given : flags.all(flag)) {
      if (given.value == "-") readers.push_back(given);
    }
  }
  if (readers.size() > 1) {
    problems.add(readers.back().origin,
                 "standard input is already read by " + readers.front().origin.name,
                 "name a file for one of them");
    return false;
  }
  if (!readers.empty() && flags.has("no-input") && ::isatty(STDIN_FILENO) == 1) {
    problems.add(readers.front().origin,
                 "standard input is a terminal, and --no-input forbids to read it",
                 "give it a file");
    return false;
  }
  return true;
}

void check_version(TableReader& reader) {
  const ConfigValue* version = reader.find("config_version");
  if (version == nullptr) return;
  if (version->kind != ConfigValue::Kind::integer || version->integer < 1) {
    return reader.problem(*version, "config_version", "expected 1");
  }
  if (version->integer > 1) {
    reader.problem(*version, "config_version", "needs a later version of sluice; this one knows 1");
  }
}

void read_observe(const ConfigValue& table, const FlagValues& flags, OutputSettings& out,
                  Problems& problems) {
  TableReader reader(table, "observe", problems);
  OutputSettings of_file;
  read_metrics_listen(reader, "metrics_listen", of_file, problems);
  Setting<LogFormat> format{LogFormat::automatic, {}};
  reader.choice<LogFormat>(
      "log_format",
      {{"auto", LogFormat::automatic}, {"text", LogFormat::text}, {"json", LogFormat::json}},
      format);
  reader.finish();
  if (!flags.has("log-format")) out.log_format = format.value;
  if (!flags.has("metrics-listen")) out.metrics_listen = std::move(of_file.metrics_listen);
}

void warn_about_trust(Settings& settings) {
  if (!settings.kafka.verify_tls.value) {
    settings.warnings.push_back(
        fmt::format("the certificates of Kafka's brokers are not verified ({})",
                    settings.kafka.verify_tls.origin.place()));
  }
  for (const std::string& destination : settings.destinations_used()) {
    const Setting<bool>& verify = settings.servers_of(destination).verify_tls;
    if (verify.value) continue;
    settings.warnings.push_back(
        fmt::format("the certificate of ClickHouse is not verified ({})", verify.origin.place()));
  }
}

void check_format(OutputFormat format, Problems& problems) {
  if (format == OutputFormat::text || is_json(format)) return;
  problems.add(Origin::flag("--output"), "tsv and prometheus are formats of status",
               "use text, json or jsonl");
}

/// What a run cannot do without. Asked last: a broken file explains why something is missing.
void check_needed(const Invocation& invocation, const Settings& settings, Problems& problems) {
  // Rejected records are listed without ClickHouse, and those of a file without Kafka.
  const bool lists_only = invocation.command == "rejects" && !settings.rejects.replay;
  const bool looks_only = invocation.command == "status" && !settings.status.verify;
  const bool needs_clickhouse = !lists_only && !looks_only;
  for (const std::string& destination : settings.destinations_used()) {
    const bool known = destination.empty() || settings.destinations.contains(destination);
    if (needs_clickhouse && known) check_plaintext(settings.servers_of(destination), problems);
  }
  if (!problems.empty()) return;
  const auto missing = [&](Errc code, std::string message, std::string hint) {
    const bool usage = code == Errc::usage;
    problems.add(
        Problem{code, usage ? "usage" : "config", {}, std::move(message), std::move(hint)});
  };
  if (settings.pipelines.empty()) {
    if (settings.config_files.empty() && invocation.command == "check") {
      return missing(Errc::usage, "there is no configuration file to check",
                     "write ./sluice.toml, or name one with --config");
    }
    if (settings.config_files.empty()) {
      return missing(Errc::usage, "nothing to do: there is no configuration file and no --topic",
                     "write ./sluice.toml, or give --topic NAME --table DB.TABLE");
    }
    if (invocation.arguments.empty()) {
      return missing(Errc::config, "the configuration has no enabled pipeline",
                     "add a table [pipelines.NAME] with topic and table");
    }
    return missing(Errc::usage, "no enabled pipeline has a name like that",
                   "check the names in the configuration");
  }
  if (!settings.run.decisions.empty() && settings.pipelines.size() > 1) {
    missing(Errc::usage, "--resolve is about one pipeline, and this is several",
            "name the one that halted, as in: sluice sync NAME --resolve …");
  }
  for (const Decision& decision : settings.run.decisions) {
    if (decision.partition || settings.pipelines.front().topics_regex.value.empty()) continue;
    missing(Errc::usage, "--resolve does not say which topic of topics_regex it is about",
            "write it as the halt's message does: --resolve skip:TOPIC:PARTITION");
  }
  if (settings.status.verify && settings.pipelines.front().table.value.empty()) {
    missing(Errc::usage, "--verify needs the table whose rows are counted", "add --table DB.TABLE");
  }
  const bool needs_kafka =
      invocation.command != "rejects" ||
      std::any_of(settings.pipelines.begin(), settings.pipelines.end(),
                  [](const auto& pipeline) { return !pipeline.reject.topic.value.empty(); });
  if (needs_kafka && settings.kafka.brokers.value.empty()) {
    missing(Errc::config, "no Kafka broker is named",
            "give --brokers host:port, or set brokers in [kafka]");
  }
  for (const std::string& destination : settings.destinations_used()) {
    if (!needs_clickhouse || !settings.servers_of(destination).urls.value.empty()) continue;
    if (destination.empty()) {
      missing(Errc::config, "no ClickHouse server is named",
              "give --clickhouse http://host:8123/database, or set url in [clickhouse]");
    } else {
      missing(Errc::config, fmt::format("destination {} names no ClickHouse server", destination),
              fmt::format("set url in [destinations.{}]", destination));
    }
  }
}

void read_destinations(const ConfigValue& table, Settings& out, Problems& problems) {
  for (const ConfigEntry& entry : table.entries) {
    const std::string path = "destinations." + entry.key;
    if (entry.value.kind != ConfigValue::Kind::table) {
      problems.add(entry.value.origin,
                   fmt::format("{}: expected a table, found {}", path, entry.value.kind_name()));
      continue;
    }
    read_clickhouse(entry.value, path, out.destinations[entry.key], problems);
  }
}

}  // namespace

std::set<std::string> Settings::destinations_used() const {
  std::set<std::string> used;
  for (const PipelineSettings& pipeline : pipelines) used.insert(pipeline.destination.value);
  return used;
}

ConfigValue secret_reference(const std::string& kind, const std::string& name,
                             const Origin& origin) {
  ConfigValue table = ConfigValue::make_table(origin);
  table.entries.push_back({kind, origin, ConfigValue::make_text(name, origin)});
  return table;
}

std::optional<std::pair<std::string, std::string>> split_assignment(
    const Setting<std::string>& given, std::string_view example, Problems& problems) {
  const size_t equals = given.value.find('=');
  if (equals == std::string::npos || equals == 0) {
    problems.add(given.origin, "expected KEY=VALUE", fmt::format("write it like {}", example));
    return std::nullopt;
  }
  return std::pair(std::string(trim(given.value.substr(0, equals))),
                   given.value.substr(equals + 1));
}

void refuse_secret_on_argv(const Origin& origin, std::string_view what, std::string hint,
                           Problems& problems) {
  problems.add(Problem{Errc::usage, "secret-on-argv", origin,
                       fmt::format("{} does not belong on the command line, where every user of "
                                   "this machine can read it",
                                   escape_control(what, 64)),
                       std::move(hint)});
}

Settings read_settings(const Invocation& invocation, const Environment& environment,
                       const std::string& system_folder, WallTime now, Problems& problems) {
  const FlagValues& flags = invocation.flags;
  Settings settings;
  settings.output = read_output_settings(flags, environment, problems);
  if (!check_standard_input(flags, problems)) return settings;
  settings.warnings = variables_without_effect(environment);
  const ConfigFiles files =
      read_config_files(flags.all("config"), environment, system_folder, problems);
  settings.config_files = files.used;

  ConfigValue root = ConfigValue::make_table({});
  underlay_clickhouse(environment, root);
  merge(root, files.root);
  overlay_kafka(flags, environment, root, settings.warnings, problems);
  overlay_clickhouse(flags, environment, root, problems);

  TableReader reader(root, "", problems);
  check_version(reader);
  Setting<bool> allow_unsafe;
  reader.boolean("allow_unsafe_kafka_properties", allow_unsafe);
  if (const ConfigValue* kafka = reader.table("kafka")) {
    read_kafka(*kafka, allow_unsafe.value, settings.kafka, problems);
  }
  if (const ConfigValue* clickhouse = reader.table("clickhouse")) {
    read_clickhouse(*clickhouse, "clickhouse", settings.clickhouse, problems);
  }
  if (const ConfigValue* destinations = reader.table("destinations")) {
    read_destinations(*destinations, settings, problems);
  }
  if (const ConfigValue* observe = reader.table("observe")) {
    read_observe(*observe, flags, settings.output, problems);
  }
  reader.later("registry");
  (void)reader.table("defaults");
  (void)reader.table("pipelines");
  reader.finish();
  read_run(invocation, now, settings.run, problems);
  if (invocation.command == "rejects") {
    read_rejects(flags, now, settings.rejects, settings.run, problems);
  }
  if (invocation.command == "backfill") {
    read_backfill(flags, now, settings.backfill, settings.run, problems);
  }
  if (invocation.command == "status") {
    settings.status = read_status_settings(flags, settings.output.format, problems);
  } else {
    check_format(settings.output.format, problems);
  }
  if (settings.run.if_running) settings.run.lock_folder = lock_folder(environment);
  if (invocation.command == "init") read_init(flags, settings.init, problems);
  read_pipelines(invocation, root, now, settings, problems);
  if (problems.empty()) warn_about_trust(settings);
  check_needed(invocation, settings, problems);
  problems.sort();
  return settings;
}

}  // namespace sluice::cli
