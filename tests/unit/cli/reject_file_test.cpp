// SPDX-License-Identifier: Apache-2.0
#include "cli/reject_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/text.hpp"
#include "tests/unit/cli/folder.hpp"

namespace sluice::cli {
namespace {

RejectedRecord record() {
  RejectedRecord out;
  out.topic = "orders";
  out.partition = PartitionId{3};
  out.offset = Offset{17};
  out.timestamp_ms = 1'795'226'404'112;
  out.key = "k";
  out.value = "{\"a\":\"grün\"}";
  out.headers = {{"h", "v", false}, {"n", "", true}};
  out.reason = RejectReason::type;
  out.column = "amount";
  out.message = "number out of range for UInt8";
  return out;
}

const SystemClock clock_now;

class RejectFileTest : public InFolder {
 protected:
  static std::unique_ptr<RejectSink> open(const std::string& path) {
    auto sink = open_reject_file(path, "RUN", clock_now);
    EXPECT_TRUE(sink.ok()) << (sink.ok() ? "" : sink.error().message);
    return sink.ok() ? std::move(sink).value() : nullptr;
  }
  static std::vector<nlohmann::json> lines(const std::string& path) {
    std::vector<nlohmann::json> out;
    for (const std::string& line : split(read(path), '\n')) {
      if (!line.empty()) out.push_back(nlohmann::json::parse(line));
    }
    return out;
  }
};

TEST_F(RejectFileTest, KeepsTheRecordWholeWithItsReason) {
  const auto sink = open("r.jsonl");
  ASSERT_TRUE(sink->write(record()).ok());
  ASSERT_TRUE(sink->flush().ok());
  const auto kept = lines("r.jsonl").at(0);
  EXPECT_EQ(kept.at("topic"), "orders");
  EXPECT_EQ(kept.at("partition"), 3);
  EXPECT_EQ(kept.at("offset"), 17);
  EXPECT_EQ(kept.at("timestamp"), 1'795'226'404'112);
  EXPECT_EQ(kept.at("key"), "k");
  EXPECT_EQ(kept.at("value"), "{\"a\":\"grün\"}");
  EXPECT_EQ(kept.at("reason"), "type");
  EXPECT_EQ(kept.at("column"), "amount");
  EXPECT_EQ(kept.at("run"), "RUN");
  EXPECT_EQ(kept.at("headers").at(0), (nlohmann::json{{"name", "h"}, {"value", "v"}}));
  EXPECT_TRUE(kept.at("headers").at(1).at("value").is_null());
}

TEST_F(RejectFileTest, BytesThatAreNotUtf8AreBase64AndNullStaysNull) {
  RejectedRecord odd = record();
  odd.value = std::string("\xff\x00\x10", 3);
  odd.null_key = true;
  odd.timestamp_ms = -1;
  const auto kept = nlohmann::json::parse(reject_line(odd, "RUN", WallTime{}));
  EXPECT_EQ(kept.at("value_base64"), "/wAQ");
  EXPECT_FALSE(kept.contains("value"));
  EXPECT_TRUE(kept.at("key").is_null());
  EXPECT_TRUE(kept.at("timestamp").is_null());
}

TEST_F(RejectFileTest, AppendsWithTightPermissions) {
  for (int round = 0; round < 2; ++round) {
    const auto sink = open("r.jsonl");
    ASSERT_TRUE(sink->write(record()).ok());
    ASSERT_TRUE(sink->flush().ok());
  }
  EXPECT_EQ(lines("r.jsonl").size(), 2u);
  EXPECT_EQ(std::filesystem::status("r.jsonl").permissions(), std::filesystem::perms(0600));
}

TEST_F(RejectFileTest, ALineThatACrashLeftUnfinishedDoesNotSwallowTheNext) {
  write("r.jsonl", "{\"v\":1,\"torn");
  const auto sink = open("r.jsonl");
  ASSERT_TRUE(sink->write(record()).ok());
  ASSERT_TRUE(sink->flush().ok());
  const auto kept = split(read("r.jsonl"), '\n');
  EXPECT_EQ(kept.at(0), "{\"v\":1,\"torn");
  EXPECT_TRUE(nlohmann::json::accept(kept.at(1)));
}

TEST_F(RejectFileTest, ASymbolicLinkOrADeviceIsRefused) {
  write("target", "");
  std::filesystem::create_symlink("target", "link");
  for (const char* path : {"link", "/dev/null", ".", "no/folder/r.jsonl"}) {
    const auto sink = open_reject_file(path, "RUN", clock_now);
    ASSERT_FALSE(sink.ok()) << path;
    EXPECT_EQ(sink.error().code, Errc::io);
  }
}

TEST_F(RejectFileTest, AFullDiskIsAnErrorAndTheRecordIsWrittenOnceThereIsRoom) {
  const auto sink = open("r.jsonl");
  ASSERT_TRUE(sink->write(record()).ok());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto on_limit = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{40, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto flushed = sink->flush();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, on_limit);
  ASSERT_FALSE(flushed.ok());
  EXPECT_EQ(flushed.error().code, Errc::io);
  ASSERT_TRUE(sink->flush().ok());
  const auto kept = split(read("r.jsonl"), '\n');
  EXPECT_EQ(nlohmann::json::parse(kept.at(1)).at("offset"), 17) << "after the torn line";
}

}  // namespace
}  // namespace sluice::cli
