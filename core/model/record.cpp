// SPDX-License-Identifier: Apache-2.0
#include "core/model/record.hpp"

#include "core/base/check.hpp"

namespace sluice {

std::string_view to_string(RejectReason reason) {
  switch (reason) {
    case RejectReason::none:
      return "none";
    case RejectReason::decode:
      return "decode";
    case RejectReason::schema:
      return "schema";
    case RejectReason::type:
      return "type";
    case RejectReason::too_large:
      return "too_large";
    case RejectReason::insert:
      return "insert";
  }
  CHECK(false);
}

std::optional<RejectReason> reject_reason(std::string_view word) {
  for (const RejectReason reason : {RejectReason::decode, RejectReason::schema, RejectReason::type,
                                    RejectReason::too_large, RejectReason::insert}) {
    if (word == to_string(reason)) return reason;
  }
  return std::nullopt;
}

}  // namespace sluice
