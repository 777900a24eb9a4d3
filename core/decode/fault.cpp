// SPDX-License-Identifier: Apache-2.0
#include "core/decode/fault.hpp"

#include <fmt/core.h>

namespace sluice {

namespace {

/// "{}" stands for the type of the column.
std::string_view text_of(Fault fault) {
  switch (fault) {
    case Fault::none:
      return "no fault";
    case Fault::not_json:
      return "not valid JSON";
    case Fault::not_an_object:
      return "not a JSON object";
    case Fault::more_than_one:
      return "more text after the JSON object; a record must be exactly one object";
    case Fault::too_deep:
      return "nested deeper than the limit";
    case Fault::lone_surrogate:
      return "a \\u escape is half of a surrogate pair";
    case Fault::unknown_field:
      return "no column has the name of this field";
    case Fault::duplicate_key:
      return "the key stands twice in the object";
    case Fault::too_many_fields:
      return "more fields than the limit";
    case Fault::no_key:
      return "the record has no key";
    case Fault::escaped_tuple_key:
      return "a key with a backslash in an object for {}";
    case Fault::wrong_kind:
      return "this kind of JSON value does not fit {}";
    case Fault::not_a_number:
      return "text that is not a number for {}";
    case Fault::not_an_integer:
      return "a number that is not an integer for {}";
    case Fault::out_of_range:
      return "number out of range for {}";
    case Fault::too_many_digits:
      return "more digits after the point than {} keeps";
    case Fault::not_a_date:
      return "text that is not a date in a form known for {}";
    case Fault::no_such_date:
      return "a date or time of day that does not exist, for {}";
    case Fault::date_out_of_range:
      return "date out of range for {}";
    case Fault::fraction_lost:
      return "a finer fraction of a second than {} keeps";
    case Fault::zone_unknown:
      return "the time zone of {} is not known on this machine and the text names no offset";
    case Fault::zone_beyond_rules:
      return "local time for {} at a date for which the zone's rules are not known exactly; "
             "give it with an offset";
    case Fault::not_a_time:
      return "text that is not a time of day for {}";
    case Fault::not_a_uuid:
      return "text that is not a UUID for {}";
    case Fault::not_an_address:
      return "text that is not an address for {}";
    case Fault::not_in_enum:
      return "neither a name nor a value of {}";
    case Fault::too_long:
      return "text too long for {}";
    case Fault::tuple_size:
      return "an array of the wrong length for {}";
    case Fault::null_refused:
      return "null for {}, which is not Nullable, and nulls are set to be rejected";
    case Fault::null_without_zero:
      return "null for {}, which has no value 0 to stand for it";
  }
  return "unknown fault";
}

}  // namespace

RejectReason reason_of(Fault fault) {
  if (fault == Fault::none) return RejectReason::none;
  if (fault <= Fault::lone_surrogate) return RejectReason::decode;
  if (fault <= Fault::escaped_tuple_key) return RejectReason::schema;
  return RejectReason::type;
}

std::string describe(Fault fault, std::string_view type) {
  return fmt::format(fmt::runtime(text_of(fault)), type);
}

}  // namespace sluice
