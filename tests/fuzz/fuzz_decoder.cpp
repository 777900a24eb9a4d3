// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer: no record makes the JSON decoder crash, both gears make the same of it, and a record
// that is refused leaves no trace.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/check.hpp"
#include "core/block/block.hpp"
#include "core/decode/gear.hpp"

namespace {

sluice::Table make_table() {
  sluice::Table table;
  table.server_time_zone = "UTC";
  for (const char* type : {"UInt64",
                           "Int8",
                           "Int256",
                           "Float64",
                           "Nullable(Float32)",
                           "Decimal(18, 4)",
                           "Bool",
                           "String",
                           "FixedString(3)",
                           "LowCardinality(Nullable(String))",
                           "DateTime",
                           "DateTime64(3, 'Europe/Berlin')",
                           "Date",
                           "Time64(3)",
                           "Enum8('a' = 1, 'b' = 2)",
                           "UUID",
                           "IPv4",
                           "IPv6",
                           "Array(Nullable(Int16))",
                           "Tuple(a UInt8, b String)",
                           "Map(String, Array(String))",
                           "Array(Nullable(JSON))"}) {
    const std::string name(1, static_cast<char>('a' + table.columns.size()));
    table.columns.push_back({name, sluice::parse_data_type(type).value(), {}, {}});
  }
  return table;
}

std::string bytes_of(const sluice::Block& block) {
  std::vector<std::string_view> pieces;
  for (size_t i = 0; i < block.schema().columns().size(); ++i) block.column(i).add_pieces(pieces);
  std::string bytes;
  for (const std::string_view piece : pieces) bytes += piece;
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const sluice::BlockSchema schema(make_table());
  const std::string_view record(reinterpret_cast<const char*>(data), size);
  const auto fast = sluice::make_json_decoder(schema, {}, sluice::Gear::both);
  const auto slow = sluice::make_json_decoder(schema, {}, sluice::Gear::slow);
  sluice::Block ours(schema);
  sluice::Block theirs(schema);
  for (int64_t row = 0; row < 2; ++row) {  // the second time the shape is known
    const bool taken = slow->decode(record, theirs);
    CHECK(fast->decode(record, ours) == taken);
    if (taken) {
      ours.end_row({row});
      theirs.end_row({row});
    } else {
      CHECK(fast->error().message == slow->error().message);
    }
    CHECK(bytes_of(ours) == bytes_of(theirs));
  }
  CHECK(ours.rows() != 0 || bytes_of(ours).empty());
  return 0;
}
