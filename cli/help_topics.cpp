// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "cli/config_keys.hpp"
#include "cli/help.hpp"

namespace sluice::cli {
namespace {

// Lines of two blanks, a term, two blanks and a text are a list: the manual sets them as one.

constexpr std::string_view formats_text =
    R"(Units:

  duration  500ms, 30s, 10m, 2h, 1d, 1h30m
  size      64MiB (binary), 1GB (SI), 512 (bytes)
  count     250000, 1_000_000, 250k, 1M
  time      2026-11-21, 2026-11-21T02:00:04Z, 2026-11-21T03:00+01:00 (UTC unless it says more),
            1795226404 (seconds), 1795226404112 (milliseconds), -24h, now

Results on stdout (-o):

  text      a table
  json      one document, {"type":"summary",...}; after a failure it has slug, message, fix and
            pipeline too. A failure before the run begins: {"type":"exit_error",...}
  status     {"type":"status",...} in both JSON formats; tsv: columns for awk, their names first;
             prometheus: metrics for a textfile collector. null and ? are what is not known
  jsonl     start, progress, warning, reject, then summary; after a failure exit_error comes last

Offsets are half-open: [from,to) holds from and does not hold to. "to" is where this run got,
"end" what it aimed at, "committed" what the group has, "lag" is end - committed. read = inserted
+ rejected + skipped, in every pipeline and in the totals.

Offsets that were gone before they were read and were passed over (on_gap = "continue") are no
part of read: "lost" counts them, in every pipeline and in the totals, and "gaps" of a partition
names their ranges. A sync that passed some over exits with 1; a tail that a signal ends exits
with 0 and has warned of each.

Summary files (--summary-file):

  .json     the document of -o json, one line appended for each run
  .prom     metrics for node_exporter's textfile collector, replaced atomically
  .md       a section appended for each run

Reject files (--reject-file, reject = { file = ... }) are JSON lines: rejected_at, run, group,
topic, partition, offset, timestamp, reason, code, column, message, key, value, headers. Bytes
that are not UTF-8 stand in key_base64, value_base64.

Reject topics (--reject-topic, reject = { topic = ... }) get the record as it was; behind its own
headers come sluice.error.code (why), .clickhouse_code, .column, .message, .topic, .partition,
.offset, .timestamp, .run, .group.
)";

constexpr std::string_view exit_codes_text =
    R"(Exit codes:

  0         did what was asked: caught up; tail: stopped by a signal, drained
  1         offsets were gone before they were read (also when on_gap = "continue" passed them
            over), or a failure that has no code of its own
  2         usage: bad flag, unknown command or pipeline
  3         finished, but some records were rejected (--rejects-ok makes it 0)
  4         status: a pipeline is stalled or failing, or a threshold is not met
  5         stopped by --max-duration, --max-rows, --max-bytes, or --fail-fast because of another
            pipeline; progress is committed
  65        a record could not be decoded or inserted, and the policy is stop
  70        internal error: a bug
  74        a reject, log or summary file could not be written
  75        Kafka or ClickHouse unreachable or overloaded for longer than --retry-max-time (at the
            start 10 to 30 s, unless it is given), or the pipeline runs already (--if-running
            fail); try again
  77        authentication, ACL or grant refused
  78        configuration invalid; topic, table or column missing; types do not fit
  130, 143  interrupted by SIGINT, by SIGTERM or SIGHUP after draining; the same command goes on
            from there

With several pipelines the worst counts: 70, 78, 77, 65, 74, 75, 1, 143, 130, 4, 5, 3, 0. The code
of each pipeline is in the JSON. A tail that a signal ends exits with 0, also when it passed over
lost offsets: each was a warning, and they are counted in its result and in the metrics.
)";

constexpr std::string_view environment_text =
    R"(Every flag has a variable: --batch-rows is SLUICE_BATCH_ROWS. Flags beat variables, variables beat
