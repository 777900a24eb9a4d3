// SPDX-License-Identifier: Apache-2.0
#include "cli/kept_rejects.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cli/reject_replay.hpp"

namespace sluice::cli {
namespace {

using Take = std::function<void(KeptReject&&)>;

/// Takes the records of a reject topic.
class TopicTaker final : public RecordListener {
 public:
  TopicTaker(const KeptRejectsWanted& wanted, const Take& take) : wanted_(wanted), take_(take) {}
  void record(const Record& record) override {
    KeptReject kept;
    kept.record.headers = record.headers->headers();
    const auto by = kafka::take_reject_headers(kept.record);
    if (!by) return;
    if (!wanted_.group.empty() && by->group != wanted_.group) {
      ++of_other_groups_;
      return;
    }
    kept.by = *by;
    kept.rejected_at = WallTime(Milliseconds(std::max<int64_t>(0, record.timestamp_ms)));
    kept.record.key = std::string(record.key);
    kept.record.value = std::string(record.value);
    kept.record.null_key = record.key.data() == nullptr;
    kept.record.null_value = record.tombstone();
    take_(std::move(kept));
  }
  void reached(PartitionId /*partition*/, Offset /*offset*/) override {}
  [[nodiscard]] uint64_t of_other_groups() const { return of_other_groups_; }

 private:
  uint64_t of_other_groups_ = 0;
  const KeptRejectsWanted& wanted_;
  const Take& take_;
};

bool is_there(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 || errno != ENOENT;
}

Result<void> read_file(const std::string& path, const KeptRejectsWanted& wanted, const Take& take,
                       KeptRejectsLeft& left) {
  if (!is_there(path)) return {};
  FileDescriptor file = TRY(open_reject_descriptor(path, O_RDONLY));
  const RejectLines lines = TRY(RejectLines::open(std::move(file), path));
  for (size_t index = 0; index < lines.size(); ++index) {
    const std::string line = TRY(lines.line(index));
    auto kept = parse_reject_line(line);
    if (!kept) {
      ++left.unreadable;
      continue;
    }
    const bool ours = wanted.group.empty() || kept->by.group == wanted.group;
    const bool late = !wanted.since || kept->rejected_at >= *wanted.since;
    if (!ours) ++left.of_other_groups;
    if (ours && late) take(std::move(*kept));
  }
  return {};
}

}  // namespace

std::string replay_group(const std::string& group) { return group + ".rejects"; }

bool reject_file_exists(const std::string& path) {
  return is_there(path) || is_there(replaying_name(path));
}

Result<KeptRejectsLeft> read_kept_rejects(const kafka::ClusterOptions& cluster,
                                          const RejectSettings& place,
                                          const KeptRejectsWanted& wanted, const Take& take) {
  KeptRejectsLeft left;
  if (place.topic.value.empty()) {
    const std::string& path = place.file.value;
    TRY(read_file(replaying_name(path), wanted, take, left));
    TRY(read_file(path, wanted, take, left));
    return left;
  }
  kafka::ScanOptions scan;
  scan.topic = place.topic.value;
  if (!wanted.group.empty()) scan.group = replay_group(wanted.group);
  scan.since = wanted.since;
  TopicTaker taker(wanted, take);
  TRY(kafka::scan_topic(cluster, scan, taker, {}));
  left.of_other_groups = taker.of_other_groups();
  return left;
}

}  // namespace sluice::cli
