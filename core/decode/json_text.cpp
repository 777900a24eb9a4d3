// SPDX-License-Identifier: Apache-2.0
#include "core/decode/json_text.hpp"

#include "core/base/text.hpp"
#include "core/decode/digits.hpp"

namespace sluice {

namespace {

constexpr uint32_t no_unit = UINT32_MAX;

bool skip_digits(const char*& position) {
  if (!is_digit(*position)) return false;
  while (is_digit(*position)) ++position;
  return true;
}

bool read_number(const char*& position, Scalar& scalar) {
  const char* begin = position;
  if (*position == '-') ++position;
  if (*position == '0') {
    ++position;
  } else if (!skip_digits(position)) {
    return false;
  }
  if (*position == '.' && !skip_digits(++position)) return false;
  if (*position == 'e' || *position == 'E') {
    ++position;
    if (*position == '+' || *position == '-') ++position;
    if (!skip_digits(position)) return false;
  }
  scalar.kind = Scalar::Kind::number;
  scalar.escaped = false;
  scalar.text = {begin, static_cast<size_t>(position - begin)};
  return true;
}

bool read_word(const char*& position, std::string_view word, Scalar::Kind kind, Scalar& scalar) {
  if (std::memcmp(position, word.data(), word.size()) != 0) return false;
  scalar.kind = kind;
  scalar.escaped = false;
  scalar.text = {position, word.size()};
  position += word.size();
  return true;
}

/// The four hexadecimal digits of a \u escape.
uint32_t take_unit(std::string_view& text) {
  if (text.size() < 4) return no_unit;
  uint32_t unit = 0;
  for (const char c : take(text, 4)) {
    const char lower = to_lower(c);
    const bool letter = lower >= 'a' && lower <= 'f';
    if (!letter && !is_digit(c)) return no_unit;
    unit = unit << 4 | static_cast<uint32_t>(letter ? lower - 'a' + 10 : c - '0');
  }
  return unit;
}

size_t write_utf8(uint32_t code, char* out) {
  const auto byte = [&](uint32_t bits) { *out++ = static_cast<char>(bits); };
  const auto tail = [&](uint32_t shift) { byte(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    byte(code);
    return 1;
  }
  if (code < 0x800) {
    byte(0xC0 | code >> 6);
    tail(0);
    return 2;
  }
  if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    tail(6);
    tail(0);
    return 3;
  }
  byte(0xF0 | code >> 18);
  tail(12);
  tail(6);
  tail(0);
  return 4;
}

/// Takes one escape off `text`, which begins behind the backslash.
Fault take_escape(std::string_view& text, uint32_t& code) {
  if (text.empty()) return Fault::not_json;
  constexpr std::string_view names = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  const char name = take(text, 1).front();
  if (name != 'u') {
    const size_t index = names.find(name);
    if (index == std::string_view::npos) return Fault::not_json;
    code = static_cast<unsigned char>(meanings[index]);
    return Fault::none;
  }
  code = take_unit(text);
  if (code == no_unit) return Fault::not_json;
  if (code < 0xD800 || code >= 0xDC00) return Fault::none;
  if (!text.starts_with("\\u")) return Fault::lone_surrogate;
  text.remove_prefix(2);
  const uint32_t low = take_unit(text);
  if (low == no_unit) return Fault::not_json;
  if (low < 0xDC00 || low >= 0xE000) return Fault::lone_surrogate;
  code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  return Fault::none;
}

}  // namespace

bool read_string(const char*& position, Scalar& scalar) {
  if (*position != '"') return false;
  const char* begin = position + 1;
  const char* end = begin;
  scalar.kind = Scalar::Kind::string;
  scalar.escaped = false;
  while (true) {
    const uint32_t ends = find_string_ends(end);
    if (ends == 0) {
      end += 16;
      continue;
    }
    end += __builtin_ctz(ends);
    if (*end != '\\') break;
    scalar.escaped = true;
    // The character after a backslash never ends the string; a control character still does.
    end += static_cast<unsigned char>(end[1]) < 0x20 ? 1 : 2;
  }
  if (*end != '"') return false;
  scalar.text = {begin, static_cast<size_t>(end - begin)};
  position = end + 1;
  return true;
}

bool read_scalar(const char*& position, Scalar& scalar) {
  switch (*position) {
    case '"':
      return read_string(position, scalar);
    case 't':
      return read_word(position, "true", Scalar::Kind::boolean, scalar);
    case 'f':
      return read_word(position, "false", Scalar::Kind::boolean, scalar);
    case 'n':
      return read_word(position, "null", Scalar::Kind::null, scalar);
    default:
      return read_number(position, scalar);
  }
}

Fault check_escapes(std::string_view text) {
  while (true) {
    const size_t backslash = text.find('\\');
    if (backslash == std::string_view::npos) return Fault::none;
    text.remove_prefix(backslash + 1);
    uint32_t code = 0;
    const Fault fault = take_escape(text, code);
    if (fault != Fault::none) return fault;
  }
}

Fault unescape(std::string_view text, char* out, size_t& size) {
  const char* begin = out;
  while (!text.empty()) {
    const size_t plain = std::min(text.find('\\'), text.size());
    std::memcpy(out, text.data(), plain);
    out += plain;
    text.remove_prefix(plain);
    if (text.empty()) break;
    text.remove_prefix(1);
    uint32_t code = 0;
    const Fault fault = take_escape(text, code);
    if (fault != Fault::none) return fault;
    out += write_utf8(code, out);
  }
  size = static_cast<size_t>(out - begin);
  return Fault::none;
}

const char* find_closing_bracket(const char* position) {
  size_t open = 0;
  while (*position != '\0') {
    const char c = *position;
    if (c == '"') {
      Scalar ignored;
      if (!read_string(position, ignored)) return nullptr;
      continue;
    }
    if (c == '{' || c == '[') ++open;
    if (c == '}' || c == ']') --open;
    if (open == 0) return position;
    ++position;
  }
  return nullptr;
}

}  // namespace sluice
