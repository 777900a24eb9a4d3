// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include <gtest/gtest.h>

#include "cli/console.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"
#include "cli/watch.hpp"

namespace sluice::cli {
namespace {

ProgressView running() {
  ProgressView view;
  view.name = "orders";
  view.phase = Phase::running;
  view.read = 8'310'000;
  view.target = 12'914'002;
  view.passed = 8'310'000;
  view.rows_per_second = 412'022;
  view.bytes_per_second = 181e6;
  return view;
}

TEST(ProgressBars, AreTheOnesOfTheManual) {
  EXPECT_EQ(bar_line(running(), 6, {.columns = 100, .color = false, .unicode = true}),
            "orders  ━━━━━━━━━━━━━━━━╸─────────  64%  8.31M/12.9M  412k rows/s  181 MB/s  ETA 12s");
}

TEST(ProgressBars, WithoutUnicodeAreAscii) {
  EXPECT_EQ(
      bar_line(running(), 6, {.columns = 100, .color = false, .unicode = false}),
      "orders  [#################.........]  64%  8.31M/12.9M  412k rows/s  181 MB/s  ETA 12s");
}

TEST(ProgressBars, NeverExceedTheTerminal) {
  for (size_t columns = 60; columns < 120; ++columns) {
    const BarStyle style{.columns = columns, .color = false, .unicode = true};
    EXPECT_LE(display_width(bar_line(running(), 6, style)), columns);
  }
}

TEST(ProgressBars, WithoutColorHaveNoEscapeByte) {
  for (const Phase phase :
       {Phase::waiting, Phase::starting, Phase::running, Phase::done, Phase::failed}) {
    ProgressView view = running();
    view.phase = phase;
    EXPECT_EQ(bar_line(view, 6, {.columns = 90, .color = false, .unicode = true}).find('\x1b'),
              std::string::npos);
  }
}

TEST(ProgressBars, TheLastOneSaysHowLongItTook) {
  ProgressView view = running();
  view.phase = Phase::done;
  view.passed = view.target;
  view.duration = Milliseconds(3100);
  EXPECT_NE(bar_line(view, 6, {}).find("100%  12.9M/12.9M  done in 3.1s"), std::string::npos);
}

TEST(Progress, AnUnknownEndHasNoEstimate) {
  ProgressView view;
  EXPECT_EQ(view.percent(), 0u);
  EXPECT_FALSE(view.seconds_left());
  EXPECT_EQ(
      progress_json(view),
      "{\"type\":\"progress\",\"pipeline\":\"\",\"read\":0,\"of\":0,\"pct\":0,\"rows_per_s\":0,"
      "\"lag\":0,\"eta_s\":null}\n");
}

TEST(Progress, RatesComeFromTheCounters) {
  LiveCounts counts;
  RateMeter meter;
  ProgressView view;
  const TimePoint start{};
  meter.look(start, counts, view);
  view.read = 1000;
  counts.bytes = 50'000;
  meter.look(start + std::chrono::seconds(1), counts, view);
  EXPECT_NEAR(view.rows_per_second, 1000, 1);
  EXPECT_NEAR(view.bytes_per_second, 50'000, 50);
}

TEST(Terminals, LinesAreCutAtTheirWidthWithoutCountingColors) {
  EXPECT_EQ(cut_to_width("abcdef", 4), "abcd");
  EXPECT_EQ(cut_to_width("━━━━", 2), "━━");
  EXPECT_EQ(cut_to_width("\x1b[36mab\x1b[0mcd", 3), "\x1b[36mab\x1b[0mc\x1b[0m");
}

TerminalFacts facts(bool terminal, std::map<std::string, std::string> variables,
                    ColorMode mode = ColorMode::automatic) {
  const Environment environment(std::move(variables));
  return terminal_facts(terminal, environment, {mode, {}});
}

TEST(Terminals, ColorFollowsFlagThenNoColorThenForceThenTheTerminal) {
  EXPECT_TRUE(facts(true, {}).color);
  EXPECT_FALSE(facts(false, {}).color);
  EXPECT_FALSE(facts(true, {{"NO_COLOR", "1"}}).color);
  EXPECT_TRUE(facts(false, {{"CLICOLOR_FORCE", "1"}}).color);
  EXPECT_FALSE(facts(false, {{"CLICOLOR_FORCE", "0"}}).color);
  EXPECT_FALSE(facts(true, {{"NO_COLOR", "1"}, {"FORCE_COLOR", "1"}}).color);
  EXPECT_FALSE(facts(true, {{"TERM", "dumb"}}).color);
  EXPECT_TRUE(facts(true, {{"NO_COLOR", "1"}}, ColorMode::always).color);
  EXPECT_FALSE(facts(true, {}, ColorMode::never).color);
}

TEST(Terminals, CiAndDumbTerminalsGetNoBar) {
  EXPECT_TRUE(facts(true, {}).movement);
  EXPECT_FALSE(facts(true, {{"CI", "true"}}).movement);
  EXPECT_FALSE(facts(true, {{"TERM", "dumb"}}).movement);
  EXPECT_FALSE(facts(false, {}).movement);
}

TEST(Terminals, TheLocaleDecidesAboutUnicode) {
  EXPECT_TRUE(facts(true, {{"LANG", "en_US.UTF-8"}}).unicode);
  EXPECT_TRUE(facts(true, {{"LC_ALL", "C.utf8"}, {"LANG", "C"}}).unicode);
  EXPECT_FALSE(facts(true, {{"LC_ALL", "C"}, {"LANG", "en_US.UTF-8"}}).unicode);
  EXPECT_FALSE(facts(true, {}).unicode);
}

Observer::Assignment assignment(int32_t partition, int64_t start, int64_t end, bool committed) {
  return {PartitionId{partition}, Offset{start}, committed, Offset{end}};
}

TEST(StartLines, SayHowAPipelineStarts) {
  const std::vector<Observer::Assignment> resumed{assignment(0, 10, 4'612, true),
                                                  assignment(1, 5, 5, true)};
  EXPECT_EQ(start_line(resumed, {}), "resuming from committed offsets on 2 partitions (lag 4,602)");
  const std::vector<Observer::Assignment> fresh{assignment(0, 0, 7, false)};
  EXPECT_EQ(start_line(fresh, {}),
            "starting at earliest on 1 partition (lag 7): the group has no offsets");
  EXPECT_EQ(start_line(fresh, {.kind = StartAt::Kind::table, .time = {}}),
            "starting behind the table's rows on 1 partition (lag 7): the group has no offsets");
  const std::vector<Observer::Assignment> both{assignment(0, 10, 11, true),
                                               assignment(1, 0, 3, false)};
  EXPECT_EQ(
      start_line(both, {.kind = StartAt::Kind::end, .time = {}}),
      "resuming from committed offsets on 1 partition, starting at end on 1 partition (lag 4)");
  EXPECT_EQ(start_line({}, {}), "no partitions: other members of the group have them");
}

TEST(Annotations, EscapeWhatGitHubWouldTakeForSyntax) {
  EXPECT_EQ(github_annotation("error", "a:b,c", "100%\nnext"),
            "::error title=a%3Ab%2Cc::100%25%0Anext\n");
}

TEST(ErrorBlocks, AreTheOnesOfTheManual) {
  const Error error{Errc::config, "table-missing", "ClickHouse has no table shop.order",
                    "did you mean shop.orders?"};
  EXPECT_EQ(error_block(error, "orders", "sluice.toml:14", false),
            "error[table-missing]: ClickHouse has no table shop.order\n"
            "  pipeline orders (sluice.toml:14)\n"
            "  fix: did you mean shop.orders?\n");
}

TEST(ErrorBlocks, CannotMoveTheCursor) {
  const Error error{Errc::failed, "s", "a\x1b[2Jb\nc", ""};
  EXPECT_EQ(error_block(error, "", "", false), "error[s]: a\\x1b[2Jb\n  c\n");
}

}  // namespace
}  // namespace sluice::cli
