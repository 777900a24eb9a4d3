// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <string_view>

#include "core/base/result.hpp"

namespace sluice::cli {

/// Standard output: the result of the command. Thread-safe. A reader that went away (`| head -1`)
/// is no failure of ours: what follows is dropped in silence.
class Output {
 public:
  void write(std::string_view text);
  /// The last words, from a thread that must not wait: what anybody writes after them is dropped,
  /// and they are not said when somebody is writing or nobody reads.
  void write_at_once(std::string_view text);
  /// Nobody reads any more, or it cannot be written.
  [[nodiscard]] bool closed() const;
  /// The first failure to write, if there was one.
  [[nodiscard]] Result<void> status() const;

 private:
  mutable std::mutex mutex_;
  bool closed_ = false;
  Result<void> status_;
};

}  // namespace sluice::cli
