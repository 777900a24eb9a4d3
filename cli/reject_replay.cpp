// SPDX-License-Identifier: Apache-2.0
#include "cli/reject_replay.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <thread>
#include <utility>

#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr PartitionId only_partition{0};
constexpr const char* folder_name = "folder of the reject file";

/// For the whole replay, and apart from FileLock, which is for single writes. Freed by the kernel
/// with the descriptor, so that a crash leaves no lock behind.
bool lock_for_replay(int descriptor) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(descriptor, F_OFD_SETLK, &lock) == 0;
}

Error being_replayed(const std::string& path) {
  return {Errc::unavailable, "replay-running",
          fmt::format("reject file {} is being replayed already", escape_control(path)),
          "wait until it is done, then run it again"};
}

/// Opens what may not be there: not open, and no error, when it is not.
Result<FileDescriptor> open_if_there(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 && errno == ENOENT) return FileDescriptor();
  return open_reject_descriptor(path, O_RDWR | O_APPEND);
}

Result<void> make_durable(int descriptor, const std::string& path) {
  if (::fsync(descriptor) != 0) {
    return reject_file_error(path, "cannot be made durable: " + system_message(errno));
  }
  return sync_folder(folder_of(path), folder_name);
}

/// Adds what `path` holds to `target` and deletes it.
Result<void> absorb(const std::string& path, int target) {
  const FileDescriptor source = TRY(open_if_there(path));
  if (!source.open()) return {};
  const FileLock lock(source.get());
  if (!is_still(path, source.get())) return {};  // somebody moved it: theirs now
  if (ends_within_line(target)) TRY(write_all(target, "\n", "reject file"));
  std::array<char, 65536> buffer{};
  for (off_t at = 0;;) {
    const ssize_t count = ::pread(source.get(), buffer.data(), buffer.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return reject_file_error(path, "cannot be read: " + system_message(errno));
    if (count == 0) break;
    TRY(write_all(target, {buffer.data(), static_cast<size_t>(count)}, "reject file"));
    at += count;
  }
  TRY(make_durable(target, path));
  if (::unlink(path.c_str()) != 0) {
    return reject_file_error(path, "cannot be deleted: " + system_message(errno));
  }
  return sync_folder(folder_of(path), folder_name);
}

struct Taken {
  FileDescriptor file;  ///< not open: there is nothing to replay
  bool interrupted = false;
};

/// One try to get the file for us alone; nothing when another process was quicker.
Result<std::optional<Taken>> take(const std::string& path) {
  const std::string name = replaying_name(path);
  Taken taken;
  taken.file = TRY(open_if_there(name));
  if (taken.file.open()) {
    if (!lock_for_replay(taken.file.get())) return being_replayed(path);
    if (!is_still(name, taken.file.get())) return std::optional<Taken>();
    taken.interrupted = true;
    TRY(absorb(path, taken.file.get()));
    return std::optional(std::move(taken));
  }
  taken.file = TRY(open_if_there(path));
  if (!taken.file.open()) return std::optional(std::move(taken));
  const FileLock lock(taken.file.get());
  if (!is_still(path, taken.file.get())) return std::optional<Taken>();
  if (!lock_for_replay(taken.file.get())) return being_replayed(path);
  if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return std::optional<Taken>();
    return reject_file_error(path, "cannot be renamed: " + system_message(errno));
  }
  TRY(make_durable(taken.file.get(), path));
  return std::optional(std::move(taken));
}

std::string_view view_of(const std::string& bytes, bool is_null) {
  return is_null ? std::string_view() : std::string_view(bytes);
}

/// A rejected record as the reject topic would hand it over, original coordinates in its headers.
class KeptHeaders final : public HeaderSource {
 public:
  explicit KeptHeaders(const KeptReject& kept) : kept_(kept) {}
  [[nodiscard]] std::vector<Header> headers() const override {
    return kafka::reject_headers(kept_.record, kept_.by);
  }

 private:
  const KeptReject& kept_;
};

void hand_over(const KeptReject& kept, Offset offset, RecordListener& listener) {
  const KeptHeaders headers(kept);
  listener.record({.partition = only_partition,
                   .offset = offset,
                   .timestamp_ms = kept.record.timestamp_ms,
                   .key = view_of(kept.record.key, kept.record.null_key),
                   .value = view_of(kept.record.value, kept.record.null_value),
                   .headers = &headers,
                   .original = &kept.record});
}

}  // namespace

// ---- lines --------------------------------------------------------------------------------------

