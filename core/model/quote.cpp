// SPDX-License-Identifier: Apache-2.0
#include "core/model/quote.hpp"

namespace sluice {

namespace {

/// The letter behind the backslash, '\0' where the character stands for itself.
char escape_letter(char character) {
  switch (character) {
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\0':
      return '0';
    case '\\':
      return '\\';
    default:
      return '\0';
  }
}

/// What a backslash and this letter stand for, '\0' where the letter has no such meaning.
char control_character(char letter) {
  switch (letter) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'e':
      return '\x1b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return '\0';
  }
}

int hex_digit(char character) {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  if (character >= 'A' && character <= 'F') return character - 'A' + 10;
  return -1;
}

/// Reads the escape whose backslash is before `position`.
void read_escape(std::string_view text, size_t& position, std::string& value) {
  const char letter = text[position++];
  if (letter == 'x' && text.size() - position >= 2) {
    const int high = hex_digit(text[position]);
    const int low = hex_digit(text[position + 1]);
    if (high >= 0 && low >= 0) {
      value += static_cast<char>(high * 16 + low);
      position += 2;
      return;
    }
  }
  if (letter == 'N') return;  // ClickHouse reads \N as nothing
  if (letter == '0') {
    value += '\0';
  } else if (const char control = control_character(letter); control != '\0') {
    value += control;
  } else {
    constexpr std::string_view plain = "\\'`\"/";
    if (plain.find(letter) == std::string_view::npos) value += '\\';
    value += letter;
  }
}

}  // namespace

std::string in_quotes(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char character : text) {
    if (character == quote) {
      result += '\\';
      result += quote;
    } else if (const char letter = escape_letter(character); letter != '\0') {
      result += '\\';
      result += letter;
    } else {
      result += character;
    }
  }
  result += quote;
  return result;
}

bool read_quoted(std::string_view text, size_t& position, std::string& value) {
  value.clear();
  const char quote = text[position++];
  while (position < text.size()) {
    const char character = text[position++];
    if (character == '\\' && position < text.size()) {
      read_escape(text, position, value);
    } else if (character != quote) {
      value += character;
    } else if (position < text.size() && text[position] == quote) {
      value += quote;
      ++position;
    } else {
      return true;
    }
  }
  return false;
}

}  // namespace sluice
