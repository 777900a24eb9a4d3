// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/exception.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "core/base/text.hpp"
#include "core/model/quote.hpp"

namespace sluice::clickhouse {
namespace {

constexpr int violated_constraint = 469;
constexpr int throw_if = 395;

/// The decimal number at the front of `text`.
template <class Number>
std::optional<Number> number_at(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

/// What stands between the last `before` and the next `after`; empty when either is missing.
std::string_view between_last(std::string_view text, std::string_view before,
                              std::string_view after) {
  const size_t found = text.rfind(before);
  if (found == std::string_view::npos) return {};
  const std::string_view rest = text.substr(found + before.size());
  const size_t end = rest.find(after);
  return end == std::string_view::npos ? std::string_view{} : rest.substr(0, end);
}

std::string_view cut_at(std::string_view text, std::string_view marker) {
  return text.substr(0, text.find(marker));
}

/// Without the ": While executing NAME" of whoever read the body.
std::string_view without_reader(std::string_view text) {
  constexpr std::string_view reader = ": While executing ";
  const size_t found = text.rfind(reader);
  if (found != std::string_view::npos) {
    const std::string_view name = text.substr(found + reader.size());
    const auto letter = [](unsigned char byte) { return std::isalnum(byte) != 0; };
    if (std::all_of(name.begin(), name.end(), letter)) text = text.substr(0, found);
  }
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return text;
}

/// Where "Code: 27. DB::Exception…" begins in the body of an answer.
size_t exception_position(const HttpReply& reply) {
  constexpr std::string_view marker = "__exception__";
  constexpr std::string_view prefix = "Code: ";
  const std::string_view body = reply.body;
  if (body.substr(0, prefix.size()) == prefix) return 0;
  const size_t marked = body.rfind(marker);
  if (marked != std::string_view::npos) {
    const size_t found = body.find(prefix, marked);
    return found == std::string_view::npos ? marked : found;
  }
  // Rows came first, then the exception, as servers before 25.11 write it.
  if (reply.exception_code.empty() || body.find("DB::Exception") == std::string_view::npos) {
    return std::string_view::npos;
  }
  return body.rfind(prefix);
}

/// Takes " (CANNOT_PARSE_TEXT)" off the end.
std::string take_name(std::string_view& text) {
  if (text.empty() || text.back() != ')') return {};
  const size_t open = text.rfind('(');
  if (open == std::string_view::npos) return {};
  const std::string_view name = text.substr(open + 1, text.size() - open - 2);
  const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!is_name) return {};
  text = text.substr(0, open);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(name);
}

/// Length of the name, plain or in back quotes, at `position`; 0 when there is none.
size_t name_length(std::string_view text) {
  if (!text.empty() && text.front() == '`') {
    size_t position = 0;
    std::string name;
    return read_quoted(text, position, name) ? position : 0;
  }
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  const auto* const end = std::find_if_not(text.begin(), text.end(), is_part);
  return static_cast<size_t>(end - text.begin());
}

/// Length of "database.table" at the front of `text`; 0 when there is none.
size_t table_name_length(std::string_view text) {
  const size_t database = name_length(text);
  if (database == 0 || text.substr(database, 1) != ".") return 0;
  const size_t table = name_length(text.substr(database + 1));
  return table == 0 ? 0 : database + 1 + table;
}

std::string_view without_version(std::string_view text) {
  // Trailing line ends and what an old server (18.16) adds.
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  text = text.substr(0, text.rfind(", e.what() = "));
  return text.substr(0, text.rfind(" (version "));
}

/// Removes what stands in quotes and behind markers of quoted data.
std::string masked(std::string_view text) {
  text = cut_at(text, " before: ");
  text = cut_at(text, "Column values: ");
  std::string result;
  for (size_t position = 0; position < text.size(); ++position) {
    const char character = text[position];
    result += character;
    if (character != '\'' && character != '"') continue;
    result += "…";
    // An unclosed quote takes the rest with it.
    while (++position < text.size() && text[position] != character) {
      if (text[position] == '\\') ++position;
    }
    result += character;
  }
  return result;
}

/// "constraint `positive` (a > 0)". Names and expression stand before the values.
std::string violated(std::string_view text) {
  constexpr std::string_view prefix = "Constraint ";
  constexpr std::string_view expression = ". Expression: ";
  if (text.substr(0, prefix.size()) != prefix) return {};
  const std::string_view known = cut_at(text, ". Column values:");
  const size_t name_end = known.find(" for table ");
  const size_t found = known.find(expression);
  if (name_end == std::string_view::npos || found == std::string_view::npos) return {};
  std::string result("constraint ");
  result.append(known.substr(prefix.size(), name_end - prefix.size())).append(" ");
  return result.append(known.substr(found + expression.size()));
}

}  // namespace

std::optional<Exception> find_exception(const HttpReply& reply) {
  const size_t position = exception_position(reply);
  if (reply.exception_code.empty() && position == std::string_view::npos) return std::nullopt;
  Exception exception;
  std::string_view text;
  if (position != std::string_view::npos) text = std::string_view(reply.body).substr(position);
  constexpr std::string_view prefix = "Code: ";
  const bool coded = text.substr(0, prefix.size()) == prefix;
  const std::optional<int> written =
      coded ? number_at<int>(text.substr(prefix.size())) : std::nullopt;
  exception.code = number_at<int>(reply.exception_code).value_or(written.value_or(0));

  constexpr std::string_view introduction = "DB::Exception: ";
  const size_t found = text.find(introduction);
  text = found == std::string_view::npos ? std::string_view{}
                                         : text.substr(found + introduction.size());
  text = without_version(text);
  exception.name = take_name(text);
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  exception.text = text;
  return exception;
}

std::optional<uint64_t> blamed_row(const Exception& exception, const Insert& insert) {
  // A view counts the rows of its own result.
  if (!failing_view(exception).empty()) return std::nullopt;
  // The values of a violated row stand behind its number; a row that cannot be parsed is quoted
  // before it, and nothing but the reader's name behind it. So quoted text never decides. Only
  // readers of text number rows: what casts and defaults say about a row of Native is quoted.
  constexpr std::string_view violation = " is violated at row ";
  constexpr std::string_view parsing = "(at row ";
  std::string_view text = exception.text;
  const bool constraint = exception.code == violated_constraint;
  if (!constraint) {
    if (insert.format != InsertFormat::json_each_row) return std::nullopt;
    text = without_reader(text);
  }
  const size_t found = constraint ? text.find(violation) : text.rfind(parsing);
  if (found == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(found + (constraint ? violation : parsing).size());
  if (!constraint && rest.find_first_not_of("0123456789") + 1 != rest.size()) return std::nullopt;
  const auto row = number_at<uint64_t>(rest);
  if (!row || *row == 0 || *row > insert.rows) return std::nullopt;
  return *row - 1;
}

std::string blamed_column(const Exception& exception, const Insert& insert) {
  const std::string_view text = exception.text;
  std::string_view name = between_last(text, "(while reading the value of key ", "): (at row ");
  if (name.empty()) name = between_last(text, ": while converting column \"", "\" from type ");
  if (name.empty() || insert.columns.empty()) return std::string(name);
  const auto is_named = [&](const InsertColumn& column) { return column.name == name; };
  const auto& columns = insert.columns;
  if (!insert.plain()) {  // the body calls its columns v0, v1, … by position
    const auto position = name.front() == 'v' ? number_at<size_t>(name.substr(1)) : std::nullopt;
    return position && *position < columns.size() ? columns[*position].name : std::string{};
  }
  return std::any_of(columns.begin(), columns.end(), is_named) ? std::string(name) : std::string{};
}

std::string failing_view(const Exception& exception) {
  constexpr std::string_view marker = ": while pushing to view ";
  const size_t found = exception.text.rfind(marker);
  if (found == std::string::npos) return {};
  const std::string_view rest = std::string_view(exception.text).substr(found + marker.size());
  // The server puts it last; a record's content that says the same has something behind it.
  const size_t length = table_name_length(rest);
  const std::string_view behind = rest.substr(length);
  const bool last = behind.empty() || (behind.substr(0, 2) == " (" && behind.size() == 39);
  return length != 0 && last ? printable(rest.substr(0, length), 256) : std::string{};
}

std::string presentable(const Exception& exception, TextPolicy policy) {
  const std::string_view text = exception.text;
  switch (policy) {
    case TextPolicy::shown:
      return printable(cut_at(text, "\n"));
    case TextPolicy::masked:
      return printable(masked(cut_at(text, "\n")));
    case TextPolicy::withheld:
      if (exception.code == violated_constraint) return printable(violated(text));
      // Its message is a constant of the table's or view's author.
      if (exception.code == throw_if) return printable(cut_at(text, ": while "));
      return {};
  }
  return {};
}

}  // namespace sluice::clickhouse
