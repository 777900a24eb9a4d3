// SPDX-License-Identifier: Apache-2.0
#include "cli/flags.hpp"

#include <array>

#include "core/base/text.hpp"

namespace sluice::cli {
namespace {

constexpr std::string_view where = "Where to read and write";
constexpr std::string_view shown = "What is shown";
constexpr std::string_view other = "Other";
constexpr std::string_view adhoc = "One pipeline without a configuration";
constexpr std::string_view range = "What is read";
constexpr std::string_view batches = "Batches";
constexpr std::string_view checked = "What is checked";
constexpr std::string_view sampled = "What is made";
constexpr std::string_view listed = "What is listed";
constexpr std::string_view again = "Replay and plan";
constexpr std::string_view snapshot = "Snapshots";
constexpr std::string_view errors = "Rejects, retries and limits";

constexpr std::string_view healthy = "When it is healthy (else exit 4)";

constexpr CommandSet runs_or_replays = for_runs | for_rejects;
constexpr CommandSet reads_pipelines = runs_or_replays | for_status;

constexpr auto flags_table = std::to_array<Flag>({
    {"topic", 't', "NAME", "topic to read; needs --table (not for status)",
     reads_pipelines | for_init, adhoc},
    {"table", 0, "DB.TABLE", "table to write", reads_pipelines | for_init, adhoc},
    {"format", 0, "json|raw", "json (default), or raw: the whole value into the only String column",
     runs_or_replays, adhoc},
    {"group", 0, "NAME", "consumer group (default: sluice-TOPIC)", reads_pipelines, adhoc},
    {"reject-topic", 0, "NAME", "topic that rejected records go to", reads_pipelines, adhoc},
    {"reject-file", 0, "FILE", "JSON lines file that rejected records go to", reads_pipelines,
     adhoc},

    {"range", 0, "RANGE", "@TIME:TIME, @-24h:end, OFFSET:OFFSET or start:end, the end not in it",
     for_backfill, range},
    {"from", 0, "WHERE",
     "start of a group without offsets: earliest, end, table or a time; backfill: of the range",
     for_runs, range},
    {"reset-to", 0, "WHERE",
     "move the groups first, once you agree: earliest, end, table or a time", for_sync | for_tail,
     range, false},
    {"to", 0, "WHERE", "end of the range: end or a time", for_backfill, range},
    {"partitions", 0, "LIST", "only these, like 0,3-5", for_backfill, range},
    {"strict-time", 0, "", "skip records of the range whose own timestamp lies outside",
     for_backfill, range},
    {"allow-partial", 0, "", "go on when the start of the range was deleted already", for_backfill,
     range},
    {"into", 0, "DB.TABLE", "another table than the pipeline's", for_backfill, range},
    {"duplicates", 0, "refuse|allow|replace",
     "what to do when rows of the range may be in the table already (default refuse)", for_backfill,
     range},
    {"rate", 0, "COUNT", "records a second at most", for_backfill, range},
    {"list", 0, "", "list the backfills of the pipeline", for_backfill, listed, false},
    {"forget", 0, "ID", "forget one, so that its range may be loaded anew", for_backfill, listed,
     false},
    {"again", 0, "", "load the range anew though that was done", for_backfill, listed, false},
    {"until", 0, "WHEN", "start (default): the end as it is when the run starts; or a time",
     for_sync, range},
    {"max-duration", 0, "DURATION", "stop after this long (exit 5)", for_runs, range},
    {"max-rows", 0, "COUNT", "stop after so many records of a pipeline (exit 5)", for_sync, range},
    {"max-bytes", 0, "SIZE", "stop after so many bytes of a pipeline (exit 5)", for_runs, range},

    {"full", 0, "", "replace each table by a fresh snapshot of its whole topic", for_sync,
     snapshot},
    {"keep-old", 0, "", "keep the replaced table as TABLE__sluice_old", for_sync, snapshot},
    {"allow-empty", 0, "", "also take a snapshot without rows", for_sync, snapshot},
    {"allow-shrink", 0, "", "also by one of fewer than half the rows", for_sync, snapshot},
    {"allow-views", 0, "", "also where views or dictionaries hang on it, which see nothing of it",
     for_sync, snapshot},
    {"dry-run", 'n', "", "say what a full load would do, and do nothing", for_sync, snapshot,
     false},

    {"batch-rows", 0, "COUNT", "rows of a batch at most (default 250k)", for_runs, batches},
    {"batch-bytes", 0, "SIZE", "bytes of a batch at most (default 64MiB)", for_runs, batches},
    {"batch-age", 0, "DURATION", "age of a batch at most (default 1s)", for_runs, batches},
    {"senders", 'j', "COUNT", "parallel INSERTs of a pipeline (default 2)", for_runs, batches},

    {"on-error", 0, "stop|reject", "what a record that does not fit does to its pipeline", for_runs,
     errors},
    {"rejects-ok", 0, "", "exit 0 instead of 3 when records were rejected", runs_or_replays,
     errors},
    {"retry-max-time", 0, "DURATION",
     "give up after this long, exit 75 (0: never; default 5m, tail: 0)", runs_or_replays, errors},
    {"fail-fast", 0, "", "the first pipeline that fails stops the others, drained", for_runs,
     errors},
    {"no-data-exit-code", 0, "CODE", "exit with this instead of 0 when nothing was there", for_sync,
     errors},
    {"if-running", 0, "fail|skip|wait",
     "when a sync of the pipeline runs already on this machine: exit 75 (default), pass it over "
     "with a warning, or wait",
     for_sync, errors},
    {"on-gap", 0, "stop|continue", "what to do when offsets are gone before they were read",
     for_runs, errors},
    {"resolve", 0, "resend|skip",
     "exactly-once: what to do with the batch that halted a partition, with :TOPIC:PARTITION "
     "behind "
     "it as the halt's message says; repeatable",
     for_runs, errors},
    {"exit-on-idle", 0, "DURATION", "exit 0 after so long with everything read and committed",
     for_tail, range},
    {"drain-timeout", 0, "DURATION", "time to finish after a signal (default 30s)", for_runs,
     errors},
    {"stall-timeout", 0, "DURATION",
     "a partition that stands still for so long is read anew (default 2m)", for_runs, errors},
    {"stats", 0, "", "time and bytes by stage at the end (stderr)", for_runs, shown},
    {"annotations", 0, "github|none", "workflow annotations (default: on in GitHub Actions)",
     for_runs, shown},

    {"online", 0, "", "also ask ClickHouse: tables, grants, and how rows go into them", for_check,
     checked, false},

    {"strict", 0, "", "warnings are errors (exit 78)", for_check, checked, false},
    {"show", 0, "", "print the configuration in force instead; secrets stay references", for_check,
     checked, false},
    {"show-origin", 0, "", "the same, and where each value comes from", for_check, checked, false},
    {"report", 0, "", "print what a bug report needs instead", for_check, checked, false},

    {"sample", 0, "COUNT", "look at so many of the newest records (default 1000)", for_init,
     sampled, false},
    {"ddl-only", 0, "", "print only the CREATE TABLE", for_init, sampled, false},
    {"create", 0, "", "create the table, too, after it was shown", for_init, sampled, false},

    {"since", 0, "TIME", "only records rejected at that time or later", for_rejects, listed, false},
    {"limit", 0, "COUNT", "the newest so many (default 100)", for_rejects, listed, false},
    {"raw", 0, "", "only the payloads, as they are, one a line", for_rejects, listed, false},
    {"replay", 0, "", "send all of them through the pipeline again", for_rejects, again, false},
    {"dry-run", 'n', "", "say what would be done", for_rejects | for_backfill, again, false},

    {"max-lag", 0, "COUNT", "records that may wait", for_status, healthy, false},
    {"max-lag-seconds", 0, "COUNT", "age of the oldest waiting record", for_status, healthy, false},
    {"max-age", 0, "DURATION", "time since the last insert", for_status, healthy, false},
    {"max-rejects", 0, "COUNT", "records rejected within 24 hours", for_status, healthy, false},
    {"wait", 0, "DURATION", "wait at most so long until it is healthy", for_status, healthy, false},
    {"partitions", 'p', "", "a row for each partition", for_status, shown, false},
    {"watch", 'w', "[DURATION]", "look again and again, so long apart (default 2s)", for_status,
     shown, false},
    {"verify", 0, "[RANGE]",
     "prove that each committed record of the range (default all) is in the table once", for_status,
     checked, false},
    {"timeout", 0, "DURATION", "one look takes no longer, whatever hangs (default 10s)", for_status,
     shown},
    {"ask", 0, "URL|SOCKET", "ask a running tail (--metrics-listen) instead of Kafka", for_status,
     where},

    {"config", 'c', "FILE", "configuration file; - is standard input, none is no file; repeatable",
     everywhere, where},
    {"brokers", 'b', "LIST", "Kafka brokers, host:port,host:port", everywhere, where},
    {"kafka", 'X', "KEY=VALUE", "librdkafka property; '-X list' prints all; repeatable", everywhere,
     where, false},
    {"clickhouse", 0, "URL", "http[s]://host:port/database", everywhere, where},
    {"clickhouse-user", 0, "NAME", "user (default: default)", everywhere, where},
    {"clickhouse-password-file", 0, "FILE", "file that holds the password; - is standard input",
     everywhere, where},
    {"setting", 0, "KEY=VALUE", "ClickHouse setting of every INSERT; repeatable", everywhere, where,
     false},
    {"memory", 0, "SIZE", "all buffers of the process (default 256MiB)", everywhere, where},

    {"output", 'o', "text|json|jsonl", "form of the result on stdout; status also tsv, prometheus",
     everywhere, shown},
    {"progress", 0, "auto|bar|line|json|none", "on stderr (default auto)", everywhere, shown},
    {"progress-interval", 0, "DURATION", "time between two (default 200ms for bar, else 30s)",
     everywhere, shown},
    {"summary-file", 0, "FILE", "also write the result: .json, .prom or .md; repeatable",
     runs_or_replays, shown},
    {"color", 0, "auto|always|never", "colours (default auto)", everywhere, shown},
    {"quiet", 'q', "", "errors only", everywhere, shown},
    {"verbose", 'v', "", "more: -v every insert, -vv librdkafka too", everywhere, shown, false},
    {"log-format", 0, "auto|text|json", "form of the log (default auto)", everywhere, shown},
    {"log-file", 0, "FILE", "log there instead of stderr; opened again on SIGHUP", everywhere,
     shown},
    {"metrics-listen", 0, "ADDRESS",
     "serve /metrics, /healthz, /readyz and /status: HOST:PORT, unix:PATH, or none",
     for_sync | for_tail, shown},

    {"no-input", 0, "", "never read from a terminal", everywhere, other},
    {"yes", 'y', "", "answer yes to every question", everywhere, other, false},
    {"help", 'h', "", "show help", everywhere, other, false},
    {"version", 'V', "", "show the version", everywhere, other, false},
});

bool is_any(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (text == word) return true;
  }
  return false;
}

void add_switch(const Flag& flag, const std::string& variable, const std::string& value,
                FlagValues& flags, Problems& problems) {
  const std::string word = lower(value);
  const Origin origin = Origin::environment(variable);
  if (is_any(word, {"1", "true", "yes", "on"})) {
    flags.add(flag.name, "true", origin);
  } else if (!is_any(word, {"0", "false", "no", "off"})) {
    problems.add(origin, "'" + value + "' is neither true nor false", "write it as 1 or 0");
  }
}

void add_verbosity(const Environment& environment, FlagValues& flags, Problems& problems) {
  const auto value = environment.get("SLUICE_VERBOSE");
  if (!value || flags.has("verbose") || flags.has("quiet")) return;
  const Origin origin = Origin::environment("SLUICE_VERBOSE");
  if (!is_any(*value, {"0", "1", "2", "3"})) {
    problems.add(origin, "'" + *value + "' is not a verbosity", "write 0, 1, 2 or 3");
    return;
  }
  for (int count = 0; count < value->front() - '0'; ++count) flags.add("verbose", "true", origin);
}

}  // namespace

