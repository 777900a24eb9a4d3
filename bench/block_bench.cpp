// SPDX-License-Identifier: Apache-2.0
//
// What core/block costs: ns per row of appending 10 typical columns, of ending the row, of asking
// for the block's bytes, beside a plain memcpy of the same bytes.
//
//   block_bench [PASSES]

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/block/block.hpp"

namespace {

using sluice::Block;
using sluice::BlockSchema;

constexpr uint64_t rows_per_block = 250'000;
constexpr size_t rows_ready = 4096;

struct Event {
  uint64_t id;
  int64_t time;
  uint32_t user;
  std::string session;
  std::string page;
  std::string country;
  uint32_t duration;
  double amount;
  uint8_t ok;
  std::string reference;
  bool has_reference;
};

std::vector<Event> make_events() {
  std::mt19937_64 random(1);
  std::vector<Event> events(rows_ready);
  const char* countries[] = {"DE", "FR", "US", "BR"};
  for (Event& event : events) {
    event = Event{.id = random(),
                  .time = static_cast<int64_t>(random() % 1'000'000'000'000),
                  .user = static_cast<uint32_t>(random()),
                  .session = fmt::format("{:016x}", random()),
                  .page = fmt::format("/products/{}/details", random() % 1000),
                  .country = countries[random() % 4],
                  .duration = static_cast<uint32_t>(random() % 60'000),
                  .amount = static_cast<double>(random() % 100'000) / 100,
                  .ok = static_cast<uint8_t>(random() % 2),
                  .reference = fmt::format("ref-{}", random() % 100),
                  .has_reference = random() % 3 != 0};
  }
  return events;
}

sluice::Table make_table(const char* default_expression) {
  const std::pair<const char*, const char*> columns[] = {
      {"id", "UInt64"},           {"ts", "DateTime64(3)"}, {"user_id", "UInt32"},
      {"session", "String"},      {"page", "String"},      {"country", "LowCardinality(String)"},
      {"duration", "UInt32"},     {"amount", "Float64"},   {"ok", "Bool"},
      {"ref", "Nullable(String)"}};
  sluice::Table table;
  for (const auto& [name, type] : columns) {
    sluice::TableColumn column;
    column.name = name;
    column.type = sluice::parse_data_type(type).value();
    column.default_expression = default_expression;
    if (*default_expression != '\0') column.default_kind = sluice::DefaultKind::expression;
    table.columns.push_back(column);
  }
  return table;
}

void append(Block& block, const Event& event) {
  block.column(0).append_fixed(event.id);
  block.column(1).append_fixed(event.time);
  block.column(2).append_fixed(event.user);
  block.column(3).append_string(event.session);
  block.column(4).append_string(event.page);
  block.column(5).append_string(event.country);
  block.column(6).append_fixed(event.duration);
  block.column(7).append_fixed(event.amount);
  block.column(8).append_fixed(event.ok);
  if (event.has_reference) {
    block.column(9).append_string(event.reference);
  } else {
    block.column(9).append_null();
  }
}

/// CPU time of this thread: other programs on the machine disturb it least.
double now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

/// The least CPU time of `passes` calls, in ns per row of a block.
double measure(int passes, const std::function<void()>& run) {
  double least = 1e18;
  for (; passes > 0; --passes) {
    const double begin = now();
    run();
    least = std::min(least, (now() - begin) / static_cast<double>(rows_per_block));
  }
  return least;
}

template <class EachRow>
void fill(Block& block, const std::vector<Event>& events, EachRow&& each_row) {
  block.clear();
  for (uint64_t row = 0; row < rows_per_block; ++row) {
    append(block, events[row % rows_ready]);
    block.end_row(sluice::Offset{static_cast<int64_t>(row)});
    each_row();
  }
}

void report(const char* what, double nanoseconds, double bytes) {
  fmt::print("{:<44} {:7.1f} ns of CPU a row  {:6.2f} GB/s\n", what, nanoseconds,
             bytes / nanoseconds);
}

}  // namespace

int main(int argc, char** argv) {
  const int passes = argc > 1 ? std::atoi(argv[1]) : 20;
  const std::vector<Event> events = make_events();
  const BlockSchema schema(make_table(""));
  const BlockSchema schema_with_defaults(make_table("1"));
  Block block(schema);
  Block block_with_defaults(schema_with_defaults);
  const auto nothing = [] {};

  const double first = measure(1, [&] { fill(block, events, nothing); });
  const double bytes = static_cast<double>(block.bytes()) / static_cast<double>(rows_per_block);
  fmt::print("{} rows of {:.1f} bytes, least of {} passes\n", rows_per_block, bytes, passes);
  report("append and end_row, growing from nothing", first, bytes);
  report("append and end_row, memory reused",
         measure(passes, [&] { fill(block, events, nothing); }), bytes);
  uint64_t sum = 0;
  const auto ask = [&] { sum += block.bytes(); };
  report("  and Block::bytes() after every row", measure(passes, [&] { fill(block, events, ask); }),
         bytes);
  report("append and end_row, all columns with DEFAULT",
         measure(passes, [&] { fill(block_with_defaults, events, nothing); }), bytes);

  sluice::Insert insert;
  const sluice::InsertBody body({&block}, insert);
  std::string copy(insert.bytes, '\0');
  const auto copy_pieces = [&] {
    size_t position = 0;
    for (const std::string_view piece : insert.pieces) {
      std::memcpy(copy.data() + position, piece.data(), piece.size());
      position += piece.size();
    }
  };
  report("memcpy of the same bytes", measure(passes, copy_pieces), bytes);
  report(
      "slice of half the rows",
      measure(passes, [&] { sum += block.slice(rows_per_block / 2, rows_per_block / 2).rows(); }),
      bytes / 2);
  return sum == 1 ? 1 : 0;
}
