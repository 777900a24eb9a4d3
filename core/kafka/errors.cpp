// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/errors.hpp"

#include <fmt/format.h>

#include <array>

#include "core/base/text.hpp"
#include "core/kafka/properties.hpp"

namespace sluice::kafka {

std::string reason_of(rd_kafka_resp_err_t code) { return printable(rd_kafka_err2str(code), 200); }

bool is_unknown_topic(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

bool is_transient(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE:
    case RD_KAFKA_RESP_ERR__IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__RETRY:
    case RD_KAFKA_RESP_ERR__PARTIAL:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
    case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
      return true;
    default:
      return false;
  }
}

std::optional<Error> refusal_of(rd_kafka_resp_err_t code, const Place& place) {
  const auto refused = [&](std::string what, std::string fix) {
    return Error{.code = Errc::no_permission,
                 .slug = "kafka-no-permission",
                 .message = fmt::format("Kafka refuses us {}: {}", what, reason_of(code)),
                 .fix = std::move(fix)};
  };
  switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return refused("topic " + place.topic, "grant READ and DESCRIBE on topic " + place.topic);
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      return refused("consumer group " + place.group,
                     "grant READ on consumer group " + place.group);
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return refused("the cluster", "grant the operation that the broker's log names");
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return refused("as a user", "check sasl.username, sasl.password and sasl.mechanisms");
    default:
      return std::nullopt;
  }
}

CommitVerdict commit_verdict(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return CommitVerdict::ok;
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
    case RD_KAFKA_RESP_ERR__STATE:
      return CommitVerdict::fenced;
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE:
      return CommitVerdict::fatal;
    default:
      // It may have happened: the caller looks again before it decides.
      return CommitVerdict::unknown;
  }
}

Error commit_error(rd_kafka_resp_err_t code, const Place& place) {
  if (auto refusal = refusal_of(code, place)) return *std::move(refusal);
  const auto named = [&](Errc errc, std::string slug, std::string fix) {
    return Error{.code = errc,
                 .slug = std::move(slug),
                 .message = fmt::format("Kafka refuses to commit offsets of group {}: {}",
                                        place.group, reason_of(code)),
                 .fix = std::move(fix)};
  };
  if (code == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE) {
    return named(Errc::config, "kafka-metadata-too-large",
                 "set the broker's offset.metadata.max.bytes to 4096, its default, or more");
  }
  if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
    return named(Errc::config, "kafka-instance-fenced",
                 "another process runs with the same group.instance.id: give each its own");
  }
  return named(Errc::failed, "kafka-commit-failed", "see the broker's log");
}

Error topic_missing(const std::string& topic, const std::vector<std::string>& existing) {
  const std::string near = did_you_mean(nearest_names(topic, existing));
  return {.code = Errc::config,
          .slug = "topic-missing",
          .message = "Kafka has no topic " + topic,
          .fix = near.empty() ? "create the topic, or check its name and that we may describe it"
                              : near};
}

Error fatal_error(rd_kafka_t* client, const Place& place) {
  std::array<char, 512> text{};
  const rd_kafka_resp_err_t code = rd_kafka_fatal_error(client, text.data(), text.size());
  if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) return commit_error(code, place);
  return {.code = Errc::failed,
          .slug = "kafka-client-failed",
          .message = "the Kafka client cannot go on: " + printable(text.data(), 300),
          .fix = "run the command again: it continues where it stopped"};
}

std::vector<ErrorSignal> error_signals() {
  const rd_kafka_err_desc* descriptions = nullptr;
  size_t count = 0;
  rd_kafka_get_err_descs(&descriptions, &count);
  std::vector<ErrorSignal> signals;
  for (size_t index = 0; index < count; ++index) {
    const rd_kafka_err_desc& description = descriptions[index];
    // The array has holes.
    if (description.name == nullptr || description.code == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    using Meaning = ErrorSignal::Meaning;
    const CommitVerdict commit = commit_verdict(description.code);
    std::optional<Meaning> meaning;
    if (is_transient(description.code)) meaning = Meaning::waits;
    if (is_unknown_topic(description.code)) meaning = Meaning::missing;
    if (commit == CommitVerdict::fenced) meaning = Meaning::fenced;
    if (commit == CommitVerdict::fatal) meaning = Meaning::fatal;
    if (refusal_of(description.code, {})) meaning = Meaning::refused;
    if (meaning) signals.push_back({description.name, *meaning});
  }
  return signals;
}

}  // namespace sluice::kafka
