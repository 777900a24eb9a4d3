// SPDX-License-Identifier: Apache-2.0
#include "core/block/buffer.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

#include "core/base/check.hpp"

namespace sluice {

namespace {

constexpr size_t capacity_min = 256;
constexpr size_t capacity_max = std::numeric_limits<size_t>::max() / 4;

}  // namespace

Buffer::~Buffer() { std::free(data_); }

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      end_(std::exchange(other.end_, nullptr)),
      limit_(std::exchange(other.limit_, nullptr)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(end_, other.end_);
  std::swap(limit_, other.limit_);
  return *this;
}

Buffer::Buffer(const Buffer& other) { append(other.data_, other.size()); }

Buffer& Buffer::operator=(const Buffer& other) {
  if (this == &other) return *this;
  clear();
  append(other.data_, other.size());
  return *this;
}

void Buffer::grow(size_t count) {
  const size_t size = this->size();
  CHECK(count < capacity_max && size < capacity_max);
  const size_t capacity_new = std::max({size + count, capacity() * 2, capacity_min});
  // Doubling by realloc: large buffers are moved by the kernel's page tables instead of copied.
  void* data = std::realloc(data_, capacity_new);
  CHECK(data != nullptr);
  data_ = static_cast<char*>(data);
  end_ = data_ + size;
  limit_ = data_ + capacity_new;
}

}  // namespace sluice
