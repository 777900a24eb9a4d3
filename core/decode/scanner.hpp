// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/block/block.hpp"
#include "core/decode/decoder.hpp"
#include "core/decode/field_names.hpp"
#include "core/decode/json_text.hpp"
#include "core/decode/object_reader.hpp"
#include "core/decode/value_plan.hpp"

namespace sluice {

/// The decoder's fast gear, for records like those seen before.
///
/// After each field it expects the bytes that stood between it and the next value last time
/// (`,"user_id":`), so most keys cost one comparison, and reads the usual values in place; objects
/// and arrays in them go through the slow gear alone. It never guesses: whatever it does not know
/// to be right it leaves to the slow gear, and what it takes it takes as the slow gear would.
class Scanner {
 public:
  /// All must outlive the scanner.
  Scanner(const RowPlan& plan, const DecodeOptions& options, UnknownFieldNames& unknown,
          ObjectReader& reader);

  /// Appends the record to the block. False says nothing about the record: the block must be rolled
  /// back and the slow gear asked. `text` must be followed by text_padding zero bytes.
  [[nodiscard]] bool scan(std::string_view text, Block& block);

 private:
  /// What came after a field last time: the bytes up to the next value, and whose that is. There is
  /// one for each field of the plan, then for each unknown name, the last one for the beginning of
  /// the record.
  struct Guess {
    static constexpr uint32_t size_max = 48;
    alignas(16) std::array<char, size_max> bytes{};
    uint32_t size = 0;
    uint32_t field = 0;

    [[nodiscard]] bool matches(const char* position) const;
  };
  /// What the reading of one column's values needs.
  struct Field {
    TypeKind kind = TypeKind::other;
    const ValuePlan* plan = nullptr;
    // DateTime, DateTime64:
    std::array<char, 10> day{'"'};  ///< the text of the last one; no day begins with a quote
    int64_t day_seconds = 0;        ///< what it means
    uint32_t scale = 0;
    int64_t ticks = 1;  ///< of a second
    bool local_is_utc = false;
  };
  struct Row {
    Block* block;
    Column* columns;
    uint64_t number;
    const char* end;  ///< of the text
    uint32_t fields;  ///< so far
  };
  struct Key {
    const char* end;  ///< where its value begins; nullptr where the scanner does not know it
    uint32_t field;   ///< no_field: not a key but the end of the object
  };
  static constexpr uint32_t no_field = UINT32_MAX;

  Key learn_key(const char* position, uint32_t before);
  const char* read_value(const char* position, uint32_t index, Row& row);
  static const char* read_usual(const char* position, Field& field, Row& row, Column& column);
  static const char* read_date_time(const char* position, Field& field, Column& column);
  const char* read_other(const char* position, uint32_t index, Row& row);
  const char* read_nested(const char* position, size_t column, Row& row);
  const char* read_outside(const char* position, uint32_t field, Row& row);
  const char* read_branch(const char* position, size_t branch, Row& row);
  const char* read_unknown(const char* position, Row& row);
  const char* skip_value(const char* position, Row& row);

  const RowPlan& plan_;
  const DecodeOptions& options_;
  UnknownFieldNames& unknown_;
  ObjectReader& reader_;
  uint32_t columns_;
  uint32_t known_;  ///< fields of the plan: those of columns, then the branches
  std::vector<Field> fields_;
  std::vector<Guess> guesses_;
};

}  // namespace sluice
