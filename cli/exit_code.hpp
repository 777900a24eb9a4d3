// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/pipeline/pipeline.hpp"

/// The one place where outcomes become exit codes (`sluice help exit-codes`).
namespace sluice::cli {

namespace exit_code {
inline constexpr int ok = 0;
inline constexpr int failed = 1;
inline constexpr int usage = 2;
inline constexpr int rejected = 3;
inline constexpr int unhealthy = 4;
inline constexpr int limit = 5;
inline constexpr int data = 65;
inline constexpr int internal = 70;
inline constexpr int io = 74;
inline constexpr int unavailable = 75;
inline constexpr int no_permission = 77;
inline constexpr int config = 78;
inline constexpr int interrupted = 130;
inline constexpr int terminated = 143;
}  // namespace exit_code

/// `signal` is the one that asked us to stop, 0 for none.
[[nodiscard]] int exit_code_of(Errc code, int signal = 0);

struct ExitPolicy {
  bool rejects_ok = false;
  int signal = 0;           ///< that asked the run to stop, 0 for none
  bool continuous = false;  ///< a run without an end: to be stopped is its purpose
};
[[nodiscard]] int exit_code_of(const PipelineReport& report, const ExitPolicy& policy);

/// The code of the process: the worst of its pipelines'.
[[nodiscard]] int worst_exit_code(const std::vector<int>& codes);

/// One word for scripts: "ok", "rejected", "limit", "config", …
[[nodiscard]] std::string_view exit_reason(int code);

}  // namespace sluice::cli
