// SPDX-License-Identifier: Apache-2.0
#include "core/decode/value_plan.hpp"

#include <algorithm>
#include <utility>

namespace sluice {

namespace {

bool is_enum(TypeKind kind) { return kind == TypeKind::enum8 || kind == TypeKind::enum16; }

bool has_zero_value(const ValuePlan& plan) {
  if (plan.nullable) return true;
  if (is_enum(plan.kind)) {
    const auto& values = plan.type->enum_values;
    return std::any_of(values.begin(), values.end(),
                       [](const auto& value) { return value.second == 0; });
  }
  if (plan.kind != TypeKind::tuple) return true;
  return std::all_of(plan.elements.begin(), plan.elements.end(),
                     [](const ValuePlan& element) { return element.has_zero; });
}

std::vector<std::string> names_of(const DataType& type) {
  if (!is_enum(type.kind)) return type.element_names;
  std::vector<std::string> names;
  for (const auto& value : type.enum_values) names.push_back(value.first);
  return names;
}

/// Columns with what is left of their pointers.
using Pointers = std::vector<std::pair<size_t, std::vector<std::string>>>;

Branch make_branch(const Pointers& pointers) {
  Branch branch;
  std::map<std::string, Pointers> below;
  for (const auto& [column, tokens] : pointers) {
    if (tokens.empty()) {
      branch.columns.push_back(column);
    } else {
      below[tokens.front()].emplace_back(
          column, std::vector<std::string>(tokens.begin() + 1, tokens.end()));
    }
  }
  std::vector<std::string> names;
  for (const auto& [name, rest] : below) {
    names.push_back(name);
    branch.children.push_back(make_branch(rest));
  }
  branch.names = NameIndex(std::move(names));
  return branch;
}

}  // namespace

RowPlan::RowPlan(const BlockSchema& schema, const ColumnLayout& layout)
    : schema_(&schema), server_time_zone_(schema.table().server_time_zone) {
  for (const TableColumn& column : schema.columns()) {
    has_default_.push_back(column.default_kind == DefaultKind::expression);
    columns_.push_back(make_plan(column.type));
  }
  plan_fields(layout);
}

void RowPlan::plan_fields(const ColumnLayout& layout) {
  std::map<std::string, Pointers> fields;
  for (size_t index = 0; index < layout.columns.size(); ++index) {
    const ColumnSource& source = layout.columns[index];
    if (source.kind != ColumnSource::Kind::field) continue;
    fields[source.pointer.front()].emplace_back(
        index, std::vector<std::string>(source.pointer.begin() + 1, source.pointer.end()));
  }
  std::vector<std::optional<std::string>> names(columns_.size());
  for (const auto& [name, pointers] : fields) {
    if (pointers.size() == 1 && pointers.front().second.empty()) {
      names[pointers.front().first] = name;
    } else {
      names.emplace_back(name);
      branches_.push_back(make_branch(pointers));
    }
  }
  names_ = NameIndex(std::move(names));
}

ValuePlan RowPlan::make_plan(const DataType& type) {
  if (type.kind == TypeKind::nullable || type.kind == TypeKind::low_cardinality) {
    ValuePlan plan = make_plan(type.elements.front());
    plan.nullable = plan.nullable || type.kind == TypeKind::nullable;
    plan.has_zero = plan.has_zero || plan.nullable;
    return plan;
  }
  ValuePlan plan;
  plan.kind = type.kind;
  plan.width = type.width;
  plan.precision = type.precision;
  plan.scale = type.scale;
  plan.type = &type;
  plan.names = NameIndex(names_of(type));
  for (const DataType& element : type.elements) plan.elements.push_back(make_plan(element));
  if (type.kind == TypeKind::datetime || type.kind == TypeKind::datetime64) {
    plan.zone = zone_named(type.time_zone.empty() ? server_time_zone_ : type.time_zone);
  }
  plan.has_zero = has_zero_value(plan);
  return plan;
}

TimeZone* RowPlan::zone_named(const std::string& name) {
  std::unique_ptr<TimeZone>& zone = zones_[name];
  if (!zone) zone = std::make_unique<TimeZone>(name);
  return zone.get();
}

}  // namespace sluice
