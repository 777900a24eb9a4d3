// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "core/deliver/commit_record.hpp"
#include "core/deliver/token.hpp"
#include "core/pipeline/ports.hpp"
#include "tests/sim/exactly_once_model.hpp"

namespace sluice::test {

/// Watches what a simulated group and table are told, and says which rule of the model
/// (exactly_once_model.hpp) a step breaks, at the step itself: long before a loss or a duplicate
/// comes of it, and also when none does. Outlives runs, as what it watches does.
class ProtocolWitness {
 public:
  /// The group has taken this commit.
  void committed(PartitionId partition, Offset offset, const std::string& metadata) {
    Stored next{.offset = offset, .record = CommitRecord::decode(metadata)};
    if (next.record.kind != CommitRecord::Kind::ours) {
      return broken(Rule::metadata_of_others_halts, "a commit without a record");
    }
    const auto before = group_.find(partition);
    if (before != group_.end()) compare(before->second, next);
    group_[partition] = std::move(next);
  }

  /// The first byte of an INSERT is on its way.
  void sent(const std::string& token) {
    const bool announced = std::any_of(group_.begin(), group_.end(), [&](const auto& entry) {
      const auto& intent = entry.second.record.intent;
      return intent && insert_token(intent->nonce, intent->table_uuid) == token;
    });
    if (!announced) broken(Rule::commit_acknowledged_before_body, "no record announces " + token);
    ++may_land_[token];
  }

  /// An INSERT was refused, and nothing of it was written.
  void refused(const std::string& token) {
    if (--may_land_[token] == 0) may_land_.erase(token);
  }

  /// Empty: every step kept the rules.
  [[nodiscard]] const std::string& violation() const { return violation_; }

 private:
  struct Stored {
    Offset offset;
    CommitRecord record;
  };

  void compare(const Stored& before, const Stored& next) {
    if (next.record.sequence != before.record.sequence + 1) {
      broken(
          Rule::offsets_that_went_back_halt,
          fmt::format("commit {} behind commit {}", next.record.sequence, before.record.sequence));
    }
    if (next.offset < before.offset) broken(Rule::offsets_that_went_back_halt, "an offset back");
    if (!before.record.intent) return;
    const Intent& open = *before.record.intent;
    const bool same = next.record.intent && next.record.intent->nonce == open.nonce;
    const bool withdrawn = !may_land_.contains(insert_token(open.nonce, open.table_uuid));
    if (!same && !withdrawn && next.offset < open.next) {
      return broken(Rule::replay_never_skipped,
                    fmt::format("offset {} while [{}, {}) is open", next.offset.value,
                                before.offset.value, open.next.value));
    }
    if (!same) return;
    if (next.record.intent->next != open.next ||
        next.record.intent->table_uuid != open.table_uuid) {
      broken(Rule::same_token_for_every_attempt, "one nonce, two batches");
    }
    const auto& kept = next.record.intent->excluded;
    const bool grows = std::all_of(open.excluded.begin(), open.excluded.end(), [&](Offset offset) {
      return std::find(kept.begin(), kept.end(), offset) != kept.end();
    });
    if (!grows) broken(Rule::excluded_rows_keep_the_token, "a row came back");
  }

  void broken(Rule rule, const std::string& how) {
    if (violation_.empty()) violation_ = fmt::format("{}: {}", name_of(rule), how);
  }

  std::map<PartitionId, Stored> group_;
  std::map<std::string, int> may_land_;  ///< INSERTs with this token that were not refused
  std::string violation_;
};

}  // namespace sluice::test
