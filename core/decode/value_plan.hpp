// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/block/block.hpp"
#include "core/decode/column_layout.hpp"
#include "core/decode/name_index.hpp"
#include "core/decode/time_zone.hpp"
#include "core/model/data_type.hpp"

namespace sluice {

/// What must be known to append JSON values to a column or to an element of one; made once per
/// table. Nullable and LowCardinality are taken off, as Column does.
struct ValuePlan {
  TypeKind kind = TypeKind::other;
  bool nullable = false;
  /// Whether it has a value that stands for null: not so for an Enum without a value 0.
  bool has_zero = true;
  uint32_t width = 0;
  uint32_t precision = 0;
  uint32_t scale = 0;
  const DataType* type = nullptr;
  TimeZone* zone = nullptr;  ///< DateTime, DateTime64
  NameIndex names;           ///< of an Enum's values or of a named tuple's elements
  std::vector<ValuePlan> elements;
};

/// A place in a record's value that columns point to or through.
struct Branch {
  std::vector<size_t> columns;  ///< that take the value here
  NameIndex names;              ///< of the children: fields of an object, elements of an array
  std::vector<Branch> children;
};

/// The plans of all columns of a table, and which fields of a record fill them. `schema` must
/// outlive it.
///
/// Fields have numbers: up to columns().size() that of the one column they fill, then those of the
/// branches: fields that several columns take or point into.
class RowPlan {
 public:
  RowPlan(const BlockSchema& schema, const ColumnLayout& layout);
  RowPlan(const RowPlan&) = delete;
  RowPlan& operator=(const RowPlan&) = delete;

  [[nodiscard]] const std::vector<ValuePlan>& columns() const { return columns_; }
  [[nodiscard]] const ValuePlan& column(size_t index) const { return columns_[index]; }
  [[nodiscard]] bool has_default(size_t index) const { return has_default_[index]; }
  [[nodiscard]] const DataType& type(size_t index) const { return schema_->columns()[index].type; }
  [[nodiscard]] const std::string& column_name(size_t index) const {
    return schema_->columns()[index].name;
  }
  [[nodiscard]] const NameIndex& names() const { return names_; }  ///< of the fields
  [[nodiscard]] const std::vector<Branch>& branches() const { return branches_; }

 private:
  void plan_fields(const ColumnLayout& layout);
  ValuePlan make_plan(const DataType& type);
  TimeZone* zone_named(const std::string& name);

  const BlockSchema* schema_;
  std::string server_time_zone_;
  std::map<std::string, std::unique_ptr<TimeZone>> zones_;
  std::vector<ValuePlan> columns_;
  std::vector<bool> has_default_;
  NameIndex names_;
  std::vector<Branch> branches_;
};

}  // namespace sluice
