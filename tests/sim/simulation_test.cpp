// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/sim/protocol_witness.hpp"
#include "tests/support/fakes.hpp"

/// The real pipeline over a scripted topic, table and clock. Each seed makes another topic (good
/// and bad records, tombstones, gaps) and another series of misfortunes, run after run until one
/// has read and committed everything: crashes at any turn, lost and late answers, refused rows and
/// batches, 5xx storms, rebalances, failing commits, stops, tables that change, retention that
/// overtakes us, little memory, a clock that jumps. Some runs end (sync), some do not (tail).
///
/// What must hold: every record was inserted or rejected, or the broker had deleted it and we said
/// so; nothing before a committed offset is without an end; buffers stay within the limit; some run
/// reaches the end.
///
/// Odd seeds live with exactly-once, where in the end nothing may be there twice either.
///
///   SLUICE_SIM_SEED=17 repeats one seed, SLUICE_SIM_FIRST=1 SLUICE_SIM_SEEDS=10000000 are the
///   first and the last of a range (tests/nightly).
namespace sluice::test {
namespace {

struct Crash {};

/// A bug put in on purpose: the oracle must find each.
enum class Sabotage {
  none,
  sink_lies,
  commit_too_far,
  reject_not_kept,
  no_deduplication,
  commit_unsent,
};

class World {
 public:
  explicit World(uint64_t seed, Sabotage sabotage = Sabotage::none, bool exactly_once = false)
      : random_(seed), sabotage_(sabotage), exactly_once_(exactly_once) {
    fill_topic();
  }

  /// What did not hold; empty when all did.
  std::string live() {
    for (int run = 0; run < 200 && !done_ && problem_.empty(); ++run) one_run(run);
    if (problem_.empty() && !done_) problem_ = "no run was caught up";
    if (problem_.empty()) check_end();
    return problem_;
  }

 private:
  uint64_t pick(uint64_t bound) { return random_() % bound; }
  bool chance(unsigned percent) { return pick(100) < percent; }
  void expect(bool holds, const char* what) {
    if (!holds && problem_.empty()) problem_ = what;
  }

