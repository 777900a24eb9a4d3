// SPDX-License-Identifier: Apache-2.0
#include "cli/check_online.hpp"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

/// What is said of records {"name": …, "amount": …} and a table of these columns.
nlohmann::ordered_json told(const std::vector<std::string>& columns,
                            const std::vector<std::string>& values,
                            const PipelineSettings& pipeline) {
  Table table;
  table.database = "s";
  table.name = "orders";
  table.server_time_zone = "UTC";
  for (const std::string& name : columns) {
    table.columns.push_back({name, parse_data_type("UInt64").value(), DefaultKind::none, ""});
  }
  Findings findings;
  check_sample(pipeline, table, values, findings);
  const auto document = findings.json();
  EXPECT_EQ(document["findings"].size(), 1u);
  return document["findings"][0];
}

PipelineSettings orders() {
  PipelineSettings pipeline;
  pipeline.name = "orders";
  pipeline.topic.value = "orders";
  pipeline.table.value = "s.orders";
  return pipeline;
}

TEST(CheckSample, NoFieldThatReachesAColumnIsAnError) {
  const auto finding = told({"x"}, {R"({"id":1,"name":"a"})", R"({"id":2})"}, orders());
  EXPECT_EQ(finding["level"], "error");
  EXPECT_EQ(finding["text"],
            "no field of 2 sampled records has a column in s.orders, so that every row would be of "
            "defaults; fields: id, name");
  EXPECT_EQ(told({"x", "_offset"}, {R"({"id":1})"}, orders())["level"], "warning")
      << "rows tell at least where they came from";
}

TEST(CheckSample, FieldsWithoutAColumnAreAWarningUnlessTheyAreNotWanted) {
  const std::vector<std::string> values{R"({"id":1,"name":"a"})", R"({"name":"b"})"};
  PipelineSettings pipeline = orders();
  EXPECT_EQ(told({"id"}, values, pipeline)["level"], "warning");
  EXPECT_EQ(told({"id"}, values, pipeline)["text"],
            "2 sampled records fit the table; without a column: name");
  pipeline.unknown_fields.origin = Origin::flag("sluice.toml");
  EXPECT_EQ(told({"id"}, values, pipeline)["level"], "ok");
  EXPECT_EQ(told({"id"}, {R"({"id":1})"}, orders())["level"], "ok");
  EXPECT_EQ(told({"id"}, {"{}"}, orders())["level"], "ok") << "nothing is passed over";
}

}  // namespace
}  // namespace sluice::cli
