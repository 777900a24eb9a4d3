// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_backfill.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/backfill_plan.hpp"
#include "cli/cmd_run.hpp"
#include "cli/confirm.hpp"
#include "cli/connections.hpp"
#include "cli/console.hpp"
#include "cli/exit_code.hpp"
#include "cli/failure.hpp"
#include "cli/origin_columns.hpp"
#include "cli/reload.hpp"
#include "cli/text.hpp"
#include "core/base/crash_point.hpp"
#include "core/base/crc32c.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/range_rows.hpp"
#include "core/clickhouse/server.hpp"
#include "core/deliver/commit_record.hpp"
#include "core/kafka/groups.hpp"
#include "core/pipeline/load_groups.hpp"
#include "core/pipeline/witness.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr Milliseconds look_timeout{20'000};

/// How far a backfill that was begun before has come. The mark of what was asked for is the UUID of
/// the table that takes the rows.
struct Begun : FixedLoad {
  bool active = false;  ///< its group has members
};

std::string prefix_of(const PipelineSettings& pipeline) {
  return pipeline.group.value + ".backfill.";
}

/// The same words are the same backfill, wherever they are typed.
std::string id_of(const PipelineSettings& pipeline, const BackfillSettings& asked) {
  std::string words = pipeline.topic.value + '\n' + pipeline.table.value + '\n' +
                      asked.range->text + (asked.strict_time ? "\nstrict" : "\n");
  for (const PartitionId partition : asked.partitions)
    words += fmt::format("\n{}", partition.value);
  return fmt::format("{:08x}", crc32c(words));
}

Error usage(std::string message, std::string fix) {
  return {Errc::usage, "usage", std::move(message), std::move(fix)};
}

/// Nothing when no such backfill was begun.
Result<std::optional<Begun>> look_up(kafka::GroupAdmin& groups, const std::string& group,
                                     const std::string& topic) {
  Begun out{FixedLoad::read(TRY(groups.offsets(group, topic, look_timeout)))};
  if (out.fixed.empty()) return std::optional<Begun>();
  out.active = !TRY(groups.describe(group, look_timeout)).members.empty();
  return std::optional(std::move(out));
}

/// The whole command, once settings and secrets are read.
class Backfill {
 public:
  Backfill(const Invocation& invocation, const Environment& environment,
           std::unique_ptr<Configuration> configuration)
      : invocation_(invocation),
        environment_(environment),
        configuration_(std::move(configuration)),
        settings_(configuration_->settings),
        asked_(settings_.backfill),
        pipeline_(settings_.pipelines.front()) {}

  int run() {
    auto code = steps();
    return code ? *code : fail(code.error(), settings_.output, environment_);
  }

 private:
  Result<int> steps() {
    kafka::GroupAdmin groups = TRY(kafka::GroupAdmin::open(configuration_->connections.cluster));
    pipeline_.live_group = pipeline_.group.value;
    pipeline_.mode.value = Mode::incremental;
    if (!asked_.into.empty()) {
      const bool full = asked_.into.find('.') != std::string::npos;
      pipeline_.table.value =
          full ? asked_.into
               : settings_.servers_of(pipeline_.destination.value).database.value + "." +
                     asked_.into;
    }
    if (asked_.list) return list(groups);
    if (!asked_.forget.empty()) return forget(groups);
    plan_.id = id_of(pipeline_, asked_);
    plan_.group = prefix_of(pipeline_) + plan_.id;
    auto begun = TRY(look_up(groups, plan_.group, pipeline_.topic.value));
    if (begun && begun->finished()) {
      if (!asked_.again && !asked_.range->relative()) return already_done(*begun);
      begins_anew_ = true;
    } else if (begun && asked_.again) {
      begins_anew_ = true;
    }
    if (begins_anew_) begun.reset();
    if (begun) return resume(*begun);
    return start(groups);
  }

