// SPDX-License-Identifier: Apache-2.0
#include "core/decode/column_layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "core/model/replacing.hpp"

namespace sluice {
namespace {

using Kind = ColumnSource::Kind;

struct NamedSource {
  std::string_view name;
  Kind kind;
};
/// What `columns` may name.
constexpr std::array source_words{
    NamedSource{"$topic", Kind::topic},   NamedSource{"$partition", Kind::partition},
    NamedSource{"$offset", Kind::offset}, NamedSource{"$timestamp", Kind::timestamp},
    NamedSource{"$key", Kind::key},       NamedSource{"$headers", Kind::headers},
    NamedSource{"$value", Kind::value}};
/// Columns that get their value by their name alone, as in ClickHouse's own Kafka engine.
constexpr std::array engine_names{NamedSource{"_topic", Kind::topic},
                                  NamedSource{"_partition", Kind::partition},
                                  NamedSource{"_offset", Kind::offset},
                                  NamedSource{"_timestamp", Kind::timestamp},
                                  NamedSource{"_timestamp_ms", Kind::timestamp},
                                  NamedSource{"_key", Kind::key},
                                  NamedSource{"_headers", Kind::headers},
                                  NamedSource{"_headers.name", Kind::header_names},
                                  NamedSource{"_headers.value", Kind::header_values}};
constexpr std::string_view header_prefix = "$header.";
struct NamedType {
  std::string_view name;
  std::string_view type;  ///< for a column that is to be made
};
constexpr std::array snapshot_columns{NamedType{"_snapshot_id", "LowCardinality(String)"},
                                      NamedType{"_snapshot_time", "DateTime64(3)"}};

bool takes_text(const DataType& type) { return type.bare().kind == TypeKind::string; }

bool is_pair_of_text(const std::vector<DataType>& elements) {
  return elements.size() == 2 && takes_text(elements[0]) && takes_text(elements[1]);
}

bool is_integer(const DataType& type, uint32_t width_min) {
  const TypeKind kind = type.bare().kind;
  const bool integer = kind >= TypeKind::int8 && kind <= TypeKind::uint256;
  return integer && type.bare().width >= width_min;
}

bool takes_headers(const DataType& type) {
  if (type.kind == TypeKind::map) return is_pair_of_text(type.elements);
  if (type.kind != TypeKind::array) return false;
  const DataType& element = type.elements.front();
  return element.kind == TypeKind::tuple && is_pair_of_text(element.elements);
}

bool takes_time(const DataType& type) {
  constexpr uint32_t millisecond_digits = 3;
  const DataType& time = type.bare();
  return time.kind == TypeKind::datetime ||
         (time.kind == TypeKind::datetime64 && time.precision >= millisecond_digits);
}

/// The types that can hold it, for people; empty where this one can.
std::string_view types_needed(Kind kind, const DataType& type) {
  switch (kind) {
    case Kind::topic:
    case Kind::key:
    case Kind::header:
      return takes_text(type) ? "" : "String";
    case Kind::value:
    case Kind::unknown_fields:
      return takes_text(type) || type.bare().kind == TypeKind::json ? "" : "String or JSON";
    case Kind::partition:
      return is_integer(type, sizeof(int32_t)) ? ""
                                               : "UInt64, or another integer of 32 bits or more";
    case Kind::offset:
      return is_integer(type, sizeof(int64_t)) ? ""
                                               : "UInt64, or another integer of 64 bits or more";
    case Kind::timestamp:
      return takes_time(type) ? "" : "DateTime or DateTime64(3)";
    case Kind::headers:
      return takes_headers(type) ? "" : "Map(String, String) or Array(Tuple(String, String))";
    case Kind::header_names:
    case Kind::header_values:
      return type.kind == TypeKind::array && takes_text(type.elements.front()) ? ""
                                                                               : "Array(String)";
    case Kind::deleted:
      return type.bare().kind == TypeKind::uint8 ? "" : "UInt8";
    case Kind::snapshot_id:
      return takes_text(type) ? "" : "String or LowCardinality(String)";
    case Kind::snapshot_time:
      return takes_time(type) ? "" : "DateTime or DateTime64(3)";
    case Kind::field:
    case Kind::nothing:
      return "";
  }
  return "";
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::field:
      return "a field";
    case Kind::unknown_fields:
      return "the unknown fields";
    case Kind::topic:
      return "the topic";
    case Kind::partition:
      return "the partition";
    case Kind::offset:
      return "the offset";
    case Kind::timestamp:
      return "the record's time";
    case Kind::key:
      return "the record's key";
    case Kind::headers:
    case Kind::header_names:
    case Kind::header_values:
      return "the headers";
    case Kind::header:
      return "a header";
    case Kind::value:
      return "the record's value";
    case Kind::deleted:
      return "whether the key is deleted";
    case Kind::snapshot_id:
      return "the snapshot's id";
    case Kind::snapshot_time:
      return "the snapshot's time";
    case Kind::nothing:
      return "nothing";
  }
  return "";
}

Error layout_error(const std::string& place, std::string message, std::string fix) {
  return {Errc::config, "column-layout",
          place.empty() ? std::move(message) : place + ": " + message, std::move(fix)};
}

/// One layout in the making.
class LayingOut {
 public:
  LayingOut(const Table& table, const ColumnOptions& options, RecordFormat format)
      : table_(table), options_(options), format_(format) {
    for (const TableColumn& column : table.columns) {
      if (column.insertable()) columns_.push_back(&column);
    }
    sources_.resize(columns_.size());
  }

