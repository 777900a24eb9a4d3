// SPDX-License-Identifier: Apache-2.0
#include "cli/sampling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/block/block.hpp"
#include "core/decode/decoder.hpp"
#include "core/model/quote.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t nesting_max = 128;  ///< deeper records are rejected by the decoder
constexpr size_t distinct_max = 100'000;
constexpr size_t value_bytes_max = 150'000;  ///< of one question to the server (max_query_size)
constexpr uint64_t seen_for_low_cardinality = 20;
constexpr uint64_t low_cardinality_share = 10;  ///< one distinct value in so many

/// How deep brackets stand in each other.
size_t nesting(std::string_view text) {
  size_t depth = 0;
  size_t deepest = 0;
  bool in_text = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char character = text[at];
    if (character == '"') in_text = !in_text;
    if (in_text) {
      if (character == '\\') ++at;
    } else if (character == '{' || character == '[') {
      deepest = std::max(deepest, ++depth);
    } else if ((character == '}' || character == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

bool beyond_integers(const Json& value) {
  constexpr double limit = 9.2e18;
  if (value.is_structured()) {
    return std::any_of(value.begin(), value.end(),
                       [](const Json& one) { return beyond_integers(one); });
  }
  if (!value.is_number_float()) return false;
  const double number = value.get<double>();
  return std::abs(number) >= limit && std::floor(number) == number;
}

/// Counts the paths inside a value, and its nulls as one of their own.
void count_paths(const Json& value, const std::string& path, SampledField& field) {
  if (value.is_array()) {
    for (const Json& one : value) {
      ++field.paths[path + "[]"];
      count_paths(one, path + "[]", field);
    }
  } else if (value.is_object()) {
    ++field.paths[path + "{}"];
    for (const auto& [key, one] : value.items()) {
      ++field.paths[path + "{}." + key];
      count_paths(one, path + "{}." + key, field);
    }
  } else if (value.is_null() && !path.empty()) {
    field.uneven = true;
  }
}

/// A key that not every object of its kind has.
bool has_missing_keys(const SampledField& field) {
  return std::any_of(field.paths.begin(), field.paths.end(), [&](const auto& one) {
    const size_t key = one.first.rfind("{}.");
    if (key == std::string::npos || one.first.find_first_of("[{", key + 3) != std::string::npos) {
      return false;
    }
    const auto object = field.paths.find(one.first.substr(0, key + 2));
    return object != field.paths.end() && one.second < object->second;
  });
}

bool is_digits(std::string_view text, size_t begin, size_t count) {
  if (text.size() < begin + count) return false;
  return std::all_of(text.begin() + static_cast<ptrdiff_t>(begin),
                     text.begin() + static_cast<ptrdiff_t>(begin + count),
                     [](char character) { return character >= '0' && character <= '9'; });
}

bool is_uuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
    const bool hex = std::isxdigit(static_cast<unsigned char>(text[at])) != 0;
    if (dash ? text[at] != '-' : !hex) return false;
  }
  return true;
}

/// Digits after the second, in the longest of the texts: 3 at least, then 6, then 9.
int fraction_digits(const std::set<std::string>& texts) {
  size_t digits = 0;
  for (const std::string& text : texts) {
    const size_t point = text.find('.');
    if (point == std::string::npos) continue;
    size_t count = 0;
    while (is_digits(text, point + 1 + count, 1)) ++count;
    digits = std::max(digits, count);
  }
  return digits <= 3 ? 3 : digits <= 6 ? 6 : 9;
}

/// Whether some day is none of a Date: before 1970, after 2148.
bool beyond_date(const std::set<std::string>& texts) {
  return !texts.empty() && (*texts.begin() < "1970" || *texts.rbegin() >= "2149");
}

std::string without_layout(std::string text) {
  std::string out;
  for (const char character : text) {
    if (character == '\n') continue;
    const bool blank = character == ' ' && (out.empty() || out.back() == ' ' || out.back() == '(');
    if (!blank) out += character;
  }
  return out;
}

/// Takes every Nullable( ) off.
std::string without_nullable(std::string_view type) {
  constexpr std::string_view word = "Nullable(";
  std::string out;
  std::vector<bool> kept;  ///< of each open parenthesis
  for (size_t at = 0; at < type.size(); ++at) {
    if (type.substr(at, word.size()) == word) {
      kept.push_back(false);
      at += word.size() - 1;
    } else if (type[at] == '(') {
      kept.push_back(true);
      out += '(';
    } else if (type[at] == ')' && !kept.empty()) {
      if (kept.back()) out += ')';
      kept.pop_back();
    } else {
      out += type[at];
    }
  }
  return out;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

/// Times inside of other types: with a zone, so that they do not depend on the server's.
std::string with_zones(std::string type) {
  replace_all(type, "DateTime64(9)", "DateTime64(9, 'UTC')");
  for (const char* end : {",", ")"}) {
    replace_all(type, std::string("DateTime") + end, std::string("DateTime('UTC')") + end);
  }
  return type;
}

bool is_nested(const std::string& type) {
  return type.starts_with("Array(") || type.starts_with("Tuple(") || type.starts_with("Map(");
}

std::string proposed_text_type(const SampledField& field) {
  if (!field.texts.empty() && field.texts.size() < distinct_max) {
    if (std::all_of(field.texts.begin(), field.texts.end(), is_uuid)) return "UUID";
    const uint64_t seen = field.seen - field.nulls;
    const bool few =
        seen >= seen_for_low_cardinality && field.texts.size() * low_cardinality_share <= seen;
    if (field.all_texts && few) return "LowCardinality(String)";
  }
  return "String";
}

std::string column_name(const std::string& name) {
  const bool plain = !name.empty() && (name[0] < '0' || name[0] > '9') &&
                     std::all_of(name.begin(), name.end(), [](char character) {
                       return (character >= 'a' && character <= 'z') ||
                              (character >= 'A' && character <= 'Z') || character == '_' ||
                              (character >= '0' && character <= '9');
                     });
  return plain ? name : in_quotes(name, '`');
}

constexpr std::array provenance{std::pair{"_topic", "LowCardinality(String)"},
                                std::pair{"_partition", "UInt32"}, std::pair{"_offset", "UInt64"},
                                std::pair{"_timestamp", "DateTime64(3, 'UTC')"}};

/// What readers most often ask by: one word, then the time.
std::string order_by(const std::vector<ProposedColumn>& columns) {
  std::vector<std::string> keys;
  const auto first = [&](std::string_view prefix) {
    const auto found =
        std::find_if(columns.begin(), columns.end(), [&](const ProposedColumn& column) {
          return !column.nullable && column.type.starts_with(prefix);
        });
    return found == columns.end() ? std::string() : column_name(found->name);
  };
  if (const std::string word = first("LowCardinality"); !word.empty()) keys.push_back(word);
  const std::string time = first("DateTime64");
  keys.push_back(time.empty() ? "_timestamp" : time);
  return fmt::format("{}", fmt::join(keys, ", "));
}

/// The column at fault of the first record that does not fit; nothing when all do. An empty name
/// is a record that fits no table.
std::optional<std::string> first_misfit(const std::vector<std::string>& records,
                                        const BlockSchema& schema, size_t& next) {
  const ColumnLayout layout = ColumnLayout::by_name(schema.columns());
  const std::string no_topic;
  const auto decoder = make_decoder(schema, RecordFormat::json, {}, layout, no_topic);
  for (; next < records.size(); ++next) {
    Block block(schema);
    if (!decoder->decode(records[next], block)) return decoder->error().column;
  }
  return std::nullopt;
}

}  // namespace

void Sample::add(std::string_view record) {
  if (nesting(record) > nesting_max) {
    ++unreadable_;
    return;
  }
  const Json json = Json::parse(record, nullptr, false);
  if (!json.is_object()) {
    ++unreadable_;
    return;
  }
  ++records_;
  values_.emplace_back(record);
  for (const auto& [name, value] : json.items()) {
    if (name.empty()) continue;  // no column can be called that
    const auto [entry, is_new] = index_.try_emplace(name, fields_.size());
    if (is_new) fields_.emplace_back().name = name;
    SampledField& field = fields_[entry->second];
    ++field.seen;
    if (value.is_null()) {
      ++field.nulls;
      continue;
    }
    field.beyond_integers = field.beyond_integers || beyond_integers(value);
    field.all_texts = field.all_texts && value.is_string();
    if (value.is_string() && field.texts.size() < distinct_max) {
      field.texts.insert(value.get_ref<const std::string&>());
    }
    if (value.is_structured()) count_paths(value, "", field);
    std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (field.value_bytes + text.size() > value_bytes_max && !field.values.empty()) continue;
    const size_t bytes = text.size();
    if (field.values.insert(std::move(text)).second) field.value_bytes += bytes;
  }
}

std::string ProposedColumn::full_type() const {
  if (!nullable) return type;
  constexpr std::string_view low = "LowCardinality(";
  if (type.starts_with(low)) {
    return fmt::format("{}Nullable({}))", low,
                       type.substr(low.size(), type.size() - low.size() - 1));
  }
  return fmt::format("Nullable({})", type);
}

ProposedColumn propose_column(const SampledField& field, std::string inferred, uint64_t records) {
  ProposedColumn column{.name = field.name, .type = without_layout(std::move(inferred))};
  const std::string plain = without_nullable(column.type);
  const bool unusable = plain.empty() || plain.find("Dynamic") != std::string::npos ||
                        plain.find("Variant") != std::string::npos ||
                        plain.find("Nothing") != std::string::npos ||
                        plain.find("Object(") != std::string::npos;
  column.nullable = field.nulls > 0 || field.seen < records;
  if (unusable || field.beyond_integers) {
    column.type = "String";
  } else if (is_nested(plain)) {
    column.type = with_zones(field.uneven || has_missing_keys(field) ? column.type : plain);
    column.nullable = false;  // there is no such type: what is missing is empty
  } else if (plain.starts_with("DateTime") && field.all_texts) {
    column.type = fmt::format("DateTime64({}, 'UTC')", fraction_digits(field.texts));
  } else if (plain == "Date" || plain == "Date32") {
    column.type = beyond_date(field.texts) ? "Date32" : "Date";
  } else {
    column.type = plain == "String" ? proposed_text_type(field) : plain;
  }
  return column;
}

void widen_until_records_fit(const Sample& sample, std::vector<ProposedColumn>& columns) {
  size_t next = 0;
  for (size_t rounds = 0; rounds < 2 * columns.size() + 1 && next < sample.values().size();
       ++rounds) {
    Table table;
    table.server_time_zone = "UTC";
    for (ProposedColumn& column : columns) {
      auto type = parse_data_type(column.full_type());
      if (!type) {
        column.type = "String";
        type = parse_data_type(column.full_type());
      }
      table.columns.push_back(
          {.name = column.name, .type = std::move(type).value(), .default_expression = {}});
    }
    const BlockSchema schema(std::move(table));
    const auto misfit = first_misfit(sample.values(), schema, next);
    if (!misfit) return;
    const auto at = std::find_if(columns.begin(), columns.end(),
                                 [&](const auto& column) { return column.name == *misfit; });
    if (at == columns.end() || at->type == "String") {
      ++next;  // no type of ours helps this record
    } else {
      at->type = "String";
    }
  }
}

std::string create_statement(const std::string& database, const std::string& table,
                             const std::vector<ProposedColumn>& columns) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const ProposedColumn& column : columns) {
    lines.emplace_back(column_name(column.name), column.full_type());
  }
  for (const auto& one : provenance) {
    const bool taken = std::any_of(columns.begin(), columns.end(),
                                   [&](const auto& column) { return column.name == one.first; });
    if (!taken) lines.emplace_back(one.first, one.second);
  }
  size_t width = 0;
  for (const auto& [name, type] : lines) width = std::max(width, name.size());
  std::string out =
      fmt::format("CREATE TABLE {}.{}\n(\n", column_name(database), column_name(table));
  for (size_t index = 0; index < lines.size(); ++index) {
    out += fmt::format("    {:<{}} {}{}\n", lines[index].first, width, lines[index].second,
                       index + 1 < lines.size() ? "," : "");
  }
  return out + fmt::format(
                   ")\nENGINE = MergeTree\nORDER BY ({})\n"
                   "SETTINGS non_replicated_deduplication_window = 1000",
                   order_by(columns));
}

}  // namespace sluice::cli
