// SPDX-License-Identifier: Apache-2.0
//
// Both gears must make the same columns of the same records, and of broken ones none. Records are
// random, in shapes that come again, that change, and that are damaged.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>

#include "tests/unit/decode/decoding.hpp"

namespace sluice {
namespace {

using test::column;
using test::Decoding;

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  size_t below(size_t limit) { return random_() % limit; }
  bool chance(size_t percent) { return below(100) < percent; }
  const char* one_of(std::initializer_list<const char*> choices) {
    return *(choices.begin() + below(choices.size()));
  }

  std::string digits(size_t max) {
    std::string text = std::to_string(1 + below(9));
    for (size_t i = below(max); i > 0; --i) text += static_cast<char>('0' + below(10));
    return chance(10) ? "0" : text;
  }

  std::string number() {
    std::string text = (chance(20) ? "-" : "") + digits(chance(80) ? 5 : 30);
    if (chance(40)) text += "." + std::string(below(3), '0') + digits(chance(80) ? 3 : 25);
    if (chance(5)) text += one_of({"e5", "E-3", "e+300", "e400", "e"});
    return text;
  }

  std::string text() {
    std::string inner;
    for (size_t i = below(chance(90) ? 6 : 40); i > 0; --i) {
      inner += one_of({"a", "bc", "0123456789abcdef", "é", "🚲", " ", "{", "]", ",", "\\n", "\\\"",
                       "\\u00e9", "\\ud83d\\ude00", "2024"});
    }
    if (chance(2)) inner += one_of({"\\q", "\\ud800", "\x01", "\xFF", "\\u12", "\\ude00"});
    return "\"" + inner + "\"";
  }

  std::string time() {
    const auto two = [this](size_t limit) {
      const std::string value = std::to_string(below(limit));
      return value.size() == 1 ? "0" + value : value;
    };
    std::string text = std::to_string(chance(90) ? 2020 + below(20) : 1 + below(9999)) + "-" +
                       two(13) + "-" + two(31) + one_of({" ", "T", "T", "  "}) + two(25) + ":" +
                       two(61) + ":" + two(61);
    if (chance(60)) text += "." + digits(9);
    return "\"" + text + one_of({"", "Z", "", "+01:00", " "}) + "\"";
  }

  std::string value(size_t depth = 0) {
    switch (below(depth < 3 ? 11 : 8)) {
      case 0:
      case 1:
        return number();
      case 2:
        return digits(8);
      case 3:
        return text();
      case 4:
        return time();
      case 5:
        return one_of({"true", "false", "1", "0", "\"true\""});
      case 6:
        return one_of({"null", "null", "\"\"", "\"1.2.3.4\"", "\"a\"", "\"2024-02-29\"",
                       "\"61f0c404-5cb3-11e7-907b-a6006ad3dba0\""});
      case 7:
        return "\"" + number() + "\"";
      default:
        return container(depth);
    }
  }

  std::string container(size_t depth) {
    const bool object = chance(50);
    std::string text;
    for (size_t i = below(4); i > 0; --i) {
      if (!text.empty()) text += one_of({",", ", "});
      if (object) text += std::string(one_of({"\"a\"", "\"b\"", "\"k\\n\"", "\"1\""})) + ":";
      text += value(depth + 1);
    }
    return (object ? "{" : "[") + text + (object ? "}" : "]");
  }

