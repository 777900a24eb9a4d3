// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_init.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/confirm.hpp"
#include "cli/connections.hpp"
#include "cli/effective.hpp"
#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/sampling.hpp"
#include "cli/settings.hpp"
#include "cli/text.hpp"
#include "core/clickhouse/inference.hpp"
#include "core/kafka/source.hpp"

namespace sluice::cli {
namespace {

class SampleTaker final : public RecordListener {
 public:
  explicit SampleTaker(Sample& sample) : sample_(sample) {}
  void record(const Record& record) override {
    if (!record.value.empty()) sample_.add(record.value);
  }
  void reached(PartitionId /*partition*/, Offset /*offset*/) override {}

 private:
  Sample& sample_;
};

Result<Sample> read_sample(const Settings& settings, const Connections& connections,
                           const std::string& topic) {
  Sample sample;
  SampleTaker taker(sample);
  kafka::ScanOptions scan;
  scan.topic = topic;
  scan.newest_max = settings.init.sample.value;
  TRY(kafka::scan_topic(connections.cluster, scan, taker, {}));
  if (sample.records() > 0) return sample;
  if (sample.unreadable() == 0) {
    return Error{Errc::config, "topic-empty", fmt::format("topic {} holds no records", topic),
                 "produce some first: the table is made from what they hold"};
  }
  return Error{Errc::config, "no-json",
               fmt::format("none of the sampled records of topic {} is a JSON object", topic),
               "write the table yourself; format = \"raw\" puts whole values into a String column"};
}

Result<std::vector<ProposedColumn>> propose(const Connections& connections, const Sample& sample,
                                            const Clock& clock) {
  std::vector<std::string> values;
  for (const SampledField& field : sample.fields()) {
    std::string lines;
    for (const std::string& value : field.values) lines += value + "\n";
    values.push_back(lines.empty() ? "\"\"" : std::move(lines));
  }
  const auto& servers = connections.servers.at("");
  std::vector<std::string> types;
  for (size_t index = 0;; ++index) {
    auto inferred = clickhouse::infer_types(servers[index], values, clock);
    const bool last = index + 1 == servers.size();
    if (inferred.ok()) {
      types = std::move(inferred).value();
      break;
    }
    if (last || inferred.error().code != Errc::unavailable) return std::move(inferred).error();
  }
  std::vector<ProposedColumn> columns;
  for (size_t index = 0; index < types.size(); ++index) {
    columns.push_back(propose_column(sample.fields()[index], types[index], sample.records()));
  }
  widen_until_records_fit(sample, columns);
  return columns;
}

std::string commented(const std::string& text) {
  std::string out;
  for (const std::string& line : split(text, '\n'))
    out += line.empty() ? "#\n" : "# " + line + "\n";
  return out;
}

std::string starter(const Settings& settings, const PipelineSettings& pipeline,
                    const std::string& statement, const Sample& sample) {
  std::string out = fmt::format(
      "# Made by sluice init from {} of topic {}. Every key: sluice man sluice.toml\n"
      "config_version = 1\n\n{}",
      counted(sample.records(), "record"), pipeline.topic.value,
      connections_toml(settings, {.origins = false, .defaults = false}));
  if (!settings.clickhouse.password.given()) {
    out +=
        "# user     = \"loader\"                   # default: default\n"
        "# password = { file = \"/run/secrets/clickhouse\" }   # or env, credential, command\n";
  }
  const bool bare = pipeline.name.find('.') == std::string::npos;
  out += fmt::format("\n[pipelines.{}]\n", bare ? pipeline.name : toml_text(pipeline.name));
  out += fmt::format("topic = {}\ntable = {}\n", toml_text(pipeline.topic.value),
                     toml_text(pipeline.table.value));
  out +=
      "# group    = \"sluice-{pipeline}\"         # keeps the progress\n"
      "# start    = \"earliest\"                  # of a group without offsets: earliest, end, "
      "table, a time\n"
      "# on_error = \"reject\"                    # default: stop at a record that does not fit\n";
  out +=
      fmt::format("# reject   = {{ topic = {} }}\n", toml_text(pipeline.topic.value + ".rejects"));
  out += "# batch    = { rows = 250_000, bytes = \"64MiB\", age = \"1s\" }\n\n";
  out += "# The table (sluice init --ddl-only prints only this, --create makes it):\n#\n";
  return out + commented(statement + ";");
}

/// The statement is shown where it is not on the terminal already.
Result<void> ask(const Settings& settings, const PipelineSettings& pipeline,
                 const std::string& statement) {
  const std::string& table = pipeline.table.value;
  const bool shown = ::isatty(STDOUT_FILENO) == 1 && !is_json(settings.output.format);
  return confirm(settings.output, {.would = "this would create " + table,
                                   .fix = "add -y to create it",
                                   .shown = shown ? "" : statement + "\n",
                                   .asked = fmt::format("create {}?", table),
                                   .refused = "nothing was created"});
}

Result<void> init(const Settings& settings, const Environment& environment, Output& out) {
  const SystemClock clock;
  const PipelineSettings& pipeline = settings.pipelines.front();
  const auto connections = TRY(make_connections(settings, environment));
  const auto tell = [&](const std::string& text) {
    if (!settings.output.quiet) std::cerr << escape_control(text) << "\n";
  };
  for (const std::string& text : settings.warnings) tell("warning: " + text);
  tell(fmt::format("reading the newest {} of topic {}",
                   counted(settings.init.sample.value, "record"), pipeline.topic.value));
  const Sample sample = TRY(read_sample(settings, connections, pipeline.topic.value));
  if (sample.unreadable() > 0) {
    tell(fmt::format("{} of {} are no JSON objects and are left out", grouped(sample.unreadable()),
                     counted(sample.unreadable() + sample.records(), "record")));
  }
  const auto columns = TRY(propose(connections, sample, clock));
  const std::string statement =
      create_statement(pipeline.database(), pipeline.table_name(), columns);
  const std::string ddl = statement + ";\n";
  const std::string toml = starter(settings, pipeline, statement, sample);
  const bool json = is_json(settings.output.format);
  if (!json) out.write(settings.init.ddl_only ? ddl : toml);
  if (settings.init.create) {
    TRY(ask(settings, pipeline, statement));
    TRY(clickhouse::create_table(connections.servers.at("").front(), pipeline.database(),
                                 pipeline.table_name(), statement, clock));
    tell(fmt::format("created {}", pipeline.table.value));
  }
  if (!json) return {};
  nlohmann::ordered_json document{{"type", "init"}, {"v", 1}};
  if (!settings.init.ddl_only) document["toml"] = valid_utf8(toml);
  document["ddl"] = valid_utf8(ddl);
  document["created"] = settings.init.create;
  out.write(document.dump() + "\n");
  return {};
}

}  // namespace

int run_init_command(const Invocation& invocation, const Environment& environment,
                     Problems problems) {
  const SystemClock clock;
  const OutputSettings output = read_output_settings(invocation.flags, environment, problems);
  if (!invocation.flags.has("topic")) {
    return fail(Error{Errc::usage, "usage", "init needs the topic to sample",
                      "write it as: sluice init -b HOST:9092 --clickhouse URL -t TOPIC"},
                output, environment);
  }
  const Settings settings =
      read_settings(invocation, environment, system_config_folder, clock.wall(), problems);
  if (!problems.empty()) return fail(problems, settings.output, environment);
  Output out;
  const auto done = init(settings, environment, out);
  if (!done) return fail(done.error(), settings.output, environment);
  const auto written = out.status();
  return written.ok() ? exit_code::ok : fail(written.error(), settings.output, environment);
}

}  // namespace sluice::cli
