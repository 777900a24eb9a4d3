// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/settings.hpp"
#include "cli/table_reader.hpp"

/// The parts read_settings() is made of, one file each. Nothing else includes this.
namespace sluice::cli {

/// The last value of every flag as a table, so that flags are read as keys are.
[[nodiscard]] ConfigValue flags_as_table(const FlagValues& flags);

/// { file = "name" } and its like, as the configuration would say it.
[[nodiscard]] ConfigValue secret_reference(const std::string& kind, const std::string& name,
                                           const Origin& origin);

/// Lays flags and SLUICE_* variables that stand for keys of [kafka] over the configuration.
void overlay_kafka(const FlagValues& flags, const Environment& environment, ConfigValue& root,
                   std::vector<std::string>& warnings, Problems& problems);
void read_kafka(const ConfigValue& table, bool allow_unsafe, KafkaSettings& out,
                Problems& problems);

/// A sentence for each SLUICE_* variable that stands for no flag and looks like one that does.
[[nodiscard]] std::vector<std::string> variables_without_effect(const Environment& environment);

/// Reads an address to serve metrics on; "none" is none.
void read_metrics_listen(TableReader& reader, std::string_view key, OutputSettings& out,
                         Problems& problems);

/// What other programs' variables say (CLICKHOUSE_USER …): below everything of our own.
void underlay_clickhouse(const Environment& environment, ConfigValue& root);
void overlay_clickhouse(const FlagValues& flags, const Environment& environment, ConfigValue& root,
                        Problems& problems);
/// [clickhouse], or [destinations.NAME], which has the same keys; `path` names the table.
void read_clickhouse(const ConfigValue& table, const std::string& path, ClickHouseSettings& out,
                     Problems& problems);
/// Of a server that is used: what every run refuses is told by check, too.
void check_plaintext(const ClickHouseSettings& clickhouse, Problems& problems);

/// [defaults] and [pipelines] with the flags over them, or the one pipeline of --topic.
void read_pipelines(const Invocation& invocation, const ConfigValue& root, WallTime now,
                    Settings& out, Problems& problems);

/// The flags of `rejects`; times that were read are echoed in `run`.
void read_rejects(const FlagValues& flags, WallTime now, RejectsSettings& out, RunSettings& run,
                  Problems& problems);

void read_backfill(const FlagValues& flags, WallTime now, BackfillSettings& out, RunSettings& run,
                   Problems& problems);
void read_init(const FlagValues& flags, InitSettings& out, Problems& problems);

/// Where lock files go: $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/sluice, /run/lock.
[[nodiscard]] std::string lock_folder(const Environment& environment);

void read_run(const Invocation& invocation, WallTime now, RunSettings& out, Problems& problems);

/// earliest, end, table, or a time; nothing when it is none of these.
[[nodiscard]] std::optional<StartAt> parse_start(const std::string& text, WallTime now);

/// "KEY=VALUE" of a repeatable flag; a problem, and nothing, without the '='.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> split_assignment(
    const Setting<std::string>& given, std::string_view example, Problems& problems);

/// Refuses a secret that was typed on the command line, where every user of the machine sees it.
void refuse_secret_on_argv(const Origin& origin, std::string_view what, std::string hint,
                           Problems& problems);

}  // namespace sluice::cli
