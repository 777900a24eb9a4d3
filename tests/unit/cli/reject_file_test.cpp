// SPDX-License-Identifier: Apache-2.0
#include "cli/reject_replay.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/kept_rejects.hpp"
#include "cli/reject_file.hpp"
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
    auto sink = open_reject_file(path, {"RUN", "g"}, clock_now);
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
  const auto kept = reject_json({odd, {"RUN", "g"}, WallTime{}});
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
    const auto sink = open_reject_file(path, {"RUN", "g"}, clock_now);
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

TEST_F(RejectFileTest, ALineIsReadAsItWasWritten) {
  RejectedRecord odd = record();
  odd.key = std::string("\xff\0k", 3);
  odd.value = "";
  odd.null_value = true;
  odd.headers = {{"h", std::string("\x80", 1), false}, {"n", "", true}};
  odd.code = 27;
  const WallTime at(Milliseconds(1'795'226'404'112));
  const auto kept = parse_reject_line(reject_json({odd, {"RUN", "g"}, at}).dump());
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(kept->rejected_at, at);
  EXPECT_EQ(kept->by.run, "RUN");
  EXPECT_EQ(kept->by.group, "g");
  EXPECT_EQ(kept->record.topic, "orders");
  EXPECT_EQ(kept->record.partition, odd.partition);
  EXPECT_EQ(kept->record.offset, odd.offset);
  EXPECT_EQ(kept->record.timestamp_ms, odd.timestamp_ms);
  EXPECT_EQ(kept->record.key, odd.key);
  EXPECT_FALSE(kept->record.null_key);
  EXPECT_TRUE(kept->record.null_value);
  EXPECT_EQ(kept->record.code, 27);
  EXPECT_EQ(kept->record.reason, RejectReason::type);
  ASSERT_EQ(kept->record.headers.size(), 2u);
  EXPECT_EQ(kept->record.headers[0].value, "\x80");
  EXPECT_TRUE(kept->record.headers[1].null_value);
  EXPECT_FALSE(parse_reject_line("{\"v\":1").has_value());
  EXPECT_FALSE(parse_reject_line("{}").has_value());
}

TEST_F(RejectFileTest, AFileThatAReplayTookAwayIsStartedAnew) {
  const auto sink = open("r.jsonl");
  ASSERT_TRUE(sink->write(record()).ok());
  ASSERT_TRUE(sink->flush().ok());
  std::filesystem::rename("r.jsonl", "r.jsonl.replaying");
  ASSERT_TRUE(sink->write(record()).ok());
  ASSERT_TRUE(sink->flush().ok());
  EXPECT_EQ(lines("r.jsonl").size(), 1u);
  EXPECT_EQ(lines("r.jsonl.replaying").size(), 1u);
}

class ReplayFileTest : public RejectFileTest {
 protected:
  class Taken final : public RecordListener, public AssignmentListener {
   public:
    void record(const Record& record) override { values.emplace_back(record.value); }
    void reached(PartitionId /*partition*/, Offset offset) override { passed.push_back(offset); }
    Result<std::vector<OffsetRange>> assigned(
        std::span<const PartitionId> /*partitions*/,
        std::span<const std::optional<Committed>> /*committed*/, Epoch /*epoch*/) override {
      return std::vector<OffsetRange>{{Offset{0}, no_end}};
    }
    void revoked(std::span<const PartitionId> /*partitions*/, bool /*lost*/) override {}
    std::vector<std::string> values;
    std::vector<Offset> passed;
  };
  static void keep(const std::string& value, const std::string& group) {
    auto sink = open_reject_file("r.jsonl", {"RUN", group}, clock_now);
    RejectedRecord one = record();
    one.value = value;
    ASSERT_TRUE((*sink)->write(one).ok());
    ASSERT_TRUE((*sink)->flush().ok());
  }
  static void commit(ReplayFile& file, int64_t offset) {
    const CommitRequest request{PartitionId{0}, 1, Offset{offset}, ""};
    ASSERT_TRUE(file.commit({&request, 1}, Milliseconds{0}).ok());
  }
  std::vector<std::string> values() {
    std::vector<std::string> out;
    for (const auto& line : lines("r.jsonl")) out.push_back(line.at("value"));
    return out;
  }

