// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/batch/batcher.hpp"
#include "core/deliver/isolate.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice {

/// Batches between the batcher and ClickHouse: sends each, isolates rows that ClickHouse refuses,
/// and says when all rows of a batch have an end.
///
/// A batch is first sent whole. When a row of it is refused it is divided (deliver/isolate.hpp) and
/// its parts are sent one after the other, left to right, until the culprit stands alone. All other
/// rows land. With stop_at_culprit nothing of the culprit's block after it is sent any more, so
/// that the next run, which starts at the culprit, does not send it twice.
///
/// A batch that was given a token is never divided: all its INSERTs have that token, and each holds
/// fewer rows than the one before. A refused row comes back as a refusal; once it is known to all
/// who may send the batch again, exclude() sends the rest. Where ClickHouse does not say which row
/// it is, dry runs (Insert::dry_run) of ever smaller parts find it.
///
/// Lives on the pipeline thread. Outlived by the sink's threads never: drain before destroying.
class Delivery {
 public:
  /// A part of a batch was acknowledged.
  struct Landed {
    CutTrigger trigger = CutTrigger::rows;
    std::string label;
    int64_t timestamp_first_ms = -1;  ///< of the batch
    int64_t timestamp_last_ms = -1;
    uint64_t rows = 0;
    uint64_t bytes = 0;
    InsertOutcome outcome;
  };
  /// A single row that ClickHouse refuses.
  struct Culprit {
    PartitionId partition;
    Epoch epoch = 0;
    Offset offset;
    int exception_code = 0;
    std::string message;
  };
  /// A row that ClickHouse refused of a batch with a token; the batch waits for exclude().
  struct Refusal {
    uint64_t batch = 0;
    uint64_t rows = 0;             ///< of the batch as it was sent
    bool may_have_landed = false;  ///< an attempt of the batch
    Culprit culprit;
  };
  /// A batch with a token that is refused as it is, and of which nothing can have landed.
  struct Unsendable {
    PartitionId partition;
    uint64_t rows_less = 0;  ///< ClickHouse may take as many at once; 0: fewer do not help
    Error error;
  };
  /// What collect() found, in order of happening.
  struct Outcomes {
    std::vector<Landed> landed;
    std::vector<Culprit> culprits;
    std::vector<Refusal> refusals;
    std::vector<Batch> settled;    ///< every row landed or is a culprit
    std::vector<Batch> abandoned;  ///< given up: some rows have no end
    std::vector<Unsendable> unsendable;
    uint64_t rows_abandoned = 0;
    std::optional<Error> error;  ///< why a batch was given up
    std::optional<Error> stale;  ///< batches were given up because the table's columns changed
    std::set<PartitionId> stale_partitions;  ///< that they hold
  };

  Delivery(Sink& sink, uint64_t seed, bool stop_at_culprit);

  [[nodiscard]] bool has_room() const { return sink_.has_room(); }
  [[nodiscard]] bool empty() const { return flights_.empty(); }
  [[nodiscard]] size_t in_flight() const { return flights_.size(); }
  [[nodiscard]] uint64_t memory() const;

  /// has_room() must hold.
  void submit(Batch batch);
  /// How a batch with a token goes.
  struct Whole {
    std::string token;
    std::optional<TimePoint> resend_before;  ///< Insert::resend_before
    bool may_have_landed = false;            ///< Insert::may_have_landed
  };
  /// It has one block, and keeps one: ClickHouse counts the blocks of a body into the token.
  void submit(Batch batch, Whole whole);
  /// Sends a refused batch again without the row of this offset. Gives the batch back when no row
  /// is left.
  [[nodiscard]] std::optional<Batch> exclude(uint64_t batch, Offset offset);
  /// Gives a refused batch back.
  [[nodiscard]] Batch release(uint64_t batch);
  /// No attempt for a batch with a token begins after `until`, but for those disowned.
  void keep_alive(TimePoint until);
  /// Batches with a token of these partitions are somebody else's to send from now on: no attempt
  /// begins any more, and what becomes of them is no error.
  void disown(const std::set<PartitionId>& partitions);
  [[nodiscard]] Outcomes collect(Milliseconds wait);
  void cancel() { sink_.cancel(); }
  template <class See>
  void visit(const See& see) const {
    for (const auto& [id, flight] : flights_) {
      for (const PartitionBlock& block : flight->batch.blocks) see(block);
    }
  }

 private:
  struct Flight {
    Batch batch;
    std::deque<Part> waiting;
    Part sent;
    std::vector<Block> slices;     ///< of `sent`, where it is not the whole batch
    std::vector<InsertBody> body;  ///< none or one
    Insert insert;
    std::optional<Whole> whole;    ///< else it may be divided, each part with a token of its own
    std::optional<Error> refusal;  ///< of the whole batch, while dry runs look for the row
    std::atomic<TimePoint> begin_before{};  ///< Insert::begin_before, with a token
    bool disowned = false;
  };
  void send_next(std::unique_ptr<Flight> flight);
  void settle_whole(Flight& flight, InsertOutcome&& outcome, Outcomes& outcomes);
  void settle_dry_run(Flight& flight, InsertOutcome&& outcome, Outcomes& outcomes);
  void refuse_row(Flight& flight, uint64_t row, InsertOutcome&& outcome, Outcomes& outcomes);
  void refuse_whole(Flight& flight, InsertOutcome&& outcome, Outcomes& outcomes);
  void settle_part(Flight& flight, InsertOutcome&& outcome, Outcomes& outcomes);
  std::string draw_token();

  Sink& sink_;
  bool stop_at_culprit_;
  TimePoint alive_until_{};
  std::mt19937_64 random_;
  uint64_t next_insert_ = 1;
  std::map<uint64_t, std::unique_ptr<Flight>> flights_;  ///< by id of the insert under way
  std::map<uint64_t, std::unique_ptr<Flight>> refused_;  ///< by id of the batch, see Refusal
};

}  // namespace sluice
