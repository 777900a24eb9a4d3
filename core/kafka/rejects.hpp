// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/kafka/client.hpp"
#include "core/kafka/errors.hpp"
#include "core/kafka/reject_headers.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::kafka {

/// Writes rejected records to a topic: idempotent, to all replicas, uncompressed. A record that was
/// not acknowledged makes every later call fail, so that no offset is passed for it.
class RejectTopic final : public RejectSink {
 public:
  RejectTopic(std::string topic, RejectedBy by);
  ~RejectTopic() override = default;

  Result<void> open(const ClusterOptions& cluster);
  Result<void> write(const RejectedRecord& record) override;
  Result<void> flush() override;

 private:
  void on_delivered(const rd_kafka_message_t& message);
  Result<void> check();
  [[nodiscard]] Error not_written(rd_kafka_resp_err_t code) const;

  Place place_;
  RejectedBy by_;
  std::unique_ptr<Client> client_;
  Milliseconds timeout_{0};
  std::optional<Error> failure_;
};

}  // namespace sluice::kafka