  Result<int> start(kafka::GroupAdmin& groups) {
    {
      auto source = TRY(open_source());
      const std::string id = std::move(plan_.id);
      const std::string group = std::move(plan_.group);
      plan_ = TRY(make_backfill_plan(*source, groups, pipeline_, asked_));
      plan_.id = id;
      plan_.group = group;
      if (!asked_.dry_run) plan_.witnesses = TRY(take_witness(*source, plan_.first_records()));
      source->close(Milliseconds{1000});
    }
    plan_.asked = asked_.range->text;
    const std::string uuid = TRY(table_uuid());
    if (!uuid.empty()) plan_.asked += " #" + uuid;
    if (asked_.dry_run) return show_plan();
    if (plan_.partial_count() > 0 && !asked_.allow_partial) {
      return Error{Errc::data_loss, "range-partial",
                   partial_words(plan_) + ": older records were deleted",
                   "see the plan with -n; to load what is left: --allow-partial"};
    }
    if (plan_.live() > 0) {
      note(fmt::format(
          "{} of the range {} not committed by the live group '{}' yet: it loads them "
          "itself (--duplicates allow: load them here, too)",
          counted(plan_.live(), "record"), plan_.live() == 1 ? "is" : "are", pipeline_.live_group));
      if (plan_.records() == 0 && asked_.duplicates == Duplicates::replace) {
        return Error{
            Errc::config, "range-ahead",
            fmt::format("the live group '{}' stands before the range, and would load it "
                        "once more",
                        pipeline_.live_group),
            fmt::format("move it behind the range first: sluice sync {} --reset-to end, or "
                        "a time",
                        pipeline_.name)};
      }
      if (plan_.records() == 0) return done(0, "");
    }
    TRY(look_for_duplicates());
    TRY(ask());
    if (!settings_.output.yes) {
      // Somebody took his time to answer.
      const auto begun = TRY(look_up(groups, plan_.group, pipeline_.topic.value));
      if (begun && !begins_anew_) return begun->finished() ? already_done(*begun) : resume(*begun);
      TRY(look_for_duplicates());
    }
    if (begins_anew_) TRY(groups.remove(plan_.group, look_timeout));
    const bool replaces = asked_.duplicates == Duplicates::replace && plan_.records() > 0;
    if (replaces) TRY(replace(groups));
    TRY(fix_range(groups));
    crash_point("backfill-fixed");
    return go(plan_.fixed(), plan_.asked);
  }

  Result<int> resume(const Begun& begun) {
    note(fmt::format("resuming backfill {} ({}): {} of {} done{}", plan_.id,
                     asked_words(begun.asked), grouped(begun.done()),
                     counted(begun.records(), "record"),
                     begun.active ? ", shared with a process that is at it" : ""));
    if (asked_.dry_run) return exit_code::ok;
    TRY(check_topic(begun));
    TRY(check_table(begun));
    return go(begun.fixed, begun.asked);
  }

  /// Empty where its database keeps none.
  Result<std::string> table_uuid() const {
    auto server = TRY(clickhouse::open_server(this->server(), pipeline_.database(),
                                              pipeline_.table_name(), clock_));
    const Table table =
        TRY(clickhouse::describe_table(server, pipeline_.database(), pipeline_.table_name()));
    const bool none = table.uuid.find_first_not_of("0-") == std::string::npos;
    return none ? std::string() : table.uuid;
  }

  /// The rest of the range may be in another table already: a snapshot holds everything.
  Result<void> check_table(const Begun& begun) const {
    const std::string_view uuid = asked_mark(begun.asked);
    if (uuid.empty() || uuid == TRY(table_uuid())) return {};
    return Error{Errc::config, "range-table-changed",
                 fmt::format("{} is another table than it was when backfill {} began: a snapshot "
                             "took its place, or it was made anew",
                             pipeline_.table.value, plan_.id),
                 "look at what it holds; to load the range into the table that is there: --again"};
  }

  Result<std::unique_ptr<Source>> open_source() const {
    return kafka::open_source(configuration_->connections.cluster,
                              {.topic = pipeline_.topic.value, .group = pipeline_.live_group});
  }

  /// Offsets of another topic of the same name mean other records.
  Result<void> check_topic(const Begun& begun) const {
    if (begun.witnesses.empty()) return {};
    auto source = TRY(open_source());
    bool other = false;
    for (const auto& [partition, witness] : begun.witnesses) {
      other = other || TRY(contradicted(*source, partition, witness));
    }
    source->close(Milliseconds{1000});
    if (!other) return {};
    return Error{Errc::data_loss, "range-topic-changed",
                 fmt::format("topic {} was deleted and made anew, or truncated, since backfill {} "
                             "began: the rest of its range are other records",
                             pipeline_.topic.value, plan_.id),
                 "look at what was loaded; to load the range of the topic that is there: --again"};
  }

  Result<int> already_done(const Begun& begun) {
    return done(
        begun.records(),
        fmt::format("backfill {} ({}) is already done: {}; to load it anew: --again\n", plan_.id,
                    asked_words(begun.asked), counted(begun.records(), "record")));
  }

  /// Nothing was left to load.
  Result<int> done(uint64_t records, const std::string& words) {
    const Json document{
        {"type", "backfill"}, {"v", 1}, {"id", plan_.id}, {"state", "done"}, {"records", records}};
    print(settings_.output.format == OutputFormat::text ? words : document.dump() + "\n");
    return exit_code::ok;
  }

