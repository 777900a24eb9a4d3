// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.hpp"

#include <algorithm>
#include <array>

#include "cli/cmd_backfill.hpp"
#include "cli/cmd_check.hpp"
#include "cli/cmd_completion.hpp"
#include "cli/cmd_init.hpp"
#include "cli/cmd_man.hpp"
#include "cli/cmd_rejects.hpp"
#include "cli/cmd_run.hpp"
#include "cli/cmd_status.hpp"
#include "cli/completion.hpp"
#include "cli/help.hpp"
#include "cli/manual.hpp"

namespace sluice::cli {
namespace {

constexpr std::string_view sync_help =
    R"(Copies topics up to their end as it is now, commits, and exits.

Usage: sluice sync [PIPELINE...] [FLAGS]

PIPELINE is a name, a glob, or tag:NAME; none means all that are enabled. With --topic there is one
pipeline and no configuration is needed. READ = INSERTED + REJECTED + SKIPPED, always.
)";

constexpr std::string_view sync_examples =
    R"(  sluice sync                   every pipeline of ./sluice.toml
  sluice sync orders 'web*'     some of them
  sluice sync tag:hourly -q     those with a tag; silent unless something is wrong
  sluice sync -b localhost:9092 --clickhouse http://localhost:8123 -t orders --table shop.orders
                                without a configuration
  sluice sync --max-duration 50m --if-running skip
                                from cron, once an hour
)";

constexpr std::string_view tail_help = R"(Copies topics and goes on until it is told to stop.

Usage: sluice tail [PIPELINE...] [FLAGS]

Starts at the group's committed offsets; a group without any at the pipeline's start (earliest;
--from end for new records only). SIGTERM and SIGINT finish what is in flight, commit and exit 0;
SIGHUP reads the configuration and secrets again and opens the log file anew.
)";

constexpr std::string_view tail_examples =
    R"(  sluice tail                   every pipeline of ./sluice.toml, until it is told to stop
  sluice tail orders --from end
                                new records only, where the group has no offsets
  sluice tail --metrics-listen 127.0.0.1:9464
                                with /metrics, /healthz, /readyz and /status
)";

constexpr std::string_view backfill_help =
    R"(Copies a past range of one pipeline's topic again. The live group is never touched.

Usage: sluice backfill PIPELINE --range RANGE [FLAGS]
       sluice backfill PIPELINE --from TIME [--to TIME] [FLAGS]
       sluice backfill PIPELINE --list

The range is fixed when it is first started, and kept with its progress in a consumer group of its
own: the same command typed again resumes it, on any machine; run at once by several processes it is
shared; and once it is done it says so. -n shows the plan. On a terminal it asks before it starts,
else it needs -y.

Rows of the range may be in the table already: with columns _partition and _offset that is known,
else it is not. --duplicates refuse stops when they are or may be there, allow inserts anyway,
replace deletes exactly those rows first.
)";

constexpr std::string_view backfill_examples =
    R"(  sluice backfill orders --range '@2024-05-01:2024-05-08' -n
                                what a week of May would be
  sluice backfill orders --from -24h --duplicates replace -y
                                the last day again, its rows deleted first
  sluice backfill orders --list
                                what was started, and how far it is
)";

constexpr std::string_view check_help =
    R"(Validates the configuration: all that is wrong with it is told at once. Moves nothing.

Usage: sluice check [PIPELINE...] [FLAGS]

With --online it also reads some of the newest records of each topic (no group is joined), asks
for the group, finds the table, makes sure that rows may be inserted, tries the records on it,
compares clocks, and says how rows go there: Native (encoded by sluice), Native with columns that
the server parses or whose DEFAULT it evaluates, or JSONEachRow (parsed by the server), and which
columns cause it. Exits with 0, 78 (configuration, table), 77 (a grant) or 75 (Kafka or ClickHouse
unreachable). -o json for scripts.
)";

constexpr std::string_view check_examples =
    R"(  sluice check                  of ./sluice.toml, without any network
  sluice check --online         with Kafka and ClickHouse, as a run would see them
  sluice check --show-origin    what is in force, and where each value comes from
)";

constexpr std::string_view rejects_help =
    R"(Lists rejected records, the newest last, or sends them through their pipelines again.

Usage: sluice rejects [PIPELINE...] [--since TIME] [--limit COUNT] [--raw]
       sluice rejects [PIPELINE...] --replay [--dry-run]
       sluice rejects -b BROKERS --reject-topic NAME [--group NAME]
       sluice rejects --reject-file FILE

TIME in the table is when the record was rejected; topic, partition and offset are where it was
first read. What was replayed is no longer listed, unless no group is known. --raw ends every
payload with a line break; for payloads that hold line breaks themselves use -o jsonl.

--replay reads a reject topic with the group GROUP.rejects, so that every record is replayed once,
and a reject file by renaming it to FILE.replaying. What is rejected again goes to the same place,
with its first topic, partition, offset and time. Only records that the pipeline's own group
rejected are replayed. Exit 0: all are in the table; 3: some were rejected again.
)";

constexpr std::string_view status_help =
    R"(Tells how far each pipeline is. Takes no part: it joins no group and changes nothing.

