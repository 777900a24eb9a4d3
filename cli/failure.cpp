// SPDX-License-Identifier: Apache-2.0
#include "cli/failure.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/console.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/report.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

TerminalFacts facts_of_stderr(const OutputSettings& output, const Environment& environment) {
  return terminal_facts(::isatty(STDERR_FILENO) == 1, environment, output.color);
}

int tell(const std::string& text, const nlohmann::ordered_json& document,
         const std::vector<Error>& errors, int code, const OutputSettings& output,
         const Environment& environment) {
  Screen screen(facts_of_stderr(output, environment), environment);
  if (output.log_format == LogFormat::json) {
    screen.write(document.dump() + "\n");
  } else {
    screen.write(text + fmt::format("exit {}\n", code));
  }
  for (const Error& error : errors) {
    if (output.annotations) screen.write(github_annotation("error", error.slug, error.message));
  }
  if (is_json(output.format)) {
    Output out;
    out.write(document.dump() + "\n");
  }
  return code;
}

}  // namespace

int fail(const Error& error, const OutputSettings& output, const Environment& environment) {
  const int code = exit_code_of(error.code);
  const bool color = facts_of_stderr(output, environment).color;
  return tell(error_block(error, "", "", color), exit_error_json(error, code, ""), {error}, code,
              output, environment);
}

int fail(const Problems& problems, const OutputSettings& output, const Environment& environment) {
  const int code = exit_code_of(problems.code());
  std::vector<Error> errors;
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Problem& problem : problems.all()) {
    errors.push_back(problem.error());
    nlohmann::ordered_json entry{{"slug", problem.slug},
                                 {"message", valid_utf8(problem.message)},
                                 {"fix", valid_utf8(problem.hint)}};
    if (problem.origin.kind == Origin::Kind::file) {
      entry["file"] = valid_utf8(problem.origin.name);
      entry["line"] = problem.origin.line;
      entry["column"] = problem.origin.column;
    }
    list.push_back(std::move(entry));
  }
  nlohmann::ordered_json document = exit_error_json(errors.front(), code, "");
  document["problems"] = std::move(list);
  const bool color = facts_of_stderr(output, environment).color;
  return tell(problems.render(color), document, errors, code, output, environment);
}

}  // namespace sluice::cli
