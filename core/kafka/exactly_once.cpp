// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/exactly_once.hpp"

#include <fmt/format.h>

#include <random>
#include <utility>

#include "core/base/text.hpp"
#include "core/deliver/commit_record.hpp"
#include "core/kafka/groups.hpp"

namespace sluice::kafka {
namespace {

using State = Requirement::State;

/// As long as the longest record of ours.
std::string trial_metadata() {
  return "slu1|check|" + std::string(CommitRecord::size_max - 11, 'x');
}

std::string our_client_id(const ClusterOptions& cluster) {
  std::string id = "sluice";
  for (const auto& [key, value] : cluster.properties) {
    if (key == "client.id") id = value;
  }
  return id;
}

void try_commit(GroupAdmin& admin, const std::string& topic, const std::string& group,
                Milliseconds timeout, ExactlyOnceFacts& facts) {
  // Its own, since another process may look at the same moment.
  std::random_device device;
  const std::string trial_group = fmt::format("{}.check.{:08x}", group, device());
  facts.metadata_sent = trial_metadata();
  const auto set = admin.set_offsets(
      trial_group, topic,
      {{PartitionId{0}, {.offset = Offset{0}, .metadata = facts.metadata_sent}}}, timeout);
  if (!set.ok()) {
    facts.trial = set.error().message;
    return;
  }
  auto back = admin.offsets(trial_group, topic, timeout);
  if (back.ok()) {
    const auto found = back->find(PartitionId{0});
    facts.metadata_back = found == back->end() ? "" : found->second.metadata;
  } else {
    facts.trial = back.error().message;
  }
  // Where it may not be removed it expires with the brokers' retention.
  (void)admin.remove(trial_group, timeout);
}

}  // namespace

Result<ExactlyOnceFacts> read_exactly_once_facts(const ClusterOptions& cluster,
                                                 const std::string& topic, const std::string& group,
                                                 Milliseconds timeout) {
  GroupAdmin admin = TRY(GroupAdmin::open(cluster));
  ExactlyOnceFacts facts;
  const GroupDescription description = TRY(admin.describe(group, timeout));
  facts.group_state = description.state;
  facts.members = description.members.size();
  for (const GroupMember& member : description.members) {
    if (member.client_id != our_client_id(cluster)) ++facts.foreign_members;
  }
  auto policy = admin.topic_config(topic, "cleanup.policy", timeout);
  if (policy.ok()) facts.cleanup_policy = std::move(policy).value();
  try_commit(admin, topic, group, timeout, facts);
  return facts;
}

std::vector<Requirement> judge_exactly_once(const ExactlyOnceFacts& facts, const std::string& topic,
                                            const std::string& group) {
  std::vector<Requirement> out;
  const auto add = [&](const char* id, State state, std::string text, std::string fix = {}) {
    out.push_back({.id = id, .state = state, .text = std::move(text), .fix = std::move(fix)});
  };
  const std::string shown = printable(group, 200);
  if (facts.foreign_members > 0) {
    add("P11", State::doubtful,
        fmt::format("{} members of group {} have another client id than this pipeline: a program "
                    "that is not sluice would commit over what is open",
                    facts.foreign_members, shown),
        "stop them if they are not sluice, or give the pipeline a group of its own");
  } else if (facts.cleanup_policy.find("compact") != std::string::npos) {
    add("P11", State::met,
        fmt::format(
            "group {} is ours; topic {} is compacted: what compaction removed before it was "
            "read is no loss",
            shown, printable(topic, 200)));
  } else {
    add("P11", State::met, fmt::format("group {} is ours alone", shown));
  }
  if (!facts.metadata_back) {
    add("P15", State::doubtful,
        "whether the brokers keep what is committed beside an offset could not be tried: " +
            facts.trial,
        fmt::format("let the user read and write groups {}.check.*", shown));
  } else if (*facts.metadata_back == facts.metadata_sent) {
    add("P15", State::met, "the brokers keep what is committed beside an offset");
  } else {
    add("P15", State::unmet,
        fmt::format("of {} bytes committed beside an offset {} came back: the record of what is "
                    "open would be lost",
                    facts.metadata_sent.size(), facts.metadata_back->size()),
        "raise the brokers' offset.metadata.max.bytes to 4096, or go around the proxy that changes "
        "commits");
  }
  return out;
}

}  // namespace sluice::kafka
