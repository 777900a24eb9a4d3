// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/support/fakes.hpp"

/// The real pipeline over a scripted topic, table and clock. Each seed makes another topic (good and
/// bad records, tombstones, gaps) and another series of misfortunes (crashes at any turn, lost
/// answers, refused rows, rebalances, failing commits, stops), run after run until one is caught up.
///
///   SLUICE_SIM_SEED=17 repeats one seed, SLUICE_SIM_SEEDS=100000 runs that many.
namespace sluice::test {
namespace {

struct Crash {};

class World {
 public:
  explicit World(uint64_t seed) : random_(seed) { fill_topic(); }

  void live() {
    for (int run = 0; run < 200 && !done_; ++run) one_run(run);
    ASSERT_TRUE(done_) << "no run was caught up";
    check_end();
  }

 private:
  uint64_t pick(uint64_t bound) { return random_() % bound; }
  bool chance(unsigned percent) { return pick(100) < percent; }

  void fill_topic() {
    const int partitions = 1 + static_cast<int>(pick(5));
    for (int partition = 0; partition < partitions; ++partition) {
      topic_.logs[PartitionId{partition}];
      const uint64_t records = pick(120);
      for (uint64_t i = 0; i < records; ++i) add_record(partition);
      if (chance(30)) topic_.gap(partition, static_cast<int64_t>(1 + pick(4)));
    }
  }

  void add_record(int partition) {
    const uint64_t number = next_number_++;
    if (chance(3)) {
      bad_.insert({PartitionId{partition}, topic_.logs[PartitionId{partition}].end});
      topic_.append(partition, "{\"n\":broken");
    } else if (chance(3)) {
      topic_.append(partition, std::nullopt);
    } else {
      if (chance(2)) poison_.insert(number);
      if (chance(5)) topic_.gap(partition, static_cast<int64_t>(1 + pick(3)));
      numbers_[{PartitionId{partition}, topic_.logs[PartitionId{partition}].end}] = number;
      topic_.produce(partition, {number});
    }
  }

  void one_run(int index) {
    TestRun run(topic_, table_);
    run.options.seed = random_();
    run.options.on_error = OnError::reject;
    run.options.batch.rows_max = 1 + pick(40);
    run.options.batch.age_max = Milliseconds{1 + pick(50)};
    run.options.start_is_explicit = true;  // a crash may land rows before the first commit
    run.options.drain_timeout = Milliseconds{200};
    run.source.read_at_once = 1 + pick(30);
    run.sink.room = 1 + pick(4);
    run.sink.poison = poison_;
    run.sink.names_the_row = chance(50);
    run.sink.names_a_wrong_row = chance(20);
    const unsigned misfortune = index < 100 ? 4 : 0;  // in the end the world calms down
    run.source.on_poll = [&] {
      run.sink.last_first = chance(50);
      if (chance(misfortune)) run.sink.corked = !run.sink.corked;
      if (misfortune == 0) run.sink.corked = false;
      if (chance(misfortune)) run.source.rebalance(chance(50));
      run.source.commits_work = !chance(misfortune * 3);
      run.source.commit_failure = chance(50) ? CommitResult::unknown : CommitResult::fenced;
      if (chance(misfortune)) run.stop.request_stop();
      if (chance(misfortune)) {
        run.sink.failure = Error{Errc::unavailable, "down", "down", ""};
        run.sink.lands_though_failed = chance(50);
      }
      if (chance(misfortune)) throw Crash{};
      keep_rejects(run);
      check_commits(run);
    };
    try {
      const PipelineReport report = run.go();
      keep_rejects(run);
      check_commits(run);
      EXPECT_EQ(report.counts.read,
                report.counts.inserted + report.counts.rejected + report.counts.skipped);
      EXPECT_EQ(report.counts.open, 0u);
      done_ = report.caught_up;
    } catch (const Crash&) {
      keep_rejects(run);
    }
    EXPECT_TRUE(run.observer.sums_held);
  }

  void keep_rejects(const TestRun& run) {
    for (const RejectedRecord& record : run.rejects.durable) {
      rejected_.insert({record.partition, record.offset});
    }
  }

  /// Nothing before a committed offset is without an end.
  void check_commits(const TestRun& run) {
    keep_rejects(run);
    for (const auto& [partition, committed] : topic_.group) {
      for (const FakeTopic::Entry& entry : topic_.logs.at(partition).entries) {
        if (entry.offset >= committed.offset) break;
        check_record(partition, entry);
      }
    }
  }

  void check_record(PartitionId partition, const FakeTopic::Entry& entry) {
    const std::pair at{partition, entry.offset};
    if (!entry.value) return;
    const bool inserted = numbers_.contains(at) && table_[numbers_[at]] > 0;
    ASSERT_TRUE(inserted || rejected_.contains(at))
        << "lost: partition " << partition.value << " offset " << entry.offset.value;
  }

  void check_end() {
    for (const auto& [partition, log] : topic_.logs) {
      for (const FakeTopic::Entry& entry : log.entries) check_record(partition, entry);
    }
    for (const auto& at : rejected_) {
      const bool deserved =
          bad_.contains(at) || (numbers_.contains(at) && poison_.contains(numbers_.at(at)));
      EXPECT_TRUE(deserved) << "a good record was rejected: " << at.second.value;
    }
  }

  std::mt19937_64 random_;
  FakeTopic topic_;
  FakeTable table_;
  uint64_t next_number_ = 0;
  std::set<uint64_t> poison_;
  std::set<std::pair<PartitionId, Offset>> bad_;
  std::set<std::pair<PartitionId, Offset>> rejected_;
  std::map<std::pair<PartitionId, Offset>, uint64_t> numbers_;
  bool done_ = false;
};

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(SyncSimulation, NothingIsLostWhateverHappens) {
  const uint64_t only = from_environment("SLUICE_SIM_SEED", 0);
  const uint64_t seeds = from_environment("SLUICE_SIM_SEEDS", 3000);
  for (uint64_t seed = only != 0 ? only : 1; seed <= (only != 0 ? only : seeds); ++seed) {
    World(seed).live();
    ASSERT_FALSE(HasFailure()) << "repeat with SLUICE_SIM_SEED=" << seed;
  }
}

}  // namespace
}  // namespace sluice::test
