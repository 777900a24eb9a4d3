// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// A model of the exactly-once protocol (delivery.md section 4): two workers, the group's
/// coordinator, one table. explore() walks through every state that can be reached, breadth first,
/// and stops at the first loss or duplicate, so that its trace is a shortest one.
///
/// Nothing here is timed: a worker that is paused is one that takes no step. Generations are only
/// compared (a commit belongs to the present one or to none), and a nonce that nobody refers to any
/// more may be drawn again, so the space is finite without counting crashes or retries.
///
/// Assumed, because no client can see to it: an INSERT on its way arrives or dies long before the
/// table's deduplication window ends; an operator who reloads, exchanges or recreates something
/// does it while nothing runs; ClickHouse keeps what it acknowledged.
namespace sluice::test {

/// What the protocol demands. Each can be removed alone; behind it the holes of delivery.md 4.1
/// that it closes.
enum class Rule : uint8_t {
  commit_acknowledged_before_body,   ///< H1
  commits_only_within_session,       ///< H2
  no_commit_without_member_id,       ///< H3
  rejoin_after_unknown_commit,       ///< H4
  random_nonce,                      ///< H5
  safe_age_before_blind_resend,      ///< H6
  deadline_before_send,              ///< H7
  rows_divided_alike_each_time,      ///< H8 blocks, H9 and H10 ClickHouse partitions
  one_insert_one_partition,          ///< H11
  excluded_rows_keep_the_token,      ///< H12
  reject_kept_before_offset_passes,  ///< H12
  no_split_once_ambiguous,           ///< H13
  replay_never_skipped,              ///< H14, H15
  replay_reads_to_recorded_end,      ///< H16; H18: what the rows become does not matter
  content_compared,                  ///< H17
  table_uuid_compared,               ///< H19
  views_deduplicate_themselves,      ///< H20
  answer_only_when_durable,          ///< H21 Distributed, H23 async_insert
  table_knows_tokens,                ///< H22 engines, H24 settings, H25 another shard or server
  metadata_of_others_halts,          ///< H27
  expired_offsets_halt,              ///< H28
  whole_body_or_nothing,             ///< H30
  group_fences,                      ///< H31
  nonce_of_the_record_on_recovery,   ///< I3
  same_token_for_every_attempt,      ///< I4
  only_an_answer_settles,            ///< I1
  offsets_that_went_back_halt,       ///< I6, C15: as far as the process lives that committed them
  /// I3, sharper than delivery.md has it: who loads a record as a member that was already thrown
  /// out finds the intent of its successor; replaying it doubles what the successor, whose own
  /// attempts all failed for certain, splits.
  recovered_intent_committed_again,
  // Not protocol and not modelled: H26 (a server that loses what it acknowledged; versions are
  // refused by the preflight), H29 (a record of bounded size), H32 (a token for each table).
  count,
};
[[nodiscard]] std::string_view name_of(Rule rule);

/// What may happen. Crashes, rebalances, members thrown out, zombies, lost, late and doubled
/// INSERTs, lost and late commits may happen at any time, any number of times.
struct World {
  int workers = 2;
  int partitions = 1;
  int records = 2;       ///< of each partition; partitions × records ≤ 3
  uint8_t bad_rows = 0;  ///< bits of records that the table refuses
  int late_inserts = 1;  ///< on their way at once after their sender gave them up, ≤ 2
  bool crashes = true;
  bool lost_commits = true;  ///< commits, or the answers to them
  bool provenance = false;   ///< L2: past the safe age it is looked up what landed; else a halt
  bool clickhouse_partitions = false;  ///< a body lands in two halves, one may land alone
  bool view = false;                   ///< a materialized view takes the rows after the table
  // How often, each 0 or 1:
  uint8_t hours_pass = 0;      ///< the deduplication window forgets
  uint8_t alter = 0;           ///< bad rows become good
  uint8_t reload = 0;          ///< the operator deletes the rows and rewinds the group
  uint8_t exchange = 0;        ///< another table under the same name
  uint8_t other_content = 0;   ///< what was not committed is other records now
  uint8_t foreign_commit = 0;  ///< another program commits the same offset
  uint8_t expiry = 0;          ///< the group's offsets are gone
  uint8_t election = 0;        ///< an unclean one: the latest commit is gone
};

struct Exploration {
  size_t states = 0;
  bool completed = false;  ///< some state has every record settled and committed
  std::string violation;   ///< "loss" or "duplicate"; empty: none in the whole space
  std::string trace;       ///< a line a step
};

/// All states of the world with all rules but `removed`.
[[nodiscard]] Exploration explore(const World& world, std::optional<Rule> removed = std::nullopt);

}  // namespace sluice::test