  Result<ColumnLayout> run() {
    for (const ColumnRule& rule : options_.rules) TRY(apply(rule));
    if (options_.snapshot) TRY(stamp());
    for (size_t index = 0; index < columns_.size(); ++index) TRY(fill_by_name(index));
    ColumnLayout layout;
    layout.snapshot = options_.snapshot.value_or(SnapshotStamp{});
    if (options_.overwrite) TRY(overwrite(layout));
    TRY(fill_rest());
    for (std::optional<ColumnSource>& source : sources_) {
      layout.columns.push_back(std::move(*source));
    }
    return layout;
  }

 private:
  [[nodiscard]] std::optional<size_t> find(const std::string& name) const {
    const auto found =
        std::find_if(columns_.begin(), columns_.end(),
                     [&](const TableColumn* column) { return column->name == name; });
    if (found == columns_.end()) return std::nullopt;
    return static_cast<size_t>(found - columns_.begin());
  }

  Result<size_t> column_named(const std::string& name, const std::string& place) const {
    if (const auto index = find(name)) return *index;
    const bool there = std::any_of(table_.columns.begin(), table_.columns.end(),
                                   [&](const TableColumn& column) { return column.name == name; });
    if (there) {
      return layout_error(place,
                          fmt::format("column {} of {} takes no values: it is MATERIALIZED, ALIAS "
                                      "or EPHEMERAL",
                                      name, table_.full_name()),
                          "name a column that records may fill");
    }
    std::string names;
    for (const TableColumn* column : columns_) {
      names.append(names.empty() ? "" : ", ").append(column->name);
    }
    return layout_error(
        place, fmt::format("table {} has no column {}", table_.full_name(), name),
        fmt::format("add it to the table, or name another one; there are: {}", names));
  }

  Result<void> set(size_t index, ColumnSource source, const std::string& place,
                   std::string_view instead) {
    const TableColumn& column = *columns_[index];
    std::string_view needed = types_needed(source.kind, column.type);
    // Only of JSON records it is known that the value is one object.
    const bool raw_value = source.kind == Kind::value && format_ == RecordFormat::raw;
    if (raw_value && !takes_text(column.type)) needed = "String";
    if (!needed.empty()) {
      return layout_error(place,
                          fmt::format("column {} of {} is {}, which cannot hold {}", column.name,
                                      table_.full_name(), column.type.name, name_of(source.kind)),
                          fmt::format("make it {}{}", needed, instead));
    }
    sources_[index] = std::move(source);
    return {};
  }

