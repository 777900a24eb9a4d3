// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_code.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace sluice::cli {
namespace {

PipelineReport caught_up() {
  PipelineReport report;
  report.caught_up = true;
  return report;
}

TEST(ExitCodes, OfErrorsAreTheContract) {
  EXPECT_EQ(exit_code_of(Errc::usage), 2);
  EXPECT_EQ(exit_code_of(Errc::config), 78);
  EXPECT_EQ(exit_code_of(Errc::no_permission), 77);
  EXPECT_EQ(exit_code_of(Errc::unavailable), 75);
  EXPECT_EQ(exit_code_of(Errc::rejected), 65);
  EXPECT_EQ(exit_code_of(Errc::data_loss), 1);
  EXPECT_EQ(exit_code_of(Errc::io), 74);
  EXPECT_EQ(exit_code_of(Errc::failed), 1);
  EXPECT_EQ(exit_code_of(Errc::internal), 70);
}

TEST(ExitCodes, OfAnInterruptedRunNameTheSignal) {
  PipelineReport report;
  report.interrupted = true;
  EXPECT_EQ(exit_code_of(report, {.rejects_ok = false, .signal = SIGINT}), 130);
  EXPECT_EQ(exit_code_of(report, {.rejects_ok = false, .signal = SIGTERM}), 143);
  EXPECT_EQ(exit_code_of(report, {.rejects_ok = false, .signal = SIGHUP}), 143);
}

TEST(ExitCodes, APipelineStoppedByFailFastGoesOnNextTime) {
  PipelineReport report;
  report.interrupted = true;
  EXPECT_EQ(exit_code_of(report, {}), 5);
}

TEST(ExitCodes, RejectsAreThreeUnlessTheyAreFine) {
  PipelineReport report = caught_up();
  report.counts.rejected = 2;
  EXPECT_EQ(exit_code_of(report, {}), 3);
  EXPECT_EQ(exit_code_of(report, {.rejects_ok = true, .signal = 0}), 0);
}

TEST(ExitCodes, ARunThatDidNotCatchUpIsNeverZero) {
  EXPECT_EQ(exit_code_of(PipelineReport{}, {}), 1);
  PipelineReport limited;
  limited.limit_reached = true;
  EXPECT_EQ(exit_code_of(limited, {}), 5);
  EXPECT_EQ(exit_code_of(caught_up(), {}), 0);
}

TEST(ExitCodes, AnErrorCountsMoreThanTheSignalThatCameWithIt) {
  PipelineReport report;
  report.interrupted = true;
  report.error = Error{Errc::no_permission, "s", "m", ""};
  EXPECT_EQ(exit_code_of(report, {.rejects_ok = false, .signal = SIGTERM}), 77);
}

TEST(ExitCodes, TheWorstOfSeveralPipelinesCounts) {
  EXPECT_EQ(worst_exit_code({}), 0);
  const std::vector<int> worst_first{70, 78, 77, 65, 74, 75, 1, 143, 130, 4, 5, 3, 0};
  for (size_t index = 0; index + 1 < worst_first.size(); ++index) {
    EXPECT_EQ(worst_exit_code({worst_first[index + 1], worst_first[index], 0}), worst_first[index]);
  }
}

}  // namespace
}  // namespace sluice::cli
