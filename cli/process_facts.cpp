// SPDX-License-Identifier: Apache-2.0
#include "cli/process_facts.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace sluice::cli {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::optional<double> resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0;
  double resident = 0;
  if (!(file >> total >> resident)) return std::nullopt;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

std::optional<double> open_fds() {
  std::error_code failed;
  std::filesystem::directory_iterator entries("/proc/self/fd", failed);
  if (failed) return std::nullopt;
  double count = 0;
  while (!failed && entries != std::filesystem::directory_iterator()) {
    ++count;
    entries.increment(failed);
  }
  return count - 1;  // the one that is looking
}

std::optional<double> boot_time() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    double time = 0;
    if (word == "btime" && file >> time) return time;
  }
  return std::nullopt;
}

/// Field 22 of /proc/self/stat; the second one, the name, may hold blanks and parentheses.
std::optional<double> start_time() {
  std::ifstream file("/proc/self/stat");
  const std::string line{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const size_t name_end = line.rfind(')');
  const std::optional<double> boot = boot_time();
  if (name_end == std::string::npos || !boot) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  for (int number = 3; number <= 22 && fields >> field; ++number) {
    if (number == 22) return *boot + std::stod(field) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  return std::nullopt;
}

}  // namespace

ProcessFacts process_facts() {
  static const std::optional<double> started = start_time();
  ProcessFacts facts{.cpu_seconds = {},
                     .resident_bytes = resident_bytes(),
                     .open_fds = open_fds(),
                     .max_fds = {},
                     .start_time_seconds = started};
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    facts.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) facts.max_fds = static_cast<double>(limit.rlim_cur);
  return facts;
}

}  // namespace sluice::cli
