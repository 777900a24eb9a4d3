// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kafka/mock_kafka.hpp"

namespace sluice::kafka {
namespace {

using testing::HasSubstr;

class SourceTest : public testing::Test {
 protected:
  void SetUp() override { kafka_.create_topic("orders", 2); }

  std::unique_ptr<Source> open(std::string topic = "orders",
                               Milliseconds unavailable_max = Milliseconds{10'000}) {
    SourceOptions options;
    options.topic = std::move(topic);
    options.group = "readers";
    options.unavailable_max = unavailable_max;
    ClusterOptions cluster = kafka_.options();
    // The mock's later rebalances take a second less than a session.
    cluster.properties = {{"session.timeout.ms", "3000"},
                          {"heartbeat.interval.ms", "300"},
                          {"reconnect.backoff.max.ms", "500"}};
    auto source = open_source(cluster, options);
    EXPECT_TRUE(source.ok());
    return std::move(source).value();
  }

  // A member with both partitions.
  std::unique_ptr<Source> join(Milliseconds unavailable_max = Milliseconds{10'000}) {
    auto source = open("orders", unavailable_max);
    EXPECT_TRUE(source->join(reader_).ok());
    EXPECT_TRUE(run_until(*source, reader_, [this] { return reader_.owned.size() == 2; }).ok());
    return source;
  }

  CommitRequest request(int32_t partition, int64_t offset, std::string metadata = "") const {
    return {PartitionId{partition}, reader_.last_epoch, Offset{offset}, std::move(metadata)};
  }

  CommitResult commit_one(Source& source, const CommitRequest& wanted,
                          Milliseconds timeout = Milliseconds{5000}) {
    const auto outcomes = source.commit({&wanted, 1}, timeout);
    EXPECT_TRUE(outcomes.ok());
    EXPECT_EQ(outcomes->size(), 1u);
    return outcomes->front().result;
  }

  MockKafka kafka_;
  Reader reader_;
  const std::vector<PartitionId> both_{{0}, {1}};
};

TEST_F(SourceTest, KnowsTheTopicsPartitionsAndRanges) {
  kafka_.produce("orders", 1, 3);
  auto source = open();
  const auto partitions = source->partitions();
  ASSERT_TRUE(partitions.ok());
  EXPECT_EQ(*partitions, both_);
  const auto marks = source->watermarks(both_);
  ASSERT_TRUE(marks.ok());
  EXPECT_EQ(marks->at({0}).end, Offset{0});
  EXPECT_EQ(marks->at({1}).first, Offset{0});
  EXPECT_EQ(marks->at({1}).end, Offset{3});
  EXPECT_TRUE(source->committed(both_)->empty());
}

TEST_F(SourceTest, SaysThatATopicIsMissing) {
  kafka_.fail_topic("orders", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  const auto partitions = open()->partitions();
  ASSERT_FALSE(partitions.ok());
  EXPECT_EQ(partitions.error().code, Errc::config);
  EXPECT_EQ(partitions.error().slug, "topic-missing");
}

TEST_F(SourceTest, SaysThatATopicIsForbidden) {
  kafka_.fail_topic("orders", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  const auto partitions = open()->partitions();
  ASSERT_FALSE(partitions.ok());
  EXPECT_EQ(partitions.error().code, Errc::no_permission);
}

TEST_F(SourceTest, RefusesANameThatLibrdkafkaWouldTakeForAPattern) {
  const std::vector<std::string> names = {"^orders", "", "..", "a b", std::string(250, 'a')};
  for (const std::string& topic : names) {
    SourceOptions options;
    options.topic = topic;
    options.group = "g";
    const auto source = open_source(kafka_.options(), options);
    ASSERT_FALSE(source.ok()) << topic;
    EXPECT_EQ(source.error().slug, "topic-name");
  }
}

TEST_F(SourceTest, DeliversEveryRecordWholeAndInOrder) {
  kafka_.produce("orders", 0, {.key = "k", .value = "v", .headers = {{"h", "1", false}}});
  kafka_.produce("orders", 0, {.key = {}, .value = {}, .headers = {{"n", "", true}}});
  kafka_.produce("orders", 0, {.key = "", .value = "", .headers = {}});
  kafka_.produce("orders", 1, 50);
  auto source = join();
  ASSERT_TRUE(run_until(*source, reader_, [this] {
                return reader_.ends == std::map<PartitionId, Offset>{{{0}, {3}}, {{1}, {50}}};
              }).ok());
  ASSERT_EQ(reader_.taken.size(), 53u);
  std::map<PartitionId, Offset> next;
  for (const Reader::Taken& record : reader_.taken) {
    EXPECT_EQ(record.offset, next[record.partition]);
    EXPECT_GT(record.timestamp_ms, 1'600'000'000'000);
    next[record.partition] = record.offset.next();
  }
  std::vector<Reader::Taken> first;
  for (const auto& record : reader_.taken) {
    if (record.partition == PartitionId{0}) first.push_back(record);
  }
  EXPECT_EQ(first[0].key, "k");
  EXPECT_EQ(first[0].value, "v");
  ASSERT_EQ(first[0].headers.size(), 1u);
  EXPECT_EQ(first[0].headers[0].value, "1");
  EXPECT_EQ(first[1].key, std::nullopt);
  EXPECT_EQ(first[1].value, std::nullopt);
  EXPECT_TRUE(first[1].headers.at(0).null_value);
  EXPECT_EQ(first[2].key, "");
  EXPECT_EQ(first[2].value, "");
  EXPECT_TRUE(first[2].headers.empty());
}

TEST_F(SourceTest, ReadsNoMoreThanAskedForAndNothingOfPartitionsOfOthers) {
  kafka_.produce("orders", 0, 10);
  auto source = open();
  ASSERT_TRUE(source->join(reader_).ok());
  size_t got = 0;
  for (int i = 0; i < 2000 && got == 0; ++i) {
    ASSERT_TRUE(source->poll(Milliseconds{5}).ok());
    got = *source->read({0}, 3, reader_);
  }
  EXPECT_GT(got, 0u);
  EXPECT_LE(got, 3u);
  EXPECT_EQ(reader_.taken.size(), got);
  EXPECT_EQ(*source->read({7}, 100, reader_), 0u);
}

TEST_F(SourceTest, ReadsAPartitionToItsEndAndNoFurtherAlsoWhenItReadsItAgain) {
  for (const int partition : {0, 1}) kafka_.produce("orders", partition, 10);
  reader_.end = Offset{10};
  auto source = join();
  const auto read_it = [&](size_t records) {
    ASSERT_TRUE(run_until(*source, reader_, [&] { return reader_.taken.size() >= records; }).ok());
  };
  read_it(20);
  for (const int partition : {0, 1}) kafka_.produce("orders", partition, 50);
  const TimePoint later = SystemClock().now() + Milliseconds{300};
  ASSERT_TRUE(run_until(*source, reader_, [&] { return SystemClock().now() > later; }).ok());
  EXPECT_EQ(reader_.taken.size(), 20u);
  reader_.taken.clear();
  ASSERT_TRUE(source->seek({{{0}, Offset{4}}, {{1}, Offset{10}}}).ok());
  read_it(6);
  EXPECT_EQ(reader_.taken.front().offset, Offset{4});
  for (const Reader::Taken& record : reader_.taken) EXPECT_EQ(record.partition, PartitionId{0});
}

TEST_F(SourceTest, CommitsAndFindsItAgain) {
  kafka_.produce("orders", 0, 5);
  const std::string metadata(1500, 'm');
  {
    auto source = join();
    const std::vector<CommitRequest> wanted = {request(1, 0, ""), request(0, 5, metadata)};
    const auto outcomes = source->commit(wanted, Milliseconds{5000});
    ASSERT_TRUE(outcomes.ok());
    ASSERT_EQ(outcomes->size(), 2u);
    EXPECT_EQ((*outcomes)[0].partition, PartitionId{1});
    EXPECT_EQ((*outcomes)[0].result, CommitResult::ok);
    EXPECT_EQ((*outcomes)[1].offset, Offset{5});
    EXPECT_EQ((*outcomes)[1].result, CommitResult::ok);
    source->close(Milliseconds{5000});
    EXPECT_EQ(reader_.revocations, 1);
    EXPECT_FALSE(reader_.last_lost);
  }
  auto source = open();
  const auto committed = source->committed(both_);
  ASSERT_TRUE(committed.ok());
  EXPECT_EQ(committed->at({0}).offset, Offset{5});
  EXPECT_EQ(committed->at({0}).metadata, metadata);
  EXPECT_EQ(committed->at({1}).offset, Offset{0});
}

TEST_F(SourceTest, DropsCommitsOfAnOldAssignmentWithoutSendingThem) {
  auto source = join();
  CommitRequest old = request(0, 9);
  old.epoch -= 1;
  EXPECT_EQ(commit_one(*source, old), CommitResult::fenced);
  CommitRequest stranger = request(7, 9);
  EXPECT_EQ(commit_one(*source, stranger), CommitResult::fenced);
  EXPECT_TRUE(open()->committed(both_)->empty());
}

/// case 11
TEST_F(SourceTest, CommitsInsideARevokeAndNotAfterIt) {
  auto source = join();
  CommitResult inside = CommitResult::unknown;
  reader_.when_revoked = [&] { inside = commit_one(*source, request(0, 3)); };
  source->close(Milliseconds{5000});
  EXPECT_EQ(inside, CommitResult::ok);
  EXPECT_EQ(commit_one(*source, request(0, 4)), CommitResult::fenced);
  EXPECT_EQ(open()->committed(both_)->at({0}).offset, Offset{3});
}

TEST_F(SourceTest, CallsACommitFencedWhenTheGroupMovedOn) {
  auto source = join();
  kafka_.fail_requests(offset_commit_request, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, 1);
  EXPECT_EQ(commit_one(*source, request(0, 1)), CommitResult::fenced);
  // The client takes everything back and joins again, under a new epoch.
  const Epoch before = reader_.last_epoch;
  ASSERT_TRUE(run_until(*source, reader_, [&] { return reader_.last_epoch > before; }).ok());
  EXPECT_TRUE(reader_.last_lost);
  EXPECT_EQ(commit_one(*source, request(0, 1)), CommitResult::ok);
}

TEST_F(SourceTest, CallsACommitUnknownWhenTheAnswerIsLate) {
  auto source = join();
  kafka_.slow_down(3000);
  const TimePoint before = SystemClock().now();
  EXPECT_EQ(commit_one(*source, request(0, 1), Milliseconds{500}), CommitResult::unknown);
  EXPECT_LT(SystemClock().now() - before, Milliseconds{2000});
}

TEST_F(SourceTest, CallsACommitUnknownWhenTheCoordinatorKeepsTimingOut) {
  auto source = join();
  kafka_.fail_requests(offset_commit_request, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, 100);
  EXPECT_EQ(commit_one(*source, request(0, 1), Milliseconds{1500}), CommitResult::unknown);
  kafka_.heal_requests(offset_commit_request);
}

TEST_F(SourceTest, EndsOnACommitThatIsForbidden) {
  auto source = join();
  kafka_.fail_requests(offset_commit_request, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1);
  const CommitRequest wanted = request(0, 1);
  const auto outcomes = source->commit({&wanted, 1}, Milliseconds{5000});
  ASSERT_FALSE(outcomes.ok());
  EXPECT_EQ(outcomes.error().code, Errc::no_permission);
  EXPECT_THAT(outcomes.error().fix, HasSubstr("readers"));
}

TEST_F(SourceTest, EndsOnMetadataThatTheBrokerRefuses) {
  auto source = join();
  kafka_.fail_requests(offset_commit_request, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE, 1);
  const CommitRequest wanted = request(0, 1, "m");
  const auto outcomes = source->commit({&wanted, 1}, Milliseconds{5000});
  ASSERT_FALSE(outcomes.ok());
  EXPECT_EQ(outcomes.error().code, Errc::config);
}

TEST_F(SourceTest, ReturnsTheListenersErrorFromPoll) {
  auto source = open();
  reader_.refuse = Error{.code = Errc::config, .slug = "ask-first", .message = "m", .fix = "f"};
  ASSERT_TRUE(source->join(reader_).ok());
  const auto result = run_until(*source, reader_, [] { return false; });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().slug, "ask-first");
  source->close(Milliseconds{2000});
}

/// case 31
TEST_F(SourceTest, CallsAnOffsetThatIsGoneLostData) {
  kafka_.produce("orders", 0, 3);
  reader_.start = Offset{1000};
  auto source = join();
  const auto result = run_until(*source, reader_, [] { return false; });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Errc::data_loss);
  EXPECT_EQ(result.error().slug, "kafka-offset-out-of-range");
  EXPECT_THAT(result.error().message, HasSubstr("@1000"));
  EXPECT_TRUE(reader_.taken.empty());
  // It stays so: nothing behind the hole is handed out.
  EXPECT_FALSE(source->poll(Milliseconds{0}).ok());
}

TEST_F(SourceTest, SurvivesABrokerThatComesBack) {
  auto source = join();
  kafka_.stop();
  EXPECT_TRUE(run_until(
                  *source, reader_, [] { return false; }, Milliseconds{2000})
                  .error()
                  .slug == "test-timeout");
  kafka_.start();
  kafka_.produce("orders", 0, 4);
  ASSERT_TRUE(run_until(*source, reader_, [this] { return reader_.taken.size() == 4; }).ok());
}

TEST_F(SourceTest, GivesUpOnBrokersThatStayAway) {
  auto source = join(Milliseconds{3000});
  kafka_.stop();
  const auto result = run_until(*source, reader_, [] { return false; });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Errc::unavailable);
  EXPECT_EQ(result.error().slug, "kafka-unreachable");
  const TimePoint before = SystemClock().now();
  source->close(Milliseconds{1000});
  EXPECT_LT(SystemClock().now() - before, Milliseconds{15'000});
  EXPECT_EQ(reader_.revocations, 1);
}

TEST_F(SourceTest, AnswersWithinItsTimeWhenNoBrokerIsThere) {
  kafka_.stop();
  const TimePoint before = SystemClock().now();
  const auto partitions = open("orders", Milliseconds{1000})->partitions();
  ASSERT_FALSE(partitions.ok());
  EXPECT_EQ(partitions.error().code, Errc::unavailable);
  EXPECT_EQ(partitions.error().slug, "kafka-unreachable");
  EXPECT_LT(SystemClock().now() - before, Milliseconds{5000});
}

TEST_F(SourceTest, ReadsOneRecordAgain) {
  kafka_.produce("orders", 0, 5);
  auto source = open();
  EXPECT_TRUE(*source->fetch({0}, Offset{3}, reader_, Milliseconds{5000}));
  ASSERT_EQ(reader_.taken.size(), 1u);
  EXPECT_EQ(reader_.taken[0].offset, Offset{3});
  EXPECT_EQ(reader_.taken[0].value, "v3");
  EXPECT_TRUE(*source->fetch({0}, Offset{0}, reader_, Milliseconds{5000}));
  EXPECT_FALSE(*source->fetch({0}, Offset{5}, reader_, Milliseconds{5000}));
  EXPECT_FALSE(*source->fetch({0}, Offset{500}, reader_, Milliseconds{5000}));
  EXPECT_EQ(reader_.taken.size(), 2u);
}

TEST_F(SourceTest, TellsTheMemoryItsQueuesMayUse) {
  auto source = open();
  ASSERT_TRUE(source->watermarks(both_).ok());
  EXPECT_LE(source->queue_bytes_max(), 64ull << 20);
  EXPECT_GT(source->queue_bytes_max(), 60ull << 20);
}

TEST_F(SourceTest, ClosesTwiceAndWithoutJoining) {
  auto source = open();
  source->close(Milliseconds{1000});
  source->close(Milliseconds{1000});
  EXPECT_EQ(reader_.revocations, 0);
}

TEST_F(SourceTest, SharesThePartitionsWithAnotherMember) {
  kafka_.produce("orders", 0, 5);
  kafka_.produce("orders", 1, 5);
  auto first = join();
  Reader other;
  auto second = open();
  ASSERT_TRUE(second->join(other).ok());
  for (int i = 0; i < 2000 && (other.owned.size() != 1 || reader_.owned.size() != 1); ++i) {
    ASSERT_TRUE(first->poll(Milliseconds{5}).ok());
    ASSERT_TRUE(second->poll(Milliseconds{5}).ok());
  }
  ASSERT_EQ(reader_.owned.size(), 1u);
  ASSERT_EQ(other.owned.size(), 1u);
  EXPECT_NE(reader_.owned, other.owned);
  // What went to the other is no longer ours to commit.
  EXPECT_EQ(commit_one(*first, request(other.owned[0].value, 5)), CommitResult::fenced);
}

TEST(SourceLog, CarriesNoSecret) {
  std::string log;
  ClusterOptions options;
  options.brokers = "127.0.0.1:1";
  options.properties = {
      {"sasl.password", "canary-3"}, {"client.id", "x-canary-3-x"}, {"debug", "all"}};
  options.log = [&](int, std::string_view text) { log += text; };
  SourceOptions source_options;
  source_options.topic = "t";
  source_options.group = "g";
  source_options.unavailable_max = Milliseconds{500};
  auto source = open_source(options, source_options);
  ASSERT_TRUE(source.ok());
  EXPECT_FALSE((*source)->partitions().ok());
  EXPECT_THAT(log, HasSubstr("127.0.0.1:1"));
  EXPECT_THAT(log, testing::Not(HasSubstr("canary-3")));
  EXPECT_THAT(log, testing::Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace sluice::kafka
