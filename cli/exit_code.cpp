// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_code.hpp"

#include <algorithm>
#include <array>
#include <csignal>

namespace sluice::cli {
namespace {

/// From worst to best. What is not in it (a later code) counts as a plain failure.
constexpr std::array worst_first{
    exit_code::internal,    exit_code::config,      exit_code::no_permission, exit_code::data,
    exit_code::io,          exit_code::unavailable, exit_code::failed,        exit_code::terminated,
    exit_code::interrupted, exit_code::unhealthy,   exit_code::limit,         exit_code::rejected,
    exit_code::ok};

size_t rank(int code) {
  const auto found = std::find(worst_first.begin(), worst_first.end(), code);
  if (found != worst_first.end()) return static_cast<size_t>(found - worst_first.begin());
  return rank(exit_code::failed);
}

}  // namespace

int exit_code_of(Errc code, int signal) {
  switch (code) {
    case Errc::usage:
      return exit_code::usage;
    case Errc::config:
      return exit_code::config;
    case Errc::no_permission:
      return exit_code::no_permission;
    case Errc::unavailable:
      return exit_code::unavailable;
    case Errc::rejected:
      return exit_code::data;
    case Errc::data_loss:
      return exit_code::failed;
    case Errc::io:
      return exit_code::io;
    case Errc::cancelled:
      return signal == SIGINT ? exit_code::interrupted
             : signal != 0    ? exit_code::terminated
                              : exit_code::limit;
    case Errc::failed:
      return exit_code::failed;
    case Errc::internal:
      return exit_code::internal;
  }
  return exit_code::internal;
}

int exit_code_of(const PipelineReport& report, const ExitPolicy& policy) {
  if (report.error) return exit_code_of(report.error->code, policy.signal);
  if (report.interrupted && policy.continuous) return exit_code::ok;
  if (report.interrupted) return exit_code_of(Errc::cancelled, policy.signal);
  if (report.limit_reached) return exit_code::limit;
  if (!report.caught_up) return exit_code::failed;
  if (report.counts.lost > 0) return exit_code::failed;
  if (report.counts.rejected > 0 && !policy.rejects_ok) return exit_code::rejected;
  return exit_code::ok;
}

int worst_exit_code(const std::vector<int>& codes) {
  int worst = exit_code::ok;
  for (const int code : codes) {
    if (rank(code) < rank(worst)) worst = code;
  }
  return worst;
}

std::string_view exit_reason(int code) {
  switch (code) {
    case exit_code::ok:
      return "ok";
    case exit_code::usage:
      return "usage";
    case exit_code::rejected:
      return "rejected";
    case exit_code::unhealthy:
      return "unhealthy";
    case exit_code::limit:
      return "limit";
    case exit_code::data:
      return "data";
    case exit_code::internal:
      return "internal";
    case exit_code::io:
      return "io";
    case exit_code::unavailable:
      return "unavailable";
    case exit_code::no_permission:
      return "no-permission";
    case exit_code::config:
      return "config";
    case exit_code::interrupted:
      return "interrupted";
    case exit_code::terminated:
      return "terminated";
    default:
      return "failed";
  }
}

}  // namespace sluice::cli