Result<RejectLines> RejectLines::open(FileDescriptor file, std::string path) {
  RejectLines lines;
  lines.file_ = std::move(file);
  lines.path_ = std::move(path);
  if (!lines.file_.open()) return lines;
  std::vector<char> buffer(1 << 20);
  uint64_t begin = 0;
  uint64_t at = 0;
  const auto end_line = [&](uint64_t end) {
    if (end > begin) lines.places_.push_back({begin, end - begin});
    begin = end + 1;
  };
  while (true) {
    const ssize_t count =
        ::pread(lines.file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return reject_file_error(lines.path_, "cannot be read: " + system_message(errno));
    }
    if (count == 0) break;
    const std::string_view chunk(buffer.data(), static_cast<size_t>(count));
    for (size_t found = chunk.find('\n'); found != std::string_view::npos;
         found = chunk.find('\n', found + 1)) {
      end_line(at + found);
    }
    at += chunk.size();
  }
  end_line(at);
  return lines;
}

Result<std::string> RejectLines::line(size_t index) const {
  const Place& place = places_.at(index);
  std::string text(place.size, '\0');
  for (size_t got = 0; got < text.size();) {
    const ssize_t count = ::pread(file_.get(), text.data() + got, text.size() - got,
                                  static_cast<off_t>(place.begin + got));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      return reject_file_error(path_, "cannot be read: " + (count == 0 ? "it is shorter than it was"
                                                                       : system_message(errno)));
    }
    got += static_cast<size_t>(count);
  }
  return text;
}

std::string replaying_name(const std::string& path) { return path + ".replaying"; }

// ---- a file -------------------------------------------------------------------------------------

Result<std::unique_ptr<ReplayFile>> ReplayFile::open(const std::string& path,
                                                     const std::string& group, Observer& observer) {
  std::optional<Taken> taken;
  constexpr int tries_max = 100;
  for (int tries = 0; !taken; ++tries) {
    if (tries == tries_max) return being_replayed(path);
    taken = TRY(take(path));
  }
  if (taken->interrupted) {
    observer.warning("replay-interrupted",
                     fmt::format("an earlier replay of {} was interrupted: its records are sent "
                                 "again, those that it had already inserted are inserted twice",
                                 escape_control(path)));
  }
  RejectLines lines = TRY(RejectLines::open(std::move(taken->file), replaying_name(path)));
  return std::make_unique<ReplayFile>(path, group, std::move(lines), observer);
}

ReplayFile::ReplayFile(std::string path, std::string group, RejectLines lines, Observer& observer)
    : path_(std::move(path)),
      group_(std::move(group)),
      lines_(std::move(lines)),
      observer_(observer) {}

ReplayFile::~ReplayFile() {
  if (finished_) return;
  if (const auto finished = finish(); !finished.ok()) {
    observer_.warning(finished.error().slug, finished.error().message);
  }
}

Result<void> ReplayFile::finish() {
  finished_ = true;
  if (!lines_.file().open()) return {};
  if (!unreadable_.empty()) {
    observer_.warning("reject-lines",
                      fmt::format("{} of {} cannot be read and stay in it",
                                  counted(unreadable_.size(), "line"), escape_control(path_)));
  }
  const bool none_ours = lines_.size() > 0 && others_.size() == lines_.size();
  if (none_ours && others_.size() > unreadable_.size()) {
    observer_.warning("rejects-of-others",
                      fmt::format("{} of {} are of other groups than {}: nothing was replayed",
                                  counted(others_.size() - unreadable_.size(), "record"),
                                  escape_control(path_), escape_control(group_, 256)));
  }
  TRY(give_back());
  if (::unlink(replaying_name(path_).c_str()) != 0) {
    return reject_file_error(replaying_name(path_), "cannot be deleted: " + system_message(errno));
  }
  return sync_folder(folder_of(path_), folder_name);
}

Result<void> ReplayFile::give_back() const {
  const auto settled = static_cast<size_t>(committed_ ? committed_->offset.value : 0);
  std::vector<size_t> staying;
  std::copy_if(others_.begin(), others_.end(), std::back_inserter(staying),
               [settled](size_t line) { return line < settled; });
  for (size_t line = settled; line < lines_.size(); ++line) staying.push_back(line);
  if (staying.empty()) return {};
  while (true) {
    const FileDescriptor file = TRY(open_reject_descriptor(path_, O_RDWR | O_CREAT | O_APPEND));
    const FileLock lock(file.get());
    if (!is_still(path_, file.get())) continue;
    if (ends_within_line(file.get())) TRY(write_all(file.get(), "\n", "reject file"));
    for (const size_t line : staying) {
      const std::string text = TRY(lines_.line(line));
      TRY(write_all(file.get(), text + "\n", "reject file"));
    }
    return make_durable(file.get(), path_);
  }
}

Result<std::vector<PartitionId>> ReplayFile::partitions() {
  return std::vector<PartitionId>{only_partition};
}

