// SPDX-License-Identifier: Apache-2.0
#include "cli/version.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/clickhouse/sink.hpp"
#include "core/kafka/properties.hpp"

// Given by cli/CMakeLists.txt; a build without it still knows that it has no release to name.
#ifndef SLUICE_VERSION
#define SLUICE_VERSION "0.0.0"
#endif
#ifndef SLUICE_REVISION
#define SLUICE_REVISION "unknown"
#endif
#ifndef SLUICE_DATE
#define SLUICE_DATE "unknown"
#endif

namespace sluice::cli {
namespace {

std::string compiler() {
#if defined(__clang__)
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("gcc {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

/// The second word of "librdkafka 2.0.2 [gzip …]".
std::string second_word(const std::string& line) {
  const size_t first = line.find(' ') + 1;
  return line.substr(first, line.find(' ', first) - first);
}

}  // namespace

std::string_view version_number() { return SLUICE_VERSION; }

std::string_view version_revision() { return SLUICE_REVISION; }

std::string kafka_library_version() { return second_word(kafka::version_line()); }

std::string curl_library_version() { return second_word(clickhouse::version_line()); }

std::string version_text() {
  return fmt::format("sluice {} ({}, {}, {})\n{}\n{}\n", SLUICE_VERSION, SLUICE_REVISION,
                     SLUICE_DATE, compiler(), kafka::version_line(), clickhouse::version_line());
}

nlohmann::ordered_json version_json() {
  return {{"type", "version"},
          {"v", 1},
          {"version", SLUICE_VERSION},
          {"revision", SLUICE_REVISION},
          {"date", SLUICE_DATE},
          {"compiler", compiler()},
          {"libraries", {kafka::version_line(), clickhouse::version_line()}}};
}

}  // namespace sluice::cli
