// SPDX-License-Identifier: Apache-2.0
//
// Prints the events of the demo and the benchmarks: JSON lines, the same ones for the same seed.
//
//   bench_events COUNT [--seed S] [--wide | --narrow]
//   bench_events --ddl DB.TABLE [--wide | --narrow]       the CREATE TABLE for them
//
// An event has 10 columns in about 190 bytes; --wide has 100 in about 2 kB, --narrow 3 integers.
// About 1 % hold escapes or non-ASCII text, a third have no ref, a few amounts are not of two
// digits.

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace {

enum class Shape { normal, wide, narrow };

constexpr int extra_columns = 90;

struct Options {
  std::uint64_t count = 0;
  std::uint64_t seed = 1;
  Shape shape = Shape::normal;
  std::string_view ddl_table;
};

/// SplitMix64: small, fast, and the same everywhere, unlike the distributions of <random>.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  std::uint64_t below(std::uint64_t limit) { return (next() >> 11) % limit; }
  bool percent(std::uint64_t chance) { return below(100) < chance; }

  template <std::size_t N>
  std::string_view one_of(const std::array<std::string_view, N>& choices) {
    return choices[below(N)];
  }

 private:
  std::uint64_t state_;
};

// Repeated entries are more frequent.
constexpr auto countries = std::to_array<std::string_view>(
    {"DE", "DE", "DE", "US", "US", "US", "US", "FR", "FR", "GB", "GB", "NL", "PL", "PL", "IT",
     "ES", "ES", "BR", "BR", "IN", "IN", "IN", "JP", "SE", "CH", "AT", "CZ", "CA", "MX", "ZA"});
constexpr auto sections = std::to_array<std::string_view>(
    {"products", "products", "products", "search", "cart", "checkout", "account", "help", "blog"});
constexpr auto topics = std::to_array<std::string_view>(
    {"shoes", "jackets", "books", "garden", "kitchen", "bikes", "toys", "music", "tools"});
constexpr auto refs = std::to_array<std::string_view>(
    {"newsletter", "search-ads", "partner", "social", "affiliate", "mail"});
// As they stand in JSON: escaped quotes, backslashes, control characters, \u pairs, raw UTF-8.
constexpr auto odd_pages = std::to_array<std::string_view>(
    {R"(/search?q=\"red shoes\")", R"(/files/C:\\temp\\list.txt)",
     R"(/notes/line one\nline two\t!)", R"(/search?q=caf\u00e9)", R"(/smile/\ud83d\ude00)",
     R"(/a\/b)", "/suche?q=größe 42", "/検索/東京", "/поиск/Книги", "/emoji/🚲"});

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

