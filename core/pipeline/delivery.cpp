// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/delivery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace sluice {
namespace {

Part whole(const Batch& batch) {
  Part part;
  for (size_t i = 0; i < batch.blocks.size(); ++i) {
    part.push_back({.block = i, .first = 0, .count = batch.blocks[i].block.rows()});
  }
  return part;
}

}  // namespace

Delivery::Delivery(Sink& sink, uint64_t seed, bool stop_at_culprit)
    : sink_(sink), stop_at_culprit_(stop_at_culprit), random_(seed) {}

std::string Delivery::draw_token() {
  const uint64_t high = random_();
  const uint64_t low = random_();
  return fmt::format("slu1-{:016x}{:016x}", high, low);
}

uint64_t Delivery::memory() const {
  uint64_t sum = 0;
  for (const auto& [id, flight] : flights_) {
    sum += flight->batch.memory();
    for (const Block& slice : flight->slices) sum += slice.memory();
  }
  return sum;
}

void Delivery::submit(Batch batch) {
  auto flight = std::make_unique<Flight>();
  flight->batch = std::move(batch);
  flight->waiting.push_back(whole(flight->batch));
  send_next(std::move(flight));
}

void Delivery::submit(Batch batch, Whole way) {
  CHECK(batch.blocks.size() == 1);
  auto flight = std::make_unique<Flight>();
  flight->batch = std::move(batch);
  flight->waiting.push_back(sluice::whole(flight->batch));
  flight->whole = std::move(way);
  send_next(std::move(flight));
}

void Delivery::send_next(std::unique_ptr<Flight> flight) {
  CHECK(!flight->waiting.empty());
  flight->sent = std::move(flight->waiting.front());
  flight->waiting.pop_front();
  flight->slices.clear();
  flight->slices.reserve(flight->sent.size());
  std::vector<const Block*> blocks;
  for (const Segment& segment : flight->sent) {
    const Block& block = flight->batch.blocks[segment.block].block;
    if (segment.count == block.rows()) {
      blocks.push_back(&block);
    } else {
      flight->slices.push_back(block.slice(segment.first, segment.count));
      blocks.push_back(&flight->slices.back());
    }
  }
  flight->insert = Insert{};
  flight->insert.id = next_insert_++;
  flight->insert.dry_run = flight->refusal.has_value();
  const bool whole = flight->whole && !flight->insert.dry_run;
  flight->insert.token = whole ? flight->whole->token : draw_token();
  flight->insert.label = flight->batch.label;
  if (whole) {
    flight->begin_before = flight->disowned ? TimePoint::min() : alive_until_;
    flight->insert.begin_before = &flight->begin_before;
    flight->insert.resend_before = flight->whole->resend_before;
    flight->insert.may_have_landed = flight->whole->may_have_landed;
  }
  flight->body.clear();
  flight->body.emplace_back(blocks, flight->insert);

  const Insert& insert = flight->insert;
  flights_.emplace(insert.id, std::move(flight));
  sink_.submit(insert);
}

std::optional<Batch> Delivery::exclude(uint64_t batch, Offset offset) {
  auto found = refused_.extract(batch);
  CHECK(!found.empty());
  std::unique_ptr<Flight> flight = std::move(found.mapped());
  Block& block = flight->batch.blocks.front().block;
  if (block.rows() == 1) return std::move(flight->batch);
  uint64_t row = 0;
  while (block.offset_of(row) != offset) ++row;
  Block rest = block.slice(0, row);
  rest.append_rows(block, row + 1, block.rows() - row - 1);
  block = std::move(rest);
  flight->waiting.push_back(whole(flight->batch));
  send_next(std::move(flight));
  return std::nullopt;
}

void Delivery::keep_alive(TimePoint until) {
  alive_until_ = until;
  for (const auto& [id, flight] : flights_) {
    if (!flight->disowned) flight->begin_before = until;
  }
}

void Delivery::disown(const std::set<PartitionId>& partitions) {
  const auto leave = [&](Flight& flight) {
    if (!flight.whole || !partitions.contains(flight.batch.blocks.front().partition)) return;
    flight.disowned = true;
    flight.begin_before = TimePoint::min();
  };
  for (const auto& [id, flight] : flights_) leave(*flight);
  for (const auto& [batch, flight] : refused_) leave(*flight);
}

