// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace sluice {

/// Growing bytes without initialisation. Growth doubles; clear() keeps the memory.
///
/// Running out of memory is a CHECK: nothing above could go on. Not thread-safe.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer& other);
  Buffer& operator=(const Buffer& other);

  [[nodiscard]] const char* data() const { return data_; }
  [[nodiscard]] char* data() { return data_; }
  [[nodiscard]] size_t size() const { return static_cast<size_t>(end_ - data_); }
  [[nodiscard]] size_t capacity() const { return static_cast<size_t>(limit_ - data_); }
  [[nodiscard]] std::string_view view() const { return {data_, size()}; }

  /// Room for `count` more bytes; the returned end may be written to, then add() or end_at() says
  /// what was used.
  char* reserve(size_t count) {
    if (static_cast<size_t>(limit_ - end_) < count) [[unlikely]]
      grow(count);
    return end_;
  }
  void add(size_t count) { end_ += count; }
  /// `end` must lie within what reserve() returned. With it in a local variable the compiler need
  /// not read the buffer's own pointers again after bytes were written, which it must suspect to
  /// alias.
  void end_at(char* end) { end_ = end; }
  /// `bytes` must not lie in this buffer.
  void append(const void* bytes, size_t count) {
    char* end = reserve(count);
    if (count != 0) std::memcpy(end, bytes, count);
    end_at(end + count);
  }
  template <class T>
  void append_value(T value) {
    char* end = reserve(sizeof value);
    std::memcpy(end, &value, sizeof value);
    end_at(end + sizeof value);
  }
  void append_zeros(size_t count) {
    char* end = reserve(count);
    if (count != 0) std::memset(end, 0, count);
    end_at(end + count);
  }
  /// `size` must not be over size().
  void truncate(size_t size) { end_ = data_ + size; }
  void clear() { end_ = data_; }

 private:
  void grow(size_t count);
  char* data_ = nullptr;
  char* end_ = nullptr;    ///< of what is used
  char* limit_ = nullptr;  ///< of what is allocated
};

}  // namespace sluice
