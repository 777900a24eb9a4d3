// SPDX-License-Identifier: Apache-2.0
#include "cli/console.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace sluice::cli {
namespace {

/// What a console writes to stderr while it shows one running pipeline.
std::string shown(Console& console, const std::string& name) {
  LiveCounts counts;
  counts.phase = Phase::running;
  testing::internal::CaptureStderr();
  console.start_progress({{name, &counts}});
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  console.stop_progress();
  return testing::internal::GetCapturedStderr();
}

TEST(ConsoleTest, ShowsThePipelinesOfThePresentTurnOnly) {
  OutputSettings settings;
  settings.progress = ProgressMode::json;
  settings.progress_interval = Milliseconds(50);
  const SystemClock clock;
  Console console(settings, Environment(std::map<std::string, std::string>{}), clock);
  EXPECT_NE(shown(console, "first").find("first"), std::string::npos);
  const std::string second = shown(console, "second");
  EXPECT_NE(second.find("second"), std::string::npos);
  EXPECT_EQ(second.find("first"), std::string::npos) << "its counters are gone";
}

}  // namespace
}  // namespace sluice::cli
