// SPDX-License-Identifier: Apache-2.0
#include "core/decode/object_reader.hpp"

#include <simdjson.h>

#include <vector>

#include "core/base/check.hpp"
#include "core/decode/append_null.hpp"
#include "core/decode/append_scalar.hpp"
#include "core/decode/json_text.hpp"

namespace sluice {

namespace json = simdjson::ondemand;

/// A text on its way through simdjson.
struct ObjectReader::Parser {
  json::parser parser;
  json::document document;
  const char* original = nullptr;
  const char* parsed = nullptr;  // what simdjson sees: a token wherever the original has one
  std::string ascii;             // a text that is not UTF-8, other bytes put in their place

  Fault open(std::string_view text);
};

/// One pass over one record.
class ObjectReader::Walk {
 public:
  /// A value and its text up to the next token.
  struct Item {
    explicit Item(json::value& of) : value(of), token(of.raw_json_token()) {}
    [[nodiscard]] char first() const { return token.front(); }
    [[nodiscard]] bool is_container() const { return first() == '{' || first() == '['; }
    /// Whether a comma or the end of its container follows a scalar. simdjson does not mind a colon
    /// there when it skips a string: it takes that for a key.
    [[nodiscard]] bool stands_before(char closing) const {
      const char next = token.data()[token.size()];
      return is_container() || next == ',' || next == closing;
    }

    json::value& value;
    std::string_view token;
  };

  Walk(ObjectReader& reader, uint32_t fields, Block* block)
      : reader_(reader),
        original_(reader.parser_->original),
        parsed_(reader.parser_->parsed),
        block_(block),
        fields_(fields) {}

  Fault read_root(json::document& document);
  Fault read_nested(json::document& document, size_t column);
  Fault read_branch(json::document& document, const Branch& branch);
  [[nodiscard]] uint32_t fields() const { return fields_; }

 private:
  Fault read_field(const Scalar& key, std::string_view name, const Item& item);
  Fault read_unknown(const Scalar& key, std::string_view name, const Item& item);
  Fault read_branch(const Branch& branch, const Item& item, uint32_t depth);
  Fault check_column(size_t index, const Item& item);
  Fault add_found(const std::vector<size_t>& columns, const Item& item);
  [[nodiscard]] std::string_view text_of(const Item& item) const;
  size_t find_field(std::string_view name);
  Fault read_column(size_t index, const Item& item);
  Fault append(const ValuePlan& plan, const Item& item, Column& column, uint32_t depth);
  Fault append_container(const ValuePlan& plan, const Item& item, Column& column, uint32_t depth);
  Fault append_plain(const ValuePlan& plan, const Item& item, Column& column);
  Fault append_array(const ValuePlan& plan, const Item& item, Column& column, uint32_t depth);
  Fault append_map(const ValuePlan& plan, const Item& item, Column& column, uint32_t depth);
  Fault append_tuple(const ValuePlan& plan, const Item& item, Column& column, uint32_t depth);
  Fault append_named_tuple(const ValuePlan& plan, const Item& item, Column& column, uint32_t depth);
  Fault append_raw(const Item& item, Column& column, uint32_t depth);
  Fault skip(const Item& item, uint32_t depth);
  Fault read_plain(const Item& item, Scalar& scalar) const;

  template <class Visit>
  Fault for_each_field(json::object& object, Visit visit);
  template <class Visit>
  Fault for_each_element(const Item& item, uint32_t depth, Visit visit);
  Fault enter_object(const Item& item, uint32_t depth, json::object& object) const;

  [[nodiscard]] const DecodeOptions& options() const { return reader_.options_; }
  [[nodiscard]] const char* original(const char* parsed) const {
    return original_ + (parsed - parsed_);
  }

