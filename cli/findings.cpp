// SPDX-License-Identifier: Apache-2.0
#include "cli/findings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/exit_code.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr size_t subject_columns = 12;

std::string_view word_of(Finding::Level level) {
  switch (level) {
    case Finding::Level::ok:
      return "ok";
    case Finding::Level::warning:
      return "warning";
    case Finding::Level::error:
      return "error";
  }
  return "";
}

std::string_view mark_of(Finding::Level level, bool unicode) {
  switch (level) {
    case Finding::Level::ok:
      return unicode ? "✓" : "+";
    case Finding::Level::warning:
      return "!";
    case Finding::Level::error:
      return unicode ? "✗" : "x";
  }
  return "";
}

}  // namespace

void Findings::ok(std::string subject, std::string text, nlohmann::ordered_json details) {
  findings_.push_back(
      {Finding::Level::ok, std::move(subject), std::move(text), {}, std::move(details)});
}

void Findings::warning(std::string subject, std::string text, std::string fix,
                       nlohmann::ordered_json details) {
  findings_.push_back({Finding::Level::warning, std::move(subject), std::move(text), std::move(fix),
                       std::move(details)});
}

void Findings::error(std::string subject, const Error& error, nlohmann::ordered_json details) {
  findings_.push_back(
      {Finding::Level::error, std::move(subject), error.message, error.fix, std::move(details)});
  codes_.push_back(exit_code_of(error.code));
}

int Findings::exit_code() const {
  std::vector<int> codes = codes_;
  if (strict_ && count(Finding::Level::warning) > 0) codes.push_back(exit_code::config);
  return worst_exit_code(codes);
}

size_t Findings::count(Finding::Level level) const {
  return static_cast<size_t>(
      std::count_if(findings_.begin(), findings_.end(),
                    [level](const Finding& finding) { return finding.level == level; }));
}

std::string Findings::text(bool unicode) const {
  size_t columns = subject_columns;
  for (const Finding& finding : findings_) {
    columns = std::max(columns, display_width(finding.subject));
  }
  std::string out;
  for (const Finding& finding : findings_) {
    const std::string space(columns - display_width(finding.subject), ' ');
    out += fmt::format("{} {}{}  {}\n", mark_of(finding.level, unicode), finding.subject, space,
                       escape_control(finding.text));
    if (finding.fix.empty()) continue;
    out += fmt::format("{}fix: {}\n", std::string(columns + 4, ' '), escape_control(finding.fix));
  }
  const size_t errors = count(Finding::Level::error);
  const size_t warnings = count(Finding::Level::warning);
  if (errors + warnings == 0) return out;
  return out + fmt::format("{}, {}\n", counted(errors, "error"), counted(warnings, "warning"));
}

nlohmann::ordered_json Findings::json() const {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Finding& finding : findings_) {
    nlohmann::ordered_json entry{{"level", word_of(finding.level)},
                                 {"subject", valid_utf8(finding.subject)},
                                 {"text", valid_utf8(finding.text)},
                                 {"fix", valid_utf8(finding.fix)}};
    if (!finding.details.is_null()) entry["details"] = finding.details;
    list.push_back(std::move(entry));
  }
  return {{"type", "check"},
          {"v", 1},
          {"exit_code", exit_code()},
          {"errors", count(Finding::Level::error)},
          {"warnings", count(Finding::Level::warning)},
          {"findings", std::move(list)}};
}

}  // namespace sluice::cli