 private:
  std::mt19937_64 random_;
};

std::vector<TableColumn> columns() {
  return {column("id", "UInt64"),
          column("small", "Int8"),
          column("n32", "Int32", "41"),
          column("wide", "Int256"),
          column("f64", "Float64"),
          column("f32", "Nullable(Float32)"),
          column("money", "Decimal(18, 4)"),
          column("ok", "Bool"),
          column("name", "String"),
          column("ref", "LowCardinality(Nullable(String))"),
          column("at", "DateTime"),
          column("at64", "DateTime64(3, 'Europe/Berlin')"),
          column("day", "Date"),
          column("kind", "Enum8('a' = 1, 'b' = 2)"),
          column("ip", "IPv4"),
          column("list", "Array(Nullable(Int16))"),
          column("pair", "Tuple(a UInt8, b String)"),
          column("map", "Map(String, Float64)"),
          column("u8", "UInt8")};
}

/// A record that mostly fits its columns.
std::string record(Generator& generator, const std::vector<std::string>& names, size_t misfits) {
  const auto fitting = [&](const std::string& name) -> std::string {
    if (generator.chance(misfits)) return generator.value();
    if (name == "id" || name == "n32" || name == "wide") return generator.digits(9);
    if (name == "small" || name == "u8") return generator.digits(2);
    if (name == "f64" || name == "f32") return generator.digits(4) + "." + generator.digits(2);
    if (name == "money") return generator.digits(5) + ".5";
    if (name == "ok") return generator.one_of({"true", "false"});
    if (name == "at" || name == "at64")
      return generator.chance(30) ? generator.time() : "\"2024-05-06 07:08:09\"";
    if (name == "day") return "\"2024-05-06\"";
    if (name == "kind") return generator.one_of({"\"a\"", "2"});
    if (name == "ip") return "\"1.2.3.4\"";
    if (name == "list") return generator.one_of({"[]", "[1,null,3]"});
    if (name == "pair")
      return generator.one_of({"{\"a\":1,\"b\":\"x\"}", "{\"b\":\"y\",\"zz\":[1]}", "null"});
    if (name == "map") return generator.one_of({"{}", "{\"a\":1.5}"});
    return generator.text();
  };
  std::string text = "{";
  const char* space = generator.chance(10) ? " " : "";
  for (const std::string& name : names) {
    if (text.size() > 1) text += std::string(",") + space;
    text += "\"" + name + "\":" + space + fitting(name);
  }
  return text + "}";
}

std::string damaged(Generator& generator, std::string text) {
  if (text.empty()) return text;
  const size_t position = generator.below(text.size());
  switch (generator.below(4)) {
    case 0:
      return text.substr(0, position);
    case 1:
      return text.erase(position, 1 + generator.below(3));
    case 2:
      return text.insert(position, generator.one_of({"\"", ",", "}", "[", "1", " ", "\\", "\t",
                                                     "{}", ":", "e", "-", "\xFF"}));
    default:
      text[position] = static_cast<char>(generator.below(256));
      return text;
  }
}

/// Both decoders must agree on the record; says whether they took it.
bool compare(Decoding& fast, Decoding& slow, const std::string& text) {
  const bool taken = slow.decode(text);
  EXPECT_EQ(fast.decode(text), taken) << text;
  if (!taken) {
    EXPECT_EQ(fast.error().reason, slow.error().reason) << text;
    EXPECT_EQ(fast.error().column, slow.error().column) << text;
    EXPECT_EQ(fast.error().message, slow.error().message) << text;
  }
  return taken;
}

void expect_same(Decoding& fast, Decoding& slow) {
  ASSERT_EQ(fast.rows(), slow.rows());
  for (size_t i = 0; i < columns().size(); ++i)
    ASSERT_EQ(fast.bytes(i), slow.bytes(i)) << columns()[i].name;
  ASSERT_EQ(fast.decoder().take_unknown_fields().empty(),
            slow.decoder().take_unknown_fields().empty());
}

TEST(Gears, MakeTheSameColumns) {
  size_t taken = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Generator generator(seed);
    Decoding fast(columns(), Gear::both);
    Decoding slow(columns(), Gear::slow);
    std::vector<std::string> names;
    for (const TableColumn& known : columns()) names.push_back(known.name);
    for (const char* extra : {"extra", "more", "e\\u0078tra"}) {
      if (generator.chance(50)) names.emplace_back(extra);
    }
    for (int row = 0; row < 300; ++row) {
      if (row % 50 == 40) std::shuffle(names.begin(), names.end(), std::mt19937_64(seed));
      std::vector<std::string> chosen = names;
      if (generator.chance(20)) chosen.resize(generator.below(names.size()));
      if (generator.chance(3) && !chosen.empty()) chosen.push_back(chosen.front());
      std::string text = record(generator, chosen, seed % 5);
      if (generator.chance(15)) text = damaged(generator, std::move(text));
      taken += compare(fast, slow, text) ? 1 : 0;
    }
    expect_same(fast, slow);
    if (HasFailure()) return;
  }
  EXPECT_GT(taken, 3000u);
}

/// Every column points into an object within the record.
ColumnOptions all_mapped() {
  ColumnOptions options;
  for (const TableColumn& known : columns()) {
    options.rules.push_back({known.name, {.pointer = {"outer", "1", known.name}}, ""});
  }
  return options;
}

