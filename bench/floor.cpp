// SPDX-License-Identifier: Apache-2.0
//
// The least that moving a topic into a table can cost with librdkafka and HTTP: every record is
// consumed and thrown away, and Native bodies made beforehand are sent. Nothing is decoded or
// encoded.
//
//   bench_floor BROKERS TOPIC GROUP URL BODY...      (URL with the INSERT in its query)
//
// Reads to the end offsets taken at the start (a topic without gaps), commits them, and prints how
// many records and bytes it read.

#include <curl/curl.h>
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/handle.hpp"

namespace {

using sluice::Handle;

using Client = Handle<rd_kafka_t, rd_kafka_destroy>;
using Conf = Handle<rd_kafka_conf_t, rd_kafka_conf_destroy>;
using Metadata = Handle<const rd_kafka_metadata_t, rd_kafka_metadata_destroy>;
using PartitionList =
    Handle<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;
using Queue = Handle<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using Topic = Handle<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using Curl = Handle<CURL, curl_easy_cleanup>;

constexpr int timeout_ms = 30'000;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bench_floor: %s\n", what.c_str());
  std::_Exit(1);
}

void require(rd_kafka_resp_err_t error, const char* what) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fail(std::string(what) + ": " + rd_kafka_err2str(error));
  }
}

/// One partition, read from its beginning to the end it had at the start.
struct Partition {
  int32_t id = 0;
  int64_t next = 0;
  int64_t end = 0;
  Queue queue;
};

struct Totals {
  int64_t records = 0;
  uint64_t bytes = 0;
};

class Consumer {
 public:
  Consumer(const std::string& brokers, std::string topic, const std::string& group)
      : topic_(std::move(topic)) {
    Conf conf(rd_kafka_conf_new());
    // The settings that were the cheapest of those tried: see bench/README.md.
    set(conf.get(), "bootstrap.servers", brokers);
    set(conf.get(), "group.id", group);
    set(conf.get(), "enable.auto.commit", "false");
    set(conf.get(), "enable.auto.offset.store", "false");
    set(conf.get(), "fetch.message.max.bytes", "262144");
    set(conf.get(), "fetch.wait.max.ms", "10");
    set(conf.get(), "check.crcs", "true");
    std::array<char, 512> text{};
    client_.reset(rd_kafka_new(RD_KAFKA_CONSUMER, conf.release(), text.data(), text.size()));
    if (client_ == nullptr) fail(text.data());
    require(rd_kafka_poll_set_consumer(client_.get()), "consumer queue");
    assign();
  }

  Totals read_all() {
    Totals totals;
    std::array<rd_kafka_message_t*, 1024> messages{};
    size_t unfinished = partitions_.size();
    while (unfinished > 0) {
      unfinished = 0;
      bool any = false;
      for (Partition& partition : partitions_) {
        if (partition.next >= partition.end) continue;
        ++unfinished;
        const ssize_t count = rd_kafka_consume_batch_queue(partition.queue.get(), 0,
                                                           messages.data(), messages.size());
        for (ssize_t i = 0; i < count; ++i) {
          take(*messages[static_cast<size_t>(i)], partition, totals);
          rd_kafka_message_destroy(messages[static_cast<size_t>(i)]);
        }
        any = any || count > 0;
      }
      if (!any) poll_main_queue();
    }
    return totals;
  }

  void commit_and_close() {
    const PartitionList list = offsets();
    require(rd_kafka_commit(client_.get(), list.get(), 0), "commit");
    for (Partition& partition : partitions_) partition.queue.reset();
    require(rd_kafka_consumer_close(client_.get()), "close");
  }

 private:
  static void set(rd_kafka_conf_t* conf, const char* key, const std::string& value) {
    std::array<char, 512> text{};
    if (rd_kafka_conf_set(conf, key, value.c_str(), text.data(), text.size()) != RD_KAFKA_CONF_OK) {
      fail(text.data());
    }
  }

  // The queues are cut off the main one before anything can arrive on it.
  void assign() {
    const int32_t count = partition_count();
    for (int32_t id = 0; id < count; ++id) {
      Partition partition;
      partition.id = id;
      require(rd_kafka_query_watermark_offsets(client_.get(), topic_.c_str(), id, &partition.next,
                                               &partition.end, timeout_ms),
              "watermarks");
      partition.queue.reset(rd_kafka_queue_get_partition(client_.get(), topic_.c_str(), id));
      if (partition.queue == nullptr) fail("a partition has no queue");
      rd_kafka_queue_forward(partition.queue.get(), nullptr);
      partitions_.push_back(std::move(partition));
    }
    const PartitionList list = offsets();
    require(rd_kafka_assign(client_.get(), list.get()), "assign");
  }

