// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sluice {

/// Reports a broken invariant on stderr and aborts. Called by CHECK only.
[[noreturn]] void check_failed(const char* file, int line, const char* condition) noexcept;

}  // namespace sluice

/// A bug, in every build: prints file:line and the condition, then aborts. Never for operating
/// errors.
#define CHECK(condition)                                      \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::sluice::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)