void append_padded(std::string& out, std::uint64_t value, int width) {
  std::array<char, 20> digits;
  for (int i = width - 1; i >= 0; --i) {
    digits[static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out.append(digits.data(), static_cast<std::size_t>(width));
}

void append_hex(std::string& out, std::uint64_t value, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    out += "0123456789abcdef"[(value >> shift) & 15];
  }
}

void append_time(std::string& out, std::uint64_t unix_ms) {
  using namespace std::chrono;
  const sys_days day{days{unix_ms / 86'400'000}};
  const year_month_day date{day};
  const std::uint64_t ms = unix_ms % 86'400'000;
  append_padded(out, static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out += ' ';
  append_padded(out, ms / 3'600'000, 2);
  out += ':';
  append_padded(out, ms / 60'000 % 60, 2);
  out += ':';
  append_padded(out, ms / 1000 % 60, 2);
  out += '.';
  append_padded(out, ms % 1000, 3);
}

void append_amount(std::string& out, Random& random) {
  if (random.percent(97)) {
    append_number(out, random.below(500));
    out += '.';
    append_padded(out, random.below(100), 2);
    return;
  }
  static constexpr auto odd = std::to_array<std::string_view>(
      {"0", "-12.5", "19", "0.30000000000000004", "1e3", "3.141592653589793", "1.5E-7"});
  out += random.one_of(odd);
}

void append_page(std::string& out, Random& random) {
  if (random.percent(1)) {
    out += random.one_of(odd_pages);
    return;
  }
  out += '/';
  out += random.one_of(sections);
  out += '/';
  out += random.one_of(topics);
  out += '/';
  append_number(out, random.below(100'000));
}

/// The 90 columns more of --wide, their types in turn.
enum class Extra { integer, text, real, flag, negative };
constexpr Extra extra_type(int column) { return static_cast<Extra>(column % 5); }

void append_extra(std::string& out, int column, Random& random) {
  out += R"(,"attribute_)";
  append_padded(out, static_cast<std::uint64_t>(column), 2);
  out += R"(":)";
  switch (extra_type(column)) {
    case Extra::integer:
      append_number(out, random.below(1'000'000));
      return;
    case Extra::text:
      out += '"';
      out += random.one_of(topics);
      append_hex(out, random.next(), 6);
      out += '"';
      return;
    case Extra::real:
      append_amount(out, random);
      return;
    case Extra::flag:
      out += random.percent(50) ? "true" : "false";
      return;
    case Extra::negative:
      out += '-';
      append_number(out, 1 + random.below(1'000'000));
      return;
  }
}

/// Writes event after event; time moves on by 8 ms on average.
class Generator {
 public:
  Generator(Shape shape, std::uint64_t seed) : shape_(shape), random_(seed) {}

  void append(std::string& out) {
    ++id_;
    out += R"({"id":)";
    append_number(out, id_);
    if (shape_ == Shape::narrow) {
      append_narrow_rest(out);
    } else {
      append_event_rest(out);
      for (int i = 0; shape_ == Shape::wide && i < extra_columns; ++i)
        append_extra(out, i, random_);
    }
    out += "}\n";
  }

 private:
  void append_narrow_rest(std::string& out) {
    out += R"(,"user_id":)";
    append_number(out, 1 + random_.below(200'000));
    out += R"(,"value":)";
    if (random_.percent(20)) out += '-';
    append_number(out, 1 + random_.below(1'000'000));
  }

  void append_event_rest(std::string& out) {
    unix_ms_ += random_.below(17);
    const std::uint64_t user = 1 + random_.below(200'000);
    out += R"(,"ts":")";
    append_time(out, unix_ms_);
    out += R"(","user_id":)";
    append_number(out, user);
    out += R"(,"session":")";
    append_hex(out, user * 0x9e3779b97f4a7c15U, 16);
    out += R"(","page":")";
    append_page(out, random_);
    out += R"(","country":")";
    out += random_.one_of(countries);
    out += R"(","duration_ms":)";
    append_number(out, random_.below(5000));
    out += R"(,"amount":)";
    append_amount(out, random_);
    out += random_.percent(95) ? R"(,"ok":true)" : R"(,"ok":false)";
    out += R"(,"ref":)";
    append_ref(out);
  }

  void append_ref(std::string& out) {
    if (random_.percent(33)) {
      out += "null";
      return;
    }
    out += '"';
    out += random_.one_of(refs);
    out += '-';
    append_number(out, random_.below(100));
    out += '"';
  }

  Shape shape_;
  Random random_;
  std::uint64_t id_ = 0;
  std::uint64_t unix_ms_ = 1'795'226'400'000;  // 2026-11-21 02:00:00 UTC
};

std::string_view extra_type_name(Extra type) {
  switch (type) {
    case Extra::integer:
      return "UInt32";
    case Extra::text:
      return "String";
    case Extra::real:
      return "Float64";
    case Extra::flag:
      return "Bool";
    case Extra::negative:
      return "Int64";
  }
  return "";
}

std::string create_table(std::string_view table, Shape shape) {
  std::string ddl = "CREATE TABLE " + std::string(table) + "\n(\n    id UInt64,\n";
  if (shape == Shape::narrow) {
    return ddl + "    user_id UInt32,\n    value Int64\n)\nENGINE = MergeTree\nORDER BY id\n";
  }
  ddl +=
      "    ts DateTime64(3),\n    user_id UInt32,\n    session String,\n    page String,\n"
      "    country LowCardinality(String),\n    duration_ms UInt32,\n    amount Float64,\n"
      "    ok Bool,\n    ref Nullable(String)";
  for (int i = 0; shape == Shape::wide && i < extra_columns; ++i) {
    ddl += ",\n    attribute_";
    append_padded(ddl, static_cast<std::uint64_t>(i), 2);
    ddl += ' ';
    ddl += extra_type_name(extra_type(i));
  }
  return ddl + "\n)\nENGINE = MergeTree\nORDER BY (country, ts)\n";
}

bool parse_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  bool has_count = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (argument == "--wide") {
      options.shape = Shape::wide;
    } else if (argument == "--narrow") {
      options.shape = Shape::narrow;
    } else if (argument == "--ddl" && has_value) {
      options.ddl_table = argv[++i];
    } else if (argument == "--seed" && has_value) {
      if (!parse_number(argv[++i], options.seed)) return std::nullopt;
    } else if (!has_count && parse_number(argument, options.count)) {
      has_count = true;
    } else {
      return std::nullopt;
    }
  }
  if (has_count == !options.ddl_table.empty()) return std::nullopt;
  return options;
}

bool write(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
}

bool print_events(const Options& options) {
  constexpr std::size_t flush_bytes = 256 * 1024;
  Generator generator(options.shape, options.seed);
  std::string buffer;
  buffer.reserve(flush_bytes + 8192);
  for (std::uint64_t i = 0; i < options.count; ++i) {
    generator.append(buffer);
    if (buffer.size() < flush_bytes) continue;
    if (!write(buffer)) return false;
    buffer.clear();
  }
  return write(buffer) && std::fflush(stdout) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Options> options = parse(argc, argv);
  if (!options) {
    std::fputs(
        "usage: bench_events COUNT [--seed S] [--wide | --narrow]\n"
        "       bench_events --ddl DB.TABLE [--wide | --narrow]\n",
        stderr);
    return 2;
  }
  const bool written = options->ddl_table.empty()
                           ? print_events(*options)
                           : write(create_table(options->ddl_table, options->shape));
  if (!written) std::perror("bench_events: cannot write");
  return written ? 0 : 1;
}
