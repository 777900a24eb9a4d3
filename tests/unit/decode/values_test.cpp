// SPDX-License-Identifier: Apache-2.0
//
// What every type takes and refuses; each value goes through both gears.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/decode/decoding.hpp"

namespace sluice {
namespace {

using test::bytes_of;
using test::column;
using test::Decoding;

constexpr Gear gears[] = {Gear::both, Gear::slow};

void expect_taken(std::string_view type, const std::string& value, const std::string& bytes) {
  for (const Gear gear : gears) {
    Decoding decoding({column("x", type)}, gear);
    ASSERT_TRUE(decoding.decode("{\"x\":" + value + "}"))
        << type << " " << value << ": " << decoding.error().message;
    EXPECT_EQ(decoding.bytes(), bytes) << type << " " << value;
  }
}

void expect_refused(std::string_view type, const std::string& value, const std::string& message,
                    RejectReason reason = RejectReason::type) {
  for (const Gear gear : gears) {
    Decoding decoding({column("x", type)}, gear);
    ASSERT_FALSE(decoding.decode("{\"x\":" + value + "}")) << type << " " << value;
    EXPECT_EQ(decoding.error().message, message) << type << " " << value;
    EXPECT_EQ(decoding.error().reason, reason) << type << " " << value;
    EXPECT_EQ(decoding.error().column, reason == RejectReason::decode ? "" : "x");
    EXPECT_EQ(decoding.rows_of(0), 0u);
    EXPECT_EQ(decoding.bytes(), "");
  }
}

std::string text(std::string_view value) {
  return static_cast<char>(value.size()) + std::string(value);
}

TEST(Values, IntegersToTheirLimits) {
  expect_taken("UInt8", "255", bytes_of(uint8_t{255}));
  expect_taken("Int8", "-128", bytes_of(int8_t{-128}));
  expect_taken("UInt16", "65535", bytes_of(uint16_t{65535}));
  expect_taken("Int16", "-32768", bytes_of(int16_t{-32768}));
  expect_taken("UInt32", "4294967295", bytes_of(uint32_t{4294967295U}));
  expect_taken("Int32", "-2147483648", bytes_of(std::numeric_limits<int32_t>::min()));
  expect_taken("UInt64", "18446744073709551615", bytes_of(~uint64_t{0}));
  expect_taken("Int64", "-9223372036854775808", bytes_of(std::numeric_limits<int64_t>::min()));
  expect_taken("Int64", "9223372036854775807", bytes_of(std::numeric_limits<int64_t>::max()));
  expect_taken("UInt128", "340282366920938463463374607431768211455", std::string(16, '\xFF'));
  expect_taken("Int128", "-1", std::string(16, '\xFF'));
  expect_taken("Int256", "-1", std::string(32, '\xFF'));
  expect_taken("UInt256",
               "115792089237316195423570985008687907853269984665640564039457584007913129639935",
               std::string(32, '\xFF'));
  expect_taken("UInt256", "18446744073709551616",
               bytes_of(uint64_t{0}) + bytes_of(uint64_t{1}) + std::string(16, '\0'));
}

TEST(Values, IntegersBeyondTheirLimitsAreRefusedNotWrapped) {
  const std::pair<const char*, const char*> cases[] = {
      {"UInt8", "256"},
      {"UInt8", "300"},
      {"Int8", "128"},
      {"Int8", "-129"},
      {"UInt16", "65536"},
      {"UInt32", "4294967296"},
      {"Int32", "2147483648"},
      {"Int64", "9223372036854775808"},
      {"Int64", "-9223372036854775809"},
      {"UInt64", "18446744073709551616"},
      {"UInt64", "100000000000000000000000000000"},
      {"UInt128", "340282366920938463463374607431768211456"},
      {"UInt256",
       "115792089237316195423570985008687907853269984665640564039457584007913129639936"}};
  for (const auto& [type, value] : cases) {
    expect_refused(type, value, std::string("number out of range for ") + type);
  }
}

TEST(Values, IntegersInOtherForms) {
  expect_taken("UInt8", "\"7\"", bytes_of(uint8_t{7}));
  expect_taken("UInt8", "\"007\"", bytes_of(uint8_t{7}));
  expect_taken("UInt8", "\"+7\"", bytes_of(uint8_t{7}));
  expect_taken("UInt8", "\"\"", bytes_of(uint8_t{0}));
  expect_taken("Int64", "true", bytes_of(int64_t{1}));
  expect_taken("Int64", "\"false\"", bytes_of(int64_t{0}));
  expect_taken("Int8", "-0", bytes_of(int8_t{0}));
  expect_taken("UInt8", "null", bytes_of(uint8_t{0}));
  for (const char* value : {"-0", "-1", "\"-1\"", "\"abc\"", "\" 1\"", "\"\\u0031\"", "\"+\""}) {
    expect_refused("UInt8", value, "text that is not a number for UInt8");
  }
  for (const char* value : {"1.0", "1e2", "\"1 \"", "\"0x10\""}) {
    expect_refused("UInt8", value, "a number that is not an integer for UInt8");
  }
}

TEST(Values, ContainersAreNoScalars) {
  for (const char* type : {"UInt8", "Float64", "Decimal(9, 2)", "Date", "DateTime64(3)", "UUID",
                           "IPv4", "Bool", "FixedString(3)", "Enum8('a' = 1)"}) {
    for (const char* value : {"[]", "[1]", "{}", "{\"a\":1}"}) {
      expect_refused(type, value,
                     "this kind of JSON value does not fit " + parse_data_type(type).value().name);
    }
  }
}

TEST(Values, FloatsRoundToTheNearest) {
  expect_taken("Float64", "0.1", bytes_of(0.1));
  expect_taken("Float64", "-0", bytes_of(-0.0));
  expect_taken("Float64", "396.01", bytes_of(396.01));
  expect_taken("Float64", "9007199254740993", bytes_of(9007199254740992.0));
  expect_taken("Float64", "1.7976931348623157e308", bytes_of(std::numeric_limits<double>::max()));
  expect_taken("Float64", "5e-324", bytes_of(std::numeric_limits<double>::denorm_min()));
  expect_taken("Float64", "1e-400", bytes_of(0.0));
  expect_taken("Float64", "-1e-400", bytes_of(-0.0));
  expect_taken("Float64", "0e99999999999", bytes_of(0.0));
  expect_taken("Float32", "0.1", bytes_of(0.1F));
  expect_taken("Float32", "16777217", bytes_of(16777216.0F));
  expect_taken("Float32", "3.4028235e38", bytes_of(std::numeric_limits<float>::max()));
  expect_taken("BFloat16", "1.01171875", bytes_of(uint16_t{0x3F81}));  // 1.0078125: cut off
  expect_taken("BFloat16", "-2", bytes_of(uint16_t{0xC000}));
  expect_taken("Float64", "true", bytes_of(1.0));
  expect_taken("Float64", "\"+1.5\"", bytes_of(1.5));
  expect_taken("Float64", "\".5\"", bytes_of(0.5));
  expect_taken("Float64", "\"-inf\"", bytes_of(-std::numeric_limits<double>::infinity()));
  expect_taken("Float64", "\"NaN\"", bytes_of(std::numeric_limits<double>::quiet_NaN()));
}

TEST(Values, FloatsThatWouldBecomeInfiniteAreRefused) {
  expect_refused("Float64", "1e400", "number out of range for Float64");
  expect_refused("Float64", "1" + std::string(400, '0'), "number out of range for Float64");
  expect_refused("Float64", "1e99999999999", "number out of range for Float64");
  expect_refused("Float32", "1e39", "number out of range for Float32");
  expect_refused("BFloat16", "-1e39", "number out of range for BFloat16");
  for (const char* value :
       {"\"\"", "\".\"", "\"-\"", "\"1e\"", "\"1 \"", "\"infinit\"", "\"0x1\""}) {
    expect_refused("Float64", value, "text that is not a number for Float64");
  }
}

TEST(Values, DecimalsAreExact) {
  expect_taken("Decimal(9, 2)", "1.5", bytes_of(int32_t{150}));
  expect_taken("Decimal(9, 2)", "-9999999.99", bytes_of(int32_t{-999999999}));
  expect_taken("Decimal(9, 2)", "1.5500", bytes_of(int32_t{155}));
  expect_taken("Decimal(9, 2)", "1.5e3", bytes_of(int32_t{150000}));
  expect_taken("Decimal(9, 2)", "100e-2", bytes_of(int32_t{100}));
  expect_taken("Decimal(9, 2)", "\"+01.5\"", bytes_of(int32_t{150}));
  expect_taken("Decimal(9, 2)", "\"\"", bytes_of(int32_t{0}));
  expect_taken("Decimal(18, 4)", "99999999999999.9999", bytes_of(int64_t{999999999999999999}));
  expect_taken("Decimal(38, 0)", "18446744073709551616",
               bytes_of(uint64_t{0}) + bytes_of(uint64_t{1}));
  expect_taken("Decimal(76, 0)", "-1", std::string(32, '\xFF'));
}

TEST(Values, DecimalsThatDoNotFitAreRefusedNotCut) {
  expect_refused("Decimal(9, 2)", "1.555", "more digits after the point than Decimal(9, 2) keeps");
  expect_refused("Decimal(9, 2)", "1e-3", "more digits after the point than Decimal(9, 2) keeps");
  expect_refused("Decimal(9, 2)", "10000000", "number out of range for Decimal(9, 2)");
  expect_refused("Decimal(9, 2)", "1e7", "number out of range for Decimal(9, 2)");
  expect_refused("Decimal(9, 2)", "10000000000e-5", "number out of range for Decimal(9, 2)");
  expect_refused("Decimal(9, 2)", "1e99999999999", "number out of range for Decimal(9, 2)");
  expect_refused("Decimal(9, 9)", "0e5", "number out of range for Decimal(9, 9)");
  expect_refused("Decimal(9, 2)", "true", "this kind of JSON value does not fit Decimal(9, 2)");
  for (const char* value : {"\".\"", "\"-\"", "\"1e\"", "\"1.5.5\"", "\"inf\"", "\"1,5\""}) {
    expect_refused("Decimal(9, 2)", value, "text that is not a number for Decimal(9, 2)");
  }
}

TEST(Values, BoolsAreTrueFalseOneAndZero) {
  for (const char* value : {"true", "1"}) expect_taken("Bool", value, "\1");
  for (const char* value : {"false", "0", "null"})
    expect_taken("Bool", value, std::string(1, '\0'));
  for (const char* value : {"2", "-1", "1.0", "\"true\"", "\"1\""}) {
    expect_refused("Bool", value, "this kind of JSON value does not fit Bool");
  }
}

TEST(Values, StringsTakeEveryValueAsText) {
  expect_taken("String", "\"abc\"", text("abc"));
  expect_taken("String", R"("a\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00")",
               text("a\"\\/\b\f\n\r\tA\u00e9\u20ac\U0001F600"));
  expect_taken("String", "\"\\u0000\"", text(std::string_view("\0", 1)));
  expect_taken("String", "\"\\ude00\"", text("\xED\xB8\x80"));  // as ClickHouse's reader has it
  expect_taken("String", "1.50", text("1.50"));
  expect_taken("String", "true", text("true"));
  expect_taken("String", "null", text(""));
  expect_taken("String", "{ \"a\" : [1, \"}\"] }", text("{ \"a\" : [1, \"}\"] }"));
  expect_taken("String", "[1,2]", text("[1,2]"));
  expect_taken("String", "\"\xFF\xC3\"", text("\xFF\xC3"));
  expect_taken("String", "{\"\xFF\":\"\xC3\"}", text("{\"\xFF\":\"\xC3\"}"));
  expect_taken("FixedString(5)", "\"ab\\n\"", std::string("ab\n\0\0", 5));
  expect_refused("FixedString(2)", "\"abc\"", "text too long for FixedString(2)");
  expect_refused("FixedString(2)", "12", "this kind of JSON value does not fit FixedString(2)");
}

TEST(Values, LongStringsOfEveryLengthAroundTheBlocksOfTheScanner) {
  for (size_t size = 0; size < 200; ++size) {
    const std::string value(size, 'x');
    Decoding decoding({column("x", "String"), column("y", "UInt8")});
    ASSERT_TRUE(decoding.decode("{\"x\":\"" + value + "\",\"y\":7}"));
    ASSERT_TRUE(decoding.decode("{\"x\":\"" + value + "\\\\\",\"y\":7}"));
    Column expected(decoding.block().column(0).type());
    expected.append_string(value);
    expected.append_string(value + "\\");
    EXPECT_EQ(decoding.bytes(), bytes_of(expected));
    EXPECT_EQ(decoding.bytes(1), "\7\7");
  }
}

TEST(Values, BrokenStringsAreRefused) {
  const auto decode = RejectReason::decode;
  for (const char* value :
       {"\"\\q\"", "\"\\u12\"", "\"\\uZZZZ\"", "\"a\tb\"", "\"a\nb\"", "\"abc", "\"\\"}) {
    expect_refused("String", value, "not valid JSON", decode);
  }
  for (const char* value :
       {R"("\ud83d")", R"("\ud83dx")", R"("\ud83d\u0041")", R"("\ud83d\ud83d")"}) {
    expect_refused("String", value, "a \\u escape is half of a surrogate pair", decode);
  }
}

TEST(Values, EnumsByNameAndByNumber) {
  const char* type = "Enum8('a' = 1, 'b' = -2, '5' = 3)";
  expect_taken(type, "\"a\"", "\1");
  expect_taken(type, "\"\\u0061\"", "\1");
  expect_taken(type, "-2", "\xFE");
  expect_taken(type, "\"-2\"", "\xFE");
  expect_taken(type, "\"5\"", "\3");
  expect_taken("Enum16('x' = 300)", "300", bytes_of(int16_t{300}));
  expect_taken("Enum8('a' = 1, 'z' = 0)", "null", std::string(1, '\0'));
  const std::string name = parse_data_type(type).value().name;
  for (const char* value : {"\"c\"", "2", "257", "\"A\"", "\"\"", "1.0", "\"1 \""}) {
    expect_refused(type, value, "neither a name nor a value of " + name);
  }
  expect_refused(type, "null", "null for " + name + ", which has no value 0 to stand for it");
}

TEST(Values, UuidsWithAndWithoutHyphens) {
  const std::string bytes =
      bytes_of(uint64_t{0x61f0c4045cb311e7U}) + bytes_of(uint64_t{0x907ba6006ad3dba0U});
  expect_taken("UUID", "\"61f0c404-5cb3-11e7-907b-a6006ad3dba0\"", bytes);
  expect_taken("UUID", "\"61F0C4045CB311E7907BA6006AD3DBA0\"", bytes);
  for (const char* value :
       {"\"\"", "\"61f0c404-5cb3-11e7-907b-a6006ad3dba\"",
        "\"61f0c404-5cb311e7-907b-a6006ad3dba0\"", "\"{61f0c404-5cb3-11e7-907b-a6006ad3dba0}\"",
        "\"z1f0c404-5cb3-11e7-907b-a6006ad3dba0\""}) {
    expect_refused("UUID", value, "text that is not a UUID for UUID");
  }
}

TEST(Values, Addresses) {
  expect_taken("IPv4", "\"1.2.3.4\"", "\4\3\2\1");
  expect_taken("IPv4", "\"001.02.3.4\"", "\4\3\2\1");
  using namespace std::string_literals;
  const std::string mapped = "\0\0\0\0\0\0\0\0\0\0\xFF\xFF\1\2\3\4"s;
  expect_taken("IPv6", "\"::ffff:1.2.3.4\"", mapped);
  expect_taken("IPv6", "\"1.2.3.4\"", mapped);
  expect_taken("IPv6", "\"::\"", std::string(16, '\0'));
  expect_taken("IPv6", "\"2001:DB8::1\"", "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\1"s);
  expect_taken("IPv6", "\"1:2:3:4:5:6:7::\"", "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\0"s);
  expect_taken("IPv6", "\"1:2:3:4:5:6:7::8\"", "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\x8"s);
  for (const char* value : {"\"\"", "\"256.1.1.1\"", "\"1.2.3\"", "\"1.2.3.4.5\"", "\" 1.2.3.4\"",
                            "\"1.2.3.4/8\"", "\"0001.2.3.4\""}) {
    expect_refused("IPv4", value, "text that is not an address for IPv4");
  }
  for (const char* value :
       {"\"\"", "\":\"", "\":::\"", "\"1::2::3\"", "\"12345::\"", "\"1:2\"", "\"1:\"", "\":1\"",
        "\"::g\"", "\"1:2:3:4:5:6:7:8:9\"", "\"1:2:3:4:5:6:7:8::\"", "\"1:2:3:4:5:6:7:1.2.3.4\"",
        "\"::1.2.3\"", "\"fe80::1%eth0\""}) {
    expect_refused("IPv6", value, "text that is not an address for IPv6");
  }
}

TEST(Values, Dates) {
  expect_taken("Date", "\"2024-02-29\"", bytes_of(uint16_t{19782}));
  expect_taken("Date", "\"2024/2/29\"", bytes_of(uint16_t{19782}));
  expect_taken("Date", "\"20240229\"", bytes_of(uint16_t{19782}));
  expect_taken("Date", "\"2149-06-06\"", bytes_of(uint16_t{65535}));
  expect_taken("Date", "65535", bytes_of(uint16_t{65535}));
  expect_taken("Date32", "\"1900-01-01\"", bytes_of(int32_t{-25567}));
  expect_taken("Date32", "\"2299-12-31\"", bytes_of(int32_t{120529}));
  expect_taken("Date32", "-1", bytes_of(int32_t{-1}));
  for (const char* value :
       {"\"2023-02-29\"", "\"2024-13-01\"", "\"2024-00-01\"", "\"0000-00-00\"", "\"20240230\""}) {
    expect_refused("Date", value, "a date or time of day that does not exist, for Date");
  }
  for (const char* value : {"\"1969-12-31\"", "\"2149-06-07\""}) {
    expect_refused("Date", value, "date out of range for Date");
  }
  for (const char* value : {"\"1899-12-31\"", "\"2300-01-01\""}) {
    expect_refused("Date32", value, "date out of range for Date32");
  }
  for (const char* value : {"65536", "-1"})
    expect_refused("Date", value, "number out of range for Date");
  for (const char* value : {"\"\"", "\"2024-01-02 \"", "\"2024-01-02 03:04:05\"", "\"24-01-02\"",
                            "\"2024-011-2\"", "\"2024x01x02\""}) {
    expect_refused("Date", value, "text that is not a date in a form known for Date");
  }
}

TEST(Values, TimesOfDay) {
  expect_taken("Time", "\"01:02:03\"", bytes_of(int32_t{3723}));
  expect_taken("Time", "\"-999:59:59\"", bytes_of(int32_t{-3599999}));
  expect_taken("Time", "\"1:02\"", bytes_of(int32_t{62}));
  expect_taken("Time", "\"5\"", bytes_of(int32_t{5}));
  expect_taken("Time", "3600", bytes_of(int32_t{3600}));
  expect_taken("Time64(3)", "\"-00:00:00.5\"", bytes_of(int64_t{-500}));
  expect_taken("Time64(3)", "1500", bytes_of(int64_t{1500}));
  expect_refused("Time", "3600000", "number out of range for Time");
  expect_refused("Time", "\"01:60:00\"", "a date or time of day that does not exist, for Time");
  expect_refused("Time", "\"99:59\"", "a date or time of day that does not exist, for Time");
  expect_refused("Time64(3)", "\"01:02:03.1234\"",
                 "a finer fraction of a second than Time64(3) keeps");
  for (const char* value :
       {"\"\"", "\"1:2:3\"", "\"1000:00:00\"", "\"01:02:03.5\"", "\" 01:02:03\"", "\"123\""}) {
    expect_refused("Time", value, "text that is not a time of day for Time");
  }
}

TEST(Values, NullableTakesNull) {
  expect_taken("Nullable(UInt8)", "null", std::string("\1\0", 2));
  expect_taken("Nullable(UInt8)", "5", std::string("\0\5", 2));
  expect_taken("Nullable(String)", "\"null\"", std::string("\0\4null", 6));
  expect_taken("LowCardinality(Nullable(String))", "null", std::string("\1\0", 2));
}

TEST(Values, Composites) {
  using namespace std::string_literals;
  expect_taken("Array(UInt8)", "[1,null,\"3\"]", bytes_of(uint64_t{3}) + "\1\0\3"s);
  expect_taken("Array(Array(UInt8))", "[[1],[],null]",
               bytes_of(uint64_t{3}) + bytes_of(uint64_t{1}) + bytes_of(uint64_t{1}) +
                   bytes_of(uint64_t{1}) + "\1"s);
  expect_taken("Tuple(UInt8, String)", "[1,\"a\"]", "\1\1a");
  expect_taken("Tuple(a UInt8, b String)", "{\"b\":\"z\",\"c\":[{}],\"a\":1}", "\1\1z");
  expect_taken("Tuple(a UInt8, b Nullable(UInt8))", "{}", "\0\1\0"s);
  expect_taken("Map(String, UInt8)", "{\"a\":1,\"a\":2,\"\\n\":3}",
               bytes_of(uint64_t{3}) + "\1a\1a\1\n\1\2\3");
  expect_taken("Map(UInt16, UInt8)", "{\"256\":1}", bytes_of(uint64_t{1}) + "\0\1\1"s);
  expect_taken("Point", "[1,-0]", bytes_of(1.0) + bytes_of(-0.0));
  expect_refused("Tuple(UInt8, String)", "[1]",
                 "an array of the wrong length for Tuple(UInt8, String)");
  expect_refused("Tuple(UInt8, String)", "[1,\"a\",2]",
                 "an array of the wrong length for Tuple(UInt8, String)");
  expect_refused("Tuple(UInt8, String)", "{\"1\":1}",
                 "this kind of JSON value does not fit Tuple(UInt8, String)");
  expect_refused("Tuple(a UInt8)", "[1]", "this kind of JSON value does not fit Tuple(a UInt8)");
  expect_refused("Tuple(a UInt8)", "{\"a\":1,\"a\":1}", "the key stands twice in the object",
                 RejectReason::schema);
  expect_refused("Tuple(a UInt8)", "{\"\\u0061\":1}",
                 "a key with a backslash in an object for Tuple(a UInt8)", RejectReason::schema);
  expect_refused("Array(UInt8)", "[1,300]", "number out of range for UInt8");
  expect_refused("Array(UInt8)", "\"[1]\"", "this kind of JSON value does not fit Array(UInt8)");
  expect_refused("Map(UInt8, UInt8)", "{\"300\":1}", "number out of range for Map(UInt8, UInt8)");
  expect_refused("Array(Enum8('a' = 1))", "[null]",
                 "null for Enum8('a' = 1), which has no value 0 to stand for it");
}

}  // namespace
}  // namespace sluice
