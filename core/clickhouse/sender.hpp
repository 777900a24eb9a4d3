// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/clickhouse/compress.hpp"
#include "core/clickhouse/gate.hpp"
#include "core/clickhouse/http.hpp"
#include "core/clickhouse/reply.hpp"
#include "core/clickhouse/sink.hpp"

namespace sluice::clickhouse {

/// What all senders of a sink need to know; none of it changes.
struct SenderOptions {
  HttpOptions http;
  Target target;
  std::string fixed_parameters;  ///< of the URL, for every INSERT
  Compression compression = Compression::none;
  Milliseconds timeout{120'000};
  RetryOptions retry;
};

/// Brings one INSERT after the other to its end: compresses it once, sends it, judges the answer,
/// waits and sends the same bytes again. One per sender thread; not thread-safe.
class Sender {
 public:
  Sender(const SenderOptions& options, Gate& gate, Observer& observer, const Clock& clock);

  /// One INSERT, the table as described when it was made, and when it was handed over.
  struct Task {
    const Insert* insert = nullptr;
    const Table* table = nullptr;
    TimePoint submitted{};
  };

  /// Blocks until the INSERT is done, refused or given up; soon after `stop` was asked for.
  [[nodiscard]] InsertOutcome deliver(const Task& task, const std::stop_token& stop);

 private:
  /// The INSERT as it goes over the wire, the same for all attempts.
  struct Body {
    std::span<const std::string_view> pieces;
    uint64_t bytes = 0;
    std::string parameters;
  };
  Body prepare(const Task& task, InsertOutcome& outcome);
  Verdict attempt(const Insert& insert, const Body& body, uint32_t number, InsertOutcome& outcome,
                  const std::stop_token& stop);
  void conclude(Retry::Next next, Verdict verdict, TimePoint started, InsertOutcome& outcome) const;
  Error given_up(Error last, uint32_t attempts, TimePoint started) const;

  const SenderOptions& options_;
  Gate& gate_;
  Observer& observer_;
  const Clock& clock_;
  HttpClient client_;
  Compressor compressor_;
  std::random_device random_;
  std::string query_;                     ///< of the current INSERT, when it goes with the body
  std::vector<std::string_view> pieces_;  ///< of the current INSERT
};

}  // namespace sluice::clickhouse
