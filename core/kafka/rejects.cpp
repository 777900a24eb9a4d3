// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/rejects.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/text.hpp"
#include "core/kafka/lookups.hpp"

namespace sluice::kafka {
namespace {

using ErrorHandle = Handle<rd_kafka_error_t, rd_kafka_error_destroy>;
using HeadersHandle = Handle<rd_kafka_headers_t, rd_kafka_headers_destroy>;

TimePoint now() { return SystemClock().now(); }

HeadersHandle header_list(const std::vector<Header>& headers) {
  HeadersHandle list(rd_kafka_headers_new(headers.size()));
  for (const Header& header : headers) {
    const auto code = rd_kafka_header_add(list.get(), header.name.data(),
                                          static_cast<ssize_t>(header.name.size()),
                                          header.null_value ? nullptr : header.value.data(),
                                          static_cast<ssize_t>(header.value.size()));
    CHECK(code == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  return list;
}

rd_kafka_vu_t bytes_of(rd_kafka_vtype_t type, const std::string& bytes, bool is_null) {
  rd_kafka_vu_t field{};
  field.vtype = type;
  // librdkafka takes a pointer to non-const, and copies (RD_KAFKA_MSG_F_COPY).
  field.u.mem.ptr = is_null ? nullptr : const_cast<char*>(bytes.data());
  field.u.mem.size = is_null ? 0 : bytes.size();
  return field;
}

// Takes over `headers` when it succeeds.
rd_kafka_resp_err_t produce(rd_kafka_t* client, const std::string& topic,
                            const RejectedRecord& record, HeadersHandle& headers) {
  std::array<rd_kafka_vu_t, 5> fields{};
  fields[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  fields[0].u.cstr = topic.c_str();
  fields[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  fields[1].u.i = RD_KAFKA_MSG_F_COPY;
  fields[2] = bytes_of(RD_KAFKA_VTYPE_KEY, record.key, record.null_key);
  fields[3] = bytes_of(RD_KAFKA_VTYPE_VALUE, record.value, record.null_value);
  fields[4].vtype = RD_KAFKA_VTYPE_HEADERS;
  fields[4].u.headers = headers.get();
  const ErrorHandle error(rd_kafka_produceva(client, fields.data(), fields.size()));
  if (error != nullptr) return rd_kafka_error_code(error.get());
  static_cast<void>(headers.release());
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

Result<std::unique_ptr<RejectSink>> open_reject_topic(const ClusterOptions& cluster,
                                                      const std::string& topic,
                                                      const RejectedBy& by) {
  TRY(check_cluster(cluster));
  auto rejects = std::make_unique<RejectTopic>(topic, by);
  TRY(rejects->open(cluster));
  return std::unique_ptr<RejectSink>(std::move(rejects));
}

RejectTopic::RejectTopic(std::string topic, RejectedBy by)
    : place_{.topic = std::move(topic), .group = {}}, by_(std::move(by)) {}

Result<void> RejectTopic::open(const ClusterOptions& cluster) {
  {
    // A consumer asks, since a producer's question may create the topic.
    Conf conf =
        TRY(make_conf(cluster, Role::consumer, {}, {{"allow.auto.create.topics", "false"}}));
    const auto asker = TRY(Client::open(Role::consumer, std::move(conf), cluster, {}));
    const auto found = Lookups(*asker, place_, Milliseconds{30'000}).partitions();
    asker->destroy(Milliseconds{1000});
    if (!found) {
      Error error = found.error();
      if (error.slug == "topic-missing") error.slug = "reject-topic-missing";
      if (error.slug == "kafka-no-permission") {
        error.fix = "grant WRITE and DESCRIBE on topic " + place_.topic;
      }
      return error;
    }
  }
  const Properties defaults = {
      {"compression.codec", "none"},  // proxies can switch it off silently (kafka.md 4.10)
      {"linger.ms", "5"},
      {"message.max.bytes", std::to_string(64 << 20)},  // the broker's own limit decides
      {"queue.buffering.max.kbytes", "65536"},
      {"message.timeout.ms", "60000"},
  };
  Conf conf = TRY(make_conf(cluster, Role::producer, defaults, {{"enable.idempotence", "true"}}));
  timeout_ = Milliseconds{conf_number(conf.get(), "message.timeout.ms")};
  Client::Callbacks callbacks;
  callbacks.delivered = [this](const rd_kafka_message_t& message) { on_delivered(message); };
  client_ = TRY(Client::open(Role::producer, std::move(conf), cluster, std::move(callbacks)));
  return {};
}

Error RejectTopic::not_written(rd_kafka_resp_err_t code) const {
  // A fatal error purges the queue, and says why only here.
  std::array<char, 512> text{};
  const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(client_->get(), text.data(), text.size());
  if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) code = fatal;
  if (auto refusal = refusal_of(code, place_)) {
    refusal->fix = "grant WRITE on topic " + place_.topic;
    return *std::move(refusal);
  }
  if (is_unknown_topic(code)) return topic_missing(place_.topic, {});
  const bool too_large = code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
  return {.code = too_large ? Errc::config : Errc::unavailable,
          .slug = too_large ? "reject-too-large" : "reject-topic-failed",
          .message = fmt::format("a rejected record could not be written to topic {}: {}",
                                 place_.topic, reason_of(code)),
          .fix = too_large ? "raise max.message.bytes of topic " + place_.topic
                           : "run the command again: the record is not passed over"};
}

void RejectTopic::on_delivered(const rd_kafka_message_t& message) {
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR && !failure_) failure_ = not_written(message.err);
}

Result<void> RejectTopic::check() {
  if (failure_) return *failure_;
  if (client_->failure()) return *client_->failure();
  if (auto refusal = client_->health().refusal(now())) return *std::move(refusal);
  return {};
}

Result<void> RejectTopic::write(const RejectedRecord& record) {
  client_->serve(Milliseconds{0});
  HeadersHandle headers = header_list(reject_headers(record, by_));
  const TimePoint deadline = now() + timeout_;
  for (;;) {
    TRY(check());
    const rd_kafka_resp_err_t code = produce(client_->get(), place_.topic, record, headers);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || now() >= deadline) {
      failure_ = not_written(code);
      return *failure_;
    }
    client_->serve(Milliseconds{100});
  }
}

Result<void> RejectTopic::flush() {
  constexpr Milliseconds grace{5000};  // for the answer to what was sent at the last moment
  const TimePoint deadline = now() + timeout_ + grace;
  while (rd_kafka_outq_len(client_->get()) > 0) {
    TRY(check());
    if (now() >= deadline) {
      failure_ = client_->health().troubled() ? client_->health().unreachable(timeout_ + grace)
                                              : not_written(RD_KAFKA_RESP_ERR__TIMED_OUT);
      return *failure_;
    }
    // Short, so that refused credentials end it; it also sends at once what lingers.
    rd_kafka_flush(client_->get(), 200);
    client_->serve(Milliseconds{0});
  }
  client_->serve(Milliseconds{0});
  return check();
}

}  // namespace sluice::kafka
