// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/model/record.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::cli {

/// A RejectSink that appends one JSON object a line to a local file:
///
///   {"v":1,"rejected_at":"2026-11-21T02:00:04.112Z","run":"…","topic":"orders","partition":0,
///    "offset":17,"timestamp":1795226404112,"reason":"type","code":0,"column":"amount",
///    "message":"…","key":"…","value":"…","headers":[{"name":"…","value":"…"}]}
///
/// Bytes that are not UTF-8 stand under key_base64, value_base64 instead; null stays null. The file
/// is made with mode 0600, a symbolic link is refused. flush() returns once everything is on disk.
/// A line that an earlier crash left unfinished is ended first, so that every other line stays
/// readable. Several processes may append to one file.
[[nodiscard]] Result<std::unique_ptr<RejectSink>> open_reject_file(const std::string& path,
                                                                   const std::string& run_id,
                                                                   const Clock& clock);

/// One such line, with its line break.
[[nodiscard]] std::string reject_line(const RejectedRecord& record, const std::string& run_id,
                                      WallTime rejected_at);

}  // namespace sluice::cli