  Observer observer_;
  Taken taken_;
};

TEST_F(ReplayFileTest, WhatIsDoneIsGoneAndWhatIsNotGoesBack) {
  for (const char* value : {"a", "b", "c"}) keep(value, "g");
  keep("other", "h");
  auto file = ReplayFile::open("r.jsonl", "g", observer_);
  ASSERT_TRUE(file.ok());
  keep("rejected again", "g");
  ASSERT_EQ(*(*file)->read(PartitionId{0}, 100, taken_), 4u);
  EXPECT_EQ(taken_.values, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(taken_.passed, std::vector<Offset>{Offset{4}});
  commit(**file, 2);
  ASSERT_TRUE((*file)->finish().ok());
  EXPECT_EQ(values(), (std::vector<std::string>{"rejected again", "c", "other"}));
  EXPECT_FALSE(std::filesystem::exists("r.jsonl.replaying"));
}

TEST_F(ReplayFileTest, OthersLinesAndUnreadableOnesStay) {
  keep("a", "g");
  keep("other", "h");
  std::ofstream("r.jsonl", std::ios::app) << "torn {\n";
  auto file = ReplayFile::open("r.jsonl", "g", observer_);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(*(*file)->read(PartitionId{0}, 100, taken_), 3u);
  commit(**file, 3);
  ASSERT_TRUE((*file)->finish().ok());
  EXPECT_EQ(split(read("r.jsonl"), '\n').size(), 3u);
  EXPECT_NE(read("r.jsonl").find("\ntorn {\n"), std::string::npos);
}

TEST_F(ReplayFileTest, ThatOnlyOthersAreInItIsSaid) {
  class Warnings final : public Observer {
   public:
    void warning(std::string_view slug, std::string_view) override { slugs.emplace_back(slug); }
    std::vector<std::string> slugs;
  } told;
  EXPECT_FALSE(reject_file_exists("r.jsonl"));
  keep("other", "h");
  EXPECT_TRUE(reject_file_exists("r.jsonl"));
  RejectSettings place;
  place.file.value = "r.jsonl";
  const auto left = read_kept_rejects({}, place, {"g", {}}, [](KeptReject&&) { FAIL(); });
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(left->of_other_groups, 1u);
  auto file = ReplayFile::open("r.jsonl", "g", told);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(*(*file)->read(PartitionId{0}, 100, taken_), 1u);
  commit(**file, 1);
  ASSERT_TRUE((*file)->finish().ok());
  EXPECT_EQ(told.slugs, std::vector<std::string>{"rejects-of-others"});
  EXPECT_EQ(values(), std::vector<std::string>{"other"});
}

TEST_F(ReplayFileTest, OnlyOneAtATime) {
  keep("a", "g");
  auto first = ReplayFile::open("r.jsonl", "g", observer_);
  ASSERT_TRUE(first.ok());
  const auto second = ReplayFile::open("r.jsonl", "g", observer_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::unavailable);
}

TEST_F(ReplayFileTest, AnInterruptedOneIsDoneAgainWithWhatCameSince) {
  keep("a", "g");
  { ASSERT_TRUE(ReplayFile::open("r.jsonl", "g", observer_).ok()); }
  keep("b", "g");
  auto file = ReplayFile::open("r.jsonl", "g", observer_);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(*(*file)->read(PartitionId{0}, 100, taken_), 2u);
  EXPECT_EQ(taken_.values, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(std::filesystem::exists("r.jsonl"));
}

TEST_F(ReplayFileTest, NoFileIsNothingToReplay) {
  auto file = ReplayFile::open("r.jsonl", "g", observer_);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(*(*file)->read(PartitionId{0}, 100, taken_), 0u);
  EXPECT_TRUE((*file)->finish().ok());
}

}  // namespace
}  // namespace sluice::cli
