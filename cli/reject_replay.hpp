// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cli/file.hpp"
#include "cli/reject_file.hpp"
#include "core/pipeline/ports.hpp"

/// Rejected records on their way through the pipeline again. The pipeline is the ordinary one; only
/// its Source and its RejectSink know that its records were rejected before.
namespace sluice::cli {

/// The lines of a reject file, empty ones left out. Keeps where they are, not what they hold.
class RejectLines {
 public:
  RejectLines() = default;
  /// `path` names it in messages.
  [[nodiscard]] static Result<RejectLines> open(FileDescriptor file, std::string path);

  [[nodiscard]] size_t size() const { return places_.size(); }
  [[nodiscard]] Result<std::string> line(size_t index) const;
  [[nodiscard]] const FileDescriptor& file() const { return file_; }

 private:
  struct Place {
    uint64_t begin = 0;
    uint64_t size = 0;
  };
  FileDescriptor file_;
  std::string path_;
  std::vector<Place> places_;
};

/// What a reject file is called while it is replayed.
[[nodiscard]] std::string replaying_name(const std::string& path);

/// Source over a reject file: one partition whose offsets are the lines. Only the lines of one
/// group are records.
///
///   open()    FILE → FILE.replaying; writers that have FILE open go on in a new FILE
///   the run   reads FILE.replaying; what is rejected again is appended to FILE
///   finish()  what was not replayed and what is not this group's goes back to FILE;
///             FILE.replaying is deleted
///
/// After a crash in between, the next open() finds FILE.replaying, adds FILE to it and replays all
/// of it: every line at least once. A lock on it keeps a second replay away.
class ReplayFile final : public Source {
 public:
  /// Errc::unavailable while another process replays the file. `observer` is told about a replay
  /// that was interrupted; it outlives the source.
  [[nodiscard]] static Result<std::unique_ptr<ReplayFile>> open(const std::string& path,
                                                                const std::string& group,
                                                                Observer& observer);
  ReplayFile(std::string path, std::string group, RejectLines lines, Observer& observer);
  ReplayFile(const ReplayFile&) = delete;
  ReplayFile& operator=(const ReplayFile&) = delete;
  ~ReplayFile() override;  ///< finishes what could not even begin

  [[nodiscard]] Result<void> finish();

  Result<std::vector<PartitionId>> partitions() override;
  Result<std::map<PartitionId, Watermarks>> watermarks(
      std::span<const PartitionId> partitions) override;
  Result<std::map<PartitionId, Offset>> offsets_at(std::span<const PartitionId> partitions,
                                                   WallTime time) override;
  Result<std::map<PartitionId, Committed>> committed(
      std::span<const PartitionId> partitions) override;
  Result<void> join(AssignmentListener& listener) override;
  Result<void> poll(Milliseconds wait) override;
  Result<size_t> read(PartitionId partition, size_t records_max, RecordListener& listener) override;
  Result<std::vector<CommitOutcome>> commit(std::span<const CommitRequest> requests,
                                            Milliseconds timeout) override;
  Result<bool> fetch(PartitionId partition, Offset offset, RecordListener& listener,
                     Milliseconds timeout) override;
  [[nodiscard]] std::optional<Watermarks> held(PartitionId partition) const override;
  Result<void> seek(const std::map<PartitionId, Offset>& positions) override;
  [[nodiscard]] uint64_t queue_bytes_max() const override { return 0; }
  void close(Milliseconds timeout) override;

 private:
  [[nodiscard]] Result<void> give_back() const;

  std::string path_;
  std::string group_;
  RejectLines lines_;
  Observer& observer_;
  AssignmentListener* listener_ = nullptr;
  bool assigned_ = false;
  bool finished_ = false;
  size_t next_ = 0;
  std::optional<Committed> committed_;
  std::vector<size_t> others_;   ///< lines that are not ours, in order
  std::set<size_t> unreadable_;  ///< of these, lines that are nobody's
};

/// Source over a reject topic: passes on what the pipeline with this group has rejected, and passes
/// over everything else.
class ReplayTopic final : public Source, private RecordListener {
 public:
  ReplayTopic(std::unique_ptr<Source> topic, std::string group);

  Result<std::vector<PartitionId>> partitions() override { return topic_->partitions(); }
  Result<std::map<PartitionId, Watermarks>> watermarks(
      std::span<const PartitionId> partitions) override {
    return topic_->watermarks(partitions);
  }
  Result<std::map<PartitionId, Offset>> offsets_at(std::span<const PartitionId> partitions,
                                                   WallTime time) override {
    return topic_->offsets_at(partitions, time);
  }
  Result<std::map<PartitionId, Committed>> committed(
      std::span<const PartitionId> partitions) override {
    return topic_->committed(partitions);
  }
  Result<void> join(AssignmentListener& listener) override { return topic_->join(listener); }
  Result<void> poll(Milliseconds wait) override { return topic_->poll(wait); }
  Result<size_t> read(PartitionId partition, size_t records_max, RecordListener& listener) override;
  Result<std::vector<CommitOutcome>> commit(std::span<const CommitRequest> requests,
                                            Milliseconds timeout) override {
    return topic_->commit(requests, timeout);
  }
  Result<bool> fetch(PartitionId partition, Offset offset, RecordListener& listener,
                     Milliseconds timeout) override {
    return topic_->fetch(partition, offset, listener, timeout);
  }
  [[nodiscard]] std::optional<Watermarks> held(PartitionId partition) const override {
    return topic_->held(partition);
  }
  Result<void> seek(const std::map<PartitionId, Offset>& positions) override {
    return topic_->seek(positions);
  }
  [[nodiscard]] uint64_t queue_bytes_max() const override { return topic_->queue_bytes_max(); }
  void close(Milliseconds timeout) override { topic_->close(timeout); }

 private:
  void record(const Record& record) override;
  void reached(PartitionId partition, Offset offset) override;

  std::unique_ptr<Source> topic_;
  std::string group_;
  RecordListener* reader_ = nullptr;  ///< during read()
};

/// Keeps a record that was rejected again under the topic, partition, offset and time where it was
/// first read.
class ReplayRejects final : public RejectSink {
 public:
  explicit ReplayRejects(std::unique_ptr<RejectSink> rejects) : rejects_(std::move(rejects)) {}

  Result<void> write(const RejectedRecord& record) override;
  Result<void> flush() override { return rejects_->flush(); }

 private:
  std::unique_ptr<RejectSink> rejects_;
};

}  // namespace sluice::cli