Usage: sluice status [PIPELINE...] [FLAGS]
       sluice status -b BROKERS -t TOPIC [--group NAME]
       sluice status --ask 127.0.0.1:9464 [PIPELINE...]
       sluice status --verify [RANGE] [PIPELINE...]

Nothing of sluice has to run: what it says comes from Kafka, and whether ClickHouse answers from
there. LAG is records between the group's committed offset and the end, BEHIND the age of the oldest
of them, RATE records a second while it looked, REJECTED what was written to the pipeline's reject
topic within 24 hours (with topics_regex: of all topics, in the line of the first). What is not
known is ? (JSON: null), never 0.

--verify proves from the columns _partition and _offset that each record that is committed is in the
table exactly once or among the rejects, and names what is missing and what is there twice (exit 4).

States: running, idle, catching_up (more than a batch behind), stalled (nothing inserted for minutes
although records wait), failing (and ClickHouse does not answer), stopped (no process reads as the
group), never_run. Exit 0: healthy; 4: stalled, failing, or a threshold is not met; 75, 77, 78: it
could not be found out.
)";

constexpr std::string_view status_examples =
    R"(  sluice status                 how far every pipeline is
  sluice status orders -p       each partition of one
  sluice status --max-lag 10000 --wait 5m
                                a gate for scripts: 4 when it is not so within 5 minutes
)";

constexpr std::string_view rejects_examples =
    R"(  sluice rejects orders         what was rejected, where it was, and why
  sluice rejects orders --since -24h -o json
                                the same of the last day, for a script
  sluice rejects orders --replay
                                again, after the table or the program was mended
)";

constexpr std::string_view init_help =
    R"(Proposes a configuration and a table for a topic, from a sample of its records.

Usage: sluice init -t TOPIC [--table DB.TABLE] [FLAGS]

Prints a configuration with the CREATE TABLE in its comments; --ddl-only prints the statement alone.
Types are those that ClickHouse infers, improved: LowCardinality where texts repeat, DateTime64 for
times, UUID, Nullable only where a null or a missing field was seen. No file is written, no group
joined; --create makes the table after it was shown.
)";

constexpr std::string_view init_examples =
    R"(  sluice init -b localhost:9092 --clickhouse http://localhost:8123 -t events > sluice.toml
                                a configuration to start with
  sluice init -t events --ddl-only
                                only the table, with the servers of ./sluice.toml
  sluice init -t events --table shop.events --create
                                makes the table, too
)";

constexpr std::string_view completion_help =
    R"(Prints the script that completes sluice's command lines in a shell.

Usage: sluice completion bash|zsh|fish
       sluice completion pipelines

The second form prints the names of the configuration's pipelines, one a line, and nothing when it
cannot be read: the scripts ask for them.
)";

constexpr std::string_view completion_examples =
    R"(  source <(sluice completion bash)
                                in ~/.bashrc
  sluice completion zsh > "${fpath[1]}/_sluice"
                                once, for zsh
  sluice completion fish > ~/.config/fish/completions/sluice.fish
                                once, for fish
)";

constexpr std::string_view man_help =
    R"(Opens a manual page, or prints it in roff when stdout is not a terminal.

Usage: sluice man [COMMAND|sluice.toml]
)";

constexpr std::string_view man_examples =
    R"(  sluice man                    sluice(1)
  sluice man sync               sluice-sync(1)
  sluice man sluice.toml        every key of the configuration
)";

std::vector<std::string> man_words() {
  std::vector<std::string> words;
  for (const ManualPage& page : manual_pages()) {
    if (!page.topic.empty()) words.push_back(page.topic);
  }
  return words;
}

constexpr std::array commands_table{
    Command{"sync", for_sync, "copy everything up to now, then exit", sync_help, true,
            run_sync_command, sync_examples},
    Command{"tail", for_tail, "keep copying until told to stop", tail_help, true, run_tail_command,
            tail_examples},
    Command{"backfill", for_backfill, "copy a past range again, beside the live group",
            backfill_help, true, run_backfill_command, backfill_examples},
    Command{"status", for_status, "lag, rate and health of each pipeline", status_help, true,
            run_status_command, status_examples},
    Command{"check", for_check, "validate the configuration (--online: and the tables)", check_help,
            true, run_check_command, check_examples},
    Command{"rejects", for_rejects, "list rejected records, or send them through again",
            rejects_help, true, run_rejects_command, rejects_examples},
    Command{"init", for_init, "write a starter configuration and a table for a topic", init_help,
            false, run_init_command, init_examples},
    Command{"completion", 0, "print a shell's completion script: bash, zsh, fish", completion_help,
            true, run_completion_command, completion_examples, completion_shells},
    Command{"man", 0, "open a manual page", man_help, true, run_man_command, man_examples,
            man_words},
    Command{"version", 0, "show the versions of sluice and its libraries", "", false, nullptr},
    Command{"help", 0, "show help on a command or a topic", "", true, nullptr, {}, help_words},
};

}  // namespace

std::span<const Command> all_commands() { return commands_table; }

const Command* find_command(std::string_view name) {
  const auto* const found =
      std::find_if(commands_table.begin(), commands_table.end(),
                   [&](const Command& command) { return command.name == name; });
  return found == commands_table.end() ? nullptr : found;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : commands_table) names.emplace_back(command.name);
  return names;
}

}  // namespace sluice::cli
