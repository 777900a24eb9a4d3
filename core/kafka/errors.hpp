// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"

/// What librdkafka's error codes mean to us (delivery.md section 2). Pure.
namespace sluice::kafka {

/// "Broker: Not leader for partition".
[[nodiscard]] std::string reason_of(rd_kafka_resp_err_t code);

/// Errors that pass by themselves: a broker is away, a leader moves, an answer is late.
[[nodiscard]] bool is_transient(rd_kafka_resp_err_t code);

/// Errors that say that a topic or partition is not there (or not yet known to that broker).
[[nodiscard]] bool is_unknown_topic(rd_kafka_resp_err_t code);

/// Names that go into messages.
struct Place {
  std::string topic;
  std::string group;
};

/// The error to end with when the broker refuses us: topic, group or cluster authorization.
[[nodiscard]] std::optional<Error> refusal_of(rd_kafka_resp_err_t code, const Place& place);

/// What the answer to an OffsetCommit means for one partition.
enum class CommitVerdict : uint8_t { ok, fenced, unknown, fatal };
[[nodiscard]] CommitVerdict commit_verdict(rd_kafka_resp_err_t code);

/// The error of a `fatal` verdict.
[[nodiscard]] Error commit_error(rd_kafka_resp_err_t code, const Place& place);

/// The topic is not there; `fix` names the nearest of `existing`.
[[nodiscard]] Error topic_missing(const std::string& topic,
                                  const std::vector<std::string>& existing);

/// The client itself cannot go on: rd_kafka_fatal_error().
[[nodiscard]] Error fatal_error(rd_kafka_t* client, const Place& place);

}  // namespace sluice::kafka
