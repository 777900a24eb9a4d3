// SPDX-License-Identifier: Apache-2.0
#include "core/model/insert.hpp"

#include "core/base/check.hpp"

namespace sluice {

std::string_view to_string(RetryReason reason) {
  switch (reason) {
    case RetryReason::network:
      return "network";
    case RetryReason::timeout:
      return "timeout";
    case RetryReason::too_many_parts:
      return "too_many_parts";
    case RetryReason::memory:
      return "memory";
    case RetryReason::readonly:
      return "readonly";
    case RetryReason::http_5xx:
      return "http_5xx";
    case RetryReason::other:
      return "other";
  }
  CHECK(false);
}

}  // namespace sluice