Result<std::map<PartitionId, Watermarks>> ReplayFile::watermarks(
    std::span<const PartitionId> /*partitions*/) {
  return std::map<PartitionId, Watermarks>{{only_partition, *held(only_partition)}};
}

Result<std::map<PartitionId, Offset>> ReplayFile::offsets_at(
    std::span<const PartitionId> /*partitions*/, WallTime /*time*/) {
  return std::map<PartitionId, Offset>{{only_partition, Offset{0}}};
}

Result<std::map<PartitionId, Committed>> ReplayFile::committed(
    std::span<const PartitionId> /*partitions*/) {
  std::map<PartitionId, Committed> out;
  if (committed_) out.emplace(only_partition, *committed_);
  return out;
}

Result<void> ReplayFile::join(AssignmentListener& listener) {
  listener_ = &listener;
  return {};
}

Result<void> ReplayFile::poll(Milliseconds wait) {
  if (listener_ != nullptr && !assigned_) {
    assigned_ = true;
    const std::array<PartitionId, 1> partitions{only_partition};
    const std::array<std::optional<Committed>, 1> nothing{};
    const auto to_read = TRY(listener_->assigned(partitions, nothing, Epoch{1}));
    next_ = static_cast<size_t>(to_read.front().first.value);
    return {};
  }
  std::this_thread::sleep_for(wait);
  return {};
}

Result<size_t> ReplayFile::read(PartitionId partition, size_t records_max,
                                RecordListener& listener) {
  size_t count = 0;
  for (; count < records_max && next_ < lines_.size(); ++count) {
    const size_t line = next_++;
    const std::string text = TRY(lines_.line(line));
    const auto kept = parse_reject_line(text);
    const Offset offset{static_cast<int64_t>(line)};
    if (kept && kept->by.group == group_) {
      hand_over(*kept, offset, listener);
      continue;
    }
    if (!kept) unreadable_.insert(line);
    others_.push_back(line);
    listener.reached(partition, offset.next());
  }
  return count;
}

Result<std::vector<CommitOutcome>> ReplayFile::commit(std::span<const CommitRequest> requests,
                                                      Milliseconds /*timeout*/) {
  std::vector<CommitOutcome> outcomes;
  for (const CommitRequest& request : requests) {
    committed_ = Committed{request.offset, request.metadata};
    outcomes.push_back({request.partition, request.offset, CommitResult::ok});
  }
  return outcomes;
}

Result<bool> ReplayFile::fetch(PartitionId /*partition*/, Offset offset, RecordListener& listener,
                               Milliseconds /*timeout*/) {
  const std::string text = TRY(lines_.line(static_cast<size_t>(offset.value)));
  const auto kept = parse_reject_line(text);
  if (!kept) return false;
  hand_over(*kept, offset, listener);
  return true;
}

std::optional<Watermarks> ReplayFile::held(PartitionId /*partition*/) const {
  return Watermarks{Offset{0}, Offset{static_cast<int64_t>(lines_.size())}};
}

Result<void> ReplayFile::seek(const std::map<PartitionId, Offset>& positions) {
  next_ = static_cast<size_t>(positions.at(only_partition).value);
  std::erase_if(others_, [this](size_t line) { return line >= next_; });  // read anew
  return {};
}

void ReplayFile::close(Milliseconds /*timeout*/) {
  if (!std::exchange(assigned_, false)) return;
  const std::array<PartitionId, 1> partitions{only_partition};
  std::exchange(listener_, nullptr)->revoked(partitions, false);
}

// ---- a topic ------------------------------------------------------------------------------------

ReplayTopic::ReplayTopic(std::unique_ptr<Source> topic, std::string group)
    : topic_(std::move(topic)), group_(std::move(group)) {}

Result<size_t> ReplayTopic::read(PartitionId partition, size_t records_max,
                                 RecordListener& listener) {
  reader_ = &listener;
  return topic_->read(partition, records_max, *this);
}

void ReplayTopic::record(const Record& record) {
  RejectedRecord rejected;
  rejected.headers = record.headers->headers();
  const auto by = kafka::take_reject_headers(rejected);
  if (by && by->group == group_) {
    Record again = record;
    again.original = &rejected;
    return reader_->record(again);
  }
  reader_->reached(record.partition, record.offset.next());
}

void ReplayTopic::reached(PartitionId partition, Offset offset) {
  reader_->reached(partition, offset);
}

// ---- rejected again -----------------------------------------------------------------------------

Result<void> ReplayRejects::write(const RejectedRecord& record) {
  RejectedRecord original = record;
  if (kafka::take_reject_headers(original)) {
    original.reason = record.reason;
    original.code = record.code;
    original.column = record.column;
    original.message = record.message;
  }
  return rejects_->write(original);
}

}  // namespace sluice::cli
