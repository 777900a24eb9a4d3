// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <librdkafka/rdkafka.h>

#include <vector>

#include "core/model/record.hpp"

namespace sluice::kafka {

/// The headers of one message, copied only when somebody asks.
class MessageHeaders final : public HeaderSource {
 public:
  explicit MessageHeaders(const rd_kafka_message_t& message) : message_(message) {}
  [[nodiscard]] std::vector<Header> headers() const override;

 private:
  const rd_kafka_message_t& message_;
};

/// The record of a message without error; its views live as long as the message. Both outlive it.
[[nodiscard]] Record record_of(const rd_kafka_message_t& message, const HeaderSource& headers);

}  // namespace sluice::kafka