  /// With what would be refused, as far as it can be known now.
  Result<int> show_plan() {
    const Result<void> refused = look_for_duplicates();
    if (settings_.output.format == OutputFormat::text) {
      print(plan_text(plan_, pipeline_, asked_));
      if (!refused.ok()) {
        print(fmt::format("problem: {} ({})\n", refused.error().message, refused.error().fix));
      }
      return exit_code::ok;
    }
    Json plan = plan_json(plan_, pipeline_, asked_);
    plan["problem"] = refused.ok() ? Json() : Json(refused.error().message);
    print(plan.dump() + "\n");
    return exit_code::ok;
  }

  clickhouse::RangeRows range_rows() const {
    return {.database = pipeline_.database(),
            .table = pipeline_.table_name(),
            .topic = pipeline_.topic.value,
            .columns = {},
            .offsets = plan_.fixed()};
  }

  Result<void> look_for_duplicates() {
    if (asked_.duplicates == Duplicates::allow || plan_.records() == 0) return {};

    rows_ = range_rows();
    rows_.columns = TRY(origin_columns_of(pipeline_, server(), clock_));
    const std::string& table = pipeline_.table.value;
    const std::string into =
        "load into another table with --into, or insert anyway with "
        "--duplicates allow";
    if (asked_.duplicates == Duplicates::replace && !rows_.columns.known()) {
      return Error{Errc::config, "range-unknown",
                   table +
                       " has no columns _partition and _offset: which of its rows are of the "
                       "range cannot be known, so none can be replaced",
                   into};
    }
    if (asked_.duplicates == Duplicates::replace && rows_.columns.topic.empty()) {
      return Error{Errc::config, "range-unknown",
                   table +
                       " has no column _topic: rows of another topic with the same partitions "
                       "and offsets would be deleted, too",
                   into};
    }
    if (asked_.duplicates == Duplicates::replace) return {};
    const auto count = TRY(clickhouse::count_range_rows(server(), rows_, clock_));
    if (count && *count == 0) return {};
    return Error{
        Errc::config, "range-duplicates",
        count ? fmt::format("{} holds {} of the range already", table, counted(*count, "row"))
              : table +
                    " holds rows, and has no columns _partition and _offset: whether "
                    "some are of the range cannot be known",
        count ? "delete exactly those first with --duplicates replace, or " + into : into};
  }

  Result<void> replace(kafka::GroupAdmin& groups) {
    TRY(clickhouse::delete_range_rows(server(), rows_, clock_));
    crash_point("backfill-deleted");
    if (!TRY(look_up(groups, plan_.group, pipeline_.topic.value))) return {};
    return Error{Errc::failed, "backfill-race",
                 fmt::format("another process began the same backfill ({}) while its rows were "
                             "deleted here: some that it inserted may be gone",
                             plan_.id),
                 "run it again with --again once the other has ended"};
  }

  /// From here on it is fixed what this backfill is.
  Result<void> fix_range(kafka::GroupAdmin& groups) {
    const FixedLoad load{.fixed = plan_.fixed(),
                         .committed = {},
                         .witnesses = plan_.witnesses,
                         .asked = plan_.asked};
    const Result<void> set = groups.set_offsets(plan_.group, pipeline_.topic.value,
                                                load.starts("backfill-" + plan_.id), look_timeout);
    if (set.ok() || set.error().slug != "kafka-group-active") return set;
    return Error{
        Errc::unavailable, "backfill-active",
        fmt::format("another process began the same backfill ({}) at this moment", plan_.id),
        "run it again: the two share it"};
  }

  Result<void> ask() {
    if (plan_.records() == 0) return {};
    return confirm(settings_.output,
                   {.would = fmt::format("this would load {} into {}",
                                         counted(plan_.records(), "record"), pipeline_.table.value),
                    .fix = "look at the plan with -n, then add -y",
                    .shown = plan_text(plan_, pipeline_, asked_),
                    .asked = "load it?",
                    .refused = "nothing was loaded"});
  }

  int go(std::map<PartitionId, OffsetRange> fixed, std::string asked) {
    RangeRun range;
    range.fixed = std::move(fixed);
    range.asked = std::move(asked);
    if (asked_.strict_time) {
      range.timestamps = TimeRange{WallTime::min(), WallTime::max()};
      if (asked_.range->from.kind == RangeEdge::Kind::time) {
        range.timestamps->first = asked_.range->from.time;
      }
      if (asked_.range->to.kind == RangeEdge::Kind::time) {
        range.timestamps->next = asked_.range->to.time;
      }
    }
    range.rows_per_second_max = asked_.rows_per_second_max;
    pipeline_.range = std::move(range);
    pipeline_.group.value = plan_.group;
    settings_.output.metrics_listen = {};  // the address is that of a tail beside us
    return run_configuration(invocation_, environment_, std::move(configuration_));
  }

