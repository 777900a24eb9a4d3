// SPDX-License-Identifier: Apache-2.0
#include "core/decode/time_zone.hpp"

#include <date/tz.h>

#include <algorithm>
#include <array>
#include <exception>

namespace sluice {

namespace {

using Seconds = std::chrono::seconds;
using SystemSeconds = date::sys_seconds;
using LocalSeconds = date::local_seconds;

constexpr int64_t seconds_of_day = 86400;
constexpr int64_t change_step = 900;        // as exact as ClickHouse keeps a change
constexpr int64_t exact_from_day = -25567;  // 1900-01-01
constexpr int64_t changes_from_day = 0;     // 1970-01-01
constexpr int64_t rules_end = 2114380800;   // 2037-01-01: zone files are listed to that year

constexpr auto utc_names = std::to_array<std::string_view>(
    {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal",
     "Etc/Universal", "Greenwich", "Etc/Greenwich", "GMT0", "GMT+0", "GMT-0", "Etc/GMT0"});

SystemSeconds system_time(int64_t seconds) { return SystemSeconds(Seconds(seconds)); }

int64_t count(SystemSeconds time) { return time.time_since_epoch().count(); }

int64_t floor_div(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

/// The first second from which on the zone's data no longer tell the changes.
int64_t find_end_of_rules(const date::time_zone& zone) {
  const date::sys_info last = zone.get_info(system_time(INT32_MAX * int64_t{100}));
  return count(last.begin) >= rules_end ? count(last.begin) : INT64_MAX;
}

}  // namespace

TimeZone::TimeZone(const std::string& name) {
  utc_ = std::find(utc_names.begin(), utc_names.end(), name) != utc_names.end();
  if (utc_ || name.empty()) return;
  try {
    zone_ = date::locate_zone(name);
    exact_until_ = find_end_of_rules(*zone_);
  } catch (const std::exception&) {
    zone_ = nullptr;
  }
}

Fault TimeZone::to_utc(int64_t local_seconds, int64_t& utc_seconds) {
  utc_seconds = local_seconds;
  if (utc_) return Fault::none;
  if (zone_ == nullptr) return Fault::zone_unknown;
  const int64_t number = floor_div(local_seconds, seconds_of_day);
  LocalDay& day = days_[static_cast<uint64_t>(number) % days_kept];
  if (day.number != number) day = look_up(number);
  if (!day.exact) return Fault::zone_beyond_rules;
  int64_t since_begin = local_seconds - number * seconds_of_day;
  if (since_begin >= day.change_at) since_begin -= day.change_by;
  utc_seconds = day.begin + since_begin;
  return utc_seconds < exact_until_ ? Fault::none : Fault::zone_beyond_rules;
}

TimeZone::LocalDay TimeZone::look_up(int64_t number) const {
  LocalDay day;
  day.number = number;
  const int64_t midnight = number * seconds_of_day;
  const auto info = zone_->get_info(LocalSeconds(Seconds(midnight)));
  day.begin = midnight - info.first.offset.count();
  if (info.result == date::local_info::ambiguous) {
    // Of two midnights it is the first, unless a piece of the day before lies between.
    const int64_t second = midnight - info.second.offset.count();
    if (count(info.first.end) < second) day.begin = second;
  }
  find_change(day);
  const bool changes = day.change_by != 0;
  day.exact = number >= exact_from_day && (!changes || number >= changes_from_day);
  return day;
}

void TimeZone::find_change(LocalDay& day) const {
  const int64_t midnight = day.number * seconds_of_day;
  date::sys_info before = zone_->get_info(system_time(day.begin - 1));
  date::sys_info after = before;
  do {  // a change of name or of daylight saving alone is none
    before = after;
    if (count(before.end) > day.begin + 2 * seconds_of_day) return;
    after = zone_->get_info(before.end);
  } while (after.offset == before.offset);
  const int64_t from = count(before.end) + before.offset.count();
  const int64_t to = count(before.end) + after.offset.count();
  if (floor_div(from, seconds_of_day) != day.number && floor_div(to, seconds_of_day) != day.number)
    return;
  if (from < midnight) return;  // as ClickHouse has it: no part of this day is before the change
  const int64_t at = (from - midnight) / change_step;
  const int64_t by = std::clamp((to - from) / change_step, int64_t{-96}, int64_t{96});
  day.change_at = std::max(at, -by) * change_step;
  day.change_by = by * change_step;
}

}  // namespace sluice
