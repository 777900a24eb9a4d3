// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace sluice {

/// The insert_deduplication_token of every INSERT of a batch: "slu1-<nonce>-<table UUID>".
///
/// The nonce (Intent::nonce) is 128 random bits, so no token comes twice, whatever is rewound,
/// recreated or restored; one nonce gives every table a token of its own. No hash: the parts have
/// fixed lengths, so different ones cannot meet, ClickHouse hashes the token itself, and the batch
/// of a commit record is found in system.query_log by its nonce.
[[nodiscard]] inline std::string insert_token(std::string_view nonce, std::string_view table_uuid) {
  return "slu1-" + std::string(nonce) + "-" + std::string(table_uuid);
}

}  // namespace sluice
