// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/tsv.hpp"

#include <utility>

namespace sluice::clickhouse {
namespace {

/// What stands behind a backslash, read as ClickHouse writes it.
std::string unescaped(char letter) {
  switch (letter) {
    case 'b':
      return "\b";
    case 'f':
      return "\f";
    case 'n':
      return "\n";
    case 'r':
      return "\r";
    case 't':
      return "\t";
    case '0':
      return std::string(1, '\0');
    case 'N':
      return "\\N";
    default:
      return std::string(1, letter);
  }
}

}  // namespace

std::vector<TsvRow> parse_tsv(std::string_view text) {
  std::vector<TsvRow> rows;
  TsvRow row;
  std::string field;
  bool open = false;  // something of a row was seen since the last line end
  for (size_t position = 0; position < text.size(); ++position) {
    const char character = text[position];
    open = character != '\n';
    if (character == '\t' || character == '\n') {
      row.push_back(std::exchange(field, {}));
    } else if (character == '\\' && position + 1 < text.size()) {
      field += unescaped(text[++position]);
    } else {
      field += character;
    }
    if (character == '\n') rows.push_back(std::exchange(row, {}));
  }
  if (open) {
    row.push_back(std::move(field));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sluice::clickhouse
