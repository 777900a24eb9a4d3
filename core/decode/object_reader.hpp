// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/block/block.hpp"
#include "core/decode/decoder.hpp"
#include "core/decode/fault.hpp"
#include "core/decode/field_names.hpp"
#include "core/decode/value_plan.hpp"

namespace sluice {

/// The decoder's slow gear: reads every JSON object and says what is wrong with it. The structure
/// comes from simdjson; every value, skipped ones too, is checked and read from its own text.
class ObjectReader {
 public:
  /// All must outlive the reader. `finds`: check() is to leave what it found.
  ObjectReader(const RowPlan& plan, const DecodeOptions& options, UnknownFieldNames& unknown,
               bool finds);
  ~ObjectReader();

  /// Appends the record to the block; after a fault the block must be rolled back. `text` must be
  /// followed by text_padding zero bytes.
  [[nodiscard]] Fault read(std::string_view text, Block& block);
  /// Reads the record and appends nothing.
  [[nodiscard]] Fault check(std::string_view text);

  /// For the fast gear: reads one object or array of a record, the value of a column or (`column`
  /// is no_column) of an unknown field. `fields` counts the fields of the record. `text` must be
  /// part of the record. False stands for every fault.
  [[nodiscard]] bool read_nested(std::string_view text, size_t column, uint32_t& fields,
                                 Block& block);
  static constexpr size_t no_column = SIZE_MAX;
  /// The same for the value of a branch of the plan.
  [[nodiscard]] bool read_branch(std::string_view text, size_t branch, uint32_t& fields,
                                 Block& block);

  /// The text of a column's value within the record.
  struct Found {
    size_t column;
    std::string_view text;
  };
  /// After check() of a reader that finds: every column that the record has a value for.
  [[nodiscard]] const std::vector<Found>& found() const { return found_; }

  /// Of the last fault: the name of the column or field and of the type, as far as there are any.
  [[nodiscard]] const std::string& fault_name() const { return fault_name_; }
  [[nodiscard]] std::string_view fault_type() const;

 private:
  class Walk;
  struct Parser;

  Fault run(std::string_view text, Block* block);
  Fault append_found(Block& block);
  Fault append_text(const Found& found, Block& block);

  const RowPlan& plan_;
  const DecodeOptions& options_;
  UnknownFieldNames& unknown_;
  bool finds_;
  std::unique_ptr<Parser> parser_;
  std::vector<Found> found_;  ///< check(): of all columns; else of those of branches
  std::string fault_name_;
  const ValuePlan* fault_plan_ = nullptr;
};

}  // namespace sluice
