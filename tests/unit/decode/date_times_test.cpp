// SPDX-License-Identifier: Apache-2.0
#include "core/decode/date_times.hpp"

#include <gtest/gtest.h>

#include "core/decode/calendar.hpp"
#include "tests/unit/decode/decoding.hpp"

namespace sluice {
namespace {

using test::bytes_of;
using test::column;
using test::Decoding;

constexpr int64_t noon = 1704164645;  // 2024-01-02 03:04:05 UTC
constexpr int64_t midnight = 1704153600;

TEST(Calendar, CountsDaysAsTheCalendarDoes) {
  int32_t expected = -719162;  // 0001-01-01
  for (int32_t year = 1; year <= 9999; ++year) {
    for (uint32_t month = 1; month <= 12; ++month) {
      ASSERT_EQ(days_since_epoch({year, month, 1}), expected);
      expected += static_cast<int32_t>(days_of_month(year, month));
      ASSERT_EQ(days_since_epoch({year, month, days_of_month(year, month)}), expected - 1);
    }
  }
  EXPECT_EQ(days_since_epoch({1970, 1, 1}), 0);
  EXPECT_FALSE(exists({2023, 2, 29}));
  EXPECT_FALSE(exists({0, 1, 1}));
  EXPECT_TRUE(exists({2000, 2, 29}));
}

struct Form {
  const char* text;
  int64_t seconds;
  bool local;
};

TEST(DateTimes, FormsThatAreRead) {
  const Form forms[] = {
      {"2024-01-02 03:04:05", noon, true},
      {"2024-01-02T03:04:05", noon, true},
      {"2024-01-02T03:04:05Z", noon, false},
      {"2024-01-02 03:04:05 UTC", noon, false},
      {"2024-01-02T04:04:05+01:00", noon, false},
      {"2024-01-02T04:04:05 +0100", noon, false},
      {"2024-01-02T04:04:05+1", noon, false},
      {"2024-01-01T23:34:05-0330", noon, false},
      {"2024-01-01T23:34:05-330", noon, false},
      {"2024-01-02T04:04:05GMT+1", noon, false},
      {"2024-01-02 06:04:05 MSK", noon, false},
      {"2024/1/2 3:4:5", noon, true},
      {"2024.01.02, 03:04:05", noon, true},
      {"20240102030405", noon, true},
      {"20240102T030405Z", noon, false},
      {" 2024-01-02  03:04:05 ", noon, true},
      {"2024-01-02 03:04:05 AM", noon, true},
      {"Tue, 02 Jan 2024 03:04:05 GMT", noon, false},
      {"tuesday, 2 JANUARY 2024 03:04:05", noon, true},
      {"Tue Jan  2 03:04:05 2024", noon, true},
      {"Tue Jan 2 03:04:05 UTC 2024", noon, false},
      {"Jan 2, 2024 3:04:05 am", noon, true},
      {"2.1.2024 03:04:05", noon, true},
      {"02/01/24 03:04:05", noon, true},
      {"2-Jan-2024 03:04:05", noon, true},
      {"2024-01-02", midnight, true},
      {"2024-01-02Z", midnight, false},
      {"01/13/2024", midnight + 11 * 86400, true},
      {"2024-01-02 12:00 AM", midnight, true},
      {"2024-01-02 12:00 PM", midnight + 43200, true},
      {"1704164645", noon, false},
      {"123456789", 123456789, false},
      {"1704164645000", noon, false},
      {"1704164645000000", noon, false},
      {"1704164645000000000", noon, false},
  };
  for (const Form& form : forms) {
    TimeText time;
    ASSERT_EQ(parse_date_time(form.text, false, time), Fault::none) << form.text;
    EXPECT_EQ(time.seconds, form.seconds) << form.text;
    EXPECT_EQ(time.local, form.local) << form.text;
    EXPECT_EQ(time.fraction.find_first_not_of('0'), std::string_view::npos) << form.text;
  }
}

TEST(DateTimes, Fractions) {
  const std::pair<const char*, const char*> forms[] = {
      {"2024-01-02 03:04:05.678", "678"}, {"2024-01-02T03:04:05.5Z", "5"},
      {"2024-01-02T03:04:05.", ""},       {"1704164645678", "678"},
      {"1704164645123456", "123456"},     {"1704164645.25", "25"},
      {"2024-01-02 03:04:05.5 PM", "5"}};
  for (const auto& [text, fraction] : forms) {
    TimeText time;
    ASSERT_EQ(parse_date_time(text, true, time), Fault::none) << text;
    EXPECT_EQ(time.fraction, fraction) << text;
  }
  TimeText time;
  EXPECT_EQ(parse_date_time("1704164645.25", false, time), Fault::not_a_date);
}

TEST(DateTimes, FormsThatLeaveSomethingOutAreNotGuessed) {
  for (const char* text : {"",
                           " ",
                           "2024",
                           "2024-01",
                           "202401",
                           "Jan 2024",
                           "03:04:05",
                           "Mar  3 01:33:48",
                           "1",
                           "12",
                           "12345",
                           "2024-01-02T03",
                           "2024-01-02 03:04:05z",
                           "2024-01-02t03:04:05",
                           "2024-01-02 03:04:05 foo",
                           "2024-01-02 03:04:05+",
                           "2024-01-02 03:04:05+01:",
                           "20240102-05:",
                           "2024-01-02 03:04:05+01:0",
                           "2024-01-02 03:04:05+12345",
                           "2024-01-02 2024-01-02",
                           "170416464",
                           "17041646450",
                           "-1704164645",
                           "1704164645x",
                           "1704164645 ",
                           "Tue",
                           "Tue,",
                           "Jan",
                           "Married 2, 2024",
                           "2 Sept 2024",
                           "2024-01/02",
                           "2024-01-02Z+01:00",
                           "2024-01-02 03:04:05.5.5",
                           "2024-01-02 03:04:05.12345678901234567890",
                           "2024-01-02\n",
                           "\\u0032024-01-02"}) {
    TimeText time;
    EXPECT_EQ(parse_date_time(text, true, time),
              text == std::string("170416464") ? Fault::none : Fault::not_a_date)
        << text;
  }
}

TEST(DateTimes, DatesAndTimesThatDoNotExistAreNotCarriedOver) {
  for (const char* text :
       {"2024-02-30", "2023-02-29 10:00:00", "2024-00-10", "2024-01-00", "2024-13-01", "0000-01-01",
        "2024-01-02 24:00:00", "2024-01-02 23:60:00", "2024-01-02 23:59:60", "2024-01-02 13:00 AM",
        "2024-01-02 03:04:05+24:00", "2024-01-02 03:04:05+01:60", "32.01.2024"}) {
    TimeText time;
    const Fault fault = parse_date_time(text, true, time);
    EXPECT_TRUE(fault == Fault::no_such_date || fault == Fault::not_a_date) << text;
  }
}

std::string decoded(std::string_view type, const std::string& value, Gear gear,
                    std::string zone = "UTC") {
  Decoding decoding({column("x", type)}, gear, {}, std::move(zone));
  return decoding.decode("{\"x\":" + value + "}") ? decoding.bytes() : decoding.error().message;
}

TEST(DateTimes, BecomeTicksOfTheColumn) {
  for (const Gear gear : {Gear::both, Gear::slow}) {
    EXPECT_EQ(decoded("DateTime", "\"2024-01-02 03:04:05\"", gear),
              bytes_of(static_cast<uint32_t>(noon)));
    EXPECT_EQ(decoded("DateTime", "\"2024-01-02T03:04:05.000Z\"", gear),
              bytes_of(static_cast<uint32_t>(noon)));
    EXPECT_EQ(decoded("DateTime", "4294967295", gear), bytes_of(uint32_t{4294967295U}));
    EXPECT_EQ(decoded("DateTime64(3)", "\"2024-01-02 03:04:05.6\"", gear),
              bytes_of(noon * 1000 + 600));
    EXPECT_EQ(decoded("DateTime64(3)", "\"2024-01-02 03:04:05.678000\"", gear),
              bytes_of(noon * 1000 + 678));
    EXPECT_EQ(decoded("DateTime64(9)", "\"2024-01-02 03:04:05.123456789Z\"", gear),
              bytes_of(noon * 1000000000 + 123456789));
    EXPECT_EQ(decoded("DateTime64(0)", "\"2024-01-02 03:04:05\"", gear), bytes_of(noon));
    EXPECT_EQ(decoded("DateTime64(3)", "\"1969-12-31T23:59:59.5Z\"", gear),
              bytes_of(int64_t{-500}));
    EXPECT_EQ(decoded("DateTime64(3)", "\"0001-01-01 00:00:00\"", gear),
              bytes_of(int64_t{-62135596800000}));
    EXPECT_EQ(decoded("DateTime64(3)", "1704164645678", gear),
              bytes_of(int64_t{1704164645678}));  // its own ticks
    EXPECT_EQ(decoded("DateTime64(3)", "\"1704164645678\"", gear),
              bytes_of(int64_t{1704164645678}));
    EXPECT_EQ(decoded("DateTime", "\"1969-12-31 23:59:59\"", gear),
              "date out of range for DateTime");
    EXPECT_EQ(decoded("DateTime", "\"2106-02-07 06:28:16\"", gear),
              "date out of range for DateTime");
    EXPECT_EQ(decoded("DateTime", "-1", gear), "number out of range for DateTime");
    EXPECT_EQ(decoded("DateTime", "4294967296", gear), "number out of range for DateTime");
    EXPECT_EQ(decoded("DateTime64(9)", "\"2262-04-11 23:47:17\"", gear),
              "date out of range for DateTime64(9)");
    EXPECT_EQ(decoded("DateTime", "\"2024-01-02T03:04:05.678Z\"", gear),
              "a finer fraction of a second than DateTime keeps");
    EXPECT_EQ(decoded("DateTime64(3)", "\"2024-01-02T03:04:05.6789\"", gear),
              "a finer fraction of a second than DateTime64(3) keeps");
    EXPECT_EQ(decoded("DateTime64(3)", "1704164645.5", gear),
              "a number that is not an integer for DateTime64(3)");
    EXPECT_EQ(decoded("DateTime64(3)", "\"2024-02-30 00:00:00\"", gear),
              "a date or time of day that does not exist, for DateTime64(3)");
  }
}

TEST(DateTimes, TheColumnsZoneGoesBeforeTheServers) {
  for (const Gear gear : {Gear::both, Gear::slow}) {
    const std::string value = "\"2024-07-01 12:00:00\"";
    EXPECT_EQ(decoded("DateTime", value, gear, "Europe/Berlin"), bytes_of(uint32_t{1719828000}));
    EXPECT_EQ(decoded("DateTime('Asia/Kathmandu')", value, gear, "Europe/Berlin"),
              bytes_of(uint32_t{1719814500}));
    EXPECT_EQ(decoded("DateTime('Europe/Berlin')", "\"2024-07-01 12:00:00Z\"", gear),
              bytes_of(uint32_t{1719835200}));
    EXPECT_EQ(decoded("DateTime('Mars/Olympus')", value, gear),
              "the time zone of DateTime('Mars/Olympus') is not known on this machine and the text "
              "names no offset");
    EXPECT_EQ(decoded("DateTime('Mars/Olympus')", "\"2024-07-01 12:00:00Z\"", gear),
              bytes_of(uint32_t{1719835200}));
  }
}

}  // namespace
}  // namespace sluice
