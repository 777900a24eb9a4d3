// SPDX-License-Identifier: Apache-2.0
#include "core/base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace sluice {

void check_failed(const char* file, int line, const char* condition) noexcept {
  std::fprintf(stderr,
               "sluice: internal error at %s:%d: %s does not hold\n"
               "No offset was committed beyond what ClickHouse acknowledged. "
               "Please report this line together with the log.\n",
               file, line, condition);
  std::abort();
}

}  // namespace sluice