  void fill_topic() {
    const bool large = chance(10);
    const int partitions = 1 + static_cast<int>(pick(large ? 5 : 3));
    for (int partition = 0; partition < partitions; ++partition) {
      topic_.logs[PartitionId{partition}];
      const uint64_t records = pick(large ? 120 : 40);
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
    const bool calm = index >= 100;  // in the end the world calms down
    const unsigned misfortune = calm ? 0 : 4;
    run.options.seed = random_();
    run.options.continuous = chance(40);
    run.options.idle_max = Milliseconds{20};
    run.options.on_error = OnError::reject;
    run.options.on_gap = OnGap::go_on;
    run.options.batch.rows_max = 1 + pick(40);
    run.options.batch.age_max = Milliseconds{1 + pick(50)};
    if (chance(30)) run.options.memory_max = 4096 + pick(64 << 10);
    run.options.start_is_explicit = true;  // a crash may land rows before the first commit
    run.options.drain_timeout = Milliseconds{200};
    run.source.read_at_once = 1 + pick(30);
    run.source.commits_too_far = sabotage_ == Sabotage::commit_too_far;
    run.sink.room = 1 + pick(4);
    run.sink.type = column_type_;
    run.sink.poison = poison_;
    run.sink.names_the_row = chance(50);
    run.sink.names_a_wrong_row = chance(20);
    if (!calm && chance(5)) run.sink.rows_max = 1 + pick(10);
    if (exactly_once_) {
      run.options.exactly_once = ExactlyOnce{.safe_age = std::chrono::hours{1}};
      run.sink.tokens = sabotage_ == Sabotage::no_deduplication ? nullptr : &tokens_;
      run.sink.uuid = "6c1e8a90-0b1c-4a5e-9d52-0d8c5ef0a001";
      run.sink.names_a_wrong_row = false;
      run.source.on_commit = [&](PartitionId partition, Offset offset, const std::string& record) {
        // A commit that was acknowledged, and of which the group knows nothing.
        if (sabotage_ == Sabotage::commit_unsent && chance(5)) return;
        witness_.committed(partition, offset, record);
      };
      run.sink.on_submit = [&](const std::string& token) { witness_.sent(token); };
      run.sink.on_refused = [&](const std::string& token) { witness_.refused(token); };
    }
    run.source.on_poll = [&] { live_on(run, misfortune); };
    try {
      const PipelineReport report = run.go();
      end_run(run);
      expect(report.counts.read ==
                 report.counts.inserted + report.counts.rejected + report.counts.skipped,
             "read = inserted + rejected + skipped");
      expect(report.counts.open == 0, "no row is left open");
      done_ = report.caught_up && all_read();
    } catch (const Crash&) {
      end_run(run);
    }
    if (problem_.empty()) problem_ = witness_.violation();
    expect(run.observer.sums_held, "the counts add up at every turn");
    constexpr uint64_t one_block = 256 << 10;  // a block is cut once it is too much, not before
    expect(run.observer.buffer_bytes_max <= run.options.memory_max + one_block,
           "memory is bounded");
  }

  void live_on(TestRun& run, unsigned misfortune) {
    run.sink.last_first = chance(50);
    if (chance(misfortune)) run.sink.corked = !run.sink.corked;
    if (misfortune == 0) run.sink.corked = false;
    if (misfortune > 0 && sabotage_ == Sabotage::sink_lies) run.sink.lies = chance(10);
    if (chance(misfortune)) run.source.rebalance(chance(50));
    run.source.commits_work = !chance(misfortune * 3);
    run.source.commits_land_though_unknown = chance(50);
    run.source.fetch_works = !chance(misfortune);
    run.source.commit_failure = chance(50) ? CommitResult::unknown : CommitResult::fenced;
    if (chance(misfortune)) run.stop.request_stop();
    if (chance(misfortune)) run.clock.advance(Milliseconds{static_cast<int64_t>(pick(600'000))});
    if (chance(misfortune) && chance(30)) {
      run.sink.type = column_type_ = column_type_ == "UInt64" ? "Int64" : "UInt64";
    }
    if (chance(misfortune) && chance(30)) {
      add_record(static_cast<int>(pick(topic_.logs.size())));
    }
    if (chance(misfortune) && chance(10)) delete_some();
    if (chance(misfortune)) {
      run.sink.failure = Error{Errc::unavailable, "down", "down", ""};
      run.sink.lands_though_failed = chance(50);
    }
    if (!late_.empty() && chance(20)) {
      run.sink.land(late_.back().token, late_.back().rows);
      late_.pop_back();
    }
    if (chance(misfortune)) {
      if (exactly_once_) remember_late(run.sink);
      throw Crash{};
    }
    keep_rejects(run);
    check_commits();
  }

  /// The process dies, but what it sent may land all the same, whenever.
  void remember_late(const FakeSink& sink) {
    for (const FakeSink::Late& late : sink.under_way()) {
      const bool poisoned = std::any_of(late.rows.begin(), late.rows.end(),
                                        [&](uint64_t row) { return poison_.contains(row); });
      if (!poisoned && chance(60)) late_.push_back(late);
    }
  }

  /// Retention takes the oldest records of a partition, read or not.
  void delete_some() {
    const PartitionId partition{static_cast<int>(pick(topic_.logs.size()))};
    FakeTopic::Log& log = topic_.logs.at(partition);
    const Offset first{log.first.value + static_cast<int64_t>(pick(20))};
    // Before its first commit a group has no offset to lose.
    const bool promised = topic_.group.contains(partition);
    for (const FakeTopic::Entry& entry : log.entries) {
      if (entry.offset < first) deleted_.emplace(std::pair{partition, entry.offset}, promised);
    }
    topic_.drop_before(partition, first);
  }

  void end_run(const TestRun& run) {
    for (const std::string& warning : run.observer.warnings) told_gap_ |= warning == "offsets-lost";
    keep_rejects(run);
    check_commits();
  }

  bool all_read() const {
    return std::all_of(topic_.logs.begin(), topic_.logs.end(), [&](const auto& entry) {
      const auto at = topic_.group.find(entry.first);
      if (at != topic_.group.end()) return at->second.offset >= entry.second.end;
      return entry.second.end <= entry.second.first;
    });
  }

  void keep_rejects(const TestRun& run) {
    if (sabotage_ == Sabotage::reject_not_kept) return;
    for (const RejectedRecord& record : run.rejects.durable) {
      rejected_.insert({record.partition, record.offset});
    }
  }

  /// Nothing before a committed offset is without an end.
  void check_commits() {
    for (const auto& [partition, committed] : topic_.group) {
      const auto& entries = topic_.logs.at(partition).entries;
      size_t& next = checked_[partition];
      for (; next < entries.size() && entries[next].offset < committed.offset; ++next) {
        check_record(partition, entries[next]);
      }
    }
  }

  void check_record(PartitionId partition, const FakeTopic::Entry& entry) {
    const std::pair at{partition, entry.offset};
    if (!entry.value || !problem_.empty()) return;
    const bool inserted = numbers_.contains(at) && table_[numbers_[at]] > 0;
    if (inserted || rejected_.contains(at)) return;
    if (const auto deleted = deleted_.find(at); deleted != deleted_.end()) {
      lost_what_was_promised_ |= deleted->second;
      return;
    }
    problem_ = fmt::format("lost: partition {} offset {}", partition.value, entry.offset.value);
  }

  void check_end() {
    for (const auto& [partition, log] : topic_.logs) {
      for (const FakeTopic::Entry& entry : log.entries) check_record(partition, entry);
    }
    expect(!lost_what_was_promised_ || told_gap_, "records that were gone are told");
    if (exactly_once_) {
      for (const auto& [number, times] : table_) {
        if (times > 1 && problem_.empty())
          problem_ = fmt::format("{} is there {} times", number, times);
      }
    }
    for (const auto& at : rejected_) {
      const bool deserved =
          bad_.contains(at) || (numbers_.contains(at) && poison_.contains(numbers_.at(at)));
      expect(deserved, "no good record was rejected");
    }
  }

  std::mt19937_64 random_;
  Sabotage sabotage_;
  bool exactly_once_;
  ProtocolWitness witness_;           ///< of exactly-once
  std::set<std::string> tokens_;      ///< that the table has seen
  std::vector<FakeSink::Late> late_;  ///< sent by processes that died since
  FakeTopic topic_;
  FakeTable table_;
  std::string column_type_ = "UInt64";
  uint64_t next_number_ = 0;
  std::set<uint64_t> poison_;
  std::set<std::pair<PartitionId, Offset>> bad_;
  std::set<std::pair<PartitionId, Offset>> rejected_;
  std::map<std::pair<PartitionId, Offset>, bool> deleted_;  ///< whether the group had an offset
  std::map<std::pair<PartitionId, Offset>, uint64_t> numbers_;
  std::map<PartitionId, size_t> checked_;  ///< entries before it were checked
  bool lost_what_was_promised_ = false;
  bool told_gap_ = false;
  bool done_ = false;
  std::string problem_;
};

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// In parts, so that ctest runs them side by side: the even ones take even seeds, the odd ones odd.
constexpr uint64_t parts = 20;

std::string live_through(uint64_t seed) {
  const bool exactly_once = seed % 2 == 1;
  return World(seed, Sabotage::none, exactly_once).live();
}

void try_seeds(uint64_t part) {
  const uint64_t only = from_environment("SLUICE_SIM_SEED", 0);
  const uint64_t last = only != 0 ? only : from_environment("SLUICE_SIM_SEEDS", 100'000);
  const uint64_t first = only != 0 ? only : from_environment("SLUICE_SIM_FIRST", 1);
  for (uint64_t seed = first + (part + parts - first % parts) % parts; seed <= last;
       seed += parts) {
    ASSERT_EQ(live_through(seed), "") << "repeat with SLUICE_SIM_SEED=" << seed;
  }
}

class Simulation : public testing::TestWithParam<uint64_t> {};
class SimulationExactlyOnce : public testing::TestWithParam<uint64_t> {};

TEST_P(Simulation, NothingIsLostWhateverHappens) { try_seeds(GetParam()); }
TEST_P(SimulationExactlyOnce, NothingComesTwiceEither) { try_seeds(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Seeds, Simulation, testing::Range(uint64_t{0}, parts, uint64_t{2}));
INSTANTIATE_TEST_SUITE_P(Seeds, SimulationExactlyOnce,
                         testing::Range(uint64_t{1}, parts, uint64_t{2}));

TEST(SimulationOracle, FindsADuplicateWhenTheTableForgetsTokens) {
  int found = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    found += !World(seed, Sabotage::no_deduplication, true).live().empty();
  }
  EXPECT_GE(found, 10);
}

TEST(SimulationOracle, FindsAnInsertThatNoCommitAnnounces) {
  int found = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    found += World(seed, Sabotage::commit_unsent, true).live().starts_with("commit_");
  }
  EXPECT_GE(found, 10);
}

TEST(SimulationOracle, FindsBugsThatWerePutInOnPurpose) {
  for (const Sabotage sabotage :
       {Sabotage::sink_lies, Sabotage::commit_too_far, Sabotage::reject_not_kept}) {
    int found = 0;
    for (uint64_t seed = 1; seed <= 100; ++seed) found += !World(seed, sabotage).live().empty();
    EXPECT_GE(found, 15) << "sabotage " << static_cast<int>(sabotage);
  }
}

}  // namespace
}  // namespace sluice::test
