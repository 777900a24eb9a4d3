// SPDX-License-Identifier: Apache-2.0
#include "core/model/replacing.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "core/model/quote.hpp"

namespace sluice {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Moves behind the quoted text or the single character at `position`. False at a quote that is
/// not closed.
bool step(std::string_view text, size_t& position) {
  const char character = text[position];
  if (character != '\'' && character != '`' && character != '"') {
    ++position;
    return true;
  }
  std::string ignored;
  return read_quoted(text, position, ignored);
}

/// The parts between the commas of the list whose opening bracket is at `position`, which moves
/// behind the closing one. Nothing where it is not closed.
std::optional<std::vector<std::string_view>> bracketed_list(std::string_view text,
                                                            size_t& position) {
  std::vector<std::string_view> parts;
  size_t begin = ++position;
  const auto end_part = [&](size_t end) {
    const std::string_view part = trimmed(text.substr(begin, end - begin));
    if (!part.empty()) parts.push_back(part);
  };
  for (int depth = 1; position < text.size();) {
    const char character = text[position];
    if (character == '(') ++depth;
    if (character == ')' && --depth == 0) {
      end_part(position++);
      return parts;
    }
    if (character == ',' && depth == 1) {
      end_part(position);
      begin = position + 1;
    }
    if (!step(text, position)) return std::nullopt;
  }
  return std::nullopt;
}

bool is_word(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || character == '_' || character == '.';
}

/// The name of a column as ClickHouse writes it; nothing for an expression.
std::optional<std::string> column_name(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text.front() == '`') {
    std::string name;
    size_t position = 0;
    if (!read_quoted(text, position, name) || position != text.size()) return std::nullopt;
    return name;
  }
  const bool plain = std::all_of(text.begin(), text.end(), is_word);
  return plain ? std::optional(std::string(text)) : std::nullopt;
}

/// Where `words` stand outside of brackets and quotes; npos where they do not.
size_t find_clause(std::string_view text, size_t position, std::string_view words) {
  while (position < text.size()) {
    if (text.substr(position).starts_with(words)) return position;
    if (text[position] == '(') {
      if (!bracketed_list(text, position)) break;
    } else if (!step(text, position)) {
      break;
    }
  }
  return std::string_view::npos;
}

std::vector<std::string> order_columns(std::string_view engine_full, size_t position) {
  constexpr std::string_view words = " ORDER BY ";
  position = find_clause(engine_full, position, words);
  if (position == std::string_view::npos) return {};
  position += words.size();
  std::vector<std::string_view> parts;
  if (engine_full.substr(position).starts_with('(')) {
    const auto list = bracketed_list(engine_full, position);
    if (!list) return {};
    parts = *list;
  } else {
    const size_t begin = position;
    while (position < engine_full.size() && engine_full[position] != ' ') {
      if (!step(engine_full, position)) return {};
    }
    parts.push_back(engine_full.substr(begin, position - begin));
  }
  std::vector<std::string> names;
  for (const std::string_view part : parts) {
    std::optional<std::string> name = column_name(part);
    if (!name) return {};
    names.push_back(*std::move(name));
  }
  return names;
}

std::string_view default_word(DefaultKind kind) {
  switch (kind) {
    case DefaultKind::none:
      return "";
    case DefaultKind::expression:
      return "DEFAULT";
    case DefaultKind::materialized:
      return "MATERIALIZED";
    case DefaultKind::alias:
      return "ALIAS";
    case DefaultKind::ephemeral:
      return "EPHEMERAL";
  }
  return "";
}

void append_column(const TableColumn& column, std::string& text) {
  text += in_quotes(column.name, '`') + " " + column.type.name;
  if (column.default_kind == DefaultKind::none) return;
  text.append(" ").append(default_word(column.default_kind));
  if (!column.default_expression.empty()) text.append(" ").append(column.default_expression);
}

constexpr std::string_view copy_version = "_sluice_version";
constexpr std::string_view copy_is_deleted = "_sluice_is_deleted";

TableColumn plain_column(std::string_view name, std::string_view type) {
  return {.name = std::string(name),
          .type = parse_data_type(type).value(),
          .default_kind = DefaultKind::none,
          .default_expression = {}};
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text.append(text.empty() ? "" : ", ").append(in_quotes(name, '`'));
  }
  return text;
}

}  // namespace

std::optional<ReplacingEngine> replacing_engine(const Table& table) {
  constexpr std::string_view family = "ReplacingMergeTree";
  const std::string_view text = table.engine_full;
  if (!table.engine.ends_with(family) || !text.starts_with(table.engine)) return std::nullopt;
  size_t position = table.engine.size();
  if (position >= text.size() || text[position] != '(') return std::nullopt;
  auto arguments = bracketed_list(text, position);
  if (!arguments) return std::nullopt;
  // A replicated engine may have its path and its replica's name first.
  std::erase_if(*arguments, [](std::string_view part) { return part.front() == '\''; });
  if (arguments->size() != 2) return std::nullopt;
  const auto version = column_name((*arguments)[0]);
  const auto is_deleted = column_name((*arguments)[1]);
  if (!version || !is_deleted) return std::nullopt;
  return ReplacingEngine{*version, *is_deleted, order_columns(text, position)};
}

bool replaces_by(const Table& table, const std::vector<std::string>& key) {
  const auto engine = replacing_engine(table);
  return engine && std::set<std::string>(engine->key.begin(), engine->key.end()) ==
                       std::set<std::string>(key.begin(), key.end());
}

Table keyed_copy(const Table& table, std::string name, const std::vector<std::string>& key) {
  Table copy = table;
  copy.name = std::move(name);
  copy.columns.push_back(plain_column(copy_version, "UInt64"));
  copy.columns.push_back(plain_column(copy_is_deleted, "UInt8"));
  copy.engine = "ReplacingMergeTree";
  copy.engine_full = copy.engine + "(" + std::string(copy_version) + ", " +
                     std::string(copy_is_deleted) + ") ORDER BY (" + quoted_list(key) +
                     ") SETTINGS allow_nullable_key = 1";
  return copy;
}

bool is_keyed_copy_column(std::string_view name) {
  return name == copy_version || name == copy_is_deleted;
}

std::string create_statement(const Table& table, std::string_view comment) {
  std::string columns;
  for (const TableColumn& column : table.columns) {
    columns += columns.empty() ? "" : ", ";
    append_column(column, columns);
  }
  return "CREATE TABLE IF NOT EXISTS " + in_quotes(table.database, '`') + "." +
         in_quotes(table.name, '`') + " (" + columns + ") ENGINE = " + table.engine_full +
         " COMMENT " + in_quotes(comment, '\'');
}

std::string replacing_ddl(const Table& table, std::string_view name,
                          const std::vector<std::string>& key) {
  std::string text =
      "CREATE TABLE " + in_quotes(table.database, '`') + "." + in_quotes(name, '`') + " (";
  bool has_version = false;
  bool has_deleted = false;
  for (const TableColumn& column : table.columns) {
    append_column(column, text);
    text += ", ";
    has_version = has_version || column.name == "_version";
    has_deleted = has_deleted || column.name == "_is_deleted";
  }
  if (!has_version) text += "`_version` UInt64, ";
  if (!has_deleted) text += "`_is_deleted` UInt8, ";
  text.resize(text.size() - 2);
  const bool replicated = table.engine.starts_with("Replicated");
  return text + ") ENGINE = " + (replicated ? "Replicated" : "") +
         "ReplacingMergeTree(`_version`, `_is_deleted`) ORDER BY (" + quoted_list(key) + ")";
}

}  // namespace sluice
