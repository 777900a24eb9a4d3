// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "core/base/text.hpp"
#include "core/kafka/client.hpp"
#include "core/kafka/errors.hpp"
#include "core/kafka/lookups.hpp"
#include "core/kafka/message.hpp"
#include "core/kafka/source.hpp"

namespace sluice::kafka {
namespace {

TimePoint now() { return SystemClock().now(); }

Result<std::unique_ptr<Client>> open_reader(const ClusterOptions& cluster,
                                            const ScanOptions& options) {
  TRY(check_cluster(cluster));
  const Properties defaults = {{"queued.max.messages.kbytes", "16384"},
                               {"check.crcs", "true"},
                               {"isolation.level", "read_committed"}};
  Properties fixed = {{"enable.partition.eof", "true"},
                      {"auto.offset.reset", "error"},
                      {"enable.auto.commit", "false"},
                      {"enable.auto.offset.store", "false"},
                      {"allow.auto.create.topics", "false"}};
  // For asking what the group has committed; it is never subscribed, so never joined.
  if (options.group) fixed.emplace_back("group.id", *options.group);
  Conf conf = TRY(make_conf(cluster, Role::consumer, defaults, fixed));
  return Client::open(Role::consumer, std::move(conf), cluster, {});
}

/// Cuts the ranges down to the newest offsets, shared out evenly; partitions with few leave theirs
/// to the others.
void keep_newest(uint64_t newest_max, std::map<PartitionId, OffsetRange>& ranges) {
  std::vector<OffsetRange*> shortest_first;
  for (auto& [partition, range] : ranges) shortest_first.push_back(&range);
  const auto length = [](const OffsetRange* range) {
    return static_cast<uint64_t>(range->next.value - range->first.value);
  };
  std::sort(shortest_first.begin(), shortest_first.end(),
            [&](const auto* left, const auto* right) { return length(left) < length(right); });
  size_t partitions = shortest_first.size();
  for (OffsetRange* range : shortest_first) {
    const uint64_t share = std::min(length(range), (newest_max + partitions - 1) / partitions);
    range->first = Offset{range->next.value - static_cast<int64_t>(share)};
    newest_max -= std::min(share, newest_max);
    --partitions;
  }
  std::erase_if(ranges, [&](const auto& one) { return length(&one.second) == 0; });
}

/// What is to be read of every partition that has something.
Result<std::map<PartitionId, OffsetRange>> ranges_of(Client& client, const ScanOptions& options) {
  const Place place{.topic = options.topic, .group = options.group.value_or("")};
  Lookups lookups(client, place, options.unavailable_max);
  const auto partitions = TRY(lookups.partitions());
  const auto marks = TRY(lookups.watermarks(partitions));
  std::map<PartitionId, Committed> committed;
  if (options.group) committed = TRY(lookups.committed(partitions));
  std::map<PartitionId, Offset> since;
  if (options.since) since = TRY(lookups.offsets_at(partitions, *options.since));
  std::map<PartitionId, OffsetRange> ranges;
  for (const auto& [partition, held] : marks) {
    Offset first = held.first;
    if (const auto at = committed.find(partition); at != committed.end()) {
      first = std::max(first, at->second.offset);
    }
    if (const auto at = since.find(partition); at != since.end()) {
      first = std::max(first, at->second);
    }
    if (first < held.end) ranges.emplace(partition, OffsetRange{first, held.end});
  }
  if (options.newest_max) keep_newest(*options.newest_max, ranges);
  return ranges;
}

/// One scan under way: a queue that all partitions feed.
class Scan {
 public:
  Scan(Client& client, const ScanOptions& options, std::map<PartitionId, OffsetRange> ranges)
      : client_(client),
        options_(options),
        left_(std::move(ranges)),
        topic_(rd_kafka_topic_new(client.get(), options.topic.c_str(), nullptr)),
        queue_(rd_kafka_queue_new(client.get())) {}
  ~Scan() {
    for (const PartitionId partition : started_) {
      rd_kafka_consume_stop(topic_.get(), partition.value);
    }
  }
  Scan(const Scan&) = delete;
  Scan& operator=(const Scan&) = delete;

