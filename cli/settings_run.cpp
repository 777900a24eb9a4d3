// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "cli/settings_parts.hpp"
#include "cli/text.hpp"
#include "cli/units.hpp"

namespace sluice::cli {
namespace {

constexpr uint64_t memory_min = 16ull << 20;

void read_limits(TableReader& reader, RunSettings& out, Problems& problems) {
  constexpr uint64_t unlimited = UINT64_MAX;
  Setting<Milliseconds> duration;
  Setting<uint64_t> rows;
  Setting<uint64_t> bytes;
  reader.duration("max-duration", duration);
  reader.count("max-rows", 1, unlimited, rows);
  reader.size("max-bytes", 1, bytes);
  const auto given = [](const auto& setting) {
    return setting.origin.kind != Origin::Kind::built_in;
  };
  if (given(duration)) out.duration_max = duration.value;
  if (out.duration_max == Milliseconds{0}) {
    problems.add(duration.origin, "must be longer than nothing", "leave it out for no limit");
  }
  if (given(rows)) out.rows_max = rows.value;
  if (given(bytes)) out.bytes_max = bytes.value;
}

/// People leave the zone out and mean their own: say which moment was understood.
void echo_time(std::string_view flag, const std::string& text, WallTime time, RunSettings& out) {
  out.times_read.push_back(
      fmt::format("{} {} is {}", flag, escape_control(text, 64), utc_seconds(time)));
}

void read_until(const FlagValues& flags, WallTime now, RunSettings& out, Problems& problems) {
  const auto until = flags.last("until");
  if (!until || until->value == "start") return;
  out.until = parse_time(until->value, now);
  if (out.until) return echo_time("--until", until->value, *out.until, out);
  problems.add(until->origin,
               fmt::format("'{}' is neither start nor a time", escape_control(until->value, 64)),
               std::string(time_example));
}

}  // namespace

std::optional<StartAt> parse_start(const std::string& text, WallTime now) {
  if (text == "earliest") return StartAt{StartAt::Kind::earliest, {}};
  if (text == "end") return StartAt{StartAt::Kind::end, {}};
  if (text == "table") return StartAt{StartAt::Kind::table, {}};
  const auto time = parse_time(text, now);
  if (!time) return std::nullopt;
  return StartAt{StartAt::Kind::time, *time};
}

std::string start_word(const StartAt& start) {
  const bool whole_second =
      start.time.time_since_epoch() % std::chrono::seconds{1} == Milliseconds{0};
  switch (start.kind) {
    case StartAt::Kind::earliest:
      return "earliest";
    case StartAt::Kind::end:
      return "end";
    case StartAt::Kind::table:
      return "table";
    case StartAt::Kind::time:
      return whole_second ? utc_seconds(start.time) : utc_milliseconds(start.time);
  }
  return {};
}

void read_rejects(const FlagValues& flags, WallTime now, RejectsSettings& out, RunSettings& run,
                  Problems& problems) {
  const ConfigValue table = flags_as_table(flags);
  TableReader reader(table, "", problems);
  reader.count("limit", 1, UINT64_MAX, out.limit);
  out.raw = flags.has("raw");
  out.replay = flags.has("replay");
  out.dry_run = flags.has("dry-run");
  if (const auto since = flags.last("since")) {
    out.since = parse_time(since->value, now);
    if (out.since) {
      echo_time("--since", since->value, *out.since, run);
    } else {
      problems.add(since->origin, fmt::format("'{}' is no time", escape_control(since->value, 64)),
                   std::string(time_example));
    }
  }
  if (out.dry_run && !out.replay) {
    problems.add(Origin::flag("--dry-run"), "belongs to --replay", "add --replay, or leave it out");
  }
  for (const char* flag : {"since", "limit", "raw"}) {
    if (!out.replay || !flags.has(flag)) continue;
    problems.add(flags.last(flag)->origin, "excludes --replay, which sends all of them again",
                 "leave one of them out");
  }
}

void read_backfill(const FlagValues& flags, WallTime now, BackfillSettings& out, RunSettings& run,
                   Problems& problems) {
  const auto wrong = [&](const Setting<std::string>& given, std::string_view what,
                         std::string_view example) {
    problems.add(given.origin, fmt::format("'{}' is no {}", escape_control(given.value, 64), what),
                 std::string(example));
  };
  const auto from = flags.last("from");
  const auto to = flags.last("to");
  if (const auto range = flags.last("range")) {
    out.range = parse_range(range->value, now);
    if (!out.range) wrong(*range, "range", range_example);
    for (const auto* other : {&from, &to}) {
      if (*other) problems.add((*other)->origin, "excludes --range", "leave one of them out");
    }
  } else if (from || to) {
    AskedRange asked;
    asked.text = fmt::format("{}..{}", from ? from->value : "start", to ? to->value : "end");
    for (const auto& [given, edge] : {std::pair(from, &asked.from), std::pair(to, &asked.to)}) {
      if (!given) continue;
      const auto parsed = parse_edge(given->value, now);
      if (!parsed) wrong(*given, "start, end or time", time_example);
      if (parsed) *edge = *parsed;
    }
    out.range = asked;
  }
  if (out.range) {
    for (const RangeEdge* edge : {&out.range->from, &out.range->to}) {
      if (edge->kind != RangeEdge::Kind::time) continue;
      echo_time(edge == &out.range->from ? "from" : "to", out.range->text, edge->time, run);
    }
  }
  if (const auto partitions = flags.last("partitions")) {
    const auto parsed = parse_partitions(partitions->value);
    if (!parsed) wrong(*partitions, "list of partitions", "write it like 0,3-5");
    if (parsed) out.partitions = *parsed;
  }
  const ConfigValue table = flags_as_table(flags);
  TableReader reader(table, "", problems);
  Setting<uint64_t> rate;
  reader.count("rate", 1, UINT64_MAX, rate);
  if (rate.origin.kind != Origin::Kind::built_in) out.rows_per_second_max = rate.value;
  Setting<Duplicates> duplicates;
  reader.choice<Duplicates>("duplicates",
                            {{"refuse", Duplicates::refuse},
                             {"allow", Duplicates::allow},
                             {"replace", Duplicates::replace}},
                            duplicates);
  out.duplicates = duplicates.value;
  if (const auto into = flags.last("into")) out.into = into->value;
  if (const auto forget = flags.last("forget")) out.forget = forget->value;
  out.strict_time = flags.has("strict-time");
  out.allow_partial = flags.has("allow-partial");
  out.list = flags.has("list");
  out.again = flags.has("again");
  out.dry_run = flags.has("dry-run");
}

/// What goes not together with --verify, which looks once and at nothing but the rows.
void check_verify(const FlagValues& flags, const StatusSettings& status, OutputFormat format,
                  Problems& problems) {
  if (status.verify->empty()) {
    problems.add(flags.last("verify")->origin, "the range ends before it begins", "turn it around");
  }
  for (const char* other :
       {"ask", "watch", "wait", "max-lag", "max-lag-seconds", "max-age", "max-rejects"}) {
    if (!flags.has(other)) continue;
    problems.add(flags.last("verify")->origin, fmt::format("excludes --{}", other),
                 "leave one of them out");
  }
  if (format != OutputFormat::text && !is_json(format)) {
    problems.add(flags.last("verify")->origin, "has no form in tsv and prometheus",
                 "use -o text, json or jsonl");
  }
}

StatusSettings read_status_settings(const FlagValues& flags, OutputFormat format,
                                    Problems& problems) {
  StatusSettings out;
  const ConfigValue table = flags_as_table(flags);
  TableReader reader(table, "", problems);
  const auto count = [&](std::string_view flag, std::optional<uint64_t>& to) {
    Setting<uint64_t> setting;
    reader.count(flag, 0, UINT64_MAX, setting);
    if (setting.origin.kind != Origin::Kind::built_in) to = setting.value;
  };
  const auto duration = [&](std::string_view flag, std::optional<Milliseconds>& to) {
    Setting<Milliseconds> setting;
    reader.duration(flag, setting);
    if (setting.origin.kind != Origin::Kind::built_in) to = setting.value;
  };
  out.partitions = flags.has("partitions");
  if (const auto range = flags.last("verify")) {
    out.verify = parse_range(range->value, SystemClock().wall());
    if (!out.verify) {
      problems.add(range->origin, fmt::format("'{}' is no range", escape_control(range->value, 64)),
                   std::string(range_example));
    }
  }
  count("max-lag", out.lag_max);
  count("max-lag-seconds", out.lag_seconds_max);
  count("max-rejects", out.rejects_max);
  duration("max-age", out.age_max);
  duration("wait", out.wait);
  duration("watch", out.watch);
  reader.duration("timeout", out.timeout);
  if (const auto ask = flags.last("ask")) out.ask = ask->value;
  if (out.verify) check_verify(flags, out, format, problems);
  if (out.watch && out.wait) {
    problems.add(Origin::flag("--wait"), "excludes --watch", "leave one of them out");
  }
  if (out.watch && format == OutputFormat::json) {
    problems.add(Origin::flag("--watch"), "prints many documents, and -o json is one",
                 "use -o jsonl: one document a line");
  }
  return out;
}

void read_init(const FlagValues& flags, InitSettings& out, Problems& problems) {
  const ConfigValue table = flags_as_table(flags);
  TableReader reader(table, "", problems);
  constexpr uint64_t sample_max = 100'000;
  reader.count("sample", 1, sample_max, out.sample);
  out.ddl_only = flags.has("ddl-only");
  out.create = flags.has("create");
}

std::string lock_folder(const Environment& environment) {
  if (const auto folder = environment.get("RUNTIME_DIRECTORY")) {
    return folder->substr(0, folder->find(':'));  // systemd lists several so
  }
  if (const auto folder = environment.get("XDG_RUNTIME_DIR")) return *folder + "/sluice";
  return "/run/lock";
}

/// resend, skip, resend:TOPIC:PARTITION, skip:TOPIC:PARTITION
std::optional<Decision> parse_decision(std::string_view text) {
  Decision out;
  const size_t colon = text.find(':');
  const std::string_view word = text.substr(0, colon);
  if (word != "resend" && word != "skip") return std::nullopt;
  out.resolve = word == "skip" ? Resolve::skip : Resolve::resend;
  if (colon == std::string_view::npos) return out;
  const std::string_view where = text.substr(colon + 1);
  const size_t second = where.find(':');
  if (second == 0 || second == std::string_view::npos) return std::nullopt;
  const auto partition = parse_count(where.substr(second + 1));
  if (!partition || *partition > INT32_MAX) return std::nullopt;
  out.partition = {std::string(where.substr(0, second)),
                   PartitionId{static_cast<int32_t>(*partition)}};
  return out;
}

void read_decisions(const FlagValues& flags, std::vector<Decision>& out, Problems& problems) {
  for (const Setting<std::string>& given : flags.all("resolve")) {
    if (const auto decision = parse_decision(given.value)) {
      out.push_back(*decision);
    } else {
      problems.add(
          given.origin,
          fmt::format("'{}' says not what to do with which batch", escape_control(given.value, 64)),
          "resend or skip, with :TOPIC:PARTITION behind it as the halt's message has it");
    }
  }
}

void read_run(const Invocation& invocation, WallTime now, RunSettings& out, Problems& problems) {
  const FlagValues& flags = invocation.flags;
  const ConfigValue table = flags_as_table(flags);
  TableReader reader(table, "", problems);
  reader.size("memory", memory_min, out.memory);
  out.continuous = invocation.command == "tail";
  // Losing is worse than waiting.
  if (out.continuous) out.retry_time_max.value = Milliseconds(0);
  reader.duration("retry-max-time", out.retry_time_max);
  reader.duration("drain-timeout", out.drain_timeout);
  reader.duration("stall-timeout", out.stall_timeout);
  Setting<Milliseconds> idle;
  reader.duration("exit-on-idle", idle);
  if (idle.origin.kind != Origin::Kind::built_in) out.idle_max = idle.value;
  read_limits(reader, out, problems);
  read_until(flags, now, out, problems);
  Setting<uint64_t> no_data;
  reader.count("no-data-exit-code", 0, 125, no_data);
  out.no_data_exit_code = static_cast<int>(no_data.value);
  Setting<IfRunning> if_running{IfRunning::fail, {}};
  reader.choice<IfRunning>(
      "if-running",
      {{"fail", IfRunning::fail}, {"skip", IfRunning::skip}, {"wait", IfRunning::wait}},
      if_running);
  if (invocation.command == "sync") out.if_running = if_running.value;
  out.rejects_ok = flags.has("rejects-ok");
  out.fail_fast = flags.has("fail-fast");
  read_decisions(flags, out.decisions, problems);
  out.dry_run = invocation.command == "sync" && flags.has("dry-run");
  out.keep_old = flags.has("keep-old");
  out.allow_empty = flags.has("allow-empty");
  out.allow_shrink = flags.has("allow-shrink");
  out.allow_views = flags.has("allow-views");
  out.stats = flags.has("stats");
  if (const auto reset = flags.last("reset-to")) {
    out.reset_to = parse_start(reset->value, now);
    if (!out.reset_to) {
      problems.add(reset->origin, fmt::format("'{}' is no start", escape_control(reset->value, 64)),
                   "earliest, end, table, or a time: " + std::string(time_example));
    } else if (out.reset_to->kind == StartAt::Kind::time) {
      echo_time("--reset-to", reset->value, out.reset_to->time, out);
    }
    for (const char* other : {"from", "full", "dry-run"}) {
      if (!flags.has(other)) continue;
      problems.add(reset->origin, fmt::format("excludes --{}", other), "leave one of them out");
    }
  }
  if (const auto from = flags.last("from"); from && invocation.command != "backfill") {
    out.start_is_explicit = true;
    const auto start = parse_start(from->value, now);
    if (start && start->kind == StartAt::Kind::time) {
      echo_time("--from", from->value, start->time, out);
    }
  }
}

}  // namespace sluice::cli
