// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/decode/fault.hpp"

namespace date {
class time_zone;
}

namespace sluice {

/// Turns local times of one time zone into UTC as ClickHouse does, from this machine's zone data.
///
/// Of a time that comes twice (clocks set back) it is the first; a time that never comes (clocks
/// set forward) is taken as if the clocks had been set already. ClickHouse keeps one change of
/// offset a day, in steps of 15 minutes; so does this. Not thread-safe: it remembers the days it
/// was asked for.
class TimeZone {
 public:
  /// A zone that is not known here is no error before a local time is asked for.
  explicit TimeZone(const std::string& name);

  /// Whether local time is UTC.
  [[nodiscard]] bool is_utc() const { return utc_; }

  /// `local_seconds`: since 1970-01-01 00:00:00 of the zone. zone_unknown where this machine does
  /// not know the zone; zone_beyond_rules where its data do not tell exactly: after the last change
  /// of a zone that still changes (in or after 2037), before 1900, and on the days of changes
  /// before 1970.
  [[nodiscard]] Fault to_utc(int64_t local_seconds, int64_t& utc_seconds);

 private:
  /// The beginning of a day and the change of offset on it.
  struct LocalDay {
    int64_t number = INT64_MIN;  ///< days since 1970-01-01
    int64_t begin = 0;           ///< its first second, UTC
    int64_t change_at = 0;       ///< seconds of local time from its begin on
    int64_t change_by = 0;
    bool exact = false;
  };

  [[nodiscard]] LocalDay look_up(int64_t number) const;
  void find_change(LocalDay& day) const;

  static constexpr size_t days_kept = 64;
  const date::time_zone* zone_ = nullptr;  // of the library's own list
  bool utc_ = false;
  int64_t exact_until_ = INT64_MAX;
  std::array<LocalDay, days_kept> days_;
};

}  // namespace sluice