  Result<void> apply(const ColumnRule& rule) {
    const size_t index = TRY(column_named(rule.column, rule.place));
    if (sources_[index]) {
      return layout_error(rule.place,
                          fmt::format("column {} is filled by two settings", rule.column),
                          "keep one of them");
    }
    return set(index, rule.source, rule.place, "");
  }

  /// The columns that tell the rows of one snapshot from those of another.
  Result<void> stamp() {
    std::string missing;
    for (const auto& [name, type] : snapshot_columns) {
      if (find(std::string(name))) continue;
      missing += fmt::format("{}ADD COLUMN {} {}", missing.empty() ? " " : ", ", name, type);
    }
    if (!missing.empty()) {
      return layout_error("",
                          fmt::format("each row of a snapshot tells of which one it is, and {} has "
                                      "no column for that",
                                      table_.full_name()),
                          "ALTER TABLE " + table_.full_name() + missing);
    }
    TRY(apply({"_snapshot_id", {.kind = Kind::snapshot_id}, ""}));
    return apply({"_snapshot_time", {.kind = Kind::snapshot_time}, ""});
  }

  Result<void> fill_by_name(size_t index) {
    if (sources_[index]) return {};
    const std::string& name = columns_[index]->name;
    const auto* found = std::find_if(engine_names.begin(), engine_names.end(),
                                     [&](const NamedSource& named) { return named.name == name; });
    if (found == engine_names.end()) return {};
    return set(index, {.kind = found->kind}, "",
               fmt::format("; or, to fill it with the field {0}, map {0} to \"/{0}\"", name));
  }

  Result<void> overwrite(ColumnLayout& layout) {
    const auto engine = replacing_engine(table_);
    const std::set<std::string> key(options_.key.begin(), options_.key.end());
    if (!replaces_by(table_, options_.key)) {
      const std::string wrong =
          !engine
              ? fmt::format("is a {}, not a ReplacingMergeTree(version, is_deleted)", table_.engine)
              : fmt::format("is not ordered by its key ({}) and nothing else", list(key));
      return layout_error(options_.key_place,
                          fmt::format("write = \"overwrite\" cannot replace rows of {}: it {}",
                                      table_.full_name(), wrong),
                          "load into a table like this one: " +
                              replacing_ddl(table_, table_.name + "_latest", options_.key));
    }
    layout.overwrite = true;
    for (const std::string& name : options_.key) {
      const size_t index = TRY(column_named(name, options_.key_place));
      if (format_ == RecordFormat::raw && !sources_[index]) {
        return layout_error(
            options_.key_place,
            fmt::format("nothing fills the key column {}: raw values have no fields", name),
            fmt::format("fill it with the record's key: columns = {{ {} = \"$key\" }}", name));
      }
      layout.key_columns.push_back(index);
    }
    const size_t version = TRY(column_named(engine->version, options_.key_place));
    if (!sources_[version]) {
      TRY(set(version, {.kind = Kind::offset}, options_.key_place,
              fmt::format("; or fill it by columns or map: {} = \"$timestamp\"", engine->version)));
    }
    const size_t is_deleted = TRY(column_named(engine->is_deleted, options_.key_place));
    if (!sources_[is_deleted]) sources_[is_deleted] = {.kind = Kind::deleted};
    return {};
  }

  static std::string list(const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
    return text;
  }

  Result<void> fill_rest() {
    if (format_ == RecordFormat::raw) return fill_raw();
    for (size_t index = 0; index < columns_.size(); ++index) {
      if (!sources_[index]) {
        sources_[index] = {.kind = Kind::field, .pointer = {columns_[index]->name}};
      }
    }
    return {};
  }

