// SPDX-License-Identifier: Apache-2.0
//
// Nanoseconds of CPU per row of the JSON decoder, the minimum of some passes over events in memory:
//
//   bench_events 1000000 | bench_decode [PASSES]
//
// once as they are, once with spaces between the tokens, once with the fields of each event in
// random order, once with a nested object that no column takes; with both gears and with the slow
// one alone.

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.hpp"
#include "core/block/block.hpp"
#include "core/decode/gear.hpp"

namespace {

using Events = std::vector<std::string>;
using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr size_t rows_of_block = 262144;

sluice::Table events_table() {
  sluice::Table table;
  table.database = "bench";
  table.name = "events";
  table.server_time_zone = "UTC";
  const std::pair<const char*, const char*> columns[] = {
      {"id", "UInt64"},           {"ts", "DateTime64(3)"}, {"user_id", "UInt32"},
      {"session", "String"},      {"page", "String"},      {"country", "LowCardinality(String)"},
      {"duration_ms", "UInt32"},  {"amount", "Float64"},   {"ok", "Bool"},
      {"ref", "Nullable(String)"}};
  for (const auto& [name, type] : columns) {
    table.columns.push_back({name, sluice::parse_data_type(type).value(), {}, {}});
  }
  return table;
}

/// The end of the string or plain value that begins at `begin` of a flat object.
size_t end_of_value(const std::string& text, size_t begin) {
  if (text[begin] != '"') return text.find_first_of(",}", begin);
  size_t end = begin + 1;
  while (text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  return end + 1;
}

Fields fields_of(const std::string& event) {
  Fields fields;
  for (size_t position = 1; position < event.size() && event[position - 1] != '}';) {
    const size_t key_end = end_of_value(event, position);
    const size_t value_end = end_of_value(event, key_end + 1);
    fields.emplace_back(event.substr(position, key_end - position),
                        event.substr(key_end + 1, value_end - key_end - 1));
    position = value_end + 1;
  }
  return fields;
}

std::string join(const Fields& fields, std::string_view space) {
  std::string event = "{";
  for (const auto& [key, value] : fields) {
    if (event.size() > 1) event.append(",").append(space);
    event.append(key).append(":").append(space).append(value);
  }
  return event + "}";
}

double cpu_nanoseconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

/// The best time of one pass; rows that are refused count as well.
double best_time(const Events& events, sluice::Gear gear, int passes, size_t& refused) {
  const sluice::BlockSchema schema(events_table());
  sluice::Block block(schema);
  double best = 1e300;
  for (int pass = 0; pass < passes; ++pass) {
    const auto decoder = sluice::make_json_decoder(schema, {}, gear);
    refused = 0;
    const double begin = cpu_nanoseconds();
    int64_t offset = 0;
    for (const std::string& event : events) {
      if (decoder->decode(event, block)) {
        block.end_row({offset++});
      } else {
        ++refused;
      }
      if (block.rows() == rows_of_block) block.clear();
    }
    best = std::min(best, (cpu_nanoseconds() - begin) / static_cast<double>(events.size()));
    block.clear();
  }
  return best;
}

void measure(const char* name, const Events& events, int passes) {
  size_t refused = 0;
  const double both = best_time(events, sluice::Gear::both, passes, refused);
  const double slow = best_time(events, sluice::Gear::slow, passes, refused);
  fmt::print("{:<28}{:>10.0f}{:>10.0f}{:>10}\n", name, both, slow, refused);
}

}  // namespace

int main(int argc, char** argv) {
  const int passes = argc > 1 ? std::atoi(argv[1]) : 5;
  std::ios::sync_with_stdio(false);
  Events events;
  for (std::string line; std::getline(std::cin, line);) events.push_back(line);
  CHECK(!events.empty() && passes > 0);
  Events spaced;
  Events shuffled;
  Events nested;
  std::mt19937_64 random(1);
  for (const std::string& event : events) {
    Fields fields = fields_of(event);
    spaced.push_back(join(fields, " "));
    nested.push_back(event.substr(0, event.size() - 1) + R"(,"more":{"a":[1,2],"b":"c"}})");
    std::shuffle(fields.begin(), fields.end(), random);
    shuffled.push_back(join(fields, ""));
  }
  fmt::print("{:<28}{:>10}{:>10}{:>10}\n", "ns per row", "both", "slow", "refused");
  measure("as they are", events, passes);
  measure("with spaces", spaced, passes);
  measure("fields in random order", shuffled, passes);
  measure("with a nested field", nested, passes);
  return 0;
}
