// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/exactly_once_model.hpp"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/exactly_once_state.hpp"
#include "tests/sim/exactly_once_steps.hpp"

namespace sluice::test {
namespace model {
namespace {

/// The states seen so far, in the order they were found.
class Seen {
 public:
  Seen() : slots_(size_t{1} << 16, 0) {}

  /// False when it is there already.
  bool insert(const Packed& state, const Step& step) {
    if (states_.size() * 2 >= slots_.size()) grow();
    uint32_t& slot = slots_[slot_of(state)];
    if (slot != 0) return false;
    states_.push_back(state);
    steps_.push_back(step);
    slot = static_cast<uint32_t>(states_.size());
    return true;
  }
  [[nodiscard]] size_t size() const { return states_.size(); }
  [[nodiscard]] const Packed& state(size_t index) const { return states_[index]; }
  [[nodiscard]] const Step& step(size_t index) const { return steps_[index]; }

 private:
  static uint64_t hash(const Packed& state) {
    uint64_t hash = 0x9E3779B97F4A7C15u;
    for (const uint64_t word : state) {
      hash = (hash ^ word) * 0xBF58476D1CE4E5B9u;
      hash ^= hash >> 29;
    }
    return hash;
  }
  /// Where it is, or the free slot where it belongs.
  size_t slot_of(const Packed& state) const {
    size_t at = hash(state) & (slots_.size() - 1);
    while (slots_[at] != 0 && states_[slots_[at] - 1] != state) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void grow() {
    slots_.assign(slots_.size() * 4, 0);
    for (size_t index = 0; index < states_.size(); ++index) {
      slots_[slot_of(states_[index])] = static_cast<uint32_t>(index + 1);
    }
  }

  std::vector<Packed> states_;
  std::vector<Step> steps_;
  std::vector<uint32_t> slots_;
};

std::string trace_to(const Seen& seen, uint32_t index) {
  std::vector<std::string> lines;
  for (; index != 0; index = seen.step(index).parent) {
    const Step& step = seen.step(index);
    std::string line = "  ";
    if (step.worker != nobody) line += fmt::format("worker {} ", step.worker == 0 ? 'A' : 'B');
    line += move_names[static_cast<size_t>(step.move)];
    if (step.partition != nobody) {
      const State after = unpacked(seen.state(index));
      const Session& session = after.session[step.worker][step.partition];
      line += fmt::format(" (partition {} [{},{}) token {})", step.partition, session.first,
                          session.next, session.token);
    }
    lines.push_back(line + "\n");
  }
  std::string text;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) text += *line;
  return text;
}

}  // namespace
}  // namespace model

std::string_view name_of(Rule rule) {
  constexpr std::array<std::string_view, static_cast<size_t>(Rule::count)> names{
      "commit_acknowledged_before_body",
      "commits_only_within_session",
      "no_commit_without_member_id",
      "rejoin_after_unknown_commit",
      "random_nonce",
      "safe_age_before_blind_resend",
      "deadline_before_send",
      "rows_divided_alike_each_time",
      "one_insert_one_partition",
      "excluded_rows_keep_the_token",
      "reject_kept_before_offset_passes",
      "no_split_once_ambiguous",
      "replay_never_skipped",
      "replay_reads_to_recorded_end",
      "content_compared",
      "table_uuid_compared",
      "views_deduplicate_themselves",
      "answer_only_when_durable",
      "table_knows_tokens",
      "metadata_of_others_halts",
      "expired_offsets_halt",
      "whole_body_or_nothing",
      "group_fences",
      "nonce_of_the_record_on_recovery",
      "same_token_for_every_attempt",
      "only_an_answer_settles",
      "offsets_that_went_back_halt",
      "recovered_intent_committed_again",
  };
  return names[static_cast<size_t>(rule)];
}

Exploration explore(const World& world, std::optional<Rule> removed) {
  model::Successors successors(world, removed);
  model::Seen seen;
  Exploration result;
  seen.insert(model::packed(successors.start()), {});
  for (uint32_t index = 0; index < seen.size(); ++index) {
    for (auto& [state, step] : successors.of(model::unpacked(seen.state(index)))) {
      model::Step taken = step;
      taken.parent = index;
      if (!seen.insert(model::packed(state), taken)) continue;
      result.completed = result.completed || successors.complete(state);
      const std::string_view violation = successors.violation(state);
      if (violation.empty()) continue;
      result.violation = violation;
      result.trace = model::trace_to(seen, static_cast<uint32_t>(seen.size() - 1));
      result.states = seen.size();
      return result;
    }
  }
  result.states = seen.size();
  return result;
}

}  // namespace sluice::test
