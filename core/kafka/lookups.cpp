// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/lookups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "core/base/text.hpp"

namespace sluice::kafka {
namespace {

using Metadata = Handle<const rd_kafka_metadata_t, rd_kafka_metadata_destroy>;

constexpr Milliseconds patience_first{500};
constexpr Milliseconds patience_stoppable{4000};  ///< a question cannot be taken back
constexpr Milliseconds pause{50};
// A broker that has just started may not know a topic that exists.
constexpr int unknown_topic_max = 3;

TimePoint now() { return SystemClock().now(); }

std::span<rd_kafka_topic_partition_t> elements(rd_kafka_topic_partition_list_t& list) {
  return {list.elems, static_cast<size_t>(list.cnt)};
}

// Of one topic, or of all when `topic` is null.
rd_kafka_resp_err_t ask_metadata(rd_kafka_t* client, rd_kafka_topic_t* topic, Milliseconds patience,
                                 Metadata& out) {
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t code =
      rd_kafka_metadata(client, topic == nullptr ? 1 : 0, topic, &metadata, as_timeout(patience));
  out.reset(metadata);
  return code;
}

}  // namespace

Lookups::Lookups(Client& client, Place place, Milliseconds limit, std::stop_token stop)
    : client_(client),
      place_(std::move(place)),
      limit_(limit),
      stop_(std::move(stop)),
      started_(now()) {}

Result<void> Lookups::ask(std::string_view what, const Attempt& attempt) {
  started_ = now();
  last_code_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  unknown_topic_count_ = 0;
  for (Milliseconds patience = patience_first;; patience *= 2) {
    const Milliseconds left = time_left();
    if (left.count() <= 0) return gave_up(what);
    if (stop_.stop_requested()) {
      return Error{Errc::cancelled, "cancelled", fmt::format("stopped before Kafka told {}", what),
                   "run it again"};
    }
    const Milliseconds longest = stop_.stop_possible() ? patience_stoppable : limit_;
    if (TRY(attempt(std::min({patience, left, longest})))) {
      client_.health().note_answer(now());
      client_.forward_logs();
      return {};
    }
    if (!client_.group_served()) client_.serve(Milliseconds{0});
    client_.forward_logs();
    if (client_.failure()) return *client_.failure();
    if (auto refusal = client_.health().refusal(now())) return *std::move(refusal);
    std::this_thread::sleep_for(pause);
  }
}

Milliseconds Lookups::time_left() const {
  const auto left = std::chrono::duration_cast<Milliseconds>(started_ + limit_ - now());
  return std::max(Milliseconds{0}, left);
}

Result<bool> Lookups::again(rd_kafka_resp_err_t code) {
  last_code_ = code;
  if (auto refusal = refusal_of(code, place_)) return *std::move(refusal);
  if (is_unknown_topic(code) && ++unknown_topic_count_ >= unknown_topic_max) {
    return topic_missing(place_.topic, topic_names());
  }
  if (is_transient(code) || is_unknown_topic(code) || code > RD_KAFKA_RESP_ERR_NO_ERROR ||
      code == RD_KAFKA_RESP_ERR_UNKNOWN) {
    return false;
  }
  return Error{.code = Errc::failed,
               .slug = "kafka-lookup-failed",
               .message = fmt::format("Kafka could not be asked about topic {}: {}", place_.topic,
                                      reason_of(code)),
               .fix = "see the log with -vv"};
}

Error Lookups::gave_up(std::string_view what) const {
  if (client_.health().last_answer() <= started_) return client_.health().unreachable(limit_);
  return {.code = Errc::unavailable,
          .slug = "kafka-lookup-failed",
          .message = fmt::format("Kafka did not tell {}{} within {}: {}", what,
                                 place_.topic.empty() ? "" : " of topic " + place_.topic,
                                 in_words(limit_), reason_of(last_code_)),
          .fix = "check that every partition has a leader, then try again"};
}

Result<std::vector<std::string>> Lookups::topics() {
  std::vector<std::string> out;
  TRY(ask("its topics", [&](Milliseconds patience) { return ask_topics(patience, out); }));
  return out;
}

Result<bool> Lookups::ask_topics(Milliseconds patience, std::vector<std::string>& out) {
  Metadata metadata;
  const rd_kafka_resp_err_t code = ask_metadata(client_.get(), nullptr, patience, metadata);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return again(code);
  out.clear();
  for (int i = 0; i < metadata->topic_cnt; ++i) out.emplace_back(metadata->topics[i].topic);
  return true;
}

Result<std::vector<PartitionId>> Lookups::partitions() {
  std::vector<PartitionId> out;
  TRY(ask("the partitions", [&](Milliseconds patience) { return ask_topic(patience, out); }));
  return out;
}

Result<bool> Lookups::ask_topic(Milliseconds patience, std::vector<PartitionId>& out) {
  const TopicHandle topic(rd_kafka_topic_new(client_.get(), place_.topic.c_str(), nullptr));
  if (topic == nullptr) return again(rd_kafka_last_error());
  Metadata metadata;
  const rd_kafka_resp_err_t code = ask_metadata(client_.get(), topic.get(), patience, metadata);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return again(code);
  client_.health().note_answer(now());
  if (metadata->topic_cnt < 1) return again(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  const rd_kafka_metadata_topic_t& found = metadata->topics[0];
  if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return again(found.err);
  if (found.partition_cnt == 0) return again(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
  out.clear();
  for (int i = 0; i < found.partition_cnt; ++i) out.push_back({found.partitions[i].id});
  std::sort(out.begin(), out.end());
  return true;
}

std::optional<bool> Lookups::topic_exists() {
  const TopicHandle topic(rd_kafka_topic_new(client_.get(), place_.topic.c_str(), nullptr));
  if (topic == nullptr) return std::nullopt;
  Metadata metadata;
  if (ask_metadata(client_.get(), topic.get(), limit_, metadata) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::nullopt;
  }
  client_.health().note_answer(now());
  if (metadata->topic_cnt < 1 || is_unknown_topic(metadata->topics[0].err)) return false;
  if (metadata->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  return true;
}

std::vector<std::string> Lookups::topic_names() {
  Metadata metadata;
  const Milliseconds brief = std::min(time_left(), Milliseconds{3000});
  if (ask_metadata(client_.get(), nullptr, brief, metadata) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return {};
  }
  std::vector<std::string> names;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const std::string_view name = metadata->topics[i].topic;
    if (name.substr(0, 2) != "__") names.emplace_back(name);  // Kafka's own
  }
  return names;
}

// The client finds leaders itself, but only a fresh look at the topic makes it forget a stale one.
void Lookups::refresh_leaders(Milliseconds patience) {
  const TopicHandle topic(rd_kafka_topic_new(client_.get(), place_.topic.c_str(), nullptr));
  Metadata metadata;
  if (topic != nullptr) {
    const Milliseconds brief = std::min({patience, time_left(), Milliseconds{1000}});
    static_cast<void>(ask_metadata(client_.get(), topic.get(), brief, metadata));
  }
}

Result<bool> Lookups::ask_offsets(Milliseconds patience, std::span<const PartitionId> partitions,
                                  int64_t at, std::map<PartitionId, Offset>& out) {
  const PartitionList list = partition_list(place_.topic, partitions, at);
  const rd_kafka_resp_err_t code =
      rd_kafka_offsets_for_times(client_.get(), list.get(), as_timeout(patience));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    refresh_leaders(patience);
    return again(code);
  }
  client_.health().note_answer(now());
  out.clear();
  for (const rd_kafka_topic_partition_t& element : elements(*list)) {
    if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      refresh_leaders(patience);
      return again(element.err);
    }
    out[PartitionId{element.partition}] = Offset{element.offset};
  }
  return true;
}

Result<std::map<PartitionId, Offset>> Lookups::offsets(std::span<const PartitionId> partitions,
                                                       int64_t at, std::string_view what) {
  std::map<PartitionId, Offset> out;
  if (partitions.empty()) return out;
  TRY(ask(what, [&](Milliseconds patience) { return ask_offsets(patience, partitions, at, out); }));
  return out;
}

Result<std::map<PartitionId, Watermarks>> Lookups::watermarks(
    std::span<const PartitionId> partitions) {
  // The start first: should records go in between, the range is too large, never cut short.
  const auto first = TRY(offsets(partitions, RD_KAFKA_OFFSET_BEGINNING, "the first offsets"));
  const auto end = TRY(offsets(partitions, RD_KAFKA_OFFSET_END, "the end offsets"));
  std::map<PartitionId, Watermarks> out;
  for (const auto& [partition, offset] : first) {
    out[partition] = {.first = offset, .end = std::max(offset, end.at(partition))};
  }
  return out;
}

Result<std::map<PartitionId, Offset>> Lookups::offsets_at(std::span<const PartitionId> partitions,
                                                          WallTime time) {
  const int64_t milliseconds = time.time_since_epoch().count();
  // Negative numbers have meanings of their own (−1 the end, −2 the beginning).
  const int64_t at = std::max<int64_t>(0, milliseconds);
  auto out = TRY(offsets(partitions, at, "the offsets at a time"));
  const auto end = TRY(offsets(partitions, RD_KAFKA_OFFSET_END, "the end offsets"));
  for (auto& [partition, offset] : out) {
    const Offset partition_end = end.at(partition);
    if (offset.value < 0) offset = partition_end;
    if (at > 0 && offset.value == at && offset > partition_end) {
      return Error{.code = Errc::config,
                   .slug = "kafka-no-time-index",
                   .message = "the brokers cannot look up offsets by time",
                   .fix = "start from earliest or end instead of a time"};
    }
  }
  return out;
}

Result<bool> Lookups::ask_committed(Milliseconds patience, std::span<const PartitionId> partitions,
                                    std::map<PartitionId, Committed>& out) {
  const PartitionList list = partition_list(place_.topic, partitions, RD_KAFKA_OFFSET_INVALID);
  const rd_kafka_resp_err_t code =
      rd_kafka_committed(client_.get(), list.get(), as_timeout(patience));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    // librdkafka waits for a coordinator that it is refused; why comes as an error of the group.
    if (auto refusal = refusal_of(client_.group_error(), place_)) return *std::move(refusal);
    return again(code);
  }
  client_.clear_group_error();
  client_.health().note_answer(now());
  out.clear();
  for (const rd_kafka_topic_partition_t& element : elements(*list)) {
    if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR) return again(element.err);
    if (element.offset < 0) continue;
    std::string metadata;
    if (element.metadata != nullptr) {
      metadata.assign(static_cast<const char*>(element.metadata), element.metadata_size);
    }
    out[PartitionId{element.partition}] = {.offset = Offset{element.offset},
                                           .metadata = std::move(metadata)};
  }
  return true;
}

Result<std::map<PartitionId, Committed>> Lookups::committed(
    std::span<const PartitionId> partitions) {
  std::map<PartitionId, Committed> out;
  if (partitions.empty()) return out;
  TRY(ask("the committed offsets",
          [&](Milliseconds patience) { return ask_committed(patience, partitions, out); }));
  return out;
}

}  // namespace sluice::kafka
