// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_check.hpp"

#include <fmt/format.h>

#include <utility>

#include "cli/check_exactly_once.hpp"
#include "cli/check_online.hpp"
#include "cli/connections.hpp"
#include "cli/effective.hpp"
#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/findings.hpp"
#include "cli/full_load.hpp"
#include "cli/output.hpp"
#include "cli/settings.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"
#include "cli/topic_pattern.hpp"
#include "cli/version.hpp"
#include "core/block/block.hpp"

namespace sluice::cli {
namespace {

/// What opening a sink warns of.
class Warnings final : public Observer {
 public:
  Warnings(Findings& findings, std::string subject)
      : findings_(findings), subject_(std::move(subject)) {}
  void warning(std::string_view /*slug*/, std::string_view message) override {
    findings_.warning(subject_, std::string(message));
  }

 private:
  Findings& findings_;
  std::string subject_;
};

/// How rows go into a table, and the columns that have to do with it.
struct Encoding {
  const char* form = "";
  std::vector<std::string> cast;  ///< the server parses them
  std::vector<std::string>
      defaults;                     ///< the server evaluates their DEFAULT where a field is missing
  std::vector<std::string> others;  ///< only the server can read them
};

Encoding encoding_of(const BlockSchema& schema) {
  Encoding encoding;
  for (const TableColumn& column : schema.columns()) {
    const std::string named = fmt::format("{} {}", column.name, column.type.name);
    if (!column.encodable()) encoding.others.push_back(named);
    if (column.type.holds_json()) encoding.cast.push_back(named);
    if (column.default_kind == DefaultKind::expression) encoding.defaults.push_back(column.name);
  }
  const bool native = schema.format() == InsertFormat::native;
  encoding.form = native ? "Native" : "JSONEachRow";
  return encoding;
}

std::string sentence(const Encoding& encoding) {
  if (!encoding.others.empty()) {
    return fmt::format("JSONEachRow, parsed by the server, because of {}",
                       join(encoding.others, ", "));
  }
  std::string text = encoding.form;
  if (!encoding.cast.empty()) {
    text += fmt::format("; the server parses {}", join(encoding.cast, ", "));
  }
  if (!encoding.defaults.empty()) {
    text += fmt::format("; the server evaluates the DEFAULT of {} where a record has no value",
                        join(encoding.defaults, ", "));
  }
  return text;
}

Result<Table> look_at_table(const PipelineSettings& pipeline, const Settings& settings,
                            const Connections& connections, Observer& observer,
                            const Clock& clock) {
  clickhouse::SinkOptions options;
  options.database = pipeline.database();
  options.table = pipeline.table_name();
  options.senders = 1;
  options.retry.time_max = settings.run.retry_time_max.value;
  const auto& servers = connections.servers.at(pipeline.destination.value);
  for (size_t index = 0;; ++index) {
    auto sink = clickhouse::open_sink(servers[index], options, observer, clock);
    if (sink.ok()) return (*sink)->describe();
    const bool last = index + 1 == servers.size();
    if (last || sink.error().code != Errc::unavailable) return std::move(sink).error();
  }
}

/// `values` are sampled records.
void check_table(const PipelineSettings& pipeline, const Settings& settings,
                 const Connections& connections, const std::vector<std::string>& values,
                 const Clock& clock, Findings& findings) {
  Warnings warnings(findings, pipeline.name);
  auto table = look_at_table(pipeline, settings, connections, warnings, clock);
  const RecordFormat format = pipeline.format.value;
  ColumnOptions columns = pipeline.columns;
  if (table.ok() && pipeline.mode.value == Mode::full) {
    FullColumns filled = full_columns(pipeline, std::move(table).value());
    table = std::move(filled.table);
    columns = std::move(filled.columns);
  }
  if (table.ok()) table = filled_table(std::move(table).value(), columns, format);
  if (!table.ok()) return findings.error(pipeline.name, table.error());
  check_sample(pipeline, table.value(), values, findings);
  check_repeats(pipeline, table.value(), findings);
  const BlockSchema schema(std::move(table).value());
  const auto layout = lay_out(schema.table(), columns, format);
  if (!layout.ok()) return findings.error(pipeline.name, layout.error());
  Encoding encoding = encoding_of(schema);
  nlohmann::ordered_json filled = nlohmann::ordered_json::object();
  std::string text;
  std::string others;
  for (size_t index = 0; index < layout->columns.size(); ++index) {
    const std::string& name = schema.columns()[index].name;
    const ColumnSource& source = layout->columns[index];
    if (source == ColumnSource{.pointer = {name}}) continue;
    filled[name] = to_string(source);
    if (format == RecordFormat::raw && source.kind == ColumnSource::Kind::value) {
      text = fmt::format("the whole value goes into {}", name);
    } else {
      others += fmt::format("{}{} = {}", others.empty() ? "; " : ", ", name, to_string(source));
    }
  }
  if (format != RecordFormat::raw) text = sentence(encoding);
  text += others;
  findings.ok(pipeline.name, fmt::format("table {}: {}", pipeline.table.value, text),
              {{"table", pipeline.table.value},
               {"format", encoding.form},
               {"columns", std::move(filled)},
               {"parsed_by_server", std::move(encoding.cast)},
               {"defaults_by_server", std::move(encoding.defaults)},
               {"not_encodable", std::move(encoding.others)}});
}

/// Each topic that it reads, and its table.
void check_pipeline(const PipelineSettings& pipeline, const Settings& settings,
                    const Connections& connections, const Clock& clock, Findings& findings) {
  constexpr Milliseconds patience{10'000};
  const auto found = pipelines_by_topic(pipeline, connections.cluster, patience);
  if (!found) findings.error(pipeline.name, found.error());
  const auto topics = found.ok() ? *found : std::vector<PipelineSettings>{};
  std::vector<std::string> values;
  for (const PipelineSettings& of_topic : topics) {
    for (std::string& value : check_topic(of_topic, connections, findings)) {
      values.push_back(std::move(value));
    }
  }
  check_table(pipeline, settings, connections, values, clock, findings);
  if (pipeline.delivery.value != DeliveryLevel::exactly_once) return;
  for (const PipelineSettings& of_topic : topics) {
    check_exactly_once(of_topic, connections, clock, findings);
  }
}

void check_configuration(const Settings& settings, Findings& findings) {
  findings.ok("config", "the configuration is valid: " +
                            counted(settings.pipelines.size(), "pipeline") + " chosen");
  for (const std::string& text : settings.warnings) findings.warning("config", text);
  for (const PipelineSettings& pipeline : settings.pipelines) {
    const bool many = !pipeline.topics_regex.value.empty();
    const std::string topics = many ? fmt::format("topics that match {}",
                                                  escape_control(pipeline.topics_regex.value, 1000))
                                    : "topic " + pipeline.topic.value;
    const std::string& destination = pipeline.destination.value;
    findings.ok(pipeline.name,
                fmt::format("{} to table {}{}, group {}{}", topics, pipeline.table.value,
                            destination.empty() ? "" : " of destination " + destination,
                            pipeline.group.value, many ? ":TOPIC for each" : ""));
  }
}

/// The configuration in force, or with it what else a bug report needs, instead of findings.
std::string shown(const Settings& settings, const Invocation& invocation) {
  const bool report = invocation.flags.has("report");
  const bool origins = report || invocation.flags.has("show-origin");
  const std::string configuration =
      effective_toml(settings, {.origins = origins, .defaults = true});
  const bool json = is_json(settings.output.format);
  if (!report && json) {
    const nlohmann::ordered_json document{
        {"type", "configuration"}, {"v", 1}, {"toml", valid_utf8(configuration)}};
    return document.dump() + "\n";
  }
  if (!report) return configuration;
  std::string out = fmt::format("```\n{}```\n\n```toml\n{}```\n", version_text(), configuration);
  for (const std::string& text : settings.warnings) out += fmt::format("\nwarning: {}\n", text);
  if (!json) return out;
  const nlohmann::ordered_json document{{"type", "report"}, {"v", 1}, {"text", valid_utf8(out)}};
  return document.dump() + "\n";
}

/// What is printed instead of findings is not looked at.
void check_usage(const Invocation& invocation, Problems& problems) {
  for (const char* printed : {"show", "show-origin", "report"}) {
    for (const char* other : {"online", "strict"}) {
      if (!invocation.flags.has(printed) || !invocation.flags.has(other)) continue;
      problems.add(Origin::flag(fmt::format("--{}", other)), fmt::format("excludes --{}", printed),
                   "leave one of them out");
    }
  }
}

}  // namespace

int run_check_command(const Invocation& invocation, const Environment& environment,
                      Problems problems) {
  const SystemClock clock;
  check_usage(invocation, problems);
  const Settings settings =
      read_settings(invocation, environment, system_config_folder, clock.wall(), problems);
  if (!problems.empty()) return fail(problems, settings.output, environment);
  Output out;
  const auto asked = [&](const char* flag) { return invocation.flags.has(flag); };
  if (asked("show") || asked("show-origin") || asked("report")) {
    out.write(shown(settings, invocation));
    const auto written = out.status();
    return written.ok() ? exit_code::ok : fail(written.error(), settings.output, environment);
  }
  Findings findings;
  if (asked("strict")) findings.be_strict();
  check_configuration(settings, findings);
  if (invocation.flags.has("online")) {
    const auto connections = make_connections(settings, environment);
    if (!connections) return fail(connections.error(), settings.output, environment);
    for (const std::string& text : connections->warnings) findings.warning("config", text);
    for (const PipelineSettings& pipeline : settings.pipelines) {
      check_pipeline(pipeline, settings, *connections, clock, findings);
    }
    check_clock(*connections, clock, findings);
  }
  const bool text = settings.output.format == OutputFormat::text;
  const bool quiet = settings.output.quiet && findings.exit_code() == exit_code::ok;
  const bool unicode = terminal_facts(false, environment, settings.output.color).unicode;
  if (!text || !quiet) out.write(text ? findings.text(unicode) : findings.json().dump() + "\n");
  const auto written = out.status();
  return written.ok() ? findings.exit_code() : fail(written.error(), settings.output, environment);
}

}  // namespace sluice::cli
