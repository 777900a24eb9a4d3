// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <librdkafka/rdkafka.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"

namespace sluice::kafka {

/// What is known about a cluster's brokers: when one answered last, and why the others do not.
///
/// librdkafka tells each broker's errors once (the same one again only after 30 s) and never that a
/// broker is back, so an answer to anything is what counts.
///
/// Pure; not thread-safe.
class BrokerHealth {
 public:
  BrokerHealth(std::string brokers, TimePoint now);

  /// An error from the client's error callback: "host:port/1: Connect to … failed: … (after …)".
  void note_error(rd_kafka_resp_err_t code, std::string_view text, TimePoint now);
  /// A broker answered.
  void note_answer(TimePoint now);

  [[nodiscard]] TimePoint last_answer() const { return last_answer_; }
  /// Whether errors came in since the last answer.
  [[nodiscard]] bool troubled() const { return !reasons_.empty(); }
  /// What waiting will not heal: credentials or a certificate refused, and no answer since.
  [[nodiscard]] std::optional<Error> refusal(TimePoint now) const;
  /// "no Kafka broker of … answered within …", with each broker's reason.
  [[nodiscard]] Error unreachable(Milliseconds waited) const;

 private:
  struct Failure {
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    std::string text;
    TimePoint first;
    uint32_t count = 0;
  };

  std::string brokers_;
  TimePoint last_answer_;
  bool answered_ = false;
  std::map<std::string, std::string> reasons_;  ///< by broker, since the last answer
  std::optional<Failure> authentication_;
  std::optional<Failure> tls_;
};

}  // namespace sluice::kafka