the configuration. An empty variable counts as unset. Flags that ask something, such as --online,
--replay or --yes, have none.

  SLUICE_CONFIG               the configuration file; none is no file
  SLUICE_VERBOSE              0 to 3, as -v so many times
  SLUICE_KAFKA_PROPERTY       a librdkafka property: SLUICE_KAFKA_SOCKET_TIMEOUT_MS is
                              socket.timeout.ms
  SLUICE_KAFKA_SASL_PASSWORD  the password for Kafka; SLUICE_KAFKA_SASL_PASSWORD_FILE the file that
                              holds it
  SLUICE_CLICKHOUSE_PASSWORD  the password for ClickHouse; better
                              SLUICE_CLICKHOUSE_PASSWORD_FILE, the file that holds it

Variables of others, below all of our own:

  CLICKHOUSE_HOST, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD
                              as for clickhouse-client
  NO_COLOR, CLICOLOR_FORCE, FORCE_COLOR
                              no colour, colour; --color and SLUICE_COLOR beat them
  TERM, COLUMNS, LANG         what the terminal can show
  CI                          no progress bar, also on a terminal
  GITHUB_ACTIONS              --annotations github; a summary goes to GITHUB_STEP_SUMMARY
  HTTPS_PROXY, NO_PROXY       for ClickHouse
  XDG_CONFIG_HOME, HOME       where the configuration is looked for
  RUNTIME_DIRECTORY, XDG_RUNTIME_DIR
                              where lock files go
  CREDENTIALS_DIRECTORY       secrets from systemd: { credential = "name" }
  NOTIFY_SOCKET, WATCHDOG_USEC
                              systemd is told how a tail is
)";

constexpr std::string_view config_text =
    R"(The configuration is TOML, or JSON with the same keys when it is named .json. The first of these
is read:

  --config FILE              or SLUICE_CONFIG; several are laid over each other, none is no file
  ./sluice.toml              of the working directory
  $XDG_CONFIG_HOME/sluice/sluice.toml
                             or ~/.config/sluice/sluice.toml
  /etc/sluice/sluice.toml    and /etc/sluice/conf.d/*.toml over it, in the order of their names

Unknown keys are errors, and all errors are told at once. [defaults] takes any key of a pipeline.
'sluice check' validates, 'sluice check --show' prints what is in force, with --show-origin also
where each value comes from. Editors check the file with share/sluice/sluice.schema.json, a JSON
Schema that taplo and VS Code know how to use.

Secrets are never written out. Where one is needed there is a reference to it:

  { file = "/run/secrets/x" }  the content of a file
  { env = "NAME" }             an environment variable
  { credential = "name" }      systemd's LoadCredential=
  { command = ["vault", "read", "-field=pw", "kv/kafka"] }
                               what a program prints; no shell

An example:

  [kafka]
  brokers = ["localhost:9092"]

  [clickhouse]
  url = "http://localhost:8123"

  [pipelines.orders]
  topic = "orders"
  table = "shop.orders"
)";

std::string formats_help() { return std::string(formats_text); }
std::string exit_codes_help() { return std::string(exit_codes_text); }
std::string environment_help() { return std::string(environment_text); }

std::string config_help() {
  std::string out(config_text);
  std::string_view table = "-";
  for (const ConfigKey& key : all_config_keys()) {
    if (key.table != table) {
      table = key.table;
      out += table.empty() ? "\nAt the top level:\n\n" : fmt::format("\n[{}]\n\n", table);
    }
    out += fmt::format("  {:<28}  {}\n", key.key, key.value);
  }
  return out + "\nWhat each of them means: sluice man sluice.toml\n";
}

constexpr std::array topics_table{
    HelpTopic{"config", "the configuration file and its keys", config_help},
    HelpTopic{"environment", "variables that are honoured", environment_help},
    HelpTopic{"exit-codes", "what each exit code means", exit_codes_help},
    HelpTopic{"formats", "units, results in JSON, summary and reject files", formats_help},
    HelpTopic{"errors", "what is done about every error of ClickHouse, HTTP and Kafka",
              errors_help},
};

}  // namespace

std::span<const HelpTopic> all_help_topics() { return topics_table; }

}  // namespace sluice::cli
