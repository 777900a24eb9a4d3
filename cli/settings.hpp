// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/backfill_range.hpp"
#include "cli/config_file.hpp"
#include "cli/environment.hpp"
#include "cli/flags.hpp"
#include "cli/listen_address.hpp"
#include "cli/origin.hpp"
#include "cli/problem.hpp"
#include "cli/secret.hpp"
#include "core/clickhouse/sink.hpp"
#include "core/pipeline/pipeline.hpp"

/// Everything a run is told: flags, then SLUICE_* environment, then files, then defaults, resolved
/// once into one Settings in which every value knows where it came from. No other part of the
/// program reads flags, the environment or configuration files.
namespace sluice::cli {

/// A librdkafka property: plain, or a reference to a secret.
struct KafkaProperty {
  std::string key;
  std::string value;  ///< unless `secret` is given
  SecretReference secret;
  Origin origin;
};

struct KafkaSettings {
  Setting<std::string> brokers;
  /// In the order to hand over: client_id and [kafka.security] first, then passthrough, so that
  /// the passthrough wins.
  std::vector<KafkaProperty> properties;
  Setting<bool> allow_unsafe_properties;
  Setting<bool> allow_plaintext_auth;
  Setting<bool> verify_tls{true, {}};
};

struct ClickHouseSettings {
  Setting<std::vector<std::string>> urls;  ///< tried in order
  Setting<std::string> database{"default", {}};
  Setting<std::string> user{"default", {}};
  SecretReference password;
  Setting<clickhouse::Compression> compression{clickhouse::Compression::automatic, {}};
  Setting<Milliseconds> timeout{Milliseconds(120'000), {}};
  Setting<std::string> ca_file;
  Setting<std::string> proxy;  ///< of the environment: for https only, and not for NO_PROXY's hosts
  Setting<bool> verify_tls{true, {}};
  Setting<bool> allow_plaintext_auth;
  Setting<std::string> cluster;  ///< snapshots create and swap their tables ON CLUSTER
  std::vector<std::pair<std::string, Setting<std::string>>> settings;
};

struct RejectSettings {
  Setting<std::string> topic;
  Setting<std::string> file;
  Setting<uint64_t> max;  ///< 0: no limit

  [[nodiscard]] bool given() const { return !topic.value.empty() || !file.value.empty(); }
  /// "topic:orders.rejects", "file:/var/lib/…", or nothing.
  [[nodiscard]] std::string describe() const;
  bool operator==(const RejectSettings&) const = default;
};

/// What a sync of a pipeline reads: from the cursor on, or everything.
enum class Mode : uint8_t { incremental, full };

/// What happens to the rows that are there. Of Mode::full: append adds a stamped snapshot beside
/// the earlier ones; overwrite_delete_stale, of that mode alone, loads a table that then takes the
/// place of the old one.
enum class Write : uint8_t { append, overwrite, overwrite_delete_stale };

/// A run over a fixed range instead of the cursor, for a backfill or a snapshot.
struct RangeRun {
  std::map<PartitionId, OffsetRange> fixed;
  std::string asked;
  std::optional<TimeRange> timestamps;
  std::optional<uint64_t> rows_per_second_max;
  /// Of a snapshot: its table deduplicates, whatever the pipeline promises for its own.
  std::optional<ExactlyOnce> exactly_once;
  bool operator==(const RangeRun&) const = default;
};

enum class DeliveryLevel : uint8_t { at_least_once, exactly_once };

struct PipelineSettings {
  std::string name;
  Origin origin;                           ///< of the pipeline's table in a file, or of --topic
  Setting<std::vector<std::string>> tags;  ///< words to select it by
  Setting<bool> disabled;
  Setting<std::string> topic;
  /// Instead of `topic`: many topics into one table, each read by a pipeline of its own
  /// (topic_pattern.hpp).
  Setting<std::string> topics_regex;
  Setting<std::string> table;  ///< "db.table", the database filled in
  Setting<std::string> group;
  Setting<StartAt> start;
  Setting<Mode> mode{Mode::incremental, {}};
  Setting<Write> write{Write::append, {}};
  std::optional<RangeRun> range;  ///< set by the commands that read one
  /// The pipeline's own group, by which its rejects are told apart, where `group` is another: of a
  /// range, or of one topic of several.
  std::string live_group;
  Setting<DeliveryLevel> delivery{DeliveryLevel::at_least_once, {}};
  Setting<OnError> on_error{OnError::stop, {}};
  Setting<OnGap> on_gap{OnGap::stop, {}};
  RejectSettings reject;
  /// Set for `rejects --replay`: the group whose rejects are read, instead of `topic`. `group` is
  /// then the replay's own.
  std::string replayed_group;
  Setting<uint64_t> batch_rows{250'000, {}};
  Setting<uint64_t> batch_bytes{64ull << 20, {}};
  Setting<Milliseconds> batch_age{Milliseconds(1000), {}};
  Setting<uint64_t> senders{2, {}};
  Setting<uint64_t> record_bytes_max{16ull << 20, {}};
  Setting<RecordFormat> format{RecordFormat::json, {}};
  Setting<UnknownFields> unknown_fields{UnknownFields::ignore, {}};
  Setting<Nulls> nulls{Nulls::column_default, {}};
  ColumnOptions columns;  ///< map, columns, unknown_fields = { into }, overwriting by key
  Setting<std::string> destination;  ///< a name of [destinations]; empty: [clickhouse]

  [[nodiscard]] std::string database() const;
  [[nodiscard]] std::string table_name() const;
  bool operator==(const PipelineSettings&) const = default;
};

/// What a sync does about a pipeline that another sync of this machine has at hand.
enum class IfRunning : uint8_t { fail, skip, wait };

/// What holds for the run as a whole.
struct RunSettings {
  bool continuous = false;  ///< tail
  Setting<uint64_t> memory{256ull << 20, {}};
  Setting<Milliseconds> retry_time_max{Milliseconds(300'000), {}};
  Setting<Milliseconds> drain_timeout{Milliseconds(30'000), {}};
  Setting<Milliseconds> stall_timeout{Milliseconds(120'000), {}};
  std::optional<Milliseconds> idle_max;  ///< --exit-on-idle
  std::optional<Milliseconds> duration_max;
  std::optional<uint64_t> rows_max;
  std::optional<uint64_t> bytes_max;
  std::optional<WallTime> until;
  bool start_is_explicit = false;
  std::optional<StartAt> reset_to;  ///< where the groups are moved before anything is read
  bool rejects_ok = false;
  bool fail_fast = false;
  std::vector<Decision> decisions;
  bool dry_run = false;   ///< of full loads: say what they would do
  bool keep_old = false;  ///< this and what follows: of a snapshot (SnapshotOptions)
  bool allow_empty = false;
  bool allow_shrink = false;
  bool allow_views = false;
  /// Nothing: others are let run beside it, as every command but sync does.
  std::optional<IfRunning> if_running;
  std::string lock_folder;
  bool stats = false;
  int no_data_exit_code = 0;
  std::vector<std::string> times_read;  ///< "--until 2026-11-21 is 2026-11-21T00:00:00Z"
  bool operator==(const RunSettings&) const = default;
};

enum class OutputFormat : uint8_t { text, json, jsonl, tsv, prometheus };
[[nodiscard]] constexpr bool is_json(OutputFormat format) {
  return format == OutputFormat::json || format == OutputFormat::jsonl;
}

enum class ProgressMode : uint8_t { automatic, bar, line, json, none };
enum class ColorMode : uint8_t { automatic, always, never };
enum class LogFormat : uint8_t { automatic, text, json };

struct OutputSettings {
  bool yes = false;       ///< answers every question
  bool no_input = false;  ///< nobody is asked
  OutputFormat format = OutputFormat::text;
  ProgressMode progress = ProgressMode::automatic;
  std::optional<Milliseconds> progress_interval;
  std::vector<std::string> summary_files;
  Setting<ColorMode> color{ColorMode::automatic, {}};
  LogFormat log_format = LogFormat::automatic;
  std::string log_file;
  std::optional<ListenAddress> metrics_listen;
  bool quiet = false;
  int verbosity = 0;  ///< 0 … 3
  bool annotations = false;
};

/// What `rejects` is asked for.
struct RejectsSettings {
  std::optional<WallTime> since;
  Setting<uint64_t> limit{100, {}};
  bool raw = false;
  bool replay = false;
  bool dry_run = false;
};

enum class Duplicates : uint8_t { refuse, allow, replace };

/// What `backfill` is asked for.
struct BackfillSettings {
  std::optional<AskedRange> range;
  std::set<PartitionId> partitions;  ///< empty: all
  std::string into;                  ///< "db.table"; empty: the pipeline's
  std::optional<uint64_t> rows_per_second_max;
  Duplicates duplicates = Duplicates::refuse;
  bool strict_time = false;
  bool allow_partial = false;
  bool list = false;
  bool again = false;
  bool dry_run = false;
  std::string forget;  ///< id
};

/// What `status` is asked for.
struct StatusSettings {
  bool partitions = false;
  std::optional<uint64_t> lag_max;
  std::optional<uint64_t> lag_seconds_max;
  std::optional<Milliseconds> age_max;  ///< of the last insert
  std::optional<uint64_t> rejects_max;  ///< within 24 hours
  std::optional<AskedRange> verify;
  std::optional<Milliseconds> wait;
  std::optional<Milliseconds> watch;
  Setting<Milliseconds> timeout{Milliseconds(10'000), {}};
  std::string ask;  ///< URL or socket of a running tail; empty: Kafka and ClickHouse are asked
};

/// What `init` is asked for.
struct InitSettings {
  Setting<uint64_t> sample{1000, {}};
  bool ddl_only = false;
  bool create = false;
};

struct Settings {
  KafkaSettings kafka;
  ClickHouseSettings clickhouse;
  std::map<std::string, ClickHouseSettings> destinations;  ///< by name
  std::vector<PipelineSettings> pipelines;                 ///< of this run, enabled ones only
  RunSettings run;
  RejectsSettings rejects;
  BackfillSettings backfill;
  StatusSettings status;
  InitSettings init;
  OutputSettings output;
  std::vector<std::string> config_files;  ///< in use
  std::vector<std::string> warnings;

  /// The servers of [clickhouse] (`destination` is empty) or of a destination.
  [[nodiscard]] const ClickHouseSettings& servers_of(const std::string& destination) const {
    return destination.empty() ? clickhouse : destinations.at(destination);
  }
  /// Destinations of this run's pipelines, "" for [clickhouse].
  [[nodiscard]] std::set<std::string> destinations_used() const;
};

/// "earliest", "end", "table", or the time: the inverse of how `start` is written.
[[nodiscard]] std::string start_word(const StartAt& start);

/// Where the machine keeps its configuration; a test has its own.
inline constexpr const char* system_config_folder = "/etc/sluice";

/// How and where to show things. Needed first, and apart from the rest, so that even a broken
/// configuration is reported in the format that was asked for.
[[nodiscard]] OutputSettings read_output_settings(const FlagValues& flags,
                                                  const Environment& environment,
                                                  Problems& problems);

/// The flags of `status`, which with --ask needs no configuration.
[[nodiscard]] StatusSettings read_status_settings(const FlagValues& flags, OutputFormat format,
                                                  Problems& problems);

/// Names of the pipelines in the configuration, in its order; what cannot be read has none. Fast,
/// and standard input is left alone: shells ask it while a line is typed.
[[nodiscard]] std::vector<std::string> configured_pipelines(const FlagValues& flags,
                                                            const Environment& environment,
                                                            const std::string& system_folder);

/// Reads everything. What is wrong is in `problems`, all of it; then the result must not be used.
/// `flags` must already have what the environment says (add_environment_flags).
[[nodiscard]] Settings read_settings(const Invocation& invocation, const Environment& environment,
                                     const std::string& system_folder, WallTime now,
                                     Problems& problems);

}  // namespace sluice::cli