  Result<void> run(RecordListener& listener, const std::stop_token& stop) {
    CHECK(topic_ != nullptr);
    for (const auto& [partition, range] : left_) {
      if (rd_kafka_consume_start_queue(topic_.get(), partition.value, range.first.value,
                                       queue_.get()) != 0) {
        return failure(partition, reason_of(rd_kafka_last_error()));
      }
      started_.push_back(partition);
    }
    TimePoint progress_last = now();
    while (!left_.empty()) {
      if (stop.stop_requested()) {
        return Error{Errc::cancelled, "cancelled", "stopped while reading " + options_.topic, ""};
      }
      const MessageHandle message(rd_kafka_consume_queue(queue_.get(), 200));
      if (message != nullptr && TRY(take(*message, listener))) progress_last = now();
      client_.serve(Milliseconds{0});
      if (client_.failure()) return *client_.failure();
      if (auto refusal = client_.health().refusal(now())) return *std::move(refusal);
      if (now() - progress_last < options_.unavailable_max) continue;
      if (client_.health().troubled())
        return client_.health().unreachable(options_.unavailable_max);
      return failure(left_.begin()->first, "no answer");
    }
    return {};
  }

 private:
  /// Whether it brought the scan forward.
  Result<bool> take(const rd_kafka_message_t& message, RecordListener& listener) {
    const PartitionId partition{message.partition};
    const auto range = left_.find(partition);
    if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      // Behind the last record there can be what is no record: markers, aborted transactions.
      if (range != left_.end() && message.offset >= range->second.next.value) left_.erase(range);
      return true;
    }
    if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (range == left_.end()) return true;
      if (message.offset < range->second.next.value) {
        const MessageHeaders headers(message);
        listener.record(record_of(message, headers));
      }
      if (message.offset + 1 >= range->second.next.value) left_.erase(range);
      return true;
    }
    if (auto refusal = refusal_of(message.err, {.topic = options_.topic, .group = {}})) {
      return *std::move(refusal);
    }
    if (is_transient(message.err) || is_unknown_topic(message.err)) return false;
    return failure(partition, reason_of(message.err));
  }

  [[nodiscard]] Error failure(PartitionId partition, const std::string& why) const {
    return {.code = Errc::unavailable,
            .slug = "kafka-fetch-failed",
            .message =
                fmt::format("{}[{}] could not be read: {}", options_.topic, partition.value, why),
            .fix = "run the command again"};
  }

  Client& client_;
  const ScanOptions& options_;
  std::map<PartitionId, OffsetRange> left_;
  TopicHandle topic_;
  QueueHandle queue_;
  std::vector<PartitionId> started_;
};

}  // namespace

Result<void> scan_topic(const ClusterOptions& cluster, const ScanOptions& options,
                        RecordListener& listener, const std::stop_token& stop) {
  const auto client = TRY(open_reader(cluster, options));
  auto ranges = ranges_of(*client, options);
  if (!ranges) return ranges.error();
  return Scan(*client, options, *std::move(ranges)).run(listener, stop);
}

Result<std::map<PartitionId, Watermarks>> scan_ranges(
    const ClusterOptions& cluster, const ScanOptions& options,
    const std::map<PartitionId, OffsetRanges>& ranges, RecordListener& listener,
    const std::stop_token& stop) {
  const auto client = TRY(open_reader(cluster, options));
  Lookups lookups(*client, {.topic = options.topic, .group = {}}, options.unavailable_max);
  std::vector<PartitionId> partitions;
  for (const auto& [partition, wanted] : ranges) partitions.push_back(partition);
  auto held = TRY(lookups.watermarks(partitions));
  // A partition is read one range after the other, all partitions beside each other.
  for (size_t round = 0;; ++round) {
    std::map<PartitionId, OffsetRange> now_due;
    bool more = false;
    for (const auto& [partition, wanted] : ranges) {
      if (round >= wanted.size()) continue;
      more = true;
      const Watermarks& marks = held[partition];
      const OffsetRange due{std::max(wanted[round].first, marks.first),
                            std::min(wanted[round].next, marks.end)};
      if (!due.empty()) now_due.emplace(partition, due);
    }
    if (!more) return held;
    if (!now_due.empty()) TRY(Scan(*client, options, std::move(now_due)).run(listener, stop));
  }
}

}  // namespace sluice::kafka
