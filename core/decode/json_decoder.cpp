// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "core/decode/decoder.hpp"
#include "core/decode/fault.hpp"
#include "core/decode/field_names.hpp"
#include "core/decode/gear.hpp"
#include "core/decode/json_text.hpp"
#include "core/decode/metadata_columns.hpp"
#include "core/decode/object_reader.hpp"
#include "core/decode/scanner.hpp"
#include "core/decode/value_plan.hpp"
#include "core/model/replacing.hpp"

namespace sluice {

namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Says when the fast gear is worth trying: after misses in a row it is left alone, longer each
/// time, so that records it never takes do not pay for it.
class Trial {
 public:
  bool worth_it() {
    if (pause_ == 0) return true;
    --pause_;
    return false;
  }
  void hit() { misses_ = 0; }
  void missed() {
    if (misses_ < misses_max) ++misses_;
    if (misses_ > misses_free) pause_ = 1U << (misses_ - misses_free);
  }

 private:
  static constexpr uint32_t misses_free = 3;
  static constexpr uint32_t misses_max = misses_free + 10;
  uint32_t misses_ = 0;
  uint32_t pause_ = 0;
};

DecodeOptions limited(DecodeOptions options) {
  constexpr uint32_t depth_limit = 1000;  // ClickHouse's own; the slow gear recurses
  options.depth_max = std::min(options.depth_max, depth_limit);
  return options;
}

/// Of a tombstone only the key tells about key columns: of a JSON key the fields that are called
/// like the last part of the columns' pointers.
ColumnLayout layout_of_key(const ColumnLayout& layout) {
  ColumnLayout of_key;
  of_key.columns.resize(layout.columns.size(), {.kind = ColumnSource::Kind::nothing});
  for (const size_t index : layout.key_columns) {
    const ColumnSource& source = layout.columns[index];
    if (source.kind != ColumnSource::Kind::field) continue;
    of_key.columns[index] = {.kind = source.kind, .pointer = {source.pointer.back()}};
    of_key.key_columns.push_back(index);
  }
  return of_key;
}

DecodeOptions options_of_key(DecodeOptions options) {
  options.unknown_fields = UnknownFields::ignore;
  options.nulls = Nulls::reject;  // else it would delete the key 0
  return options;
}

bool by_name_only(const BlockSchema& schema, const ColumnLayout& layout) {
  return layout.columns == ColumnLayout::by_name(schema.columns()).columns && !layout.overwrite;
}

class JsonDecoder final : public Decoder {
 public:
  JsonDecoder(const BlockSchema& schema, const DecodeOptions& options, const ColumnLayout& layout,
              const std::string& topic, Gear gear)
      : options_(limited(options)),
        native_(schema.format() == InsertFormat::native),
        gear_(gear),
        plan_(schema, layout),
        by_name_only_(by_name_only(schema, layout)),
        reader_(plan_, options_, unknown_, !by_name_only_),
        scanner_(plan_, options_, unknown_, reader_),
        metadata_(schema, layout, topic) {
    for (const size_t index : layout.key_columns) {
      if (layout.columns[index].kind == ColumnSource::Kind::field) key_columns_.push_back(index);
    }
    for (size_t index = 0; index < layout.columns.size(); ++index) {
      if (layout.columns[index].kind == ColumnSource::Kind::unknown_fields) unknown_column_ = index;
    }
    if (!layout.overwrite) return;
    require_version(schema, layout);
    key_decoder_ = std::make_unique<JsonDecoder>(schema, options_of_key(options),
                                                 layout_of_key(layout), topic, gear);
  }

  [[nodiscard]] bool decode(const Record& record, Block& block) override {
    if (!by_name_only_) return decode_laid_out(record, block);
    return native_ ? decode_value(record.value, block) : append_line(record.value, block);
  }

  [[nodiscard]] const DecodeError& error() const override { return error_; }

  [[nodiscard]] std::vector<std::string> take_unknown_fields() override {
    return unknown_.take_new();
  }
  [[nodiscard]] uint64_t take_unknown_count() override { return unknown_.take_count(); }

 private:
  /// Columns of the engine that fields of the value fill: a tombstone has no value.
  void require_version(const BlockSchema& schema, const ColumnLayout& layout) {
    const auto engine = replacing_engine(schema.table());
    for (size_t index = 0; engine && index < layout.columns.size(); ++index) {
      if (layout.columns[index].kind != ColumnSource::Kind::field) continue;
      const std::string& name = schema.columns()[index].name;
      if (name == engine->version) version_column_ = index;
      if (name == engine->is_deleted) deleted_column_ = index;
    }
  }

