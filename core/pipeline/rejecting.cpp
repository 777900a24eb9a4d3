// SPDX-License-Identifier: Apache-2.0
// The part of PipelineRun that deals with records that are no rows.
#include <fmt/format.h>

#include <utility>

#include "core/pipeline/run.hpp"

namespace sluice {
namespace {

constexpr Milliseconds fetch_timeout{30'000};

RejectedRecord keep(const std::string& topic, const Record& record) {
  RejectedRecord kept{.topic = topic,
                      .partition = record.partition,
                      .offset = record.offset,
                      .timestamp_ms = record.timestamp_ms,
                      .key = std::string(record.key),
                      .value = std::string(record.value),
                      .null_key = record.key.data() == nullptr,
                      .null_value = record.value.data() == nullptr,
                      .headers = {},
                      .column = {},
                      .message = {}};
  if (record.headers != nullptr) kept.headers = record.headers->headers();
  return kept;
}

/// Takes the one record that Source::fetch finds.
class KeepOne final : public RecordListener {
 public:
  explicit KeepOne(const std::string& topic) : topic_(topic) {}
  void record(const Record& record) override { kept = keep(topic_, record); }
  void reached(PartitionId /*partition*/, Offset /*offset*/) override {}
  std::optional<RejectedRecord> kept;

 private:
  const std::string& topic_;
};

}  // namespace

void PipelineRun::bad_record(const Record& record, Session& session) {
  if (record.offset < session.judged_to && options_.on_error == OnError::reject) {
    return pass_again(record, session);
  }
  DecodeError why;
  if (record.value.size() > options_.record_bytes_max) {
    why = {.reason = RejectReason::too_large,
           .column = {},
           .message = fmt::format("the value has {} bytes, more than max_record_bytes ({})",
                                  record.value.size(), options_.record_bytes_max)};
  } else {
    why = decoder_->error();
  }
  if (options_.on_error == OnError::stop) {
    // It was not passed: the next run reads it again.
    --counts_.read;
    counts_.bytes -= record.key.size() + record.value.size();
    session.records = session.records_before;
    session.crc = session.crc_before;
    return stop_at(record.partition, record.offset, why.column, why.message);
  }
  RejectedRecord rejected = keep(options_.topic, record);
  rejected.reason = why.reason;
  rejected.column = why.column;
  rejected.message = why.message;
  ++counts_.open;
  if (reject(std::move(rejected))) session.cursor.pass_to(record.offset.next());
}

void PipelineRun::stop_at(PartitionId partition, Offset offset, std::string_view column,
                          std::string_view message) {
  reading_ = false;
  if (const auto found = sessions_.find(partition); found != sessions_.end()) {
    found->second.cursor.hold(offset);
  }
  fail({Errc::rejected, "record-refused",
        fmt::format("record {}[{}]@{} cannot become a row of {}: {}{}", options_.topic,
                    partition.value, offset.value, schema_->table().full_name(),
                    column.empty() ? std::string() : fmt::format("column {}: ", column), message),
        "fix the column or the producer and run it again, or keep such records aside and go on: "
        "--on-error reject with --reject-topic or --reject-file"});
}

/// Whether it was written; then it may be passed, also when it was one too many.
bool PipelineRun::reject(RejectedRecord record) {
  // Written now, durable before any commit passes it (commit_now).
  CHECK(ports_.rejects != nullptr);
  if (Result<void> written = ports_.rejects->write(record); !written.ok()) {
    rejects_lost_ = rejects_unflushed_;
    reading_ = false;
    fatal_ = true;
    fail(std::move(written).error());
    return false;
  }
  rejects_unflushed_ = true;
  --counts_.open;
  ++counts_.rejected;
  ++counts_.rejected_by[record.reason];
  ports_.observer.rejected(record);
  if (options_.rejects_max > 0 && counts_.rejected > options_.rejects_max) {
    reading_ = false;
    fail({Errc::rejected, "too-many-rejects",
          fmt::format("more than {} records of {} were rejected", options_.rejects_max,
                      options_.topic),
          "look at the rejected records; raise reject.max if they are expected"});
  }
  return true;
}

/// Whether it is among the rejects; else nothing at or after it will be committed.
bool PipelineRun::reject_culprit(const Delivery::Culprit& culprit) {
  if (options_.on_error == OnError::stop) {
    stop_at(culprit.partition, culprit.offset, "", culprit.message);
    return false;
  }
  const auto keep_back = [&] {
    if (Session* session = owned(culprit.partition, culprit.epoch)) {
      session->cursor.hold(culprit.offset);
    }
    return false;
  };
  KeepOne found(options_.topic);
  const Result<bool> fetched =
      ports_.source.fetch(culprit.partition, culprit.offset, found, fetch_timeout);
  if (!fetched.ok()) {
    fatal_ = true;
    fail(fetched.error());
    return keep_back();
  }
  RejectedRecord rejected = found.kept.value_or(RejectedRecord{});
  rejected.topic = options_.topic;
  rejected.partition = culprit.partition;
  rejected.offset = culprit.offset;
  rejected.reason = RejectReason::insert;
  rejected.code = culprit.exception_code;
  rejected.message = culprit.message;
  if (!found.kept) rejected.null_key = rejected.null_value = true;
  return reject(std::move(rejected)) || keep_back();
}

}  // namespace sluice
