// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/kafka/source.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::kafka {

class Client;

/// Looks at topics as a consumer group stands in them, without ever joining it.
///
/// Every call returns within its timeout whatever the brokers do. For one thread.
class GroupView {
 public:
  /// Connects in the background. Errc::config when the options do not fit together.
  static Result<GroupView> open(const ClusterOptions& cluster, const std::string& group);

  GroupView(std::string group, std::unique_ptr<Client> client);
  ~GroupView();
  GroupView(GroupView&&) noexcept;
  GroupView& operator=(GroupView&&) = delete;

  /// Errc::config when the topic does not exist.
  Result<std::vector<PartitionId>> partitions(const std::string& topic, Milliseconds timeout);
  Result<std::map<PartitionId, Watermarks>> watermarks(const std::string& topic,
                                                       std::span<const PartitionId> partitions,
                                                       Milliseconds timeout);
  /// Partitions without a commit are left out.
  Result<std::map<PartitionId, Committed>> committed(const std::string& topic,
                                                     std::span<const PartitionId> partitions,
                                                     Milliseconds timeout);
  /// First offset at or after a time; the end where there is none.
  Result<std::map<PartitionId, Offset>> offsets_at(const std::string& topic,
                                                   std::span<const PartitionId> partitions,
                                                   WallTime time, Milliseconds timeout);
  /// When the first record at or behind each offset was written, by its own timestamp. Nothing
  /// where no record follows; left out where none came in time or it has no timestamp.
  std::map<PartitionId, std::optional<WallTime>> first_times(
      const std::string& topic, const std::map<PartitionId, Offset>& from, Milliseconds timeout);

 private:
  std::string group_;
  std::unique_ptr<Client> client_;
};

}  // namespace sluice::kafka
