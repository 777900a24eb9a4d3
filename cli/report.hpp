// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/pipeline/pipeline.hpp"

namespace sluice::cli {

/// What one pipeline of a run did.
struct PipelineResult {
  std::string topic;
  std::string group;
  std::string table;
  std::string reject_sink;  ///< "topic:orders.rejects"; empty without one
  std::string place;        ///< "sluice.toml:14", for error messages; may be empty
  PipelineReport report;
  int exit_code = 0;
  bool passed_over = false;  ///< --if-running skip: another sync of it runs

  /// One word for scripts about how it ended.
  [[nodiscard]] std::string_view reason() const;
};

/// What a run did. In every pipeline, and so in the totals, read = inserted + rejected + skipped.
struct RunReport {
  std::string command = "sync";
  std::string run_id;
  WallTime started_at{};
  WallTime finished_at{};
  Milliseconds duration{0};
  std::optional<WallTime> until;  ///< --until, where it was a time
  int exit_code = 0;
  bool was_reset = false;      ///< --reset-to moved the groups at its start
  bool no_data = false;        ///< and so the exit code is that of --no-data-exit-code
  std::optional<Error> error;  ///< of the run itself, e.g. a summary file that cannot be written
  std::vector<PipelineResult> pipelines;

  [[nodiscard]] Counts totals() const;
  [[nodiscard]] bool caught_up() const;
  [[nodiscard]] bool passed_over() const;  ///< every pipeline
  /// One word for scripts about how the run ended.
  [[nodiscard]] std::string_view reason() const;
  /// The pipeline whose error gave the run its exit code, or null.
  [[nodiscard]] const PipelineResult* failed() const;
  /// That pipeline's error, else the run's own, else null.
  [[nodiscard]] const Error* failure() const;
};

/// The final table and the lines under it, for stdout.
[[nodiscard]] std::string report_text(const RunReport& run);
/// {"type":"summary",…}: the whole document of -o json. After a failure it has the fields of
/// exit_error too.
[[nodiscard]] nlohmann::ordered_json report_json(const RunReport& run);
/// {"type":"exit_error","v":1,…}
[[nodiscard]] nlohmann::ordered_json exit_error_json(const Error& error, int exit_code,
                                                     const std::string& pipeline);
/// The same at the end of a run.
[[nodiscard]] nlohmann::ordered_json exit_error_json(const Error& error, const RunReport& run);
/// For --stats: time and bytes by stage.
[[nodiscard]] std::string stats_text(const RunReport& run);
/// For --summary-file *.md and GitHub's step summary.
[[nodiscard]] std::string report_markdown(const RunReport& run);

/// "2 records rejected to topic orders.rejects      next: sluice rejects orders", one line for each
/// pipeline that has any; `named`: with "orders: " before it, where no table tells.
[[nodiscard]] std::vector<std::string> reject_lines(const RunReport& run, bool named = false);

}  // namespace sluice::cli
