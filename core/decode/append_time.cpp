// SPDX-License-Identifier: Apache-2.0
#include "core/decode/append_time.hpp"

#include <bit>

#include "core/decode/date_times.hpp"
#include "core/decode/dates.hpp"
#include "core/decode/integers.hpp"

namespace sluice {

namespace {

constexpr int64_t date_max = UINT16_MAX;
constexpr int64_t date32_min = -25567;  // 1900-01-01
constexpr int64_t date32_max = 120529;  // 2299-12-31
constexpr int64_t datetime_max = UINT32_MAX;
constexpr int64_t time_max = 999 * 3600 + 59 * 60 + 59;  // 999:59:59, either way

Fault parse_number(const Scalar& scalar, int64_t& number) {
  Wide value;
  const Fault fault = parse_integer(scalar.text, true, 64, value);
  number = std::bit_cast<int64_t>(value.words[0]);
  return fault;
}

Fault append_date(const ValuePlan& plan, const Scalar& scalar, Column& column) {
  const bool wide = plan.kind == TypeKind::date32;
  int64_t days = 0;
  if (scalar.kind == Scalar::Kind::number) {
    const Fault fault = parse_number(scalar, days);
    if (fault != Fault::none) return fault;
    if (wide ? days < INT32_MIN || days > INT32_MAX : scalar.text.front() == '-' || days > date_max)
      return Fault::out_of_range;
  } else {
    int32_t parsed = 0;
    const Fault fault = parse_date(scalar.text, parsed);
    if (fault != Fault::none) return fault;
    days = parsed;
    if (wide ? days < date32_min || days > date32_max : days < 0 || days > date_max)
      return Fault::date_out_of_range;
  }
  if (wide) {
    column.append_fixed(static_cast<int32_t>(days));
  } else {
    column.append_fixed(static_cast<uint16_t>(days));
  }
  return Fault::none;
}

/// Ticks of 10 to the power of -scale since 1970-01-01 00:00:00 UTC.
Fault parse_ticks(const ValuePlan& plan, std::string_view text, uint32_t scale, bool fine,
                  int64_t& ticks) {
  TimeText time;
  Fault fault = parse_date_time(text, fine, time);
  if (fault != Fault::none) return fault;
  int64_t seconds = time.seconds;
  if (time.local) fault = plan.zone->to_utc(time.seconds, seconds);
  if (fault != Fault::none) return fault;
  int64_t fraction = 0;
  fault = scale_fraction(time.fraction, scale, fraction);
  if (fault != Fault::none) return fault;
  int64_t whole = 0;
  if (__builtin_mul_overflow(seconds, power_of_ten(scale), &whole) ||
      __builtin_add_overflow(whole, fraction, &ticks)) {
    return Fault::date_out_of_range;
  }
  return Fault::none;
}

Fault append_datetime(const ValuePlan& plan, const Scalar& scalar, Column& column) {
  const bool number = scalar.kind == Scalar::Kind::number;
  int64_t seconds = 0;
  const Fault fault =
      number ? parse_number(scalar, seconds) : parse_ticks(plan, scalar.text, 0, false, seconds);
  if (fault != Fault::none) return fault;
  if (seconds < 0 || seconds > datetime_max) {
    return number ? Fault::out_of_range : Fault::date_out_of_range;
  }
  column.append_fixed(static_cast<uint32_t>(seconds));
  return Fault::none;
}

Fault append_datetime64(const ValuePlan& plan, const Scalar& scalar, Column& column) {
  int64_t ticks = 0;
  const Fault fault = scalar.kind == Scalar::Kind::number
                          ? parse_number(scalar, ticks)
                          : parse_ticks(plan, scalar.text, plan.precision, true, ticks);
  if (fault == Fault::none) column.append_fixed(ticks);
  return fault;
}

Fault append_time_of_day(const ValuePlan& plan, const Scalar& scalar, Column& column) {
  const bool fine = plan.kind == TypeKind::time64;
  const uint32_t scale = fine ? plan.precision : 0;
  int64_t ticks = 0;
  const Fault fault = scalar.kind == Scalar::Kind::number
                          ? parse_number(scalar, ticks)
                          : parse_time(scalar.text, scale, fine, ticks);
  if (fault != Fault::none) return fault;
  const int64_t limit = (time_max + 1) * power_of_ten(scale);
  if (ticks <= -limit || ticks >= limit) return Fault::out_of_range;
  if (fine) {
    column.append_fixed(ticks);
  } else {
    column.append_fixed(static_cast<int32_t>(ticks));
  }
  return Fault::none;
}

}  // namespace

Fault append_time(const ValuePlan& plan, const Scalar& scalar, Column& column) {
  if (scalar.kind == Scalar::Kind::boolean) return Fault::wrong_kind;
  switch (plan.kind) {
    case TypeKind::date:
    case TypeKind::date32:
      return append_date(plan, scalar, column);
    case TypeKind::datetime:
      return append_datetime(plan, scalar, column);
    case TypeKind::datetime64:
      return append_datetime64(plan, scalar, column);
    default:
      return append_time_of_day(plan, scalar, column);
  }
}

}  // namespace sluice
