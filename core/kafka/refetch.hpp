// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/kafka/client.hpp"
#include "core/kafka/errors.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::kafka {

/// Reads single records again, with a client of its own that is in no group.
class Refetch {
 public:
  static Result<std::unique_ptr<Refetch>> open(const ClusterOptions& cluster, const Place& place);

  Refetch(std::unique_ptr<Client> client, Place place);

  /// Calls `listener` with the record at `offset`; false when there is none (any more).
  Result<bool> fetch(PartitionId partition, Offset offset, RecordListener& listener,
                     Milliseconds timeout);

 private:
  enum class Found : uint8_t { record, nothing, not_yet };

  Result<Found> look(rd_kafka_queue_t* queue, PartitionId partition, Offset offset,
                     RecordListener& listener, Milliseconds patience);
  Result<bool> await(rd_kafka_queue_t* queue, PartitionId partition, Offset offset,
                     RecordListener& listener, Milliseconds timeout);

  std::unique_ptr<Client> client_;
  Place place_;
  TopicHandle topic_;
};

}  // namespace sluice::kafka
