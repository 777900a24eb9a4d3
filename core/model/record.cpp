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

}  // namespace sluice