std::span<const Flag> all_flags() { return flags_table; }

void FlagValues::add(std::string_view flag, std::string value, Origin origin) {
  values_[std::string(flag)].push_back({std::move(value), std::move(origin)});
}

std::optional<Setting<std::string>> FlagValues::last(std::string_view flag) const {
  const auto& values = all(flag);
  if (values.empty()) return std::nullopt;
  return values.back();
}

const std::vector<Setting<std::string>>& FlagValues::all(std::string_view flag) const {
  static const std::vector<Setting<std::string>> none;
  const auto found = values_.find(flag);
  return found == values_.end() ? none : found->second;
}

void add_environment_flags(const Environment& environment, CommandSet command, FlagValues& flags,
                           Problems& problems) {
  // A check is of what runs would do.
  if (command == for_check) command |= for_sync | for_tail;
  for (const Flag& flag : all_flags()) {
    const bool applies = flag.commands == everywhere || (flag.commands & command) != 0;
    if (!applies || !flag.in_environment || flags.has(flag.name)) continue;
    const std::string variable = flag_variable(flag.name);
    const auto value = environment.get(variable);
    if (!value) continue;
    if (flag.value.empty()) {
      add_switch(flag, variable, *value, flags, problems);
    } else {
      flags.add(flag.name, *value, Origin::environment(variable));
    }
  }
  add_verbosity(environment, flags, problems);
}

}  // namespace sluice::cli
