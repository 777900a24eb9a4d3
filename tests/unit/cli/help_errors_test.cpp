// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/help.hpp"
#include "core/clickhouse/error_codes.hpp"
#include "core/clickhouse/reply.hpp"

namespace sluice::cli {
namespace {

using testing::HasSubstr;

/// The printed line of this code and name: what is said after them.
std::string printed(int code, const std::string& name) {
  std::istringstream lines(errors_help());
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first;
    std::string second;
    words >> first >> second;
    if (first != std::to_string(code) || second != name) continue;
    std::string rest;
    std::getline(words >> std::ws, rest);
    return rest;
  }
  return "(not printed)";
}

Attempt judged(int code, const std::string& text) {
  clickhouse::HttpReply reply;
  reply.status = 500;
  reply.complete = true;
  reply.from_clickhouse = true;
  reply.exception_code = std::to_string(code);
  reply.body = "Code: " + std::to_string(code) + ". DB::Exception: " + text;
  return clickhouse::judge_insert(reply, {}, {}).attempt;
}

TEST(HelpErrors, SayOfEveryCodeWhatIsDoneAboutIt) {
  for (const clickhouse::ErrorCode& entry : clickhouse::error_codes()) {
    EXPECT_EQ(printed(entry.code, std::string(entry.name)), error_action(judged(entry.code, "no")))
        << entry.code;
  }
}

TEST(HelpErrors, TellTheTwoMeaningsOf252Apart) {
  EXPECT_EQ(error_action(judged(252, "Too many parts")), "retry slowly");
  EXPECT_EQ(error_action(judged(252, "Too many partitions for single INSERT block")), "split");
  EXPECT_THAT(errors_help(), HasSubstr("(\"Too many partitions\")  split"));
}

TEST(HelpErrors, KnowTheSignalsThatAreNoExceptions) {
  const std::string help = errors_help();
  for (const char* name : {"3xx", "413", "5xx", "NOT_LEADER_FOR_PARTITION", "_TRANSPORT",
                           "ILLEGAL_GENERATION", "FENCED_INSTANCE_ID"}) {
    EXPECT_THAT(help, HasSubstr(name));
  }
}

}  // namespace
}  // namespace sluice::cli
