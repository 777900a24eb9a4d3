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
#include "core/decode/value_plan.hpp"

namespace sluice {

/// The decoder's fast gear, for flat records of a shape that was seen before.
///
/// After each field it expects the bytes that stood between it and the next value last time
/// (`,"user_id":`), so most keys cost one comparison, and reads values in place. It never guesses:
/// whatever it does not know to be right (nested values, faults, rare forms) it leaves to the slow
/// gear. What it takes it takes as the slow gear would.
class Scanner {
 public:
  /// All must outlive the scanner.
  Scanner(const RowPlan& plan, const DecodeOptions& options, UnknownFieldNames& unknown);

  /// Appends the record to the block. False says nothing about the record: the block must be rolled
  /// back and the slow gear asked. `text` must be followed by text_padding zero bytes.
  [[nodiscard]] bool scan(std::string_view text, Block& block);

 private:
  /// What came after a field last time: the bytes up to the value and the field they name.
  struct Guess {
    static constexpr size_t size_max = 48;
    std::array<char, size_max> bytes{};
    uint32_t size = 0;
    uint32_t field = 0;
  };
  /// The day that a text of ten characters means.
  struct DayText {
    std::array<char, 10> text{'"'};  // no text of a string begins with a quote
    int64_t seconds = 0;
  };
  enum class Next : uint8_t { field, end, unknown };

  Next find_field(const char*& position, uint32_t& field);
  bool read_value(uint32_t field, const char*& position, Block& block);
  bool read_other(uint32_t field, const char*& position, Block& block);
  bool read_short_string(const char*& position, Column& column) const;
  bool read_date_time(size_t index, const char*& position, Column& column);
  bool read_day(DayText& day, const char* position) const;
  bool skip_unknown(const char*& position) const;

  const RowPlan& plan_;
  const DecodeOptions& options_;
  UnknownFieldNames& unknown_;
  // Fields are numbered: columns first, then unknown names. A guess belongs to the field before;
  // the last one to the beginning of the record.
  uint32_t columns_;
  std::vector<Guess> guesses_;
  std::vector<DayText> days_;
  const char* end_ = nullptr;  // of the text
};

}  // namespace sluice
