// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/handle.hpp"
#include "core/kafka/source.hpp"

namespace sluice::kafka {

/// Numbers of Kafka's requests, for failing them.
inline constexpr int16_t offset_commit_request = 8;

/// One record to produce; an absent key or value is null.
struct Sample {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<Header> headers;
};

/// librdkafka's mock cluster in this process, with a producer to fill it. Its limits: kafka.md 3.
class MockKafka {
 public:
  MockKafka() {
    host_.reset(client({{"bootstrap.servers", "unused:1"}}));
    cluster_.reset(rd_kafka_mock_cluster_new(host_.get(), 1));
    producer_.reset(client({{"bootstrap.servers", bootstrap()},
                            {"linger.ms", "0"},
                            {"reconnect.backoff.max.ms", "500"}}));
  }

  std::string bootstrap() const { return rd_kafka_mock_cluster_bootstraps(cluster_.get()); }
  ClusterOptions options() const {
    ClusterOptions options;
    options.brokers = bootstrap();
    return options;
  }

  void create_topic(const std::string& topic, int partitions) {
    ASSERT_EQ(rd_kafka_mock_topic_create(cluster_.get(), topic.c_str(), partitions, 1), 0);
  }
  void produce(const std::string& topic, int32_t partition, const Sample& sample);
  void produce(const std::string& topic, int32_t partition, int count) {
    for (int i = 0; i < count; ++i) {
      produce(topic, partition, Sample{.key = {}, .value = "v" + std::to_string(i), .headers = {}});
    }
  }
  void fail_requests(int16_t request, rd_kafka_resp_err_t code, size_t count) {
    const std::vector<rd_kafka_resp_err_t> codes(count, code);
    rd_kafka_mock_push_request_errors_array(cluster_.get(), request, count, codes.data());
  }
  void heal_requests(int16_t request) {
    rd_kafka_mock_clear_request_errors(cluster_.get(), request);
  }
  void fail_topic(const std::string& topic, rd_kafka_resp_err_t code) {
    rd_kafka_mock_topic_set_error(cluster_.get(), topic.c_str(), code);
  }
  void stop() { rd_kafka_mock_broker_set_down(cluster_.get(), 1); }
  void start() { rd_kafka_mock_broker_set_up(cluster_.get(), 1); }
  /// Answers to everything take so long from now on.
  void slow_down(int milliseconds) {
    rd_kafka_mock_broker_set_rtt(cluster_.get(), 1, milliseconds);
  }

 private:
  static rd_kafka_t* client(const std::vector<std::pair<const char*, std::string>>& properties) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    char text[512];
    for (const auto& [key, value] : properties) {
      EXPECT_EQ(rd_kafka_conf_set(conf, key, value.c_str(), text, sizeof text), RD_KAFKA_CONF_OK);
    }
    rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
    rd_kafka_t* created = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    EXPECT_NE(created, nullptr) << text;
    return created;
  }

  Handle<rd_kafka_t, rd_kafka_destroy> host_;
  Handle<rd_kafka_mock_cluster_t, rd_kafka_mock_cluster_destroy> cluster_;
  Handle<rd_kafka_t, rd_kafka_destroy> producer_;
};

inline void MockKafka::produce(const std::string& topic, int32_t partition, const Sample& sample) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(sample.headers.size());
  for (const Header& header : sample.headers) {
    rd_kafka_header_add(headers, header.name.c_str(), -1,
                        header.null_value ? nullptr : header.value.data(),
                        static_cast<ssize_t>(header.value.size()));
  }
  rd_kafka_vu_t fields[6] = {};
  fields[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  fields[0].u.cstr = topic.c_str();
  fields[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  fields[1].u.i32 = partition;
  fields[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  fields[2].u.i = RD_KAFKA_MSG_F_COPY;
  fields[3].vtype = RD_KAFKA_VTYPE_HEADERS;
  fields[3].u.headers = headers;
  fields[4].vtype = RD_KAFKA_VTYPE_KEY;
  if (sample.key) fields[4].u.mem = {const_cast<char*>(sample.key->data()), sample.key->size()};
  fields[5].vtype = RD_KAFKA_VTYPE_VALUE;
  if (sample.value) {
    fields[5].u.mem = {const_cast<char*>(sample.value->data()), sample.value->size()};
  }
  rd_kafka_error_t* error = rd_kafka_produceva(producer_.get(), fields, 6);
  ASSERT_EQ(error, nullptr);
  ASSERT_EQ(rd_kafka_flush(producer_.get(), 60'000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/// A pipeline's side of a Source: starts where it is told and writes down what comes.
class Reader final : public AssignmentListener, public RecordListener {
 public:
  struct Taken {
    PartitionId partition;
    Offset offset;
    std::optional<std::string> key;
    std::optional<std::string> value;
    std::vector<Header> headers;
    int64_t timestamp_ms = -1;
  };

  Result<std::vector<OffsetRange>> assigned(std::span<const PartitionId> partitions,
                                            std::span<const std::optional<Committed>> committed,
                                            Epoch epoch) override {
    last_epoch = epoch;
    if (refuse) return *refuse;
    std::vector<OffsetRange> to_read;
    for (size_t i = 0; i < partitions.size(); ++i) {
      owned.push_back(partitions[i]);
      to_read.push_back({start ? *start : committed[i] ? committed[i]->offset : Offset{0}, end});
      if (committed[i]) metadata[partitions[i]] = committed[i]->metadata;
    }
    return to_read;
  }
  void revoked(std::span<const PartitionId> partitions, bool lost) override {
    EXPECT_EQ(partitions.size(), owned.size());
    owned.clear();
    ++revocations;
    last_lost = lost;
    if (when_revoked) when_revoked();
  }
  void record(const Record& record) override {
    const auto text = [](std::string_view view) {
      return view.data() == nullptr ? std::nullopt : std::optional(std::string(view));
    };
    taken.push_back({record.partition, record.offset, text(record.key), text(record.value),
                     record.headers->headers(), record.timestamp_ms});
  }
  void reached(PartitionId partition, Offset offset) override { ends[partition] = offset; }

  std::optional<Offset> start;
  Offset end = no_end;
  std::optional<Error> refuse;
  std::function<void()> when_revoked;

  std::vector<PartitionId> owned;
  std::map<PartitionId, std::string> metadata;
  std::vector<Taken> taken;
  std::map<PartitionId, Offset> ends;
  Epoch last_epoch = 0;
  int revocations = 0;
  bool last_lost = false;
};

/// Polls and reads until `done`, at most `limit`; the first error ends it.
inline Result<void> run_until(Source& source, Reader& reader, const std::function<bool()>& done,
                              Milliseconds limit = Milliseconds{90'000}) {
  const TimePoint deadline = SystemClock().now() + limit;
  while (!done()) {
    if (SystemClock().now() > deadline) {
      return Error{.code = Errc::internal, .slug = "test-timeout", .message = "", .fix = ""};
    }
    TRY(source.poll(Milliseconds{10}));
    const std::vector<PartitionId> owned = reader.owned;
    for (const PartitionId partition : owned) {
      (void)TRY(source.read(partition, 1000, reader));
    }
  }
  return {};
}

}  // namespace sluice::kafka
