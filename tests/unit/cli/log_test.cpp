// SPDX-License-Identifier: Apache-2.0
#include "cli/log.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sluice::cli {
namespace {

const WallTime time{Milliseconds(1'795'226'404'112)};

TEST(TextLogs, AreTheOnesOfTheManual) {
  const std::vector<LogField> fields{{"run", std::string("01JD6K")},
                                     {"pipelines", std::string("orders,clicks")},
                                     {"records", uint64_t{13'934'115}}};
  EXPECT_EQ(text_log_line(time, LogLevel::info, "run started", fields),
            "2026-11-21T02:00:04Z info  run started run=01JD6K pipelines=orders,clicks "
            "records=13934115\n");
}

TEST(TextLogs, QuoteWhatIsNoPlainWordAndEscapeControlCharacters) {
  const std::vector<LogField> fields{{"error", std::string("a \"b\"\n\x1b[31m c=d")},
                                     {"empty", std::string()}};
  EXPECT_EQ(text_log_line(time, LogLevel::warning, "m", fields),
            "2026-11-21T02:00:04Z warn  m error=\"a \\\"b\\\"\\n\\x1b[31m c=d\" empty=\"\"\n");
}

TEST(JsonLogs, AreOneValidObjectALine) {
  const std::vector<LogField> fields{
      {"error", std::string("a\n\"b\" \xff")}, {"ms", int64_t{-1}}, {"s", 1.5}};
  const std::string line = json_log_line(time, LogLevel::error, "m", fields);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object.at("time"), "2026-11-21T02:00:04.112Z");
  EXPECT_EQ(object.at("level"), "error");
  EXPECT_EQ(object.at("ms"), -1);
}

}  // namespace
}  // namespace sluice::cli