Batch Delivery::release(uint64_t batch) {
  auto found = refused_.extract(batch);
  CHECK(!found.empty());
  return std::move(found.mapped()->batch);
}

/// What became of an INSERT of a batch that is never divided.
void Delivery::settle_whole(Flight& flight, InsertOutcome&& outcome, Outcomes& outcomes) {
  using Kind = InsertOutcome::Kind;
  if (flight.refusal) return settle_dry_run(flight, std::move(outcome), outcomes);
  flight.whole->may_have_landed |= outcome.ambiguous;
  switch (outcome.kind) {
    case Kind::refused_row: {
      const uint64_t row = outcome.row;
      return refuse_row(flight, row, std::move(outcome), outcomes);
    }
    case Kind::refused:
      if (flight.insert.rows == 1) return refuse_row(flight, 0, std::move(outcome), outcomes);
      for (Part& part : divide(flight.sent, std::nullopt)) {
        flight.waiting.push_back(std::move(part));
      }
      flight.refusal = std::move(outcome.error);
      return;
    case Kind::too_large:
      return refuse_whole(flight, std::move(outcome), outcomes);
    default:
      return settle_part(flight, std::move(outcome), outcomes);
  }
}

/// Of a part of a refused batch. One of the parts that still wait holds the row.
void Delivery::settle_dry_run(Flight& flight, InsertOutcome&& outcome, Outcomes& outcomes) {
  using Kind = InsertOutcome::Kind;
  const bool refused = outcome.kind == Kind::refused || outcome.kind == Kind::refused_row;
  if (outcome.kind == Kind::readable && !flight.waiting.empty()) return;
  if (refused && flight.insert.rows > 1) {
    std::optional<uint64_t> row;
    if (outcome.kind == Kind::refused_row) row = outcome.row;
    std::vector<Part> parts = divide(flight.sent, row);
    flight.waiting.assign(parts.begin(), parts.end());
    return;
  }
  Error refusal = *std::exchange(flight.refusal, std::nullopt);
  flight.waiting.clear();
  flight.insert.rows = flight.batch.blocks.front().block.rows();
  if (refused) return refuse_row(flight, flight.sent.front().first, std::move(outcome), outcomes);
  const Errc code = outcome.error.code;
  const bool ended = code == Errc::unavailable || code == Errc::cancelled;
  if (outcome.kind != Kind::readable && ended) {
    return settle_part(flight, std::move(outcome), outcomes);
  }
  if (outcome.kind != Kind::readable) refusal.message += "; dry run: " + outcome.error.message;
  outcome.kind = Kind::refused;
  outcome.error = std::move(refusal);
  refuse_whole(flight, std::move(outcome), outcomes);
}

void Delivery::refuse_row(Flight& flight, uint64_t row, InsertOutcome&& outcome,
                          Outcomes& outcomes) {
  const PartitionBlock& block = flight.batch.blocks.front();
  outcomes.refusals.push_back({.batch = flight.batch.id,
                               .rows = flight.insert.rows,
                               .may_have_landed = flight.whole->may_have_landed,
                               .culprit = {.partition = block.partition,
                                           .epoch = block.epoch,
                                           .offset = block.block.offset_of(row),
                                           .exception_code = outcome.exception_code,
                                           .message = std::move(outcome.error.message)}});
}

/// It cannot go as it is, whatever the row.
void Delivery::refuse_whole(Flight& flight, InsertOutcome&& outcome, Outcomes& outcomes) {
  const bool too_large = outcome.kind == InsertOutcome::Kind::too_large;
  const bool announced = flight.whole->may_have_landed;
  Error& error = outcome.error;
  if (!too_large) {
    error.code = Errc::rejected;
    error.message +=
        ": neither the message nor dry runs of its parts say which row it is, and with "
        "exactly-once a batch may not be divided";
    error.fix = "mend what the message names (a constraint, a view, the column), and run it again";
  } else if (announced) {
    error.message += ": with exactly-once a batch that was announced may not be divided";
    error.fix = "raise the limit that the message names, and run it again";
  } else if (flight.insert.rows > 1) {
    error.fix = "make batches smaller (--batch-rows), and run it again";
  }
  if (announced || flight.disowned) {
    // What is disowned says nothing about the batch that its partition has open by now.
    outcome.kind = InsertOutcome::Kind::failed;
    return settle_part(flight, std::move(outcome), outcomes);
  }
  outcomes.unsendable.push_back({.partition = flight.batch.blocks.front().partition,
                                 .rows_less = too_large ? flight.insert.rows / 2 : 0,
                                 .error = std::move(error)});
  outcomes.rows_abandoned += flight.insert.rows;
}

