// SPDX-License-Identifier: Apache-2.0
#include "core/decode/name_index.hpp"

#include <utility>

namespace sluice {

NameIndex::NameIndex(std::vector<std::string> names) : names_(std::move(names)) { add_slots(); }

NameIndex::NameIndex(std::vector<std::optional<std::string>> names) {
  for (std::optional<std::string>& name : names) {
    nameless_.push_back(!name);
    names_.push_back(std::move(name).value_or(""));
  }
  add_slots();
}

void NameIndex::add_slots() {
  size_t size = 4;
  while (size < names_.size() * 4) size *= 2;
  slots_.resize(size);
  mask_ = size - 1;
  for (size_t index = 0; index < names_.size(); ++index) {
    if (!nameless_.empty() && nameless_[index]) continue;
    if (find(names_[index]) != none) continue;
    const uint64_t hash = hash_of(names_[index]);
    size_t slot = hash & mask_;
    while (slots_[slot].index != empty) slot = (slot + 1) & mask_;
    slots_[slot] = Slot{hash, static_cast<uint32_t>(index)};
  }
}

}  // namespace sluice
