// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/clickhouse/sink.hpp"

/// Asking a server what a table for some values would look like, and making it.
namespace sluice::clickhouse {

/// The type that the server itself infers for each list of JSON values (one a line, of one field),
/// in the same order; empty where it finds none, e.g. for a number here and an object there.
[[nodiscard]] Result<std::vector<std::string>> infer_types(const ServerOptions& server,
                                                           const std::vector<std::string>& values,
                                                           const Clock& clock);

/// Runs a CREATE TABLE of `database`.`table`.
[[nodiscard]] Result<void> create_table(const ServerOptions& server, const std::string& database,
                                        const std::string& table, const std::string& statement,
                                        const Clock& clock);

}  // namespace sluice::clickhouse
