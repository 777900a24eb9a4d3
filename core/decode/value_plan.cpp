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

}  // namespace

RowPlan::RowPlan(const BlockSchema& schema) : server_time_zone_(schema.table().server_time_zone) {
  std::vector<std::string> names;
  for (const TableColumn& column : schema.columns()) {
    names.push_back(column.name);
    has_default_.push_back(column.default_kind == DefaultKind::expression);
    columns_.push_back(make_plan(column.type));
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
