// SPDX-License-Identifier: Apache-2.0
// The part of PipelineRun that reads records and makes rows of them.
#include <algorithm>
#include <utility>

#include "core/pipeline/run.hpp"

namespace sluice {
namespace {

constexpr size_t read_records_max = 1024;
constexpr int reads_per_partition_max = 32;  ///< then the group is polled again
constexpr uint64_t decode_sample = 64;       ///< one decode in so many is timed

/// A record without a timestamp is in every range: nobody can say that it is not.
bool within(const TimeRange& range, int64_t timestamp_ms) {
  const WallTime time{Milliseconds{timestamp_ms}};
  return timestamp_ms < 0 || (range.first <= time && time < range.next);
}

}  // namespace

bool PipelineRun::memory_full() const {
  const auto* now = options_.memory_now;
  return buffered() > (now == nullptr ? options_.memory_max : now->load(std::memory_order_relaxed));
}

void PipelineRun::relieve_memory() {
  if (!memory_full()) return;
  reading_block_ = nullptr;
  batcher_->release_unused();
  if (!memory_full() || !ready_.empty() || !delivery_->has_room()) return;
  const auto partition = batcher_->largest();
  if (!partition) return;
  std::vector<Batch> batches;
  batches.push_back(batcher_->cut(*partition, CutTrigger::memory));
  enqueue(std::move(batches));
  send_ready();
}

/// How many records one read may take, so that no more rows a second are read than was asked for:
/// those of a hundredth of a second at least, or none.
size_t PipelineRun::allowed_now() const {
  if (!options_.rows_per_second_max) return read_records_max;
  constexpr uint64_t reads_per_second = 100;
  const uint64_t rate = *options_.rows_per_second_max;
  const uint64_t at_once = std::clamp<uint64_t>(rate / reads_per_second, 1, read_records_max);
  const double seconds =
      reading_since_ ? std::chrono::duration<double>(since(*reading_since_)).count() : 0;
  const uint64_t before = options_.before == nullptr ? 0 : options_.before->counts.read;
  const double left = static_cast<double>(at_once) + static_cast<double>(rate) * seconds -
                      static_cast<double>(counts_.read - before);
  if (left < static_cast<double>(at_once)) return 0;
  return static_cast<size_t>(std::min(left, static_cast<double>(read_records_max)));
}

bool PipelineRun::paced() const { return allowed_now() == 0; }

bool PipelineRun::read_some() {
  bool any = false;
  bool let_one = false;
  // Iterated over a copy of the keys: reading may end the run, but never changes the assignment.
  for (auto& [partition, session] : sessions_) {
    if (!reading_) break;
    if ((session.reached() && !session.replay) || session.fenced) continue;
    if (paced()) break;
    relieve_memory();
    if (exact() && waits_to_be_sent(partition)) continue;
    if (!exact() && !ready_.empty()) break;
    if (memory_full()) {
      // A batch that must be sent again cannot be cut before it is whole: one at a time.
      const bool alone =
          session.replay && !let_one && delivery_->empty() && ready_.empty() && armed_.empty();
      if (!alone && exact()) continue;
      if (!alone) break;
      let_one = true;
    }
    const uint64_t before = counts_.read;
    reading_partition_ = partition;
    reading_session_ = &session;
    reading_block_ = nullptr;
    read_partition(partition);
    reading_session_ = nullptr;
    any = any || counts_.read != before;
  }
  return any;
}

void PipelineRun::read_partition(PartitionId partition) {
  const TimePoint start = ports_.clock.now();
  if (!reading_since_) reading_since_ = start;
  for (int i = 0; i < reads_per_partition_max; ++i) {
    const size_t wanted = allowed_now();
    if (wanted == 0) break;
    const Result<size_t> count = ports_.source.read(partition, wanted, *this);
    if (!count.ok()) {
      fatal_ = count.error().code != Errc::data_loss;
      fail(count.error());
      return;
    }
    if (!ready_.empty()) send_ready();
    if (*count < wanted || !reading_ || reading_session_->reached()) break;
    if (exact() ? waits_to_be_sent(partition) : !ready_.empty()) break;
    if (memory_full()) break;
  }
  times_.poll += since(start);
  tell_unknown_fields();
}

void PipelineRun::record(const Record& record) {
  Session& session = *reading_session_;
  if (!reading_ || session.reached()) return;
  if (session.replay && record.offset >= session.replay->next) {
    finish_replay(record.partition, session);
    if (!reading_) return;
  }
  if (record.offset >= session.end) {
    session.cursor.pass_to(session.end);
    return;
  }
  if (!session.settled.empty() && session.was_settled(record.offset)) {
    session.cursor.pass_to(record.offset.next());
    return;
  }
  session.at_end = false;
  const bool judged = record.offset < session.judged_to;
  ++counts_.read;
  if (!judged) counts_.bytes += record.key.size() + record.value.size();
  timestamp_last_ms_ = std::max(timestamp_last_ms_, record.timestamp_ms);
  if (exact()) digest(record, session);
  // Of an overwriting run tombstones are rows, too.
  const bool skipped = record.tombstone()
                           ? !options_.columns.overwrite
                           : record.value.empty() && options_.format != RecordFormat::raw;
  const bool untimely = options_.timestamps && !within(*options_.timestamps, record.timestamp_ms);
  if (exact() && was_excluded(record, session)) {
    // settled
  } else if (judged && (untimely || skipped)) {
    pass_again(record, session);
  } else if (untimely) {
    count_skip(SkipReason::filter);
    session.cursor.pass_to(record.offset.next());
  } else if (skipped) {
    count_skip(record.tombstone() ? SkipReason::tombstone : SkipReason::empty);
    session.cursor.pass_to(record.offset.next());
  } else {
    append_row(record, session);
  }
  if (session.replay && session.cursor.position() >= session.replay->next) {
    finish_replay(record.partition, session);
  }
  const bool enough = (options_.rows_max && counts_.read >= *options_.rows_max) ||
                      (options_.bytes_max && counts_.bytes >= *options_.bytes_max);
  // A batch that has to be sent again is read whole, or no run would get beyond it.
  if (enough && !replaying()) {
    reading_ = false;
    limit_reached_ = true;
  }
}

bool PipelineRun::replaying() const {
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [](const auto& entry) { return entry.second.replay.has_value(); });
}