TEST(Gears, MappedColumnsDecodeAsOthersDo) {
  size_t taken = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Generator generator(seed);
    Decoding by_name(columns(), Gear::slow);
    Decoding fast(test::table_of(columns()), all_mapped(), Gear::both);
    Decoding slow(test::table_of(columns()), all_mapped(), Gear::slow);
    std::vector<std::string> names;
    for (const TableColumn& known : columns()) names.push_back(known.name);
    for (int row = 0; row < 200; ++row) {
      std::vector<std::string> chosen = names;
      if (generator.chance(20)) chosen.resize(generator.below(names.size()));
      if (generator.chance(3) && !chosen.empty()) chosen.push_back(chosen.front());
      const std::string text = record(generator, chosen, seed % 5);
      const std::string nested = R"({"id":5,"outer":[{"id":6}, )" + text + R"( ,0],"x":[1]})";
      const bool good = by_name.decode(text);
      ASSERT_EQ(compare(fast, slow, nested), good) << text << slow.error().message;
      taken += good ? 1 : 0;
    }
    expect_same(fast, slow);
    for (size_t i = 0; i < columns().size(); ++i)
      ASSERT_EQ(by_name.bytes(i), slow.bytes(i)) << columns()[i].name;
  }
  EXPECT_GT(taken, 500u);
}

/// Puts other characters for what nlohmann refuses and we do not: bytes that are not ASCII, halves
/// of surrogate pairs, and numbers too large for a double.
std::string plain(std::string text) {
  for (size_t at = 0; at + 5 < text.size(); ++at) {
    if (text[at] != '\\') continue;
    const char third = static_cast<char>(text[at + 3] | 0x20);
    const bool half = text[at + 1] == 'u' && (text[at + 2] | 0x20) == 'd' &&
                      (third == '8' || third == '9' || (third >= 'a' && third <= 'f'));
    if (half) text.replace(at, 6, "123456");
    ++at;
  }
  bool exponent = false;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    exponent = c == 'e' || c == 'E' || (exponent && std::strchr("+-0123456789", c) != nullptr);
    if (exponent && c >= '0' && c <= '9') c = '0';
  }
  return text;
}

bool is_object(const std::string& text) {
  const auto parsed = nlohmann::json::parse(text, nullptr, false);
  return parsed.is_object();
}

TEST(Gears, TakeNoRecordThatIsNotJson) {
  size_t valid = 0;
  size_t broken = 0;
  Generator generator(7);
  Decoding fast({column("zz", "UInt8")});
  for (int i = 0; i < 20000; ++i) {
    std::string text = "{\"x\":" + generator.value() + ",\"y\":" + generator.value() + "}";
    if (generator.chance(70)) text = damaged(generator, std::move(text));
    if (fast.decode(text)) {
      ASSERT_TRUE(is_object(plain(text))) << text;
      ++valid;
    } else if (fast.error().reason == RejectReason::decode && is_object(text)) {
      ADD_FAILURE() << text << ": " << fast.error().message;
    } else {
      ++broken;
    }
  }
  EXPECT_GT(valid, 2000u);
  EXPECT_GT(broken, 2000u);
}

TEST(Gears, TheFastOneIsReallyUsed) {
  Decoding fast(columns(), Gear::fast);
  const std::string text =
      R"({"id":1,"name":"x","at":"2024-05-06 07:08:09","f64":1.5,"list":[1,2],"zz":{"a":[1]},"ok":true,"ref":null,"map":{}})";
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(fast.decode(text));
  EXPECT_TRUE(fast.decode(R"({ "ok" : false , "name" : "a\nb" , "zz" : {} , "id" : "5" })"));
  EXPECT_FALSE(fast.decode("{\"id\":1.5}"));
}

TEST(Gears, RecordsThatTheFastOneNeverTakesDoNotDisturbOthers) {
  Decoding fast({column("a", "UInt8")});
  for (int i = 0; i < 5000; ++i) {
    EXPECT_TRUE(fast.decode("{\"\\u0061\":1}"));
    if (i % 1000 == 0) {
      EXPECT_TRUE(fast.decode("{\"a\":2}"));
    }
  }
  EXPECT_EQ(fast.rows(), 5005u);
}

}  // namespace
}  // namespace sluice
