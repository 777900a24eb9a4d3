// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/kafka/source.hpp"
#include "core/model/requirement.hpp"

/// Whether a topic and a group can keep the promise of exactly-once: P11 and P15 of delivery.md
/// section 4.5.
namespace sluice::kafka {

struct ExactlyOnceFacts {
  std::string cleanup_policy;  ///< of the topic; empty: we may not know
  std::string group_state;     ///< Kafka's word: Stable, Empty, Dead, …
  size_t members = 0;
  size_t foreign_members = 0;  ///< with another client id than ours
  /// What came back of a record committed for a group made for this question; nothing: `trial` says
  /// why it could not be tried.
  std::optional<std::string> metadata_back;
  std::string metadata_sent;
  std::string trial;
};

/// Asks the brokers. Neither the group nor its offsets are touched: a group called
/// "<group>.check.<random>" is made, read and removed again. Within about `timeout`.
[[nodiscard]] Result<ExactlyOnceFacts> read_exactly_once_facts(const ClusterOptions& cluster,
                                                               const std::string& topic,
                                                               const std::string& group,
                                                               Milliseconds timeout);

/// Pure.
[[nodiscard]] std::vector<Requirement> judge_exactly_once(const ExactlyOnceFacts& facts,
                                                          const std::string& topic,
                                                          const std::string& group);

}  // namespace sluice::kafka
