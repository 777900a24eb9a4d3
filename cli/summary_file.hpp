// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/report.hpp"
#include "core/base/result.hpp"

namespace sluice::cli {

/// Whether there is a folder to write it in, asked before a run; writes nothing. Errc::io.
[[nodiscard]] Result<void> check_summary_file(const std::string& path);

/// Writes the summary of a run as the file's ending says:
///   .json  one line appended: the document of -o json
///   .prom  replaced atomically, for node_exporter's textfile collector
///   .md    a section appended
[[nodiscard]] Result<void> write_summary_file(const std::string& path, const RunReport& run);

/// The section of a .md file, for a file of any name.
[[nodiscard]] Result<void> append_markdown(const std::string& path, const RunReport& run);

/// The text of a .prom file. `before` is what the file held: the time of the last success is kept
/// through runs that fail, or the alert on it could never work. No sample has a timestamp, since
/// node_exporter then skips the entire file.
[[nodiscard]] std::string prometheus_text(const RunReport& run, const std::string& before);

}  // namespace sluice::cli
