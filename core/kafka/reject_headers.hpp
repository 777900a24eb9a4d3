// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/model/record.hpp"

/// How a rejected record travels in a topic: its own headers and, behind them, why it was rejected.
///
///   sluice.error.code             decode, schema, type, too_large, insert; always the first of
///   ours sluice.error.clickhouse_code  where ClickHouse itself refused the row sluice.error.column
///   .message sluice.error.topic .partition .offset .timestamp   where it was first read
///   sluice.error.run .group       who rejected it; the group tells pipelines of one topic apart
///
/// Pure.
namespace sluice::kafka {

/// Who rejected a record.
struct RejectedBy {
  std::string run;
  std::string group;  ///< consumer group of the pipeline
};

[[nodiscard]] std::vector<Header> reject_headers(const RejectedRecord& record,
                                                 const RejectedBy& by);

/// The inverse: takes our headers off `record` and fills in what they say. Nothing, and `record` as
/// it was, when it has none or they are damaged.
[[nodiscard]] std::optional<RejectedBy> take_reject_headers(RejectedRecord& record);

}  // namespace sluice::kafka
