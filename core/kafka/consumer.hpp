// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <librdkafka/rdkafka.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/kafka/client.hpp"
#include "core/kafka/errors.hpp"
#include "core/kafka/lookups.hpp"
#include "core/kafka/refetch.hpp"
#include "core/kafka/source.hpp"

namespace sluice::kafka {

/// The Source: a member of a consumer group reading one topic.
///
/// Every assigned partition has a queue of its own, so that a partition is read only when asked for
/// and back-pressure needs no pause; the main queue carries rebalances and errors only.
///
///   brokers ──► librdkafka's threads ──► queue of partition 0 ──► read(0) ──► RecordListener
///                                   ├──► queue of partition 1 ──► read(1)
///                                   └──► main queue ───────────► poll() ──► AssignmentListener
///
/// What must hold: a commit is sent only for a partition of the current assignment (epoch), by a
/// member the broker knows; records reach the listener once, in offset order; an error that may
/// have skipped records ends the source (it is kept and returned from every later call).
///
/// Everything runs on the pipeline thread.
class Consumer final : public Source {
 public:
  Consumer(ClusterOptions cluster, SourceOptions options);
  ~Consumer() override = default;

  /// Creates the client that counts the topic's partitions, without waiting for any broker.
  Result<void> open();

  Result<std::vector<PartitionId>> partitions() override;
  Result<std::map<PartitionId, Watermarks>> watermarks(
      std::span<const PartitionId> partitions) override;
  Result<std::map<PartitionId, Offset>> offsets_at(std::span<const PartitionId> partitions,
                                                   WallTime time) override;
  Result<std::map<PartitionId, Committed>> committed(
      std::span<const PartitionId> partitions) override;
  Result<void> join(AssignmentListener& listener) override;
  Result<void> poll(Milliseconds wait) override;
  Result<size_t> read(PartitionId partition, size_t records_max, RecordListener& listener) override;
  Result<std::vector<CommitOutcome>> commit(std::span<const CommitRequest> requests,
                                            Milliseconds timeout) override;
  Result<bool> fetch(PartitionId partition, Offset offset, RecordListener& listener,
                     Milliseconds timeout) override;
  [[nodiscard]] std::optional<Watermarks> held(PartitionId partition) const override;
  Result<void> seek(const std::map<PartitionId, Offset>& positions) override;
  [[nodiscard]] uint64_t queue_bytes_max() const override { return queue_bytes_max_; }
  void close(Milliseconds timeout) override;

 private:
  struct Assigned {
    Epoch epoch = 0;
    QueueHandle queue;
    Offset next;                     ///< everything below was delivered or is none of ours
    Offset end = no_end;             ///< nothing from there on is wanted
    bool fetched = false;            ///< up to the end: librdkafka fetches no more of it
    std::deque<MessageHandle> rest;  ///< taken out of the queue before fetching ended
    bool at_end = false;             ///< the last thing read was the end
    bool read_short = false;         ///< the last read found less than it asked for
    bool broken = false;             ///< records may have been skipped: never read on
    uint64_t bytes_since_end = 0;
    uint64_t records_since_end = 0;
    TimePoint last_read;
    std::optional<TimePoint> empty_since;  ///< reads find nothing although the end is not reached
  };

  // consumer.cpp: the client and what it is asked
  Result<void> open_consumer();
  Result<Conf> consumer_conf(size_t partitions);
  [[nodiscard]] Client::Callbacks watching_callbacks() const;
  Result<Lookups> lookups();
  [[nodiscard]] Milliseconds lookup_limit() const;
  [[nodiscard]] Place place() const { return {.topic = options_.topic, .group = options_.group}; }
  void leave_group(Milliseconds timeout);

  // membership.cpp: assignments and what arrives beside records
  void on_rebalance(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions);
  void on_message(const rd_kafka_message_t& message);
  void take_partitions(const rd_kafka_topic_partition_list_t& partitions);
  Result<void> prepare(std::span<const PartitionId> partitions);
  Result<void> assign(std::span<const PartitionId> partitions);
  Result<void> open_queue(PartitionId partition, Offset start, Assigned& assigned);
  void give_partitions(bool lost);
  void drop_assignment();
  [[nodiscard]] std::string member_id() const;

  // reading.cpp: records
  void stop_at_ends();
  bool take_rest(Assigned& assigned);
  Result<bool> take(Assigned& assigned, const rd_kafka_message_t& message,
                    RecordListener& listener);
  Result<void> take_error(Assigned& assigned, const rd_kafka_message_t& message,
                          RecordListener& listener);
  Error out_of_range(const rd_kafka_message_t& message);
  void note_read(Assigned& assigned, size_t wanted, size_t got);
  void poke_stalled();

  // watching.cpp: brokers and topics that went away
  Result<void> check_reachable();
  Result<void> check_stuck_partitions(TimePoint now);
  Result<void> check_topic();
  void suspect_topic();
  bool probe(std::span<const PartitionId> partitions, Milliseconds patience);

  // committing.cpp
  [[nodiscard]] CommitResult gate(const CommitRequest& request, const std::string& member) const;
  Result<void> send_commit(std::span<const CommitRequest> requests,
                           std::vector<CommitOutcome>& outcomes, Milliseconds timeout);

  ClusterOptions cluster_;
  SourceOptions options_;
  std::unique_ptr<Client> counter_;  ///< counts partitions, since queue sizes depend on them
  std::unique_ptr<Client> client_;
  std::unique_ptr<Refetch> refetch_;
  AssignmentListener* listener_ = nullptr;
  bool closed_ = false;

  Epoch epoch_ = 0;
  std::string member_;  ///< who we were when partitions were assigned
  std::map<PartitionId, Assigned> assignment_;
  std::vector<rd_kafka_message_t*> messages_;  ///< reused by each call
  TimePoint last_look_at_ends_;

  uint64_t queue_bytes_max_ = 0;
  uint64_t queue_bytes_per_partition_ = 0;
  uint64_t queue_messages_per_partition_ = 0;
  Milliseconds poll_interval_max_{300'000};
  bool needs_poke_ = false;
  TimePoint last_poke_;
  TimePoint last_poll_;
  TimePoint last_probe_;
  Milliseconds probe_patience_{0};
  std::optional<TimePoint> topic_missing_since_;
  TimePoint last_topic_check_;
};

}  // namespace sluice::kafka
