// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/snapshot_groups.hpp"

#include <utility>

#include "core/base/wait.hpp"
#include "core/kafka/groups.hpp"

namespace sluice::kafka {
namespace {

class KafkaSnapshotGroups final : public SnapshotGroups {
 public:
  KafkaSnapshotGroups(GroupAdmin admin, std::string topic, std::stop_token stop,
                      Milliseconds timeout)
      : admin_(std::move(admin)),
        topic_(std::move(topic)),
        stop_(std::move(stop)),
        timeout_(timeout) {}

  Result<bool> has_members(const std::string& group) override {
    return !TRY(admin_.describe(group, timeout_)).members.empty();
  }
  Result<bool> keeps_members(const std::string& group, Milliseconds patience) override {
    constexpr Milliseconds pause{500};
    const TimePoint deadline = SystemClock().now() + patience;
    while (TRY(has_members(group))) {
      if (SystemClock().now() >= deadline) return true;
      if (!wait_for(pause, stop_)) {
        return Error{Errc::cancelled, "cancelled", "asked to stop while waiting for a group", ""};
      }
    }
    return false;
  }
  Result<std::vector<std::string>> list(const std::string& prefix) override {
    return admin_.list(prefix, timeout_);
  }
  Result<std::map<PartitionId, Committed>> offsets(const std::string& group) override {
    return admin_.offsets(group, topic_, timeout_);
  }
  Result<void> set_offsets(const std::string& group,
                           const std::map<PartitionId, Committed>& offsets) override {
    return admin_.set_offsets(group, topic_, offsets, timeout_);
  }
  Result<void> remove(const std::string& group) override { return admin_.remove(group, timeout_); }

 private:
  GroupAdmin admin_;
  std::string topic_;
  std::stop_token stop_;
  Milliseconds timeout_;
};

}  // namespace

Result<std::unique_ptr<SnapshotGroups>> open_snapshot_groups(const ClusterOptions& cluster,
                                                             const std::string& topic,
                                                             std::stop_token stop,
                                                             Milliseconds timeout) {
  GroupAdmin admin = TRY(GroupAdmin::open(cluster));
  return std::unique_ptr<SnapshotGroups>(
      std::make_unique<KafkaSnapshotGroups>(std::move(admin), topic, std::move(stop), timeout));
}

}  // namespace sluice::kafka
