// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/exactly_once_model.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::test {
namespace {

World two_records() { return {}; }
World with_bad_row(uint8_t bad) {
  World world;
  world.bad_rows = bad;
  world.alter = 1;
  return world;
}
World window_ends(bool provenance) {
  World world;
  world.hours_pass = 1;
  world.provenance = provenance;
  return world;
}
World two_partitions() {
  World world;
  world.partitions = 2;
  world.records = 1;
  world.late_inserts = 0;
  world.crashes = world.lost_commits = false;  // else it would be 20 times as many states
  return world;
}
World halves() {
  World world;
  world.clickhouse_partitions = true;
  return world;
}
World view() {
  World world;
  world.view = true;
  return world;
}
World administrator() {
  World world;
  world.reload = world.exchange = world.expiry = 1;
  return world;
}
World other_programs() {
  World world;
  world.other_content = world.foreign_commit = 1;
  return world;
}
/// Only the process that committed a record can notice that it is gone.
World unclean_election() {
  World world;
  world.workers = 1;
  world.records = 3;
  world.crashes = false;
  world.election = 1;
  return world;
}

struct Misfortune {
  const char* name;
  World world;
};
std::vector<Misfortune> misfortunes() {
  World three_records = {};
  three_records.records = 3;
  three_records.bad_rows = 0b010;
  return {{"three records, a bad row", three_records},
          {"a bad row that ALTER mends", with_bad_row(0b01)},
          {"hours pass, provenance", window_ends(true)},
          {"hours pass, halt", window_ends(false)},
          {"two partitions", two_partitions()},
          {"parts of an INSERT land", halves()},
          {"a materialized view", view()},
          {"reload, exchange, expired offsets", administrator()},
          {"other content, foreign commits", other_programs()},
          {"an unclean election", unclean_election()}};
}

TEST(ExactlyOnceModel, WithAllRulesNothingIsLostAndNothingDoubled) {
  size_t states = 0;
  for (const auto& [name, world] : misfortunes()) {
    const Exploration found = explore(world);
    EXPECT_EQ(found.violation, "") << name << ":\n" << found.trace;
    EXPECT_TRUE(found.completed) << name;
    states += found.states;
  }
  EXPECT_GE(states, 1'000'000u);
  RecordProperty("states", std::to_string(states));
  fmt::print("{} states\n", states);
}

struct Removed {
  Rule rule;
  World world;
  const char* violation;
};

class ExactlyOnceModelWithout : public testing::TestWithParam<Removed> {};

TEST_P(ExactlyOnceModelWithout, ThereIsALossOrADuplicate) {
  const auto& [rule, world, violation] = GetParam();
  const Exploration found = explore(world, rule);
  EXPECT_EQ(found.violation, violation) << found.states << " states";
  fmt::print("Without {}, a {} in {} states:\n{}", name_of(rule), found.violation, found.states,
             found.trace);
}

INSTANTIATE_TEST_SUITE_P(
    Rule, ExactlyOnceModelWithout,
    testing::Values(Removed{Rule::commit_acknowledged_before_body, two_records(), "duplicate"},
                    Removed{Rule::commits_only_within_session, two_records(), "duplicate"},
                    Removed{Rule::no_commit_without_member_id, two_records(), "duplicate"},
                    Removed{Rule::rejoin_after_unknown_commit, two_records(), "duplicate"},
                    Removed{Rule::random_nonce, administrator(), "loss"},
                    Removed{Rule::safe_age_before_blind_resend, window_ends(true), "duplicate"},
                    Removed{Rule::deadline_before_send, window_ends(false), "duplicate"},
                    Removed{Rule::rows_divided_alike_each_time, halves(), "duplicate"},
                    Removed{Rule::one_insert_one_partition, two_partitions(), "loss"},
                    Removed{Rule::excluded_rows_keep_the_token, with_bad_row(0b01), "duplicate"},
                    Removed{Rule::reject_kept_before_offset_passes, with_bad_row(0b01), "loss"},
                    Removed{Rule::no_split_once_ambiguous, two_records(), "duplicate"},
                    Removed{Rule::replay_never_skipped, two_records(), "loss"},
                    Removed{Rule::replay_reads_to_recorded_end, two_records(), "loss"},
                    Removed{Rule::content_compared, other_programs(), "loss"},
                    Removed{Rule::table_uuid_compared, administrator(), "duplicate"},
                    Removed{Rule::views_deduplicate_themselves, view(), "loss"},
                    Removed{Rule::answer_only_when_durable, two_records(), "loss"},
                    Removed{Rule::table_knows_tokens, two_records(), "duplicate"},
                    Removed{Rule::metadata_of_others_halts, other_programs(), "duplicate"},
                    Removed{Rule::expired_offsets_halt, administrator(), "duplicate"},
                    Removed{Rule::whole_body_or_nothing, two_records(), "loss"},
                    Removed{Rule::group_fences, two_records(), "duplicate"},
                    Removed{Rule::nonce_of_the_record_on_recovery, two_records(), "duplicate"},
                    Removed{Rule::same_token_for_every_attempt, two_records(), "duplicate"},
                    Removed{Rule::only_an_answer_settles, two_records(), "loss"},
                    Removed{Rule::offsets_that_went_back_halt, unclean_election(), "duplicate"},
                    Removed{Rule::recovered_intent_committed_again, two_records(), "duplicate"}),
    [](const testing::TestParamInfo<Removed>& info) {
      return std::string(name_of(info.param.rule));
    });

}  // namespace
}  // namespace sluice::test
