// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

/// Finds the position of a name in a fixed list. Of equal names the first is found. An entry may be
/// without a name: it has its position, but nothing finds it.
class NameIndex {
 public:
  static constexpr size_t none = SIZE_MAX;

  NameIndex() : NameIndex(std::vector<std::string>{}) {}
  explicit NameIndex(std::vector<std::string> names);
  explicit NameIndex(std::vector<std::optional<std::string>> names);

  [[nodiscard]] size_t find(std::string_view name) const {
    const uint64_t hash = hash_of(name);
    for (size_t slot = hash & mask_;; slot = (slot + 1) & mask_) {
      const Slot& candidate = slots_[slot];
      if (candidate.index == empty) return none;
      if (candidate.hash == hash && names_[candidate.index] == name) return candidate.index;
    }
  }
  [[nodiscard]] const std::string& name(size_t index) const { return names_[index]; }
  /// Whether the entry has this name.
  [[nodiscard]] bool is(size_t index, std::string_view name) const {
    return names_[index] == name && (nameless_.empty() || !nameless_[index]);
  }
  [[nodiscard]] size_t size() const { return names_.size(); }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t index = empty;
  };
  static constexpr uint32_t empty = UINT32_MAX;

  /// Looks at the length, the first and the last eight bytes: enough for the names of one table,
  /// and whatever text is asked for, a look-up takes no longer than the table's own names make it.
  static uint64_t hash_of(std::string_view name) {
    uint64_t first = 0;
    uint64_t last = 0;
    if (name.size() >= 8) {
      std::memcpy(&first, name.data(), 8);
      std::memcpy(&last, name.data() + name.size() - 8, 8);
    } else {
      for (const char c : name) first = first << 8 | static_cast<unsigned char>(c);
    }
    uint64_t hash = (first ^ (last << 7 | last >> 57)) + name.size();
    hash *= 0x9E3779B97F4A7C15U;
    return hash ^ hash >> 32;
  }

  void add_slots();

  std::vector<std::string> names_;
  std::vector<bool> nameless_;  ///< empty where all have names
  std::vector<Slot> slots_;
  size_t mask_ = 0;
};

}  // namespace sluice
