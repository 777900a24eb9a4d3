// SPDX-License-Identifier: Apache-2.0
#include "core/block/column.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace sluice {

namespace {

/// Takes Nullable and LowCardinality off, in whatever order they stand.
const DataType& without_wrappers(const DataType& type) {
  const DataType* inner = &type;
  while (inner->kind == TypeKind::nullable || inner->kind == TypeKind::low_cardinality) {
    CHECK(inner->elements.size() == 1);
    inner = &inner->elements.front();
  }
  return *inner;
}

bool has_nullable_wrapper(const DataType& type) {
  if (type.kind == TypeKind::nullable) return true;
  return type.kind == TypeKind::low_cardinality && type.elements.front().kind == TypeKind::nullable;
}

bool has_offsets(TypeKind kind) { return kind == TypeKind::array || kind == TypeKind::map; }

/// Whether an enum has a name for 0.
bool has_zero(const DataType& type) {
  return std::any_of(type.enum_values.begin(), type.enum_values.end(),
                     [](const auto& value) { return value.second == 0; });
}

uint8_t row_overhead_of(const DataType& type) {
  const bool offsets = has_offsets(without_wrappers(type).kind);
  return static_cast<uint8_t>((has_nullable_wrapper(type) ? 1 : 0) +
                              (offsets ? sizeof(uint64_t) : 0));
}

bool is_nested(TypeKind kind) { return has_offsets(kind) || kind == TypeKind::tuple; }

}  // namespace

Column::Column(const DataType& type)
    : kind_(without_wrappers(type).kind),
      nullable_(has_nullable_wrapper(type)),
      row_overhead_(row_overhead_of(type)),
      width_(without_wrappers(type).width),
      type_(&without_wrappers(type)) {
  CHECK(kind_ != TypeKind::other);
  if (!is_nested(kind_)) return;
  children_.reserve(type_->elements.size());
  for (const DataType& element : type_->elements) children_.emplace_back(element);
  nested_ = !children_.empty();
}

uint64_t Column::bytes() const {
  uint64_t sum = data_.size() + nulls_.size() + offsets_.size();
  for (const Column& child : children_) sum += child.bytes();
  return sum;
}

uint64_t Column::memory() const {
  uint64_t sum = sizeof(Column) + data_.capacity() + nulls_.capacity() + offsets_.capacity();
  for (const Column& child : children_) sum += child.memory();
  return sum;
}

void Column::end_long_string(size_t size) {
  // The bytes stand where a one-byte length would end; a longer length moves them up.
  char* begin = data_.reserve(0);
  char length[varint_size_max];
  const size_t length_size = write_varint(length, size);
  std::memmove(begin + length_size, begin + 1, size);
  std::memcpy(begin, length, length_size);
  data_.add(length_size + size);
}

void Column::append_array() {
  const uint64_t elements = children_.front().rows_;
  CHECK(children_.back().rows_ == elements);
  offsets_.append_value(elements);
  end_value();
}

void Column::append_tuple() {
  if (children_.empty()) data_.append_value(uint8_t{0});
  for (const Column& child : children_) CHECK(child.rows_ == rows_ + 1);
  end_value();
}

void Column::append_null() {
  CHECK(nullable_);
  append_blank(false);
  nulls_.data()[nulls_.size() - 1] = 1;
}

void Column::append_default() {
  if (nullable_) return append_null();
  append_blank(false);
}

void Column::append_zero() {
  if (nullable_) return append_null();
  append_blank(true);
}

/// Appends the type's default, Nullable left aside.
void Column::append_blank(bool zero_enums) {
  if (has_offsets(kind_)) return append_array();
  if (kind_ == TypeKind::tuple) {
    for (Column& child : children_) {
      if (zero_enums) {
        child.append_zero();
      } else {
        child.append_default();
      }
    }
    return append_tuple();
  }
  if (kind_ == TypeKind::string) return append_string({});
  if (kind_ == TypeKind::json) return append_string("{}");
  if (kind_ == TypeKind::enum8 || kind_ == TypeKind::enum16) {
    return append_enum(zero_enums && has_zero(*type_) ? int16_t{0}
                                                      : type_->enum_values.front().second);
  }
  data_.append_zeros(width_);
  end_value();
}

void Column::append_enum(int16_t value) {
  if (kind_ == TypeKind::enum16) return append_fixed(value);
  append_fixed(static_cast<int8_t>(value));
}

uint64_t Column::mark_children() {
  CHECK(!has_offsets(kind_) || children_.front().rows_ == elements_before(rows_));
  uint64_t grown = 0;
  for (Column& child : children_) grown += child.mark();
  return grown;
}

void Column::rollback() {
  data_.truncate(mark_.data);
  rows_ = mark_.rows;
  if (nullable_) nulls_.truncate(rows_);
  if (has_offsets(kind_)) offsets_.truncate(rows_ * sizeof(uint64_t));
  for (Column& child : children_) child.rollback();
}

void Column::truncate(uint64_t rows) {
  CHECK(fixed_width() && rows <= rows_);
  data_.truncate(rows * width_);
  if (nullable_) nulls_.truncate(rows);
  rows_ = rows;
}

void Column::clear() {
  data_.clear();
  nulls_.clear();
  offsets_.clear();
  rows_ = 0;
  mark_ = Mark{};
  for (Column& child : children_) child.clear();
}

uint64_t Column::elements_before(uint64_t row) const {
  if (row == 0) return 0;
  uint64_t elements = 0;
  std::memcpy(&elements, offsets_.data() + (row - 1) * sizeof elements, sizeof elements);
  return elements;
}

size_t Column::data_position(uint64_t row) const {
  if (fixed_width()) return row * width_;
  const bool text = kind_ == TypeKind::string || kind_ == TypeKind::json;
  if (!text) return data_.size() == 0 ? 0 : row;  // one byte a row: Tuple()
  const char* bytes = data_.data();
  for (uint64_t passed = 0; passed < row; ++passed) {
    const uint64_t size = read_varint(bytes);
    bytes += size;
  }
  return static_cast<size_t>(bytes - data_.data());
}

void Column::append_offsets(const Column& from, uint64_t first, uint64_t count) {
  const uint64_t skipped = from.elements_before(first);
  const uint64_t base = elements_before(rows_);
  offsets_.reserve(count * sizeof(uint64_t));
  for (uint64_t row = first; row < first + count; ++row) {
    offsets_.append_value(base + from.elements_before(row + 1) - skipped);
  }
}

void Column::append_rows(const Column& from, uint64_t first, uint64_t count) {
  CHECK(kind_ == from.kind_ && nullable_ == from.nullable_ && width_ == from.width_);
  CHECK(first <= from.rows_ && count <= from.rows_ - first);
  const size_t begin = from.data_position(first);
  data_.append(from.data_.data() + begin, from.data_position(first + count) - begin);
  if (nullable_) nulls_.append(from.nulls_.data() + first, count);
  uint64_t child_first = first;
  uint64_t child_count = count;
  if (has_offsets(kind_)) {
    append_offsets(from, first, count);
    child_first = from.elements_before(first);
    child_count = from.elements_before(first + count) - child_first;
  }
  rows_ += count;
  for (size_t i = 0; i < children_.size(); ++i) {
    children_[i].append_rows(from.children_[i], child_first, child_count);
  }
  mark();
}

void Column::add_pieces(std::vector<std::string_view>& pieces) const {
  for (const Buffer* buffer : {&nulls_, &offsets_, &data_}) {
    if (buffer->size() != 0) pieces.push_back(buffer->view());
  }
  for (const Column& child : children_) child.add_pieces(pieces);
}

}  // namespace sluice
