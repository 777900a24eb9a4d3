// SPDX-License-Identifier: Apache-2.0
#include "core/decode/integers.hpp"

#include "core/decode/digits.hpp"

namespace sluice {

Fault parse_integer(std::string_view text, bool is_signed, unsigned bits, Wide& value) {
  value = Wide{};
  if (text.empty()) return Fault::none;
  const bool negative = is_signed && text.front() == '-';
  if (negative || text.front() == '+') text.remove_prefix(1);
  const size_t count = count_digits(text);
  if (count == 0) return Fault::not_a_number;
  if (count != text.size()) return Fault::not_an_integer;
  constexpr size_t digits_in_word = 19;
  if (count <= digits_in_word) {
    value.words[0] = digits_value<uint64_t>(text);
  } else if (!append_digits(text, value)) {
    return Fault::out_of_range;
  }
  if (!is_signed) return value.fits(bits) ? Fault::none : Fault::out_of_range;
  const bool fits = value.fits(bits - 1) || (negative && value.is_power_of_two(bits - 1));
  if (negative) value.negate();
  return fits ? Fault::none : Fault::out_of_range;
}

}  // namespace sluice