  /// A copy that text_padding zero bytes follow; both gears look ahead.
  std::string_view padded(std::string_view value) {
    if (value.starts_with(byte_order_mark)) value.remove_prefix(byte_order_mark.size());
    if (scratch_.size() < value.size() + text_padding) {
      scratch_.resize(2 * (value.size() + text_padding));
    }
    if (!value.empty()) std::memcpy(scratch_.data(), value.data(), value.size());
    std::memset(scratch_.data() + value.size(), 0, text_padding);
    return {scratch_.data(), value.size()};
  }

  bool decode_value(std::string_view value, Block& block) {
    const std::string_view text = padded(value);
    unknown_.begin_record();
    if (gear_ != Gear::slow && scan(text, block)) {
      unknown_.end_record();
      return true;
    }
    if (gear_ == Gear::fast) return failed(Fault::not_json);
    unknown_.begin_record();
    const Fault fault = reader_.read(text, block);
    if (fault == Fault::none) {
      unknown_.end_record();
      return true;
    }
    block.rollback_row();
    return failed(fault);
  }

  bool scan(std::string_view text, Block& block) {
    if (!trial_.worth_it()) return false;
    if (scanner_.scan(text, block)) {
      trial_.hit();
      return true;
    }
    trial_.missed();
    block.rollback_row();
    return false;
  }

  bool check(std::string_view text) {
    unknown_.begin_record();
    const Fault fault = reader_.check(text);
    if (fault != Fault::none) return failed(fault);
    unknown_.end_record();
    return true;
  }

  bool append_line(std::string_view value, Block& block) {
    const std::string_view text = padded(value);
    if (!check(text)) return false;
    // Strings cannot hold line breaks, so these are white space between values.
    std::replace(scratch_.begin(), scratch_.begin() + static_cast<ptrdiff_t>(text.size()), '\n',
                 ' ');
    block.append_line(text);
    return true;
  }

  /// A record of which columns take more than the fields of their names.
  bool decode_laid_out(const Record& record, Block& block) {
    if (!native_) return append_members(record, block);
    const bool taken =
        record.tombstone() ? decode_key(record.key, block) : decode_value(record.value, block);
    if (!taken) return false;
    const auto missing = first_missing([&](size_t index) {
      return block.column(index).rows() != block.rows();  // one more
    });
    if (missing) {
      block.rollback_row();
      return key_missing(*missing, record);
    }
    if (unknown_column_ && !record.tombstone()) {
      block.column(*unknown_column_).append_string(unknown_.object());
    }
    if (deleted_column_ && record.tombstone()) {
      block.column(*deleted_column_).append_fixed(uint8_t{1});
    }
    const Fault fault = metadata_.append(record, block);
    if (fault == Fault::none) return true;
    block.rollback_row();
    return metadata_failed(fault);
  }

  /// The same for a row that goes as text: an object of the columns' names and values.
  bool append_members(const Record& record, Block& block) {
    line_.clear();
    const bool taken =
        record.tombstone() ? find_key(record.key, line_) : find_values(padded(record.value), line_);
    if (!taken) return false;
    const JsonDecoder& from = record.tombstone() ? *key_decoder_ : *this;
    const auto missing = first_missing([&](size_t index) { return from.found(index); });
    if (missing) return key_missing(*missing, record);
    if (unknown_column_ && !record.tombstone()) {
      add_member(plan_.column_name(*unknown_column_), unknown_text(), line_);
    }
    if (deleted_column_ && record.tombstone()) {
      add_member(plan_.column_name(*deleted_column_), "1", line_);
    }
    const Fault fault = metadata_.append(record, line_);
    if (fault != Fault::none) return metadata_failed(fault);
    if (line_.empty()) line_ = ",";
    line_.front() = '{';
    std::replace(line_.begin(), line_.end(), '\n', ' ');
    line_ += '}';
    block.append_line(line_);
    return true;
  }

  /// Of the columns that rows are replaced by, the first one without a value.
  template <class HasValue>
  std::optional<size_t> first_missing(const HasValue& has_value) const {
    for (const size_t index : key_columns_) {
      if (!has_value(index)) return index;
    }
    return version_column_ && !has_value(*version_column_) ? version_column_ : std::nullopt;
  }

  /// Adds the columns that the record has a value for to an object's members.
  bool find_values(std::string_view text, std::string& members) {
    if (!check(text)) return false;
    for (const ObjectReader::Found& value : reader_.found()) {
      add_member(plan_.column_name(value.column), value.text, members);
    }
    return true;
  }

  static void add_member(std::string_view name, std::string_view value, std::string& members) {
    members += ',';
    append_json_string(name, members);
    members.append(":").append(value);
  }

  [[nodiscard]] bool found(size_t column) const {
    return std::any_of(
        reader_.found().begin(), reader_.found().end(),
        [column](const ObjectReader::Found& value) { return value.column == column; });
  }

