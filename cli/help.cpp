// SPDX-License-Identifier: Apache-2.0
#include "cli/help.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.hpp"
#include "cli/flags.hpp"

namespace sluice::cli {
namespace {

constexpr size_t flag_columns = 35;
constexpr size_t help_columns = 100;

constexpr std::string_view overview_head = R"(sluice moves Kafka topics into ClickHouse tables.

Usage: sluice [FLAGS] COMMAND [PIPELINE...] [FLAGS]

Commands:
)";

constexpr std::string_view overview_examples = R"(
A run that is typed again goes on where the last one stopped: progress lives in the consumer group.

  sluice sync                      every pipeline of ./sluice.toml
  sluice sync orders 'web*'        some of them
  sluice sync -b localhost:9092 --clickhouse http://localhost:8123 -t orders --table shop.orders
)";

constexpr std::string_view overview_tail = R"(
Flags of a command: sluice help COMMAND. Flags have variables: --batch-rows is SLUICE_BATCH_ROWS.
)";

constexpr std::string_view formats_text = R"(Units:
  duration   500ms, 30s, 10m, 2h, 1d, 1h30m
  size       64MiB (binary), 1GB (SI), 512 (bytes)
  count      250000, 1_000_000, 250k, 1M
  time       2026-11-21, 2026-11-21T02:00:04Z, 2026-11-21T03:00+01:00 (UTC unless it says more),
             1795226404 (seconds), 1795226404112 (milliseconds), -24h, now

Results on stdout (-o):
  text       a table
  json       one document, {"type":"summary",...}; after a failure it has slug, message, fix and
             pipeline too. A failure before the run begins: {"type":"exit_error",...}
  status     {"type":"status",...} in both JSON formats; tsv: columns for awk, their names first;
             prometheus: metrics for a textfile collector. null and ? are what is not known
  jsonl      start, progress, warning, reject, then summary; after a failure exit_error comes last
  Offsets are half-open: [from,to) holds from and does not hold to. "to" is where this run got,
  "end" what it aimed at, "committed" what the group has, "lag" is end - committed.
  read = inserted + rejected + skipped, in every pipeline and in the totals.

Summary files (--summary-file):
  .json      the document of -o json, one line appended for each run
  .prom      metrics for node_exporter's textfile collector, replaced atomically
  .md        a section appended for each run

Reject files (--reject-file, reject = { file = ... }):
  JSON lines: rejected_at, run, group, topic, partition, offset, timestamp, reason, code, column,
  message, key, value, headers. Bytes that are not UTF-8 stand in key_base64, value_base64.

Reject topics (--reject-topic, reject = { topic = ... }):
  The record as it was; behind its own headers sluice.error.code (why), .clickhouse_code, .column,
  .message, .topic, .partition, .offset, .timestamp, .run, .group.
)";

constexpr std::string_view exit_codes_text = R"(Exit codes:
  0      did what was asked: caught up
  1      a failure that has no code of its own
  2      usage: bad flag, unknown command or pipeline
  3      finished, but some records were rejected (--rejects-ok makes it 0)
  4      status: a pipeline is stalled or failing, or a threshold is not met
  5      stopped by --max-duration, --max-rows or --max-bytes; progress is committed
  65     a record could not be decoded or inserted, and the policy is stop
  70     internal error: a bug
  74     a reject, log or summary file could not be written
  75     Kafka or ClickHouse unreachable or overloaded for longer than --retry-max-time; try again
  77     authentication, ACL or grant refused
  78     configuration invalid; topic, table or column missing; types do not fit
  130    interrupted by SIGINT after draining; 143 by SIGTERM. The same command goes on from there

With several pipelines the worst counts: 70, 78, 77, 65, 74, 75, 1, 143, 130, 4, 5, 3, 0. The code of
each pipeline is in the JSON.
)";

std::string flag_line(const Flag& flag) {
  std::string names = flag.short_name != 0 ? fmt::format("-{}, ", flag.short_name) : "    ";
  names += fmt::format("--{}", flag.name);
  if (!flag.value.empty()) names += fmt::format(" {}", flag.value);
  const std::string indent(flag_columns + 2, ' ');
  std::string out = fmt::format("  {:<{}}", names, flag_columns);
  if (names.size() + 2 > flag_columns) out = "  " + names + "\n" + indent;
  std::string line;
  std::string_view rest = flag.help;
  while (indent.size() + rest.size() > help_columns) {
    const size_t blank = rest.rfind(' ', help_columns - indent.size());
    line += fmt::format("{}\n{}", rest.substr(0, blank), indent);
    rest.remove_prefix(blank + 1);
  }
  return out + line + std::string(rest) + "\n";
}

/// The flags of a command, or of all commands (null), under their headings, in the table's order.
std::string flag_sections(const Command* command) {
  std::vector<std::string_view> sections;
  const auto applies = [&](const Flag& flag) {
    return flag.commands == everywhere ||
           (command != nullptr && (flag.commands & command->bit) != 0);
  };
  for (const Flag& flag : all_flags()) {
    const bool known = std::find(sections.begin(), sections.end(), flag.section) != sections.end();
    if (applies(flag) && !known) sections.push_back(flag.section);
  }
  std::string out;
  for (const std::string_view section : sections) {
    out += fmt::format("\n{}:\n", section);
    for (const Flag& flag : all_flags()) {
      if (applies(flag) && flag.section == section) out += flag_line(flag);
    }
  }
  return out;
}

}  // namespace

std::string help_text() {
  std::string out(overview_head);
  for (const Command& command : all_commands()) {
    out += fmt::format("  {:<9}  {}\n", command.name, command.summary);
  }
  return out + std::string(overview_examples) + flag_sections(nullptr) + std::string(overview_tail);
}

std::optional<std::string> help_text(std::string_view topic) {
  if (topic == "formats") return std::string(formats_text);
  if (topic == "errors") return errors_help();
  if (topic == "exit-codes") return std::string(exit_codes_text);
  const Command* command = find_command(topic);
  if (command == nullptr) return std::nullopt;
  if (command->help.empty()) return help_text();
  return std::string(command->help) + flag_sections(command) +
         "\nSee also: sluice help formats, sluice help exit-codes\n";
}

std::vector<std::string> help_topics() {
  std::vector<std::string> topics = command_names();
  for (const char* topic : {"formats", "exit-codes", "errors"}) topics.emplace_back(topic);
  return topics;
}

}  // namespace sluice::cli
