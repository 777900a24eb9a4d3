// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace sluice {

/// Frees a C object with the given function.
template <auto free_function>
struct FreeWith {
  template <class T>
  void operator()(T* object) const noexcept {
    free_function(object);
  }
};

/// Owns one C object: `using Curl = Handle<CURL, curl_easy_cleanup>;`
template <class T, auto free_function>
using Handle = std::unique_ptr<T, FreeWith<free_function>>;

}  // namespace sluice
