// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "core/kafka/client.hpp"
#include "core/kafka/lookups.hpp"
#include "core/kafka/source.hpp"

namespace sluice::kafka {
namespace {

/// A client that asks and joins nothing.
Result<std::unique_ptr<Client>> open_client(const ClusterOptions& cluster, Properties more) {
  TRY(check_cluster(cluster));
  more.emplace_back("allow.auto.create.topics", "false");
  Conf conf = TRY(make_conf(cluster, Role::consumer, {}, more));
  return Client::open(Role::consumer, std::move(conf), cluster, {});
}

}  // namespace

Result<std::vector<std::string>> list_topics(const ClusterOptions& cluster, Milliseconds limit) {
  const auto client = TRY(open_client(cluster, {}));
  auto topics = Lookups(*client, {}, limit).topics();
  client->destroy(Milliseconds{1000});
  return topics;
}

// A client for each: librdkafka 2.0.2 crashes when it is asked about groups that are not its own
// (ListConsumerGroupOffsets) while their coordinator is not known yet.
Result<bool> any_committed(const ClusterOptions& cluster, const std::vector<TopicOfGroup>& groups,
                           Milliseconds limit) {
  for (const auto& [topic, group] : groups) {
    const auto client = TRY(open_client(cluster, {{"group.id", group}}));
    Lookups lookups(*client, {.topic = topic, .group = group}, limit);
    const auto partitions = TRY(lookups.partitions());
    const bool some = !TRY(lookups.committed(partitions)).empty();
    client->destroy(Milliseconds{1000});
    if (some) return true;
  }
  return false;
}

}  // namespace sluice::kafka