  [[nodiscard]] std::string unknown_text() const {
    const std::string object = unknown_.object();
    const DataType& type = plan_.type(*unknown_column_);
    if (type.holds_json()) return object;
    std::string quoted;
    append_json_string(object, quoted);
    return quoted;
  }

  bool decode_key(std::string_view key, Block& block) {
    if (key_columns_.empty()) return true;
    const auto object = key_object(key);
    if (!object) return false;
    if (key_decoder_->decode_value(*object, block)) return true;
    return key_failed();
  }

  bool find_key(std::string_view key, std::string& members) {
    if (key_columns_.empty()) return true;
    const auto object = key_object(key);
    if (!object) return false;
    if (key_decoder_->find_values(key_decoder_->padded(*object), members)) return true;
    return key_failed();
  }

  /// The key of a tombstone as a JSON object; of one that is a bare value, with the name of the one
  /// key column.
  std::optional<std::string> key_object(std::string_view key) {
    if (key.empty()) {
      error_ = {RejectReason::schema, plan_.column_name(key_columns_.front()),
                "a tombstone without a key deletes nothing"};
      return std::nullopt;
    }
    if (key.front() == '{') return std::string(key);
    if (key_columns_.size() != 1) {
      error_ = {RejectReason::schema, plan_.column_name(key_columns_.front()),
                "the tombstone's key is not a JSON object, and there are several key columns"};
      return std::nullopt;
    }
    std::string object;
    add_member(key_decoder_->name_of_field(key_columns_.front()), bare_key(key), object);
    object.front() = '{';
    return object + "}";
  }

  /// As JSON: what is not a JSON string, number or boolean is text.
  static std::string bare_key(std::string_view key) {
    std::string text(key);
    text.append(text_padding, '\0');
    const char* position = text.data();
    Scalar scalar;
    const bool json = read_scalar(position, scalar) && scalar.kind != Scalar::Kind::null &&
                      position == text.data() + key.size() &&
                      (!scalar.escaped || check_escapes(scalar.text) == Fault::none);
    if (json) return std::string(key);
    std::string quoted;
    append_json_string(key, quoted);
    return quoted;
  }

  /// Of a plan whose fields fill one column each.
  [[nodiscard]] std::string_view name_of_field(size_t column) const {
    return plan_.names().name(column);
  }

  bool key_missing(size_t index, const Record& record) {
    const char* message = "the record has no field for this column, and rows are replaced by it";
    if (record.tombstone()) {
      message = version_column_ == index ? "a tombstone has no value to take the version from"
                                         : "the tombstone's key has no field for this key column";
    }
    error_ = {RejectReason::schema, plan_.column_name(index), message};
    return false;
  }

  bool key_failed() {
    error_ = key_decoder_->error_;
    error_.message = "in the tombstone's key: " + error_.message;
    return false;
  }

  bool metadata_failed(Fault fault) {
    const TableColumn& column = metadata_.fault_column();
    error_ = {reason_of(fault), column.name, describe(fault, column.type.name)};
    return false;
  }

  bool failed(Fault fault) {
    error_.reason = reason_of(fault);
    error_.column = reader_.fault_name();
    error_.message = describe(fault, reader_.fault_type());
    return false;
  }

  DecodeOptions options_;
  bool native_;
  Gear gear_;
  RowPlan plan_;
  bool by_name_only_;
  UnknownFieldNames unknown_;
  ObjectReader reader_;
  Scanner scanner_;
  Trial trial_;
  std::string scratch_;
  DecodeError error_;
  // Of a layout that is not by name only:
  MetadataColumns metadata_;
  std::optional<size_t> unknown_column_;
  // Of overwrite, where fields fill them:
  std::vector<size_t> key_columns_;
  std::optional<size_t> version_column_;
  std::optional<size_t> deleted_column_;
  std::unique_ptr<JsonDecoder> key_decoder_;
  std::string line_;
};

}  // namespace

std::unique_ptr<Decoder> make_json_decoder(const BlockSchema& schema, const DecodeOptions& options,
                                           const ColumnLayout& layout, const std::string& topic,
                                           Gear gear) {
  return std::make_unique<JsonDecoder>(schema, options, layout, topic, gear);
}

std::unique_ptr<Decoder> make_json_decoder(const BlockSchema& schema, const DecodeOptions& options,
                                           Gear gear) {
  return make_json_decoder(schema, options, ColumnLayout::by_name(schema.columns()), "", gear);
}

std::unique_ptr<Decoder> make_decoder(const BlockSchema& schema, RecordFormat format,
                                      const DecodeOptions& options, const ColumnLayout& layout,
                                      const std::string& topic) {
  if (format == RecordFormat::raw) return make_raw_decoder(schema, layout, topic);
  return make_json_decoder(schema, options, layout, topic, Gear::both);
}

}  // namespace sluice
