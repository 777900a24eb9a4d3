// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/kafka/source.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::kafka {

class Client;

struct GroupMember {
  std::string client_id;
  std::string host;
  std::string member_id;
  std::vector<std::pair<std::string, PartitionId>> partitions;  ///< topic and partition
};

struct GroupDescription {
  std::string id;
  std::string state;  ///< Kafka's word: Stable, Empty, Dead, PreparingRebalance, …
  std::vector<GroupMember> members;
};

/// Looks at consumer groups and changes them, without ever joining one.
///
/// Every call returns within its timeout whatever the brokers do: what passes by itself is asked
/// again until then, then the answer is Errc::unavailable. Errc::no_permission names what to grant.
/// For one thread.
class GroupAdmin {
 public:
  /// Connects in the background. Errc::config when the options do not fit together.
  static Result<GroupAdmin> open(const ClusterOptions& cluster);

  ~GroupAdmin();
  GroupAdmin(GroupAdmin&&) noexcept;
  GroupAdmin& operator=(GroupAdmin&&) = delete;

  /// Ids of the groups that begin with `prefix`, in order; those we may not see are not there.
  Result<std::vector<std::string>> list(std::string_view prefix, Milliseconds timeout);
  /// A group that does not exist is "Dead" and has no members.
  Result<GroupDescription> describe(const std::string& group, Milliseconds timeout);
  /// What the group has committed of the topic, with metadata; partitions without a commit are left
  /// out. Errc::config when the topic does not exist.
  Result<std::map<PartitionId, Committed>> offsets(const std::string& group,
                                                   const std::string& topic, Milliseconds timeout);
  /// Commits for a group that has no members, which need not exist; `kafka-group-active` when it
  /// has some. After Errc::unavailable it may have happened.
  Result<void> set_offsets(const std::string& group, const std::string& topic,
                           const std::map<PartitionId, Committed>& offsets, Milliseconds timeout);
  /// Deletes the group and its offsets; nothing to do when it does not exist. `kafka-group-active`
  /// when it has members.
  Result<void> remove(const std::string& group, Milliseconds timeout);

  /// A property of a topic as it is in force: message.timestamp.type, cleanup.policy, …
  Result<std::string> topic_config(const std::string& topic, const std::string& name,
                                   Milliseconds timeout);
  /// How long Kafka keeps the offsets of a group without members.
  Result<Milliseconds> offsets_retention(Milliseconds timeout);

 private:
  struct Question;

  explicit GroupAdmin(const ClusterOptions& cluster);
  Result<void> connect();  ///< opens the client if there is none
  void disconnect();
  Result<void> ask(const Question& question, Milliseconds timeout);
  /// `pending`: the last request was given up without an answer; librdkafka may still work on it.
  Result<void> ask(const Question& question, Milliseconds timeout, bool& pending);
  enum class Resource : uint8_t { topic, broker };
  Result<std::string> config(Resource type, const std::string& resource, const std::string& name,
                             Milliseconds timeout);

  ClusterOptions cluster_;
  std::unique_ptr<Client> client_;  ///< null after a question that was given up
};

}  // namespace sluice::kafka
