// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sluice {

/// The fields that no column takes: their names (only the first 100 are kept), how many they are,
/// and, where a column takes them all, the text of those of the present record.
class UnknownFieldNames {
 public:
  static constexpr size_t names_max = 100;

  /// The number of the name, below names_max; names_max where it is none of those kept.
  size_t number_of(std::string_view name);
  /// Names that are new since the last call.
  [[nodiscard]] std::vector<std::string> take_new();

  /// A record begins, or is read again: forgets the fields of one that was not ended.
  void begin_record() {
    passed_ = 0;
    text_.clear();
  }
  void pass() { ++passed_; }
  /// Its key and value as they stand in the record: `"a": 1`.
  void keep(std::string_view key, std::string_view value);
  /// The record became a row.
  void end_record() { count_ += passed_; }
  [[nodiscard]] uint64_t take_count() { return std::exchange(count_, 0); }
  /// The fields kept of this record, as one object's text.
  [[nodiscard]] std::string object() const { return "{" + text_ + "}"; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };

  std::unordered_map<std::string, size_t, Hash, std::equal_to<>> numbers_;
  std::vector<std::string> new_;
  uint64_t passed_ = 0;
  uint64_t count_ = 0;
  std::string text_;
};

}  // namespace sluice
