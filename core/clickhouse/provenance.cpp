// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/provenance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "core/base/check.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/server.hpp"
#include "core/model/quote.hpp"

namespace sluice::clickhouse {
namespace {

constexpr int64_t buckets = 256;
constexpr int64_t sorted_at_once = 1 << 20;  // offsets that the server looks at one by one

using Numbers = std::vector<int64_t>;

uint64_t size_of(OffsetRange range) {
  return static_cast<uint64_t>(std::max<int64_t>(0, range.next.value - range.first.value));
}

class OffsetFinder {
 public:
  OffsetFinder(Server& server, const RangeRows& wanted, size_t ranges_max)
      : server_(server), wanted_(wanted), ranges_max_(ranges_max) {}

  Result<std::map<PartitionId, OffsetsFound>> run() {
    std::map<PartitionId, OffsetsFound> all;
    for (const auto& [partition, range] : wanted_.offsets) {
      found_ = {};
      if (!range.empty()) TRY(look(partition, range));
      all.emplace(partition, std::move(found_));
    }
    return all;
  }

 private:
  Result<void> look(PartitionId partition, OffsetRange range) {
    const auto rows = TRY(ask("count(), groupBitmap(toUInt64(o))", from(partition, range), 2));
    if (rows.size() != 1) return unreadable();
    found_.rows = static_cast<uint64_t>(rows.front()[0]);
    found_.offsets = static_cast<uint64_t>(rows.front()[1]);
    if (fits(rows.front()[0], rows.front()[1], range)) return {};
    return narrow(partition, range, found_.offsets<size_of(range), found_.rows> found_.offsets);
  }

  static bool fits(int64_t rows, int64_t offsets, OffsetRange range) {
    const auto size = static_cast<int64_t>(size_of(range));
    return rows == size && offsets == size;
  }

  /// Names what is missing and doubled in a range where something is, in the order of offsets.
  Result<void> narrow(PartitionId partition, OffsetRange range, bool missing, bool doubled) {
    const auto size = static_cast<int64_t>(size_of(range));
    if (full()) return {};
    if (size <= sorted_at_once) {
      if (missing) TRY(name_missing(partition, range));
      if (doubled) TRY(name_doubled(partition, range));
      return {};
    }
    const int64_t width = (size + buckets - 1) / buckets;
    const auto rows =
        TRY(ask(fmt::format("intDiv(o - {}, {}) AS bucket, count(), groupBitmap(toUInt64(o))",
                            range.first.value, width),
                from(partition, range) + " GROUP BY bucket ORDER BY bucket", 3));
    auto row = rows.begin();
    for (int64_t bucket = 0; bucket * width < size; ++bucket) {
      const OffsetRange part{
          {range.first.value + bucket * width},
          {std::min(range.next.value, range.first.value + (bucket + 1) * width)}};
      if (row == rows.end() || (*row)[0] != bucket) {
        add(found_.missing, part);
        continue;
      }
      const int64_t count = (*row)[1];
      const int64_t offsets = (*row)[2];
      ++row;
      if (fits(count, offsets, part)) continue;
      TRY(narrow(partition, part, offsets<static_cast<int64_t>(size_of(part)), count> offsets));
    }
    return {};
  }

  Result<void> name_missing(PartitionId partition, OffsetRange range) {
    // The offset behind the range stands for a row there, so that a gap at the end has an end.
    const auto gaps = TRY(
        ask("before + 1 AS first, o",
            fmt::format(" FROM (SELECT o, lagInFrame(o, 1, toInt64({})) OVER (ORDER BY o ROWS "
                        "BETWEEN 1 PRECEDING AND CURRENT ROW) AS before FROM (SELECT DISTINCT o{} "
                        "UNION ALL SELECT toInt64({}))) WHERE o > before + 1 ORDER BY o{}",
                        range.first.value - 1, from(partition, range), range.next.value, limit()),
            2));
    for (const Numbers& gap : gaps) add(found_.missing, {{gap[0]}, {gap[1]}});
    return {};
  }

  Result<void> name_doubled(PartitionId partition, OffsetRange range) {
    const auto islands =
        TRY(ask("min(o) AS first, max(o) + 1",
                fmt::format(" FROM (SELECT o, o - row_number() OVER (ORDER BY o) AS island FROM "
                            "(SELECT o{} GROUP BY o HAVING count() > 1)) GROUP BY island ORDER BY "
                            "first{}",
                            from(partition, range), limit()),
                2));
    for (const Numbers& island : islands) add(found_.doubled, {{island[0]}, {island[1]}});
    return {};
  }

  [[nodiscard]] bool full() {
    const bool full = found_.missing.size() >= ranges_max_ || found_.doubled.size() >= ranges_max_;
    if (full) found_.all_named = false;
    return full;
  }
  void add(OffsetRanges& ranges, OffsetRange range) {
    const bool touches = !ranges.empty() && ranges.back().next == range.first;
    if (ranges.size() >= ranges_max_ && !touches) {
      found_.all_named = false;
    } else {
      append(ranges, range);
    }
  }
  [[nodiscard]] std::string limit() const { return fmt::format(" LIMIT {}", ranges_max_ + 1); }

  /// " FROM …" of the offsets of a range as `o`.
  [[nodiscard]] std::string from(PartitionId partition, OffsetRange range) const {
    const std::string offset = in_quotes(wanted_.columns.offset, '`');
    return fmt::format(
        " FROM (SELECT toInt64({0}) AS o FROM {1}.{2} WHERE {3} AND {4} = {5} AND {0} >= {6} "
        "AND {0} < {7})",
        offset, in_quotes(wanted_.database, '`'), in_quotes(wanted_.table, '`'), of_topic(wanted_),
        in_quotes(wanted_.columns.partition, '`'), partition.value, range.first.value,
        range.next.value);
  }

  Result<std::vector<Numbers>> ask(const std::string& select, const std::string& rest,
                                   size_t columns) {
    const auto rows = TRY(
        server_.ask("SELECT " + select + rest, "count the offsets in " + server_.target().table));
    std::vector<Numbers> out;
    for (const TsvRow& row : rows) {
      Numbers& numbers = out.emplace_back();
      for (const std::string& text : row) {
        int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || end != text.data() + text.size()) return unreadable();
        numbers.push_back(value);
      }
      if (numbers.size() != columns) return unreadable();
    }
    return out;
  }

  static Error unreadable() {
    return {.code = Errc::failed,
            .slug = "clickhouse-answer",
            .message = "ClickHouse's answer about offsets makes no sense",
            .fix = "see what stands between sluice and the server"};
  }

  Server& server_;
  const RangeRows& wanted_;
  size_t ranges_max_;
  OffsetsFound found_;
};

}  // namespace

Result<std::map<PartitionId, OffsetsFound>> find_offsets(const ServerOptions& options,
                                                         const RangeRows& wanted, size_t ranges_max,
                                                         const Clock& clock) {
  CHECK(wanted.columns.known());
  Server server = TRY(open_server(options, wanted.database, wanted.table, clock));
  return OffsetFinder(server, wanted, ranges_max).run();
}

}  // namespace sluice::clickhouse