  Result<void> fill_raw() {
    const bool given = std::any_of(sources_.begin(), sources_.end(), [](const auto& source) {
      return source && source->kind == Kind::value;
    });
    std::vector<size_t> takers;
    std::string names;
    for (size_t index = 0; index < columns_.size(); ++index) {
      if (sources_[index]) continue;
      sources_[index] = {.kind = Kind::nothing};
      const TableColumn& column = *columns_[index];
      if (column.default_kind != DefaultKind::none || !takes_text(column.type)) continue;
      names.append(names.empty() ? "" : ", ").append(column.name);
      takers.push_back(index);
    }
    if (given) return {};
    if (takers.size() != 1) {
      return Error{Errc::config, "raw-column",
                   fmt::format("format raw needs a table with exactly one String column without a "
                               "DEFAULT; {} has {}",
                               table_.full_name(), takers.empty() ? "none" : names),
                   takers.empty() ? "add a column of type String to the table, or use format json"
                                  : "give the others a DEFAULT (DEFAULT '' will do), or say which "
                                    "one it is: columns = { NAME = \"$value\" }"};
    }
    sources_[takers.front()] = {.kind = Kind::value};
    return {};
  }

  const Table& table_;
  const ColumnOptions& options_;
  RecordFormat format_;
  std::vector<const TableColumn*> columns_;
  std::vector<std::optional<ColumnSource>> sources_;
};

}  // namespace

std::optional<std::vector<std::string>> parse_pointer(std::string_view text) {
  if (text.empty() || text.front() != '/') return std::nullopt;
  std::vector<std::string> tokens;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '/') {
      tokens.emplace_back();
    } else if (text[at] != '~') {
      tokens.back() += text[at];
    } else {
      const char escaped = ++at < text.size() ? text[at] : '\0';
      if (escaped != '0' && escaped != '1') return std::nullopt;
      tokens.back() += escaped == '0' ? '~' : '/';
    }
  }
  return tokens;
}

std::optional<ColumnSource> parse_column_source(std::string_view text) {
  if (text.starts_with(header_prefix) && text.size() > header_prefix.size()) {
    return ColumnSource{.kind = Kind::header,
                        .header = std::string(text.substr(header_prefix.size()))};
  }
  const auto* found = std::find_if(source_words.begin(), source_words.end(),
                                   [&](const NamedSource& named) { return named.name == text; });
  if (found == source_words.end()) return std::nullopt;
  return ColumnSource{.kind = found->kind};
}

std::string to_string(const ColumnSource& source) {
  if (source.kind == Kind::header) return std::string(header_prefix) + source.header;
  if (source.kind != Kind::field) {
    const auto* found =
        std::find_if(source_words.begin(), source_words.end(),
                     [&](const NamedSource& named) { return named.kind == source.kind; });
    return std::string(found == source_words.end() ? name_of(source.kind) : found->name);
  }
  std::string text;
  for (const std::string& token : source.pointer) {
    text += '/';
    for (const char character : token) {
      if (character == '~') {
        text += "~0";
      } else if (character == '/') {
        text += "~1";
      } else {
        text += character;
      }
    }
  }
  return text;
}

ColumnLayout ColumnLayout::by_name(const std::vector<TableColumn>& columns) {
  ColumnLayout layout;
  for (const TableColumn& column : columns) {
    layout.columns.push_back({.kind = Kind::field, .pointer = {column.name}});
  }
  return layout;
}

std::vector<size_t> ColumnLayout::columns_of_fields() const {
  std::vector<size_t> out;
  for (size_t index = 0; index < columns.size(); ++index) {
    const Kind kind = columns[index].kind;
    if (kind == Kind::field) out.push_back(index);
    if (kind != Kind::field && kind != Kind::nothing) return {};
  }
  return out;
}

Result<ColumnLayout> lay_out(const Table& table, const ColumnOptions& options,
                             RecordFormat format) {
  return LayingOut(table, options, format).run();
}

Result<Table> filled_table(Table table, const ColumnOptions& options, RecordFormat format) {
  const ColumnLayout layout = TRY(lay_out(table, options, format));
  if (format != RecordFormat::raw) return table;
  std::vector<TableColumn> filled;
  size_t index = 0;
  for (TableColumn& column : table.columns) {
    if (column.insertable() && layout.columns[index++].kind != Kind::nothing) {
      filled.push_back(std::move(column));
    }
  }
  table.columns = std::move(filled);
  return table;
}

}  // namespace sluice