  Result<int> list(kafka::GroupAdmin& groups) {
    std::vector<TextRow> rows{{"ID", "RANGE", "STATE", "RECORDS", "DONE"}};
    Json all = Json::array();
    const std::string prefix = prefix_of(pipeline_);
    for (const std::string& group : TRY(groups.list(prefix, look_timeout))) {
      const auto begun = TRY(look_up(groups, group, pipeline_.topic.value));
      if (!begun) continue;
      const std::string id = group.substr(prefix.size());
      const std::string state = begun->active       ? "running"
                                : begun->finished() ? "done"
                                                    : "unfinished";
      const std::string words(asked_words(begun->asked));
      rows.push_back({id, escape_control(words, 64), state, grouped(begun->records()),
                      grouped(begun->done())});
      all.push_back({{"id", id},
                     {"range", words},
                     {"state", state},
                     {"records", begun->records()},
                     {"done", begun->done()}});
    }
    if (settings_.output.format != OutputFormat::text) {
      print(Json{{"type", "backfills"}, {"v", 1}, {"pipeline", pipeline_.name}, {"backfills", all}}
                .dump() +
            "\n");
    } else {
      print(all.empty() ? "no backfills of " + pipeline_.name + "\n" : aligned(rows, {3, 4}));
    }
    return exit_code::ok;
  }

  Result<int> forget(kafka::GroupAdmin& groups) {
    const std::string group = prefix_of(pipeline_) + asked_.forget;
    if (!TRY(look_up(groups, group, pipeline_.topic.value))) {
      return usage(fmt::format("pipeline {} has no backfill {}", pipeline_.name,
                               escape_control(asked_.forget, 64)),
                   "see them with --list");
    }
    TRY(groups.remove(group, look_timeout));
    note(fmt::format("backfill {} is forgotten", asked_.forget));
    if (settings_.output.format != OutputFormat::text) {
      const Json document{
          {"type", "backfill"}, {"v", 1}, {"id", asked_.forget}, {"state", "forgotten"}};
      print(document.dump() + "\n");
    }
    return exit_code::ok;
  }

  const clickhouse::ServerOptions& server() const {
    return configuration_->connections.servers.at(pipeline_.destination.value).front();
  }
  void note(const std::string& text) const {
    if (!settings_.output.quiet) std::cerr << text << '\n';
  }
  void print(const std::string& text) const { std::cout << text << std::flush; }

  const Invocation& invocation_;
  const Environment& environment_;
  std::unique_ptr<Configuration> configuration_;
  Settings& settings_;
  const BackfillSettings asked_;
  PipelineSettings& pipeline_;
  const SystemClock clock_;
  BackfillPlan plan_;
  bool begins_anew_ = false;  ///< what was done before is forgotten once all is agreed on
  clickhouse::RangeRows rows_;
};

Result<void> check_usage(const Settings& settings) {
  if (settings.pipelines.size() != 1) {
    std::vector<std::string> names;
    for (const PipelineSettings& pipeline : settings.pipelines) names.push_back(pipeline.name);
    return usage("backfill takes exactly one pipeline", "there are: " + join(names, ", "));
  }
  const PipelineSettings& pipeline = settings.pipelines.front();
  if (!pipeline.topics_regex.value.empty()) {
    return usage(
        fmt::format("backfill reads one topic, and pipeline {} has topics_regex", pipeline.name),
        "give the topic a pipeline of its own, or --topic NAME --table DB.TABLE");
  }
  const BackfillSettings& asked = settings.backfill;
  if (asked.list || !asked.forget.empty()) return {};
  if (!asked.range) {
    return usage("no range is given", "add --range or --from; " + std::string(range_example));
  }
  if (asked.range->empty()) return usage("the range ends before it begins", "turn it around");
  const auto timed = [](const RangeEdge& edge) { return edge.kind == RangeEdge::Kind::time; };
  if (asked.strict_time && !timed(asked.range->from) && !timed(asked.range->to)) {
    return usage("--strict-time needs a range of times", "leave it out");
  }
  if (asked.strict_time && asked.range->relative()) {
    return usage("--strict-time needs times that are the same when it is resumed",
                 "write them out instead of counting from now");
  }
  if (asked.strict_time && asked.duplicates == Duplicates::replace) {
    return usage(
        "--strict-time excludes --duplicates replace: rows of the offsets in between would "
        "be deleted and not put back",
        "leave one of them out");
  }
  return {};
}

}  // namespace

int run_backfill_command(const Invocation& invocation, const Environment& environment,
                         Problems problems) {
  std::optional<Error> error;
  const OutputSettings output = read_output_settings(invocation.flags, environment, problems);
  auto configuration =
      read_configuration(invocation, environment, SystemClock().wall(), problems, error);
  if (configuration == nullptr) {
    return error ? fail(*error, output, environment) : fail(problems, output, environment);
  }
  if (const auto checked = check_usage(configuration->settings); !checked) {
    return fail(checked.error(), output, environment);
  }
  return Backfill(invocation, environment, std::move(configuration)).run();
}

}  // namespace sluice::cli