  ObjectReader& reader_;
  const char* original_;
  const char* parsed_;
  Block* block_;  // nullptr: only check
  uint32_t fields_;
  size_t next_field_ = 0;
  std::vector<bool> seen_;  // columns, where there is no block that tells
  std::string name_;        // of the current field of the record, where it has escapes
};

namespace {

Fault fault_of(simdjson::error_code error) {
  if (error == simdjson::SUCCESS) return Fault::none;
  CHECK(error != simdjson::MEMALLOC);
  return error == simdjson::DEPTH_ERROR ? Fault::too_deep : Fault::not_json;
}

/// A copy in which bytes that are not ASCII are, followed by padding. All tokens stay in place.
void copy_as_ascii(std::string_view text, std::string& copy) {
  copy.assign(text);
  for (char& c : copy) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  copy.append(text_padding, '\0');
}

}  // namespace

ObjectReader::ObjectReader(const RowPlan& plan, const DecodeOptions& options,
                           UnknownFieldNames& unknown, bool finds)
    : plan_(plan),
      options_(options),
      unknown_(unknown),
      finds_(finds),
      parser_(std::make_unique<Parser>()) {}

ObjectReader::~ObjectReader() = default;

Fault ObjectReader::read(std::string_view text, Block& block) { return run(text, &block); }

Fault ObjectReader::check(std::string_view text) { return run(text, nullptr); }

std::string_view ObjectReader::fault_type() const {
  return fault_plan_ == nullptr ? std::string_view() : std::string_view(fault_plan_->type->name);
}

Fault ObjectReader::run(std::string_view text, Block* block) {
  fault_name_.clear();
  fault_plan_ = nullptr;
  found_.clear();
  Fault fault = parser_->open(text);
  if (fault == Fault::none) fault = Walk(*this, 0, block).read_root(parser_->document);
  return fault == Fault::none && block != nullptr ? append_found(*block) : fault;
}

/// The parser reads one text at a time, so these have had to wait.
Fault ObjectReader::append_found(Block& block) {
  for (const Found& found : found_) {
    const Fault fault = append_text(found, block);
    if (fault == Fault::none) continue;
    if (reason_of(fault) != RejectReason::decode) fault_name_ = plan_.column_name(found.column);
    if (fault_plan_ == nullptr) fault_plan_ = &plan_.column(found.column);
    return fault;
  }
  return Fault::none;
}

Fault ObjectReader::append_text(const Found& found, Block& block) {
  Column& column = block.column(found.column);
  if (column.rows() != block.rows()) return Fault::duplicate_key;
  const char first = found.text.front();
  if (first == '{' || first == '[') {
    const Fault fault = parser_->open(found.text);
    return fault == Fault::none
               ? Walk(*this, 0, &block).read_nested(parser_->document, found.column)
               : fault;
  }
  Scalar scalar;
  const char* position = found.text.data();
  if (!read_scalar(position, scalar)) return Fault::not_json;
  return scalar.kind == Scalar::Kind::null
             ? append_null(plan_, found.column, options_.nulls, block)
             : append_scalar(plan_.column(found.column), scalar, column);
}

bool ObjectReader::read_branch(std::string_view text, size_t branch, uint32_t& fields,
                               Block& block) {
  found_.clear();
  if (parser_->open(text) != Fault::none) return false;
  Walk walk(*this, fields, &block);
  const Fault fault = walk.read_branch(parser_->document, plan_.branches()[branch]);
  fields = walk.fields();
  return fault == Fault::none && append_found(block) == Fault::none;
}

bool ObjectReader::read_nested(std::string_view text, size_t column, uint32_t& fields,
                               Block& block) {
  if (parser_->open(text) != Fault::none) return false;
  Walk walk(*this, fields, &block);
  const Fault fault = walk.read_nested(parser_->document, column);
  fields = walk.fields();
  return fault == Fault::none;
}

Fault ObjectReader::Parser::open(std::string_view text) {
  static_assert(text_padding >= simdjson::SIMDJSON_PADDING);
  original = text.data();
  parsed = original;
  auto error = parser.iterate(parsed, text.size(), text.size() + text_padding).get(document);
  if (error == simdjson::UTF8_ERROR) {
    // ClickHouse's reader stores any bytes in strings, so this is no fault.
    copy_as_ascii(text, ascii);
    parsed = ascii.data();
    error = parser.iterate(parsed, text.size(), ascii.size()).get(document);
  }
  return fault_of(error);
}

Fault ObjectReader::Walk::read_root(json::document& document) {
  json::object object;
  const auto error = document.get_object().get(object);
  if (error == simdjson::INCORRECT_TYPE) return Fault::not_an_object;
  if (error != simdjson::SUCCESS) return fault_of(error);
  if (block_ == nullptr) seen_.resize(reader_.plan_.columns().size());
  const Fault fault = for_each_field(object, [&](const Scalar& key, const Item& item) {
    std::string_view name = key.text;
    if (key.escaped) {
      name_.resize(key.text.size());
      size_t size = 0;
      const Fault bad_escape = unescape(key.text, name_.data(), size);
      if (bad_escape != Fault::none) return bad_escape;
      name = std::string_view(name_).substr(0, size);
    }
    return read_field(key, name, item);
  });
  if (fault != Fault::none) return fault;
  // simdjson stops at the end of the object; anything may stand behind it.
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS ? Fault::none
                                                                        : Fault::more_than_one;
}

/// As for the value of a field of the record.
Fault ObjectReader::Walk::read_nested(json::document& document, size_t column) {
  json::value value;
  if (document.get_value().get(value) != simdjson::SUCCESS) return Fault::not_json;
  const Item item(value);
  const Fault fault = column == no_column
                          ? skip(item, 2)
                          : append(reader_.plan_.column(column), item, block_->column(column), 2);
  if (fault != Fault::none) return fault;
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS ? Fault::none
                                                                        : Fault::not_json;
}

/// As for the value of a field that columns point into.
Fault ObjectReader::Walk::read_branch(json::document& document, const Branch& branch) {
  json::value value;
  if (document.get_value().get(value) != simdjson::SUCCESS) return Fault::not_json;
  const Fault fault = read_branch(branch, Item(value), 2);
  if (fault != Fault::none) return fault;
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS ? Fault::none
                                                                        : Fault::not_json;
}

Fault ObjectReader::Walk::read_field(const Scalar& key, std::string_view name, const Item& item) {
  const RowPlan& plan = reader_.plan_;
  const size_t field = find_field(name);
  if (field == NameIndex::none) return read_unknown(key, name, item);
  const size_t columns = plan.columns().size();
  const Fault fault = field < columns ? read_column(field, item)
                                      : read_branch(plan.branches()[field - columns], item, 2);
  if (fault != Fault::none && reason_of(fault) != RejectReason::decode &&
      reader_.fault_name_.empty()) {
    reader_.fault_name_ = field < columns ? plan.column_name(field) : name;
  }
  return fault;
}

Fault ObjectReader::Walk::read_unknown(const Scalar& key, std::string_view name, const Item& item) {
  Fault fault = Fault::unknown_field;
  if (options().unknown_fields != UnknownFields::error) {
    reader_.unknown_.number_of(name);
    reader_.unknown_.pass();
    fault = skip(item, 2);
  }
  if (fault != Fault::none) {
    if (reason_of(fault) != RejectReason::decode) reader_.fault_name_ = name;
  } else if (options().unknown_fields == UnknownFields::keep) {
    const std::string_view quoted_key(key.text.data() - 1, key.text.size() + 2);
    reader_.unknown_.keep(quoted_key, text_of(item));
  }
  return fault;
}

/// Values of columns are only found here; append_found() takes them.
Fault ObjectReader::Walk::read_branch(const Branch& branch, const Item& item, uint32_t depth) {
  Fault fault = Fault::none;
  const auto read_child = [&](std::string_view name, const Item& child) {
    const size_t index = branch.names.find(name);
    return index == NameIndex::none ? skip(child, depth + 1)
                                    : read_branch(branch.children[index], child, depth + 1);
  };
  if (branch.children.empty() || !item.is_container()) {
    fault = skip(item, depth);
  } else if (item.first() == '[') {
    size_t index = 0;
    fault = for_each_element(item, depth, [&](const Item& element) {
      return read_child(std::to_string(index++), element);
    });
  } else {
    json::object object;
    fault = enter_object(item, depth, object);
    if (fault != Fault::none) return fault;
    fault = for_each_field(object, [&](const Scalar& key, const Item& field) {
      if (!key.escaped) return read_child(key.text, field);
      std::string name(key.text.size(), '\0');
      size_t size = 0;
      const Fault bad_escape = unescape(key.text, name.data(), size);
      return bad_escape != Fault::none ? bad_escape
                                       : read_child(std::string_view(name).substr(0, size), field);
    });
  }
  return fault == Fault::none ? add_found(branch.columns, item) : fault;
}

Fault ObjectReader::Walk::add_found(const std::vector<size_t>& columns, const Item& item) {
  for (const size_t column : columns) {
    const Fault fault = block_ == nullptr ? check_column(column, item) : Fault::none;
    if (fault != Fault::none) {
      reader_.fault_name_ = reader_.plan_.column_name(column);
      return fault;
    }
    if (block_ != nullptr || reader_.finds_) reader_.found_.push_back({column, text_of(item)});
  }
  return Fault::none;
}

/// The text of a value that was read.
std::string_view ObjectReader::Walk::text_of(const Item& item) const {
  const char* begin = original(item.token.data());
  if (item.is_container()) {
    const char* end = find_closing_bracket(begin);
    CHECK(end != nullptr);
    return {begin, static_cast<size_t>(end + 1 - begin)};
  }
  size_t size = item.token.size();
  while (is_space(begin[size - 1])) --size;
  return {begin, size};
}

/// Fields mostly come in the order of the columns.
size_t ObjectReader::Walk::find_field(std::string_view name) {
  const NameIndex& names = reader_.plan_.names();
  size_t index = next_field_;
  if (index >= names.size() || !names.is(index, name)) index = names.find(name);
  if (index != NameIndex::none) next_field_ = index + 1;
  return index;
}

/// Of a record that goes as text: what can be said of the value without reading it.
Fault ObjectReader::Walk::check_column(size_t index, const Item& item) {
  if (seen_[index]) return Fault::duplicate_key;
  seen_[index] = true;
  const ValuePlan& plan = reader_.plan_.column(index);
  const bool takes_null = plan.nullable || plan.kind == TypeKind::other;
  const bool refused = item.first() == 'n' && !takes_null && options().nulls == Nulls::reject;
  if (refused && reader_.fault_plan_ == nullptr) reader_.fault_plan_ = &plan;
  return refused ? Fault::null_refused : Fault::none;
}

Fault ObjectReader::Walk::read_column(size_t index, const Item& item) {
  if (block_ == nullptr) {
    const Fault fault = skip(item, 2);
    return fault == Fault::none ? add_found({index}, item) : fault;
  }
  const ValuePlan& plan = reader_.plan_.column(index);
  if (block_->column(index).rows() != block_->rows()) return Fault::duplicate_key;
  Fault fault = Fault::none;
  if (item.first() == 'n') {
    fault = skip(item, 2);
    if (fault == Fault::none) fault = append_null(reader_.plan_, index, options().nulls, *block_);
  } else {
    fault = append(plan, item, block_->column(index), 2);
  }
  if (fault != Fault::none && reader_.fault_plan_ == nullptr) reader_.fault_plan_ = &plan;
  return fault;
}

/// `depth` is that of the value, were it a container.
Fault ObjectReader::Walk::append(const ValuePlan& plan, const Item& item, Column& column,
                                 uint32_t depth) {
  const Fault fault = item.is_container() ? append_container(plan, item, column, depth)
                                          : append_plain(plan, item, column);
  if (fault != Fault::none && reader_.fault_plan_ == nullptr) reader_.fault_plan_ = &plan;
  return fault;
}

Fault ObjectReader::Walk::append_plain(const ValuePlan& plan, const Item& item, Column& column) {
  Scalar scalar;
  const Fault fault = read_plain(item, scalar);
  if (fault != Fault::none) return fault;
  if (scalar.kind == Scalar::Kind::null) return append_null(plan, options().nulls, column);
  return append_scalar(plan, scalar, column);
}

Fault ObjectReader::Walk::append_container(const ValuePlan& plan, const Item& item, Column& column,
                                           uint32_t depth) {
  const bool object = item.first() == '{';
  if (plan.kind == TypeKind::string || (plan.kind == TypeKind::json && object)) {
    return append_raw(item, column, depth);
  }
  if (plan.kind == TypeKind::array && !object) return append_array(plan, item, column, depth);
  if (plan.kind == TypeKind::map && object) return append_map(plan, item, column, depth);
  if (plan.kind != TypeKind::tuple) return Fault::wrong_kind;
  const bool named = plan.names.size() != 0;
  if (named != object) return Fault::wrong_kind;
  return named ? append_named_tuple(plan, item, column, depth)
               : append_tuple(plan, item, column, depth);
}

Fault ObjectReader::Walk::append_array(const ValuePlan& plan, const Item& item, Column& column,
                                       uint32_t depth) {
  const Fault fault = for_each_element(item, depth, [&](const Item& element) {
    return append(plan.elements.front(), element, column.child(0), depth + 1);
  });
  if (fault == Fault::none) column.append_array();
  return fault;
}

Fault ObjectReader::Walk::append_map(const ValuePlan& plan, const Item& item, Column& column,
                                     uint32_t depth) {
  json::object object;
  Fault fault = enter_object(item, depth, object);
  if (fault != Fault::none) return fault;
  fault = for_each_field(object, [&](const Scalar& key, const Item& field) {
    const Fault key_fault = append_scalar(plan.elements[0], key, column.child(0));
    if (key_fault != Fault::none) return key_fault;
    return append(plan.elements[1], field, column.child(1), depth + 1);
  });
  if (fault == Fault::none) column.append_array();
  return fault;
}

Fault ObjectReader::Walk::append_tuple(const ValuePlan& plan, const Item& item, Column& column,
                                       uint32_t depth) {
  size_t index = 0;
  const Fault fault = for_each_element(item, depth, [&](const Item& element) {
    if (index == plan.elements.size()) return Fault::tuple_size;
    const size_t current = index++;
    return append(plan.elements[current], element, column.child(current), depth + 1);
  });
  if (fault != Fault::none) return fault;
  if (index != plan.elements.size()) return Fault::tuple_size;
  column.append_tuple();
  return Fault::none;
}

/// Elements without a field get their type's zero; fields without an element are passed over.
Fault ObjectReader::Walk::append_named_tuple(const ValuePlan& plan, const Item& item,
                                             Column& column, uint32_t depth) {
  json::object object;
  Fault fault = enter_object(item, depth, object);
  if (fault != Fault::none) return fault;
  fault = for_each_field(object, [&](const Scalar& key, const Item& field) {
    // ClickHouse reads escapes here by other rules than JSON's.
    if (key.escaped) return Fault::escaped_tuple_key;
    const size_t index = plan.names.find(key.text);
    if (index == NameIndex::none) return skip(field, depth + 1);
    if (column.child(index).rows() != column.rows()) return Fault::duplicate_key;
    return append(plan.elements[index], field, column.child(index), depth + 1);
  });
  if (fault != Fault::none) return fault;
  for (size_t index = 0; index < plan.elements.size(); ++index) {
    if (column.child(index).rows() != column.rows()) continue;
    fault = append_null(plan.elements[index], Nulls::column_default, column.child(index));
    if (fault != Fault::none) return fault;
  }
  column.append_tuple();
  return Fault::none;
}

/// A String takes an object or an array as the text it is; so does what the server parses.
Fault ObjectReader::Walk::append_raw(const Item& item, Column& column, uint32_t depth) {
  const char* begin = original(item.token.data());
  const Fault fault = skip(item, depth);
  if (fault != Fault::none) return fault;
  const char* end = find_closing_bracket(begin);
  CHECK(end != nullptr);
  column.append_string({begin, static_cast<size_t>(end + 1 - begin)});
  return Fault::none;
}

/// simdjson does not look into what is not asked for; this does.
Fault ObjectReader::Walk::skip(const Item& item, uint32_t depth) {
  const char first = item.first();
  if (first == '[') {
    return for_each_element(item, depth,
                            [&](const Item& element) { return skip(element, depth + 1); });
  }
  if (first == '{') {
    json::object object;
    const Fault fault = enter_object(item, depth, object);
    if (fault != Fault::none) return fault;
    return for_each_field(object, [&](const Scalar& key, const Item& field) {
      const Fault bad_key = key.escaped ? check_escapes(key.text) : Fault::none;
      return bad_key != Fault::none ? bad_key : skip(field, depth + 1);
    });
  }
  Scalar scalar;
  const Fault fault = read_plain(item, scalar);
  if (fault != Fault::none || !scalar.escaped) return fault;
  return check_escapes(scalar.text);
}

/// The token must be one scalar and white space.
Fault ObjectReader::Walk::read_plain(const Item& item, Scalar& scalar) const {
  const char* position = original(item.token.data());
  const char* end = position + item.token.size();
  if (!read_scalar(position, scalar)) return Fault::not_json;
  while (position < end && is_space(*position)) ++position;
  if (position != end) return Fault::not_json;
  // simdjson takes a string that nobody asked for to be a key where a colon follows it.
  if (scalar.kind != Scalar::Kind::string) return Fault::none;
  return fault_of(item.value.get_raw_json_string().error());
}

template <class Visit>
Fault ObjectReader::Walk::for_each_field(json::object& object, Visit visit) {
  for (auto result : object) {
    if (++fields_ > options().fields_max) return Fault::too_many_fields;
    json::field field;
    const auto error = std::move(result).get(field);
    if (error != simdjson::SUCCESS) return fault_of(error);
    Scalar key;
    const char* position = original(field.key().raw()) - 1;
    if (!read_string(position, key)) return Fault::not_json;
    const Item item(field.value());
    if (!item.stands_before('}')) return Fault::not_json;
    const Fault fault = visit(key, item);
    if (fault != Fault::none) return fault;
  }
  return Fault::none;
}

template <class Visit>
Fault ObjectReader::Walk::for_each_element(const Item& item, uint32_t depth, Visit visit) {
  if (depth > options().depth_max) return Fault::too_deep;
  json::array array;
  auto error = item.value.get_array().get(array);
  if (error != simdjson::SUCCESS) return fault_of(error);
  for (auto result : array) {
    json::value element;
    error = std::move(result).get(element);
    if (error != simdjson::SUCCESS) return fault_of(error);
    const Item visited(element);
    if (!visited.stands_before(']')) return Fault::not_json;
    const Fault fault = visit(visited);
    if (fault != Fault::none) return fault;
  }
  return Fault::none;
}

Fault ObjectReader::Walk::enter_object(const Item& item, uint32_t depth,
                                       json::object& object) const {
  if (depth > options().depth_max) return Fault::too_deep;
  return fault_of(item.value.get_object().get(object));
}

}  // namespace sluice