void Delivery::settle_part(Flight& flight, InsertOutcome&& outcome, Outcomes& outcomes) {
  const uint64_t rows = flight.insert.rows;
  switch (outcome.kind) {
    case InsertOutcome::Kind::inserted:
      outcomes.landed.push_back({.trigger = flight.batch.trigger,
                                 .label = flight.batch.label,
                                 .timestamp_first_ms = flight.batch.timestamp_first_ms(),
                                 .timestamp_last_ms = flight.batch.timestamp_last_ms(),
                                 .rows = rows,
                                 .bytes = flight.insert.bytes,
                                 .outcome = std::move(outcome)});
      return;
    case InsertOutcome::Kind::readable:  // of dry runs, which are settled elsewhere
      return;
    case InsertOutcome::Kind::refused_row:
    case InsertOutcome::Kind::refused:
    case InsertOutcome::Kind::too_large: {
      if (rows > 1) {
        std::optional<uint64_t> row;
        if (outcome.kind == InsertOutcome::Kind::refused_row) row = outcome.row;
        std::vector<Part> parts = divide(flight.sent, row);
        flight.waiting.insert(flight.waiting.begin(), parts.begin(), parts.end());
        return;
      }
      const Segment& segment = flight.sent.front();
      const PartitionBlock& block = flight.batch.blocks[segment.block];
      outcomes.culprits.push_back({.partition = block.partition,
                                   .epoch = block.epoch,
                                   .offset = block.block.offset_of(segment.first),
                                   .exception_code = outcome.exception_code,
                                   .message = std::move(outcome.error.message)});
      if (stop_at_culprit_) {
        outcomes.rows_abandoned += 1 + drop_block(flight.waiting, segment.block);
      }
      return;
    }
    case InsertOutcome::Kind::stale_table:
    case InsertOutcome::Kind::failed:
      if (!flight.disowned) {
        const bool failed = outcome.kind == InsertOutcome::Kind::failed;
        (failed ? outcomes.error : outcomes.stale) = std::move(outcome.error);
        for (const PartitionBlock& block : flight.batch.blocks) {
          if (!failed) outcomes.stale_partitions.insert(block.partition);
        }
      }
      outcomes.rows_abandoned += rows;
      for (const Part& part : flight.waiting) outcomes.rows_abandoned += part_rows(part);
      flight.waiting.clear();
      return;
  }
}

Delivery::Outcomes Delivery::collect(Milliseconds wait) {
  Outcomes outcomes;
  for (InsertOutcome& outcome : sink_.collect(wait)) {
    auto found = flights_.extract(outcome.id);
    CHECK(!found.empty());
    std::unique_ptr<Flight> flight = std::move(found.mapped());
    const bool given_up = outcome.kind != InsertOutcome::Kind::inserted &&
                          (flight->whole || outcome.kind == InsertOutcome::Kind::failed ||
                           outcome.kind == InsertOutcome::Kind::stale_table);
    if (flight->whole) {
      const size_t refusals = outcomes.refusals.size();
      settle_whole(*flight, std::move(outcome), outcomes);
      if (outcomes.refusals.size() != refusals) {
        refused_.emplace(flight->batch.id, std::move(flight));
        continue;
      }
    } else {
      settle_part(*flight, std::move(outcome), outcomes);
    }
    if (!flight->waiting.empty()) {
      send_next(std::move(flight));
    } else {
      (given_up ? outcomes.abandoned : outcomes.settled).push_back(std::move(flight->batch));
    }
  }
  return outcomes;
}

}  // namespace sluice