  int32_t partition_count() {
    const Topic topic(rd_kafka_topic_new(client_.get(), topic_.c_str(), nullptr));
    const rd_kafka_metadata_t* answer = nullptr;
    require(rd_kafka_metadata(client_.get(), 0, topic.get(), &answer, timeout_ms), "metadata");
    const Metadata metadata(answer);
    return metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
  }

  PartitionList offsets() const {
    PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions_.size())));
    for (const Partition& partition : partitions_) {
      rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), partition.id)->offset =
          partition.next;
    }
    return list;
  }

  static void take(const rd_kafka_message_t& message, Partition& partition, Totals& totals) {
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) fail(rd_kafka_message_errstr(&message));
    if (message.offset >= partition.end) return;
    partition.next = message.offset + 1;
    ++totals.records;
    totals.bytes += message.len;
  }

  void poll_main_queue() {
    constexpr int pause_ms = 2;
    rd_kafka_message_t* message = rd_kafka_consumer_poll(client_.get(), pause_ms);
    if (message == nullptr) return;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) fail("a record came on the main queue");
    fail(rd_kafka_message_errstr(message));
  }

  std::string topic_;
  Client client_;
  std::vector<Partition> partitions_;
};

/// A file in memory.
class Body {
 public:
  explicit Body(const char* path) {
    const int file = open(path, O_RDONLY);
    struct stat status {};
    if (file < 0 || fstat(file, &status) != 0) fail(std::string("cannot read ") + path);
    size_ = static_cast<size_t>(status.st_size);
    void* memory = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    close(file);
    if (memory == MAP_FAILED) fail(std::string("cannot map ") + path);
    data_ = static_cast<const char*>(memory);
  }

  size_t size() const { return size_; }

  /// CURLOPT_READFUNCTION
  static size_t read(char* target, size_t size, size_t count, void* context) {
    auto& body = *static_cast<Body*>(context);
    const size_t length = std::min(size * count, body.size_ - body.sent_);
    std::memcpy(target, body.data_ + body.sent_, length);
    body.sent_ += length;
    return length;
  }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
  size_t sent_ = 0;
};

size_t append_answer(char* data, size_t size, size_t count, void* context) {
  static_cast<std::string*>(context)->append(data, size * count);
  return size * count;
}

/// One INSERT per body, over one connection.
void send_bodies(const std::string& url, std::vector<Body>& bodies) {
  constexpr long buffer_bytes = 2 * 1024 * 1024;
  const Curl curl(curl_easy_init());
  using Headers = Handle<curl_slist, curl_slist_free_all>;
  const Headers headers(curl_slist_append(nullptr, "Expect:"));
  std::string answer;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_POST, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl.get(), CURLOPT_UPLOAD_BUFFERSIZE, buffer_bytes);
  curl_easy_setopt(curl.get(), CURLOPT_READFUNCTION, &Body::read);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &append_answer);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  for (Body& body : bodies) {
    curl_easy_setopt(curl.get(), CURLOPT_READDATA, &body);
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    const CURLcode code = curl_easy_perform(curl.get());
    if (code != CURLE_OK) fail(curl_easy_strerror(code));
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) fail("ClickHouse said " + std::to_string(status) + ": " + answer);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fputs("usage: bench_floor BROKERS TOPIC GROUP URL BODY...\n", stderr);
    return 2;
  }
  curl_global_init(CURL_GLOBAL_ALL);
  std::vector<Body> bodies;
  for (int i = 5; i < argc; ++i) bodies.emplace_back(argv[i]);
  std::thread sender(send_bodies, std::string(argv[4]), std::ref(bodies));
  Consumer consumer(argv[1], argv[2], argv[3]);
  const Totals totals = consumer.read_all();
  sender.join();
  consumer.commit_and_close();
  std::printf("%lld %llu\n", static_cast<long long>(totals.records),
              static_cast<unsigned long long>(totals.bytes));
  return 0;
}
