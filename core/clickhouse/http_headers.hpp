// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/clickhouse/http.hpp"

namespace sluice::clickhouse {

/// Collects what matters from the header lines of one answer, as they arrive.
///
/// A new status line (after 100 Continue) starts over. Bounded: more than 64 KiB of headers are
/// refused. Pure; not thread-safe.
class HeaderReader {
 public:
  explicit HeaderReader(HttpReply& reply) : reply_(reply) {}

  /// One line with its line end; false when the headers grow too large.
  [[nodiscard]] bool add(std::string_view line);

  /// The blank line after the last header was seen.
  [[nodiscard]] bool finished() const { return finished_; }
  /// The answer says where its body ends: a body cut short can be told from a whole one.
  [[nodiscard]] bool framed() const { return framed_; }
  /// For how long the server keeps an idle connection, where it says so.
  [[nodiscard]] std::optional<std::chrono::seconds> keep_alive() const { return keep_alive_; }

 private:
  void add_field(std::string_view name, std::string_view value);

  HttpReply& reply_;
  uint64_t bytes_ = 0;
  bool finished_ = false;
  bool framed_ = false;
  std::optional<std::chrono::seconds> keep_alive_;
};

}  // namespace sluice::clickhouse
