// SPDX-License-Identifier: Apache-2.0
#include "cli/report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/summary_file.hpp"
#include "tests/unit/cli/folder.hpp"
#include "tests/unit/cli/golden.hpp"

namespace sluice::cli {
namespace {

Counts counts(uint64_t inserted, uint64_t rejected, uint64_t skipped, uint64_t bytes) {
  Counts out;
  out.read = inserted + rejected + skipped;
  out.inserted = inserted;
  out.rejected = rejected;
  out.skipped = skipped;
  out.bytes = bytes;
  return out;
}

PipelineResult orders() {
  PipelineResult out;
  out.topic = "orders";
  out.table = "shop.orders";
  out.reject_sink = "topic:orders.rejects";
  out.place = "sluice.toml:14";
  out.exit_code = 3;
  PipelineReport& report = out.report;
  report.name = "orders";
  report.counts = counts(12'914'000, 2, 0, 5'600'120'034);
  report.counts.inserts = 54;
  report.counts.retries = 1;
  report.counts.rejected_by = {{RejectReason::decode, 1}, {RejectReason::insert, 1}};
  report.caught_up = true;
  report.duration = Milliseconds(31'400);
  report.last_record_timestamp_ms = 1'795'226'403'998;
  report.partitions = {
      {PartitionId{0}, Offset{881'200}, Offset{7'338'201}, Offset{7'338'201}, Offset{7'338'201}},
      {PartitionId{1}, Offset{5}, Offset{5}, Offset{9}, std::nullopt}};
  return out;
}

PipelineResult clicks() {
  PipelineResult out;
  out.topic = "web.clicks";
  out.table = "web.clicks";
  out.report.name = "clicks";
  out.report.counts = counts(1'020'101, 0, 12, 311'914'477);
  out.report.counts.inserts = 6;
  out.report.caught_up = true;
  out.report.duration = Milliseconds(3'100);
  return out;
}

RunReport run_of(std::vector<PipelineResult> pipelines, int exit_code) {
  RunReport run;
  run.run_id = "01JD6K7M3V0Q9TZ2";
  run.started_at = WallTime(Milliseconds(1'795'226'404'112));
  run.finished_at = WallTime(Milliseconds(1'795'226'436'031));
  run.duration = Milliseconds(31'919);
  run.exit_code = exit_code;
  run.pipelines = std::move(pipelines);
  return run;
}

RunReport failed_run() {
  PipelineResult broken = clicks();
  broken.report.caught_up = false;
  broken.report.error = Error{Errc::config, "table-missing", "ClickHouse has no table web.clicks",
                              "did you mean web.click?"};
  broken.exit_code = 78;
  return run_of({orders(), broken}, 78);
}

TEST(Reports, TheTableIsTheOneOfTheManual) {
  expect_golden("summary.txt", report_text(run_of({orders(), clicks()}, 3)));
}

TEST(Reports, APipelineThatWasPassedOverWasNotInterrupted) {
  PipelineResult passed;
  passed.report.name = "clicks";
  passed.passed_over = true;
  const RunReport alone = run_of({passed}, 0);
  EXPECT_NE(report_text(alone).find("\npassed over: another sync of it runs\n"), std::string::npos);
  EXPECT_EQ(report_json(alone)["exit_reason"], "passed-over");
  EXPECT_EQ(report_json(alone)["caught_up"], false) << "nobody knows";
  const RunReport both = run_of({orders(), passed}, 3);
  EXPECT_NE(report_text(both).find("\ncaught up with everything"), std::string::npos);
  EXPECT_NE(report_text(both).find("\npassed over, as another sync of it runs: clicks\n"),
            std::string::npos);
  EXPECT_EQ(report_json(both)["exit_reason"], "rejected");
  EXPECT_EQ(report_json(both)["pipelines"][1]["exit_reason"], "passed-over");
}

TEST(Reports, ACodeThatWasChosenDoesNotChangeTheReason) {
  for (const int code : {3, 5, 9}) {
    RunReport run = run_of({clicks()}, code);
    run.no_data = true;
    EXPECT_EQ(report_json(run)["exit_reason"], "no-data") << code;
    run.error = Error{Errc::io, "summary-file", "m", ""};
    run.exit_code = 74;
    EXPECT_EQ(report_json(run)["exit_reason"], "io");
  }
}

TEST(Reports, WhatFailFastStoppedReachedNoLimit) {
  PipelineResult stopped = clicks();
  stopped.report.caught_up = false;
  stopped.report.interrupted = true;
  stopped.exit_code = 5;
  RunReport run = failed_run();
  run.pipelines.push_back(stopped);
  EXPECT_EQ(report_json(run)["pipelines"][2]["exit_reason"], "fail-fast");
  EXPECT_EQ(report_json(run)["exit_reason"], "config");
}

TEST(Reports, OnePipelineHasNoTotal) {
  const std::string text = report_text(run_of({clicks()}, 0));
  EXPECT_EQ(text.find("total"), std::string::npos);
  EXPECT_EQ(text.find(" \n"), std::string::npos) << "no blanks at line ends";
}

TEST(Reports, TheJsonDocumentIsTheOneOfTheManual) {
  auto document = report_json(run_of({orders(), clicks()}, 3));
  document["version"] = "1.0.0";
  expect_golden("summary.json", document.dump(1) + "\n");
}

TEST(Reports, AfterAFailureTheDocumentHasTheFieldsOfExitError) {
  const auto document = report_json(failed_run());
  const auto error = exit_error_json(*failed_run().failed()->report.error, 78, "clicks");
  for (const char* field :
       {"slug", "message", "fix", "pipeline", "exit_code", "exit_reason", "v"}) {
    EXPECT_EQ(document.at(field), error.at(field)) << field;
  }
  EXPECT_EQ(document.at("pipelines").at(1).at("error").at("slug"), "table-missing");
  EXPECT_FALSE(document.at("caught_up").get<bool>());
}

TEST(Reports, TheFailureThatGaveTheExitCodeIsTheOneThatIsTold) {
  PipelineResult away = clicks();
  away.report.error = Error{Errc::unavailable, "away", "away", ""};
  away.exit_code = 75;
  RunReport run = failed_run();
  run.pipelines.insert(run.pipelines.begin(), away);
  EXPECT_EQ(run.failed()->report.error->slug, "table-missing");
}

TEST(Reports, ReadIsAlwaysInsertedAndRejectedAndSkipped) {
  const Counts totals = run_of({orders(), clicks()}, 3).totals();
  EXPECT_EQ(totals.read, totals.inserted + totals.rejected + totals.skipped);
}

TEST(Reports, WithoutATableRejectsAreToldWithThePipeline) {
  EXPECT_EQ(
      reject_lines(run_of({orders(), clicks()}, 3), true),
      std::vector<std::string>{"orders: 2 records rejected to topic orders.rejects      next: "
                               "sluice rejects orders"});
}

TEST(Reports, MarkdownIsATable) {
  expect_golden("summary.md", report_markdown(run_of({orders(), clicks()}, 3)));
}

TEST(Reports, BytesThatAreNotUtf8DoNotBreakTheJson) {
  RunReport run = failed_run();
  run.pipelines[1].report.error->message = "bad \xff byte";
  EXPECT_NO_THROW((void)report_json(run).dump());
}

class SummaryFileTest : public InFolder {};

TEST_F(SummaryFileTest, PrometheusMetricsHaveNoTimestampsAndKeepTheLastSuccess) {
  const std::string first = prometheus_text(run_of({orders(), clicks()}, 3), "");
  expect_golden("summary.prom", first);
  const std::string second = prometheus_text(failed_run(), first);
  EXPECT_NE(second.find("sluice_run_last_success_timestamp_seconds{command=\"sync\",pipeline="
                        "\"clicks\"} 1795226436.031\n"),
            std::string::npos)
      << "the failed run must not erase it";
  EXPECT_NE(second.find("sluice_run_exit_code{command=\"sync\",pipeline=\"clicks\"} 78\n"),
            std::string::npos);
  const std::string never = prometheus_text(run_of({failed_run().pipelines[1]}, 78), "");
  EXPECT_EQ(never.find("last_success"), std::string::npos) << "absent, not 0";
}

TEST_F(SummaryFileTest, AMissingFolderIsNoticedBeforeTheRun) {
  for (const char* name : {"nowhere/run.json", "nowhere/run.prom", "nowhere/run.md"}) {
    const auto checked = check_summary_file(name);
    ASSERT_FALSE(checked.ok()) << name;
    EXPECT_EQ(checked.error().code, Errc::io);
  }
  EXPECT_TRUE(check_summary_file("run.json").ok());
}

TEST_F(SummaryFileTest, JsonIsAppendedAndPrometheusReplaced) {
  const RunReport run = run_of({clicks()}, 0);
  for (int round = 0; round < 2; ++round) {
    for (const char* name : {"s.json", "s.prom", "s.md"}) {
      ASSERT_TRUE(write_summary_file(name, run).ok());
    }
  }
  const std::string json = read("s.json");
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 2);
  EXPECT_EQ(read("s.prom"), prometheus_text(run, read("s.prom")));
  const auto permissions = std::filesystem::status("s.prom").permissions();
  EXPECT_EQ(permissions, std::filesystem::perms(0644)) << "node_exporter has to read it";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator("."), {}), 3)
      << "nothing left behind";
}

TEST_F(SummaryFileTest, AFileThatCannotBeWrittenIsAnIoError) {
  for (const char* name : {"no/folder/s.json", "no/folder/s.prom", "no/folder/s.md"}) {
    const auto written = write_summary_file(name, run_of({clicks()}, 0));
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, Errc::io);
  }
}

}  // namespace
}  // namespace sluice::cli
