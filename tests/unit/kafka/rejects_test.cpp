// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/rejects.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kafka/mock_kafka.hpp"

namespace sluice::kafka {
namespace {

RejectedRecord sample(int64_t offset) {
  RejectedRecord record;
  record.topic = "orders";
  record.partition = {3};
  record.offset = {offset};
  record.timestamp_ms = 1'700'000'000'000;
  record.key = "key";
  record.value = "value";
  record.headers = {{"trace", "abc", false}, {"empty", "", true}};
  record.reason = RejectReason::insert;
  record.code = 117;
  record.column = "amount";
  record.message = "number\nout of range";
  return record;
}

std::map<std::string, std::string> by_name(const std::vector<Header>& headers) {
  std::map<std::string, std::string> out;
  for (const Header& header : headers) out[header.name] = header.value;
  return out;
}

TEST(RejectHeaders, KeepTheRecordsOwnAndSayWhereAndWhy) {
  const auto headers = reject_headers(sample(42), {"run-7", "sluice-orders"});
  EXPECT_EQ(headers[0].name, "trace");
  EXPECT_TRUE(headers[1].null_value);
  auto named = by_name(headers);
  EXPECT_EQ(named["sluice.error.code"], "insert");
  EXPECT_EQ(named["sluice.error.clickhouse_code"], "117");
  EXPECT_EQ(named["sluice.error.column"], "amount");
  EXPECT_EQ(named["sluice.error.message"], "number out of range");
  EXPECT_EQ(named["sluice.error.topic"], "orders");
  EXPECT_EQ(named["sluice.error.partition"], "3");
  EXPECT_EQ(named["sluice.error.offset"], "42");
  EXPECT_EQ(named["sluice.error.timestamp"], "1700000000000");
  EXPECT_EQ(named["sluice.error.run"], "run-7");
}

TEST(RejectHeaders, AreTakenOffAgainWhole) {
  const RejectedRecord before = sample(42);
  RejectedRecord record;
  record.topic = "rejects";
  record.headers = reject_headers(before, {"run-7", "sluice-orders"});
  const auto by = take_reject_headers(record);
  ASSERT_TRUE(by.has_value());
  EXPECT_EQ(by->run, "run-7");
  EXPECT_EQ(by->group, "sluice-orders");
  EXPECT_EQ(record.topic, "orders");
  EXPECT_EQ(record.partition, before.partition);
  EXPECT_EQ(record.offset, before.offset);
  EXPECT_EQ(record.timestamp_ms, before.timestamp_ms);
  EXPECT_EQ(record.reason, RejectReason::insert);
  EXPECT_EQ(record.code, 117);
  EXPECT_EQ(record.column, "amount");
  EXPECT_EQ(record.headers.size(), before.headers.size());
}

TEST(RejectHeaders, OfARecordThatWasRejectedElsewhereBeforeStay) {
  RejectedRecord record = sample(1);
  record.headers = reject_headers(sample(7), {"first", "a"});
  const size_t own = record.headers.size();
  record.headers = reject_headers(record, {"second", "b"});
  EXPECT_EQ(take_reject_headers(record)->group, "b");
  EXPECT_EQ(record.headers.size(), own);
}

TEST(RejectHeaders, OfOthersAreNone) {
  RejectedRecord record = sample(1);
  EXPECT_FALSE(take_reject_headers(record).has_value());
  record.headers = reject_headers(sample(7), {"run", "a"});
  record.headers.push_back({.name = "added-later", .value = "x"});
  EXPECT_FALSE(take_reject_headers(record).has_value());
  record.headers = {{.name = "sluice.error.code", .value = "no such reason"}};
  EXPECT_FALSE(take_reject_headers(record).has_value());
  EXPECT_EQ(record.topic, "orders");
}

class RejectTopicTest : public testing::Test {
 protected:
  void SetUp() override { kafka_.create_topic("rejects", 1); }

  std::vector<Reader::Taken> written(int64_t count) {
    SourceOptions options;
    options.topic = "rejects";
    options.group = "g";
    auto source = open_source(kafka_.options(), options);
    Reader reader;
    for (int64_t i = 0; i < count; ++i) {
      EXPECT_TRUE(*(*source)->fetch({0}, Offset{i}, reader, Milliseconds{5000}));
    }
    return reader.taken;
  }

  MockKafka kafka_;
};

TEST_F(RejectTopicTest, KeepsRecordsWhole) {
  auto rejects = open_reject_topic(kafka_.options(), "rejects", {"run-1", "g"});
  ASSERT_TRUE(rejects.ok());
  RejectedRecord tombstone = sample(2);
  tombstone.key.clear();
  tombstone.null_key = true;
  tombstone.value.clear();
  tombstone.null_value = true;
  ASSERT_TRUE((*rejects)->write(sample(1)).ok());
  ASSERT_TRUE((*rejects)->write(tombstone).ok());
  ASSERT_TRUE((*rejects)->flush().ok());
  const auto records = written(2);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].key, "key");
  EXPECT_EQ(records[0].value, "value");
  EXPECT_EQ(by_name(records[0].headers)["sluice.error.offset"], "1");
  EXPECT_EQ(records[1].key, std::nullopt);
  EXPECT_EQ(records[1].value, std::nullopt);
}

TEST_F(RejectTopicTest, FlushesNothingWithoutComplaint) {
  auto rejects = open_reject_topic(kafka_.options(), "rejects", {"run-1", "g"});
  ASSERT_TRUE(rejects.ok());
  EXPECT_TRUE((*rejects)->flush().ok());
}

TEST_F(RejectTopicTest, RefusesToStartWithoutItsTopic) {
  kafka_.fail_topic("rejects", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  const auto rejects = open_reject_topic(kafka_.options(), "rejects", {"run-1", "g"});
  ASSERT_FALSE(rejects.ok());
  EXPECT_EQ(rejects.error().code, Errc::config);
  EXPECT_EQ(rejects.error().slug, "reject-topic-missing");
}

TEST_F(RejectTopicTest, FailsForGoodWhenARecordIsNotAcknowledged) {
  ClusterOptions options = kafka_.options();
  options.properties = {{"message.timeout.ms", "1000"}};
  auto rejects = open_reject_topic(options, "rejects", {"run-1", "g"});
  ASSERT_TRUE(rejects.ok());
  kafka_.stop();
  ASSERT_TRUE((*rejects)->write(sample(1)).ok());
  const auto flushed = (*rejects)->flush();
  ASSERT_FALSE(flushed.ok());
  EXPECT_EQ(flushed.error().code, Errc::unavailable);
  kafka_.start();
  EXPECT_FALSE((*rejects)->write(sample(2)).ok());
  EXPECT_FALSE((*rejects)->flush().ok());
}

}  // namespace
}  // namespace sluice::kafka
