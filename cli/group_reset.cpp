// SPDX-License-Identifier: Apache-2.0
#include "cli/group_reset.hpp"

#include <fmt/format.h>

#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "cli/confirm.hpp"
#include "cli/table_starts.hpp"
#include "cli/text.hpp"
#include "core/deliver/commit_record.hpp"
#include "core/kafka/group_view.hpp"
#include "core/kafka/groups.hpp"

namespace sluice::cli {
namespace {

constexpr Milliseconds timeout{20'000};

/// Where the group of one pipeline is to go.
struct Move {
  const PipelineSettings* pipeline = nullptr;
  std::map<PartitionId, Committed> to;  ///< only partitions that move
  uint64_t back = 0;                    ///< offsets that are gone over again
  uint64_t on = 0;                      ///< offsets that are passed over
};

Error cannot_move(const PipelineSettings& pipeline, Errc code, const std::string& why,
                  std::string fix) {
  return {code, "group-not-moved",
          fmt::format("the group {} of pipeline {} was not moved: {}", pipeline.group.value,
                      pipeline.name, why),
          std::move(fix)};
}

/// What is under way is told apart from what is settled by the record beside the offset.
Result<void> require_nothing_under_way(const PipelineSettings& pipeline, const Committed& at) {
  const CommitRecord record = CommitRecord::decode(at.metadata);
  const bool others =
      record.kind == CommitRecord::Kind::foreign || record.kind == CommitRecord::Kind::damaged;
  if (others) {
    return cannot_move(pipeline, Errc::config,
                       "its offsets carry metadata that is not sluice's, which would be gone",
                       "kafka-consumer-groups --reset-offsets moves it all the same");
  }
  if (record.intent) {
    return cannot_move(pipeline, Errc::config,
                       "a batch that a run left behind may or may not have landed",
                       "let one run settle it: sluice sync " + pipeline.name);
  }
  if (record.handover) {
    return cannot_move(pipeline, Errc::config, "a snapshot was handed over to it by half",
                       "let the snapshot end: sluice sync --full " + pipeline.name);
  }
  return {};
}

Result<std::map<PartitionId, Offset>> targets(const PipelineSettings& pipeline,
                                              const Configuration& configuration,
                                              kafka::GroupView& view,
                                              const std::map<PartitionId, Watermarks>& held,
                                              const Clock& clock) {
  const StartAt& to = *configuration.settings.run.reset_to;
  std::vector<PartitionId> partitions;
  std::map<PartitionId, Offset> out;
  for (const auto& [partition, marks] : held) {
    partitions.push_back(partition);
    out[partition] = to.kind == StartAt::Kind::end ? marks.end : marks.first;
  }
  if (to.kind == StartAt::Kind::time) {
    return view.offsets_at(pipeline.topic.value, partitions, to.time, timeout);
  }
  if (to.kind != StartAt::Kind::table) return out;
  return starts_of_table(pipeline, configuration.connections, partitions, clock, {});
}

Result<Move> plan_move(const PipelineSettings& pipeline, const Configuration& configuration,
                       kafka::GroupAdmin& admin, const Clock& clock) {
  const std::string& topic = pipeline.topic.value;
  if (!pipeline.topics_regex.value.empty()) {
    return cannot_move(pipeline, Errc::usage, "it reads every topic that a pattern names",
                       "move one topic's: --topic NAME --table DB.TABLE --group " +
                           pipeline.group.value + ":NAME");
  }
  if (pipeline.mode.value == Mode::full && !configuration.settings.run.continuous) {
    return cannot_move(pipeline, Errc::usage, "it loads everything anyway", "leave --reset-to out");
  }
  auto view = TRY(kafka::GroupView::open(configuration.connections.cluster, pipeline.group.value));
  const auto partitions = TRY(view.partitions(topic, timeout));
  const auto held = TRY(view.watermarks(topic, partitions, timeout));
  const auto members = TRY(admin.describe(pipeline.group.value, timeout)).members;
  if (!members.empty()) {
    return cannot_move(pipeline, Errc::unavailable,
                       fmt::format("{} of it is running", counted(members.size(), "member")),
                       "stop what reads as this group, then run this again");
  }
  const auto at = TRY(view.committed(topic, partitions, timeout));
  Move move{.pipeline = &pipeline, .to = {}, .back = 0, .on = 0};
  for (const auto& [partition, target] : TRY(targets(pipeline, configuration, view, held, clock))) {
    const auto present = at.find(partition);
    if (present == at.end()) {
      move.to[partition] = {target, ""};
      continue;
    }
    TRY(require_nothing_under_way(pipeline, present->second));
    const int64_t distance = target.value - present->second.offset.value;
    if (distance == 0) continue;
    (distance < 0 ? move.back : move.on) += static_cast<uint64_t>(std::abs(distance));
    move.to[partition] = {target, ""};
  }
  return move;
}

std::string sentence(const Move& move, const StartAt& to) {
  std::string out =
      fmt::format("{}: group {} moves to {} in {}", move.pipeline->name, move.pipeline->group.value,
                  start_word(to), counted(move.to.size(), "partition"));
  if (move.back > 0) {
    out +=
        fmt::format("; back over {}, which are loaded again, and what {} holds of them stays there",
                    counted(move.back, "offset"), move.pipeline->table.value);
  }
  if (move.on > 0) {
    out += fmt::format("; on over {}, which are never loaded", counted(move.on, "offset"));
  }
  return out;
}

}  // namespace

Result<void> reset_groups(const Configuration& configuration, const Environment& environment,
                          const Clock& clock) {
  const Settings& settings = configuration.settings;
  if (settings.run.continuous && environment.get("NOTIFY_SOCKET")) {
    return Error{Errc::usage, "usage",
                 "a service would move its groups at every start (--reset-to)",
                 "move them once, while it is stopped: sluice sync --reset-to …"};
  }
  kafka::GroupAdmin admin = TRY(kafka::GroupAdmin::open(configuration.connections.cluster));
  std::vector<Move> moves;
  std::string shown;
  for (const PipelineSettings& pipeline : settings.pipelines) {
    Move move = TRY(plan_move(pipeline, configuration, admin, clock));
    if (move.to.empty()) continue;
    shown += sentence(move, *settings.run.reset_to) + "\n";
    moves.push_back(std::move(move));
  }
  if (moves.empty()) return {};
  TRY(confirm(settings.output, {.would = "this would move " + counted(moves.size(), "group"),
                                .fix = "add -y",
                                .shown = shown,
                                .asked = "move?",
                                .refused = "nothing was moved"}));
  for (const Move& move : moves) {
    TRY(admin.set_offsets(move.pipeline->group.value, move.pipeline->topic.value, move.to,
                          timeout));
    if (settings.output.quiet) continue;
    std::cerr << escape_control_lines(sentence(move, *settings.run.reset_to) + ": done\n");
  }
  return {};
}

}  // namespace sluice::cli
