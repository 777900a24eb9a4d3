// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/kafka/client.hpp"
#include "core/kafka/errors.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::kafka {

/// Questions to the brokers about one topic and group, each answered within a limit.
///
/// Every question is asked again until it is answered, with growing patience per attempt, so that a
/// slow line gets its answer and refused credentials are noticed at once. Between attempts the
/// client's events are served, unless it is in a group: then only poll() may run callbacks.
class Lookups {
 public:
  /// Waits up to `limit` for each answer; `cancelled` some seconds after `stop` was asked for.
  Lookups(Client& client, Place place, Milliseconds limit, std::stop_token stop = {});

  /// Errc::config when the topic does not exist.
  [[nodiscard]] Result<std::vector<PartitionId>> partitions();
  /// Log start and end. Under read_committed the end is the last stable offset.
  [[nodiscard]] Result<std::map<PartitionId, Watermarks>> watermarks(
      std::span<const PartitionId> partitions);
  /// First offset at or after a time; the end where there is none.
  [[nodiscard]] Result<std::map<PartitionId, Offset>> offsets_at(
      std::span<const PartitionId> partitions, WallTime time);
  /// Partitions without a commit are left out.
  [[nodiscard]] Result<std::map<PartitionId, Committed>> committed(
      std::span<const PartitionId> partitions);
  /// All topics of the cluster; the place has none.
  [[nodiscard]] Result<std::vector<std::string>> topics();
  /// One attempt within the limit: whether the topic is there; nothing when nobody could tell.
  [[nodiscard]] std::optional<bool> topic_exists();

 private:
  /// True: answered. False: ask again, last_code_ says why. An error ends the question.
  using Attempt = std::function<Result<bool>(Milliseconds patience)>;

  Result<void> ask(std::string_view what, const Attempt& attempt);
  Result<bool> ask_topic(Milliseconds patience, std::vector<PartitionId>& out);
  Result<bool> ask_offsets(Milliseconds patience, std::span<const PartitionId> partitions,
                           int64_t at, std::map<PartitionId, Offset>& out);
  Result<bool> ask_topics(Milliseconds patience, std::vector<std::string>& out);
  Result<bool> ask_committed(Milliseconds patience, std::span<const PartitionId> partitions,
                             std::map<PartitionId, Committed>& out);
  Result<std::map<PartitionId, Offset>> offsets(std::span<const PartitionId> partitions, int64_t at,
                                                std::string_view what);
  [[nodiscard]] Milliseconds time_left() const;
  Result<bool> again(rd_kafka_resp_err_t code);
  std::vector<std::string> topic_names();
  void refresh_leaders(Milliseconds patience);
  Error gave_up(std::string_view what) const;

  Client& client_;
  Place place_;
  Milliseconds limit_;
  std::stop_token stop_;
  TimePoint started_;
  rd_kafka_resp_err_t last_code_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  int unknown_topic_count_ = 0;
};

}  // namespace sluice::kafka