void PipelineRun::append_row(const Record& record, Session& session) {
  if (record.value.size() > options_.record_bytes_max) return bad_record(record, session);
  if (reading_block_ == nullptr) {
    reading_block_ = &batcher_->open(reading_partition_, session.epoch, ports_.clock.now());
    reading_block_->whole = session.replay.has_value();
  }
  Block& block = reading_block_->block;
  const bool sampled = counts_.read % decode_sample == 0;
  const TimePoint start = sampled ? ports_.clock.now() : TimePoint{};
  const bool good = decoder_->decode(record, block);
  if (good && awaits_field_) {
    awaits_field_ = std::none_of(field_columns_.begin(), field_columns_.end(), [&](size_t index) {
      return block.column(index).rows() != block.rows();
    });
  }
  if (good) block.end_row(record.offset);
  if (sampled) times_.decode += since(start) * decode_sample;
  if (!good) return bad_record(record, session);
  ++counts_.open;
  session.cursor.row_to(record.offset.next());
  reading_block_->saw_timestamp(record.timestamp_ms);
  if (!reading_block_->whole && batcher_->full(*reading_block_)) {
    std::vector<Batch> batches;
    batches.push_back(batcher_->cut(reading_partition_, CutTrigger::rows));
    reading_block_ = nullptr;
    enqueue(std::move(batches));
  }
}

void PipelineRun::reached(PartitionId partition, Offset offset) {
  const auto found = sessions_.find(partition);
  if (found == sessions_.end() || !reading_) return;
  Session& session = found->second;
  if (session.replay && offset >= session.replay->next) {
    session.cursor.pass_to(session.replay->next);
    finish_replay(partition, session);
    if (!reading_) return;
  }
  found->second.cursor.pass_to(std::min(offset, found->second.end));
  found->second.at_end = true;
}

/// Fields that no column takes are counted, and named once.
void PipelineRun::tell_unknown_fields() {
  counts_.unknown_fields += decoder_->take_unknown_count();
  const std::vector<std::string> names = decoder_->take_unknown_fields();
  if (names.empty() || options_.decode.unknown_fields == UnknownFields::keep) return;
  std::string text;
  for (const std::string& name : names) {
    if (!fields_told_.insert(name).second) continue;
    text.append(text.empty() ? "" : ", ").append(name);
  }
  if (text.empty()) return;
  ports_.observer.ignored_fields(text);
}

/// What was told and counted before the partition was rewound.
void PipelineRun::pass_again(const Record& record, Session& session) {
  --counts_.read;
  session.cursor.pass_to(record.offset.next());
}

void PipelineRun::count_skip(SkipReason reason) {
  ++counts_.skipped;
  ++counts_.skipped_by[reason];
}

}  // namespace sluice
