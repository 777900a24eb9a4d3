// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/model/record.hpp"

namespace sluice {

/// Why a record does not become a row. `none` is success.
enum class Fault : uint8_t {
  none,
  // The record is not one complete, valid JSON object.
  not_json,
  not_an_object,
  more_than_one,
  too_deep,
  lone_surrogate,
  // Its fields are not what the table expects.
  unknown_field,
  duplicate_key,
  too_many_fields,
  no_key,
  escaped_tuple_key,
  // A value does not fit its column.
  wrong_kind,
  not_a_number,
  not_an_integer,
  out_of_range,
  too_many_digits,
  not_a_date,
  no_such_date,
  date_out_of_range,
  fraction_lost,
  zone_unknown,
  zone_beyond_rules,
  not_a_time,
  not_a_uuid,
  not_an_address,
  not_in_enum,
  too_long,
  tuple_size,
  null_refused,
  null_without_zero,
};

[[nodiscard]] RejectReason reason_of(Fault fault);

/// One sentence without a full stop, e.g. "number out of range for UInt8". `type` is the name of
/// the column's type, empty where no column is concerned.
[[nodiscard]] std::string describe(Fault fault, std::string_view type);

}  // namespace sluice
