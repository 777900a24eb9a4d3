// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::clickhouse {

/// Reads pieces of memory one after the other as if they were one, and can start over. The pieces
/// must outlive it. Not thread-safe.
class BodyReader {
 public:
  explicit BodyReader(std::span<const std::string_view> pieces);

  [[nodiscard]] uint64_t size() const { return size_; }
  /// Copies up to `room` bytes; 0 at the end.
  size_t read(char* target, size_t room);
  /// Continues at `position`; false when that is beyond the end.
  [[nodiscard]] bool seek(uint64_t position);

 private:
  std::span<const std::string_view> pieces_;
  uint64_t size_ = 0;
  size_t piece_ = 0;
  size_t offset_ = 0;  ///< within the piece
};

}  // namespace sluice::clickhouse
