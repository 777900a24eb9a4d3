// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/connections.hpp"
#include "cli/settings.hpp"
#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/model/offset_ranges.hpp"

namespace sluice::cli {

struct VerifyOptions {
  /// What to prove; `next` at most the committed offset, or records that are still on their way
  /// count as lost.
  std::map<PartitionId, OffsetRange> ranges;
  /// Records that are kept among the rejects: no row is expected of them.
  std::map<PartitionId, OffsetRanges> rejected;
};

/// What was found of one partition.
struct PartitionProof {
  PartitionId partition;
  OffsetRange range;
  uint64_t rows = 0;     ///< of the table
  OffsetRanges lost;     ///< Kafka holds a record that should be a row, and there is none
  OffsetRanges doubled;  ///< more than one row
  /// No row, and Kafka does not hold them any more: whether they ever carried a record that makes
  /// a row is not known.
  OffsetRanges gone;
  uint64_t rejected = 0;  ///< no row, but among the rejects
  uint64_t empty = 0;     ///< no row, none expected: control records, compacted, tombstones
  bool all_named = true;  ///< false: there is more than what the lists name; verify smaller ranges

  [[nodiscard]] bool proven() const {
    return lost.empty() && doubled.empty() && gone.empty() && all_named;
  }
};

/// What was found of one pipeline.
struct PipelineProof {
  std::string name;
  std::string topic;
  std::string table;
  std::vector<PartitionProof> partitions;
  std::string unknown;  ///< why nothing was looked at; empty where there are partitions

  /// Nothing where nothing was looked at.
  [[nodiscard]] std::optional<bool> proven() const;
};

/// Proves that each offset of the ranges that carried a record is in the pipeline's table exactly
/// once, or rejected. The server counts; from Kafka only those ranges are read again that have no
/// row. Errc::config when the table's rows do not tell where they came from.
[[nodiscard]] Result<std::vector<PartitionProof>> verify_pipeline(const PipelineSettings& pipeline,
                                                                  const Connections& connections,
                                                                  const VerifyOptions& options,
                                                                  const Clock& clock,
                                                                  const std::stop_token& stop);

/// Offsets of the pipeline's topic whose records are kept among its rejects.
[[nodiscard]] Result<std::map<PartitionId, OffsetRanges>> rejected_offsets(
    const PipelineSettings& pipeline, const Connections& connections);

/// Splits what has no row by what Kafka holds: `records` are the offsets of those that should
/// be a row. Pure.
void judge_missing(const OffsetRanges& missing, const OffsetRanges& records,
                   const OffsetRanges& rejected, OffsetRange held, PartitionProof& proof);

/// {"partition":0,"first":0,"next":100,"rows":99,"lost":[[5,6]],"doubled":[],"gone":[],"rejected":0,
///  "empty":0,"all_named":true,"proven":false}; lists end after `ranges_max` ranges.
[[nodiscard]] nlohmann::ordered_json proof_json(const PartitionProof& proof,
                                                size_t ranges_max_shown = 100);
/// "orders[0] [0,100): 99 rows, each record once" or what is wrong, with the first ranges.
[[nodiscard]] std::string proof_sentence(const std::string& topic, const PartitionProof& proof);

/// Whether all is proven; nothing where something was not looked at and nothing is wrong.
[[nodiscard]] std::optional<bool> all_proven(std::span<const PipelineProof> proofs);
/// {"type":"verify","v":1,"proven":null,"pipelines":[…]}
[[nodiscard]] nlohmann::ordered_json verify_json(std::span<const PipelineProof> proofs);
/// A line for each partition, or for a pipeline of which nothing was looked at.
[[nodiscard]] std::string verify_text(std::span<const PipelineProof> proofs);

}  // namespace sluice::cli
