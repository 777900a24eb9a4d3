# SPDX-License-Identifier: Apache-2.0
"""The JSON decoder against ClickHouse's own reader: for every column type and JSON value, what lands
through core/decode and core/block must equal, byte for byte, what JSONEachRow stores. What we refuse
on purpose is listed in support/differential.py, and the table of the README is made from that list:
SLUICE_UPDATE_GOLDEN=1 writes it.

Values are lists of boundary cases and seeded random ones; SLUICE_TEST_SEED and SLUICE_TEST_CASES
(random values per type) change them. A million:
    SLUICE_TEST_CASES=6000 tests/run -R test_differential
"""

import itertools
import os
import random

import pytest

import differential
from differential import Table

pytestmark = pytest.mark.skipif(not differential.TOOL, reason="SLUICE_DECODE_TOOL does not name the tool")

SEED = int(os.environ.get("SLUICE_TEST_SEED") or 1)  # tests/nightly draws others
CASES = int(os.environ.get("SLUICE_TEST_CASES") or 60)


@pytest.fixture(autouse=True)
def seed_in_the_report():
    print(f"SLUICE_TEST_SEED={SEED} SLUICE_TEST_CASES={CASES} repeats this")


@pytest.fixture
def table(clickhouse, tmp_path):
    return lambda columns, **options: Table(clickhouse, tmp_path, columns, **options)


def as_lines(values):
    return [b'{"x":%s}' % (value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass"))
            for value in values]


def quoted(values):
    return [f'"{value}"' for value in values]


WRONG_KINDS = ["null", "true", "false", "[]", "[1]", "{}", '{"a":1}', '""', '"abc"', '"null"', '"true"',
               '"false"', '" 1"', '"1 "', '"\\u0031"', "1", "0", "-0", "-1", "1.0", "1.5", "1e2", "1E-1"]


# -- numbers ------------------------------------------------------------------------------------------

INTEGERS = [f"{sign}Int{bits}" for bits in (8, 16, 32, 64, 128, 256) for sign in ("", "U")]
FLOATS = ["Float32", "Float64", "BFloat16"]
DECIMALS = ["Decimal(1, 0)", "Decimal(9, 0)", "Decimal(9, 2)", "Decimal(9, 9)", "Decimal(18, 4)",
            "Decimal(18, 18)", "Decimal(38, 10)", "Decimal(38, 38)", "Decimal(76, 20)", "Decimal(76, 76)"]


def integer_texts(rng):
    near = [sign * (2 ** bits) + offset for bits in (7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256)
            for sign in (1, -1) for offset in (-1, 0, 1)]
    near += [sign * 10 ** power for power in (1, 9, 18, 19, 20, 38, 77) for sign in (1, -1)]
    near += [rng.randrange(-2 ** bits, 2 ** bits) for bits in (8, 16, 32, 64, 128, 256) for _ in range(CASES // 6)]
    texts = [str(value) for value in near]
    return texts + quoted(texts[::3] + ["+5", "-5", "+0", "-0", "0005", "00", "--5", "+-5", "5.", "0x5", "5e0", "1_0"])


def decimal_text(rng, digits_max, exponent_max):
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, digits_max)))
    point = rng.randint(0, len(digits))
    whole = digits[:point].lstrip("0") or "0"
    text = rng.choice(["", "-"]) + whole + ("." + digits[point:] if point < len(digits) else "")
    if rng.random() < 0.4:
        text += rng.choice("eE") + rng.choice(["", "+", "-"]) + str(rng.randint(0, exponent_max))
    return text


FLOAT_EDGES = [
    "0.1", "0.3", "2.2250738585072011e-308", "2.2250738585072014e-308", "4.9e-324", "2.4703282292062327e-324",
    "2.4703282292062328e-324", "1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308",
    "1e400", "-1e400", "1e-400", "3.4028234e38", "3.4028235e38", "3.4028235677973366e38", "3.4028236e38",
    "1.1754943e-38", "1.4e-45", "7.0064923216240853e-46", "7.0064923216240854e-46", "16777217", "16777219",
    "9007199254740993", "9007199254740992.5", "123456789012345678901234567890", "0.1000000000000000055511151231257827",
    "1" + "0" * 400, "0." + "0" * 400 + "1", "1e99999999999", "0e99999999999", "1e-99999999999",
    "100000000000000000000000e-20", "8.5899345920000001e9", "3.3895314e38",
]
FLOAT_WORDS = quoted(["nan", "NaN", "-nan", "inf", "-inf", "+inf", "Infinity", "-INFINITY", "infi", "nanx", "1.", ".5",
                      "-.5", "+.5", ".", "-", "+", "1e", "1e+", "5.e1", "00.5", "1.5.5", "0x1p3", "1,5"])


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_equal(table, name):
    values = integer_texts(random.Random(f"{SEED} {name}")) + WRONG_KINDS
    outcomes = table(f"x {name}").compare(as_lines(values))
    assert sum(outcome["ok"] for outcome in outcomes) > 20


@pytest.mark.parametrize("name", FLOATS)
def test_floats_equal(table, name):
    rng = random.Random(f"{SEED} {name}")
    values = FLOAT_EDGES + quoted(FLOAT_EDGES) + FLOAT_WORDS + WRONG_KINDS
    values += [decimal_text(rng, 25, 330) for _ in range(CASES)] + [decimal_text(rng, 8, 20) for _ in range(CASES)]
    values += [repr(rng.uniform(-1000, 1000)) for _ in range(CASES)] + [f"{rng.uniform(0, 1e5):.2f}" for _ in range(CASES)]
    values += [repr(abs(rng.gauss(0, 1)) * 10 ** rng.randint(-300, 300)) for _ in range(CASES)]
    table(f"x {name}").compare(as_lines(values))


@pytest.mark.parametrize("name", DECIMALS)
def test_decimals_equal(table, name):
    rng = random.Random(f"{SEED} {name}")
    precision, scale = (int(part) for part in name[8:-1].split(","))
    nines = "9" * precision
    values = [nines, "-" + nines, nines + "9", "1" + "0" * precision, nines[scale:] + "." + nines[:scale],
              "0." + "9" * scale + "0", "0." + "9" * scale + "1", f"1e{precision - scale}", f"1e{precision - scale - 1}",
              f"1e-{scale}", f"1e-{scale + 1}", "0e5", "0e80", "0.0", "0.10", "1.5500", "100e-2", "10000000000e-9",
              "1e400", "1e-400", "0.00001e5", "123456e-5", "12345678901234567890"]
    values += quoted(["+1.5", "01.5", "1.", ".5", ".", "-", "+", "1e", "1e+1", "1.5.5", "inf", "nan", "1,5"]) + WRONG_KINDS
    for digits in (4, precision, precision + 2, 2 * precision):
        values += [decimal_text(rng, digits, precision) for _ in range(CASES // 2)]
    values += [str(rng.randrange(-10 ** precision, 10 ** precision)) + f"e-{scale}" for _ in range(CASES // 4)]
    table(f"x {name}").compare(as_lines([value for value in values if not value.endswith(".")]))


@pytest.mark.parametrize("name", ["Bool", "Nullable(Bool)"])
def test_bools_equal(table, name):
    words = ["True", "t", "f", "1", "0", "yes", "no", "on", "off", "y", "n", "enabled", "disabled"]
    table(f"x {name}").compare(as_lines(WRONG_KINDS + quoted(words) + ["2", "10", "0.0", "1e0"]))


# -- text ---------------------------------------------------------------------------------------------

TEXTS = WRONG_KINDS + [
    '"\\u0041\\u00e9\\u20ac"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ud83dx"', '"\\ude00"', '"\\ud83d\\u0041"',
    '"\\ud83d\\ud83d\\ude00"', '"\\u0000"', '"a\\/b\\b\\f\\n\\r\\t\\"\\\\"', '"\\a"', '"\\u12"', '"\\uZZZZ"',
    b'"\xff\xfe"', b'"\xc3"', b'"a\tb"', b'"\xed\xa0\x80"', '"grüße 東京 🚲"', '"' + "x" * 127 + '"',
    '"' + "x" * 128 + '"', '"' + "y" * 20000 + '"', '"a\\\\"', '"' + "\\n" * 70 + '"', '{"a": [1, {"b" :"x\\n"}] }',
    '[1,2, "]"]', '{"}":"{"}', b'{"a":"\xff"}', '{"a":nul}', '{"a":"\\ud800"}', "12345678901234567890.0123456789e-10",
    "1.50", "[[[[]]]]", '"' + "0123456789abcdef" * 2 + '\\n"',
]


@pytest.mark.parametrize("name", ["String", "FixedString(3)", "FixedString(300)", "LowCardinality(String)", "Nullable(String)",
                                  "LowCardinality(Nullable(String))", "LowCardinality(FixedString(3))"])
def test_texts_equal(table, name):
    rng = random.Random(f"{SEED} {name}")
    alphabet = ["a", "é", "\\n", "\\u00e9", '\\"', "\\\\", " ", "🚲", "\\ud83d\\ude00", "{", ","]
    values = TEXTS + ['"' + "".join(rng.choice(alphabet) for _ in range(rng.randint(0, 40))) + '"' for _ in range(CASES)]
    table(f"x {name}").compare(as_lines(values))


@pytest.mark.parametrize("definition", ["Enum8('a' = 1, 'b' = -2, '5' = 3, '1' = 7)", "Enum16('a' = 1, 'b' = 300, '' = 0)",
                                        "Enum8('z' = 0, 'b' = -2, 'é' = 5)", "Nullable(Enum8('x' = 1))"])
def test_enums_equal(table, definition):
    values = quoted(["a", "b", "z", "x", "", "A", "a ", "5", "1", "300", "-2", "+1", "01", "-0", "é", "\\u0061", "\\u00e9"])
    table(f"x {definition}").compare(as_lines(WRONG_KINDS + values + ["3", "7", "-2", "300", "5", "256", "257", "2"]))


def test_addresses_and_uuids_equal(table):
    rng = random.Random(f"{SEED} addresses")
    uuid = "61f0c404-5cb3-11e7-907b-a6006ad3dba0"
    uuids = [uuid, uuid.upper(), uuid.replace("-", ""), f"{{{uuid}}}", uuid[:-1], uuid + "0", uuid + " ", uuid.replace("-", "x"),
             "z" + uuid[1:], uuid[:8] + uuid[9:]]
    table("x UUID").compare(as_lines(quoted(uuids) + WRONG_KINDS))
    four = ["1.2.3.4", "0.0.0.0", "255.255.255.255", "256.1.1.1", "01.2.3.4", "001.002.003.004", "1.2.3.0004", "1.2.3", "1.2.3.4.5",
            "1.2..4", "1.2.3.", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4/8", "-1.2.3.4", "16909060"]
    six = ["::1", "::", "::ffff:1.2.3.4", "::1.2.3.4", "2001:db8::1", "2001:DB8:0:0:0:0:0:1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::",
           "::2:3:4:5:6:7:8", "1::2::3", "12345::", ":::", ":", "1:2", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::g", "1::", "1:",
           ":1", "1:2:3:4:5:6:7:", "::1.2.3", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::8", "1:::2", "::::",
           "1:2:3:4:5::1.2.3.4", "fe80::1%eth0", "[::1]", "::ffff:01.2.3.4", "1:2:3:4:5:6:7:8:9", "::1.2.3.4:5"]
    for _ in range(CASES):
        groups = [f"{rng.randrange(1 << rng.choice((4, 8, 16))):x}" for _ in range(rng.randint(1, 8))]
        groups[rng.randrange(len(groups))] = rng.choice(["", "0", "1.2.3.4", groups[0]])
        six.append(":".join(groups))
        four.append(".".join(str(rng.randrange(300)) for _ in range(4)))
    for name in ("IPv4", "IPv6", "Nullable(IPv6)"):
        table(f"x {name}").compare(as_lines(quoted(four + six) + WRONG_KINDS))


# -- dates and times ----------------------------------------------------------------------------------

DATES = ["2024-01-02", "2024-1-2", "2024/01/02", "2024.01.02", "2024:01:02", "20240102", "2024-02-29", "2023-02-29", "2024-02-30",
         "2024-13-01", "2024-00-10", "0000-00-00", "1970-01-01", "1969-12-31", "2149-06-06", "2149-06-07", "1900-01-01",
         "1899-12-31", "2299-12-31", "2300-01-01", "9999-12-31", "0001-01-01", "99-01-02", "2024-01-023", "2024-011-2", "2024-01-2 ",
         "2024-01/02", "2024x01x02", "1900-02-29", "2100-02-29", "2000-02-29"]
MOMENTS = DATES + [
    "2024-01-02 03:04:05", "2024-01-02T03:04:05", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.678Z", "2024-01-02T03:04:05.000Z",
    "2024-01-02T03:04:05+02:00", "2024-01-02 03:04", "2024-01-02T03:04Z", "2024-01-02 3:4:5", "2024-01-02  03:04:05", "2024-01-02T030405",
    "2024-01-02 03:04:05.1234567890123", "2024-01-02 03:04:05.", "2024-01-02,03:04:05", "2024-01-02, 03:04:05", "2024-01-02T03:04.5",
    "2024-01-02 03:04:05 ", " 2024-01-02 03:04:05", "2024-01-02 03:04:05 UTC", "2024-01-02 03:04:05 GMT+2", "2024-01-02 03:04:05 MSK",
    "2024-01-02 03:04:05+0530", "2024-01-02 03:04:05 +0530", "2024-01-02 03:04:05-08", "2024-01-02 03:04:05+5", "2024-01-02 03:04:05+530",
    "2024-01-02 03:04:05+99:99", "2024-01-02 03:04:05z", "2024-01-02t03:04:05", "2024-01-02 03:04:05 PM", "2024-01-02 12:04:05 AM",
    "2024-01-02 3:04 pm", "2024-01-02 13:00 AM", "2 Jan 2024", "02 January 2024 03:04:05", "Jan 2 2024", "Jan 2, 2024", "January 2, 2024 03:04:05",
    "Tue, 02 Jan 2024 03:04:05 GMT", "Tue, 2 Jan 2024 03:04:05 +0100", "Tue Jan  2 03:04:05 2024", "Tue Jan  2 03:04:05 UTC 2024",
    "Tuesday, January 2, 2024 3:04:05 PM", "02/01/2024", "13/01/2024", "01/13/2024", "02-01-2024", "02.01.2024 03:04:05", "2/1/24", "2/1/70",
    "2-Jan-2024", "12/31/2024 11:59:59 PM", "2.1.2024, 3:04", "Jan 2 03:04:05.5 +01:00 2024", "Tue Jan 2 2024 03:04:05 GMT+0100", "2024-01",
    "2024", "202401", "Jan 2024", "2024-01-02T03", "03:04:05", "03:04:05 2024-01-02", "Mar  3 01:33:48", "1", "12", "20240102T030405Z",
    "20240102 030405", "20240102030405", "20240102030405.5", "20240102030405+01", "2024-01-02-030405", "2024-01-02Z", "2024-01-02+01:00",
    "2024-01-02 24:00:00", "2024-01-02 23:59:60", "2024-01-02 23:60:00", "2024-01-02 03:04:05 foo", "2024-01-02 2024-01-02", "1700000000",
    "1700000000000", "1700000000123", "1700000000123456", "1700000000123456789", "1700000000.123", "1700000000.", "123456789", "0000000001",
    "9999999999", "1700000000 ", "1700000000x", "-1700000000", "+1700000000", "170000000000", "12345", "2106-02-07 06:28:15", "2106-02-07 06:28:16",
    "1969-12-31 23:59:59.999", "1900-01-01T00:00:00.123Z", "2262-04-11T23:47:16Z", "2262-04-11T23:47:17Z", "9999-12-31 23:59:59.999",
    "2024-01-02T03:04:05.12345678901234567890Z", "2024-01-02T03:04:05.1234567890123456789Z", "2024-01-02T03:04:05[UTC]", "1e9", "\\u0032024-01-02",
    "2 Sept 2024", "2024 Jan 2", "2024-Jan-02", "2024-01-02T03:04:05.5.5", "2024-01-02T03:04:05 Europe/Berlin", "2024-01-02T03:04:05Z+01:00",
    "2024-01-02 03:04:05 + 01:00", "2024-01-02 PM", "2024-01-02 UTC", "29.02.2023", "31/04/2024", "2024-06-31 10:00:00",
]
COUNTS = ["65535", "65536", "-25567", "120529", "120530", "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296",
          "1700000000", "1700000000000", "1700000000.5", "-5", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
          "-9223372036854775809", "3599999", "3600000", "-3600000", "1e9"]


def random_moments(rng, years):
    for _ in range(CASES * 3):
        year, month, day = rng.randint(*years), rng.randint(1, 12), rng.randint(1, 31)
        date = rng.choice([f"{year:04}-{month:02}-{day:02}", f"{year:04}/{month}/{day}", f"{year:04}{month:02}{day:02}", f"{day}.{month}.{year:04}",
                           f"{day} {MONTHS[month - 1]} {year:04}", f"{MONTHS[month - 1][:3]} {day}, {year:04}"])
        clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
        fraction = rng.choice(["", "", "." + str(rng.randrange(1000)), f".{rng.randrange(10 ** 6):06}000"])
        zone = rng.choice(["", "", "Z", " UTC", "+01:00", "-0330", " +5", " GMT"])
        yield rng.choice([date, f"{date} {clock}", f"{date}T{clock}", f"{date} {clock}{fraction}{zone}", f"{date}T{clock}{fraction}{zone}"])


MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
PIECES = ["2024", "24", "1", "02", "13", "31", "-", "/", ".", " ", "T", ":", ",", "Jan", "may", "Tue", "Z", "UTC", "+01:00", "-05", "PM", "am", "03:04", "03:04:05",
          ".5", "20240102", "1700000000", "  "]


def jumbled_moments(rng):
    """Pieces of dates in any order: most are nonsense, and what is not must mean the same to both."""
    for _ in range(CASES * 5):
        yield "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 9)))


@pytest.mark.parametrize("name", ["Date", "Date32", "Nullable(Date)"])
def test_dates_equal(table, name):
    rng = random.Random(f"{SEED} {name}")
    values = quoted(DATES + MOMENTS[::4] + list(random_moments(rng, (1890, 2310))) + list(jumbled_moments(rng))[:CASES])
    table(f"x {name}").compare(as_lines(values + COUNTS + WRONG_KINDS))


@pytest.mark.parametrize("name", ["DateTime", "DateTime('UTC')", "DateTime('Europe/Berlin')", "DateTime64(0)", "DateTime64(3)", "DateTime64(9)",
                                  "DateTime64(6, 'America/New_York')", "DateTime64(3, 'Asia/Kathmandu')", "Nullable(DateTime64(3))"])
def test_moments_equal(table, name):
    rng = random.Random(f"{SEED} {name}")
    years = (1971, 2036) if "/" in name else (1970, 2105) if "64" not in name else (1, 9999) if "9)" not in name else (1700, 2261)
    values = quoted(MOMENTS + list(random_moments(rng, years)) + list(jumbled_moments(rng)))
    outcomes = table(f"x {name}").compare(as_lines(values + COUNTS + WRONG_KINDS))
    assert sum(outcome["ok"] for outcome in outcomes) > 100


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia",
                                  "America/St_Johns", "Europe/Lisbon", "Asia/Kolkata"])
def test_clock_changes_equal(table, zone):
    days = ["2024-03-31", "2024-10-27", "2024-03-10", "2024-11-03", "2018-11-04", "2018-02-18", "2024-04-07", "2024-10-06", "2011-12-29", "2011-12-31",
            "2002-04-07", "2002-10-27", "1992-09-27", "1975-03-30", "2037-03-29", "1999-03-28"]
    values = [f'"{day} {hour:02}:{minute:02}:{second:02}"' for day in days for hour, minute, second in
              itertools.product((0, 1, 2, 3, 4, 22, 23), (0, 14, 15, 30, 45, 59), (0, 59))]
    table(f"x DateTime('{zone}')").compare(as_lines(values))


def test_times_of_day_equal(table):
    values = quoted(["01:02:03", "1:02:03", "1:2:3", "01:02", "1:02", "123:04:05", "999:59:59", "1000:00:00", "-01:02:03", "-999:59:59", "01:02:03.5",
                     "01:02:03.500", "01:02:03.123456", "3600", "75", "5", "59", "60", "123", "99:59", "12.5", "01:60:00", "01:02:60", "24:00:00", " 01:02:03",
                     "01:02:03 ", "+01:02:03", "01:02:03Z", "000:00:01", "0001:02:03", "01:2:03", "010203", "01:02:03.", "-00:00:00.5", "-5", "abc"])
    for name in ("Time", "Time64(0)", "Time64(3)", "Time64(9)"):
        table(f"x {name}").compare(as_lines(values + COUNTS + WRONG_KINDS))


# -- composites ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("columns, values", [
    ("x Array(UInt8)", ["[1,2]", "[]", "[null,1]", '[1,"2",true]', "[ 1 , 2 ]", "[1,]", "[300]", "[[1]]", '"[1]"', "null", "{}", "1", "[1 2]"]),
    ("x Array(Nullable(String))", ['["a",null,1,{"b":[1]},[2],true]', "[]", "[null]"]),
    ("x Array(Array(Nullable(Int16)))", ["[[1,null],[],[3]]", "[null]", "[1]", "[[],[]]"]),
    ("x Array(LowCardinality(Nullable(String)))", ['["a",null,"a"]', "[]"]),
    ("x Array(DateTime64(3))", ['["2024-01-02T03:04:05.678Z",1700000000123,null]']),
    ("x Tuple(UInt8, String)", ['[1,"a"]', "[1]", "[]", '[1,"a",2]', "null", "[null,null]", '{"1":1}', "{}", "1"]),
    *((f"x Tuple({name})", [first, "[]", "[ ]", "[,]", "[[]]", "[null]", "[0]", "[0,]", "[0 ,1]"]) for name, first in [
        ("Int64", "[0]"), ("Nullable(Date)", "[0]"), ("DateTime64(3)", "[0]"), ("Float64", "[0]"), ("Tuple(UInt8)", "[[0]]")]),
    ("x Tuple(a UInt8, b String)", ['{"a":1,"b":"z"}', '{"b":"z","a":1}', '{"a":1}', "{}", '{"a":1,"a":2}', '{"c":{"d":[1]},"b":"q"}', '{"c":1,"c":2}',
                                    '{"a":null,"b":null}', "null", '[1,"a"]', '{"\\u0061":1}', '{"A":1}', '{"a" : 1 , "b" : "w" }', '{"a":300}', '{"c":nul}']),
    ("x Tuple(a Nullable(UInt8), b Array(Tuple(c UInt8)))", ['{"b":[{"c":1},{},null]}', '{"a":null}', '{"b":[[1]]}', '{"a":2,"b":null}']),
    ("x Tuple(a Tuple(b Tuple(c String)))", ['{"a":{"b":{"c":"d"}}}', '{"a":{"b":null}}', '{"a":{}}', "{}"]),
    ("x Tuple(a Enum8('p' = 1), b Enum8('q' = 0))", ['{"a":"p","b":"q"}', '{"a":"p"}', '{"b":"q"}', "null"]),
    ("x Nullable(Tuple(a UInt8))", ["null", '{"a":1}', "{}"]),
    ("x Map(String, UInt8)", ['{"a":1,"b":2}', "{}", "null", '{"a":1,"a":2}', '{"a":null}', '[["a",1]]', '{"":1}', '{"a\\n\\u0041":1}', '{"a":1,}', '{"a" : 1 }',
                              '{"\\ud83d\\ude00":1}', '{"\\ud83d":1}']),
    ("x Map(UInt16, String)", ['{"1":"a","65535":"b"}', '{"65536":"a"}', '{"a":"b"}', '{"":"a"}', '{"01":"a"}', '{"true":"a"}', '{"1":null,"2":{"x":1}}']),
    ("x Map(Date, UInt8)", ['{"2024-01-02":1}', '{"1":1}']),
    ("x Map(LowCardinality(String), Nullable(Int64))", ['{"a":null,"b":-5}']),
    ("x Map(Enum8('a' = 1, 'b' = 2), UInt8)", ['{"a":1,"b":2}', '{"1":1}', '{"c":1}']),
    ("x Map(UUID, Map(String, Array(Float64)))", ['{"61f0c404-5cb3-11e7-907b-a6006ad3dba0":{"a":[1,2.5],"b":[]}}']),
    ("x Map(FixedString(2), IPv4)", ['{"a":"1.2.3.4"}', '{"abc":"1.2.3.4"}']),
    ("x Array(Map(String, Tuple(UInt8, String)))", ['[{"a":[1,"x"]},{},null]', '[{"a":null}]']),
    ("x Point", ["[1.5,2]", "[1]", "null"]),
    ("x Ring", ["[[1,2],[3,4]]", "[]"]),
    ("x MultiPolygon", ["[[[[1,2],[3,4]]]]"]),
    ("x SimpleAggregateFunction(max, UInt64)", ["5", "null", '"7"']),
])
def test_composites_equal(table, columns, values):
    outcomes = table(columns).compare(as_lines(values))
    assert outcomes[0]["ok"], outcomes[0]
    table(columns, gear="slow").compare(as_lines(values))


@pytest.mark.parametrize("columns, lines", [
    ("`n.a` Array(UInt8), `n.b` Array(String)", ['{"n.a":[1,2],"n.b":["x","y"]}', '{"n":{"a":[1],"b":["x"]}}', '{"n":[{"a":1,"b":"x"}]}']),
    ("x UInt8 DEFAULT 7, y String DEFAULT concat('x', toString(x))", ["{}", '{"x":null}', '{"x":1}', '{"y":"z"}', '{"y":null,"x":9}', '{"zz":1}']),
    ("x Nullable(UInt8) DEFAULT 7, y Array(UInt8) DEFAULT [1, 2]", ["{}", '{"x":null}', '{"y":null}', '{"x":3,"y":[]}']),
    ("x Tuple(a UInt8, b UInt8) DEFAULT (1, 2)", ["{}", '{"x":null}', '{"x":{"a":5}}']),
    ("x Enum8('a' = 5, 'b' = -2), y Tuple(e Enum8('a' = 5, 'b' = -2))", ["{}", '{"x":"a"}', '{"x":null}', '{"y":{}}', '{"y":{"e":"a"}}']),
    ("x UInt8 MATERIALIZED 5, y UInt8 ALIAS 7, z UInt8", ['{"x":9,"y":9,"z":1}', '{"z":2}', '{"x":"bad","z":3}']),
    ("a UInt8, `b c` UInt8, `q\"` UInt8, `é` UInt8, A UInt8", ['{"\\u0061":1,"A":2}', '{"b c":1}', '{"q\\"":1}', '{"é":3}', '{"\\u00e9":4}', '{"a":1,"a":2}',
                                                                '{"a":1,"\\u0061":2}', '{"zz":1,"zz":2}', '{"":1}', '{"a":\t1}', '{"a":1 ,\r"A":2}']),
    ("a UInt8", ['{"a":1', '{"a"}', '{"a":}', '{"a":1,}', '{"a":1]', '{"a":1 "b":2}', '{a:1}', "{'a':1}", '{"a":1}{"a":2}', '{"a":1} x', '{"a":1}}', '{"a":1},',
                 '{"zz":nul}', '{"zz":[1,,2]}', '{"zz":{"a":01}}', '{"zz":"\\q"}', '{"zz":"\\ud800"}', '{"zz":{"zz":[[],{},"}",null,true,1e5]},"a":1}',
                 '{"zz":[1}', '{"zz":{]}', '{"zz":"}', '{"a":1}\0', '{"a":1;}', '{"a":tru}', '{"zz":truefalse}', '{"zz":-}', '{"zz":1e}', '{"a":1,"zz":"\xff"}']),
])
def test_records_equal(table, columns, lines):
    encoded = [line.encode() for line in lines]
    for gear in ("both", "slow"):
        table(columns, gear=gear).compare(encoded)
    compared = table(columns)
    for line in encoded:  # alone: a body without a column, or with all rows flagged
        compared.compare([line])


def test_events_equal(table):
    """Many rows through the fast gear, with misses in between."""
    rng = random.Random(f"{SEED} events")
    columns = ("id UInt64, ts DateTime64(3), user_id UInt32, session String, page String, country LowCardinality(String), duration_ms UInt32, "
               "amount Float64, ok Bool, ref Nullable(String), small Int8, day Date, ratio Float32, at DateTime")
    lines = []
    for number in range(20 * CASES):
        fields = [
            ("id", str(rng.randrange(2 ** rng.choice((8, 40, 64))))), ("ts", f'"20{rng.randint(10, 40)}-0{rng.randint(1, 9)}-{rng.randint(10, 28)}T10:{rng.randint(10, 59)}:07.{rng.randrange(1000):03}Z"'),
            ("user_id", str(rng.randrange(2 ** 32))), ("session", f'"{rng.randrange(2 ** 64):x}"'), ("page", rng.choice(['"/a/b"', '"/é"', '"/x\\ny"', '""', "5", '{"p":[1]}'])),
            ("country", rng.choice(['"DE"', '"US"', "null"])), ("duration_ms", str(rng.randrange(1000))), ("amount", f"{rng.uniform(-5, 500):.{rng.randint(1, 18)}f}"),
            ("ok", rng.choice(["true", "false", "1"])), ("ref", rng.choice(["null", '"mail"'])), ("small", str(rng.randint(-130, 130))),
            ("day", f'"2024-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}"'), ("ratio", f"{rng.random():.{rng.randint(1, 12)}f}"), ("at", rng.choice(['"2024-05-06 07:08:09"', "1700000000"])),
            ("extra", rng.choice(["1", '"x"', "[1,2]"])),
        ]
        if number % 50 > 40:
            rng.shuffle(fields)
        if number % 7 == 3:
            fields = [field for field in fields if rng.random() < 0.8]
        space = rng.choice(["", "", " "]) if number % 11 == 0 else ""
        lines.append(("{" + f",{space}".join(f'"{name}":{space}{value}' for name, value in fields) + "}").encode())
    outcomes = table(columns).compare(lines)
    assert sum(outcome["ok"] for outcome in outcomes) > len(lines) / 2


@pytest.mark.parametrize("columns", ["x Dynamic, y UInt16", "x Variant(UInt8, String), y UInt16", "x Array(Dynamic), y UInt16", "x AggregateFunction(sum, UInt64), y UInt16",
                                     "x QBit(Float32, 2), y UInt16", "x Geometry, y UInt16"])
def test_other_types_go_as_lines(table, columns):
    lines = ['{"y":5}', '{"x":{"a":[1,2]}}', '{"x":{"a":1},"y":5}', '{"y":300}', '{"x":{"a":\n1}}', '{"x":{"a":nul}}', '{"x":1,"x":2}', '{"y":1}{"y":2}', '{"y":1} x', '{"x":"1"}', '{"x":1}', '{"x":[1]}',
             '{"x":[1,2]}', '{"x":null}', '{"x":"2024-01-02"}']
    outcomes = table(columns).compare([line.encode().replace(b"\n", b" ") for line in lines])
    assert outcomes[0]["ok"]


# -- JSON: an object's text, which the server parses ---------------------------------------------------

OBJECTS = WRONG_KINDS + TEXTS[-14:] + [
    '{"a":1,"b":{"c":"x"}}', '{"a":1.5}', '{"a":"2020-01-01"}', '{"a":"2020-01-01 10:00:00"}', '{"a":"2020-01-01T10:00:00Z"}', '{"a":"Jan 1 2020 10:00"}', '{"a":null}', '{"a":[1,2,null]}',
    '{"a":[1,"x"]}', '{"a":[{"b":1},{"c":2}]}', '{"a":[]}', '{"a":{}}', '{"a":18446744073709551615}', '{"a":18446744073709551616}', '{"a":-9223372036854775809}', '{"a":1e400}', '{"a":1e5}',
    '{"a":1,"a":2}', '{"a":1,"a":{"b":1}}', '{"a":{"b":1},"a":{"b":2}}', '{"a.b":1,"a":{"b":2}}', '{"a.b":1}', '{"":1}', '{"a":{"":1}}', '{"a":"\\u0041"}', '{"\\u0061":1}', '{"a":"\\ud83d"}',
    '{"a":"\\ude00"}', '{"a":"\\ud83d\\ude00"}', '{"a":"\\u0000"}', '{"a":"12"}', '"{\\"a\\":1}"', '{"a":1,}', '{a:1}', '{"a":01}', '{"a":1.}', '{"a":nan}', '{ "a" : 1 , "b" : [ 1 , 2 ] }',
    '{"a":[[1],[2,3]]}', '{"a":[true,1]}', '{"a":"\\q"}', '{"a":-0.0}', '{"a":123456789.123456789123456789}', '{"d":1,"e1":2,"c":3,"f":{"d":1}}', '{"b":{"c":null}}', '{"b":5}',
    '{"p":1,"q":2,"r":3,"s":4,"t":5}', '{"a":300}', '{"a":' + "[" * 100 + "]" * 100 + "}", '{"a":' + '{"b":' * 100 + "1" + "}" * 100 + "}", b'{"a":"\xff"}', '{"é":"é"}', '{"a":[{"b":1,"b":2}]}',
    '{"t":"2020-01-01T10:00:00Z","n":1.555}', '{"t":"2020-01-01 10:00","n":"2.5"}', '{"t":"nonsense"}',
]


def random_object(rng, depth=3):
    keys = rng.sample(["a", "b", "c", "t", "x.y", "é", "k\\n", "n", "p", "q", "r"], rng.randint(0, 4))
    return "{" + ",".join(f'"{key}":{random_json(rng, depth - 1)}' for key in keys) + "}"


def random_json(rng, depth):
    if depth > 0 and rng.random() < 0.4:
        if rng.random() < 0.5:
            return random_object(rng, depth)
        return "[" + ",".join(random_json(rng, depth - 1) for _ in range(rng.randint(0, 3))) + "]"
    return rng.choice(["null", "true", "0", "-5", "1.25", "1e30", '"x"', '""', '"2020-01-01"', '"2020-01-01T10:00:00Z"', '"12"', str(rng.randrange(2 ** 64)), f'"{rng.random()}"', "2.5e-3"])


@pytest.mark.parametrize("columns", ["x JSON", "x JSON(a UInt32, b.c String, SKIP d, max_dynamic_paths=2)", "x JSON(t DateTime('UTC'), n Decimal(9, 2), SKIP REGEXP 'e.*')"])
def test_json_equal(table, columns):
    rng = random.Random(f"{SEED} {columns}")
    values = OBJECTS + [random_object(rng) for _ in range(CASES)]
    outcomes = table(columns, gear=rng.choice(["both", "slow"])).compare(as_lines(values))
    assert sum(outcome["ok"] for outcome in outcomes) > CASES / 2


@pytest.mark.parametrize("columns", [
    "x Array(JSON)", "x Map(String, JSON)", "x Tuple(a JSON(n UInt8), b UInt8)", "x Array(Tuple(a JSON, b Map(String, Nullable(JSON))))", "x Nested(a JSON, b UInt8)", "x Nullable(Tuple(a JSON))",
    "x SimpleAggregateFunction(groupArrayArray, Array(JSON))", "x JSON DEFAULT '{\"d\":\"2020-01-01T10:00:00Z\"}', y UInt8 DEFAULT 5", "x UInt8 DEFAULT 5, y JSON DEFAULT '{}', z Array(JSON) MATERIALIZED [y]", "x UInt8 DEFAULT 3, y JSON, z LowCardinality(String) DEFAULT 'q'",
])
def test_json_inside_equal(table, columns):
    rng = random.Random(f"{SEED} {columns}")
    objects = [random_object(rng) for _ in range(12)] + ['{"a":"2020-01-01T10:00:00Z"}', '{"n":1,"n":2}', "null", "5"]
    lines = ["{}", '{"x":null}', '{"x":[]}', '{"x":{}}', '{"x":[null]}', '{"y":{}}', '{"y":null}', '{"y":7}', '{"x":7,"z":"w"}']
    for one in objects:
        lines += [form.replace("@", one) for form in ('{"x":@}', '{"x":[@,@]}', '{"x":{"a":@}}', '{"x":{"a":@,"b":1}}', '{"x":[{"a":@,"b":{"q":@}}]}', '{"x":[{"a":@,"b":3}]}', '{"y":@}', '{"x":{"a":null,"b":null}}')]
    outcomes = table(columns).compare([line.encode() for line in lines])
    assert sum(outcome["ok"] for outcome in outcomes) > 10


# -- tables of any types ------------------------------------------------------------------------------

KEYS = ["String", "LowCardinality(String)", "UInt8", "Int64", "UInt256", "Date", "UUID", "Enum8('a' = 1, 'b' = -2)", "FixedString(4)", "IPv4", "DateTime('UTC')"]
LEAVES = INTEGERS + FLOATS + DECIMALS + KEYS + [
    "Bool", "String", "String", "Date32", "DateTime", "DateTime('America/New_York')", "DateTime64(0)", "DateTime64(3, 'Europe/Berlin')", "DateTime64(6)", "DateTime64(9, 'Asia/Kathmandu')", "Time",
    "Time64(3)", "IPv6", "Enum16('x' = 300, 'y' = -300, 'z' = 0)", "JSON", "Point", "Ring", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "IntervalDay",
    "SimpleAggregateFunction(max, UInt64)", "SimpleAggregateFunction(anyLast, Nullable(String))",
]
ODD = WRONG_KINDS + FLOAT_EDGES[:20] + quoted(MOMENTS[::9]) + ['"' + "x" * 200 + '"', "[[]]", '{"a":{"b":[1,{"c":null}]}}', '"\\ud83d"', "1e400", "-129", "256", "65536", "99999999999999999999"]


def test_minus_zero_stays_minus_zero_in_a_dictionary(table):
    """ClickHouse's CAST to LowCardinality takes -0 for 0, its JSON reader does not: such tables go as JSONEachRow."""
    for name in FLOATS:
        table(f"x LowCardinality({name})").compare(as_lines(["-0", "1", "2"]))


def usual_number(rng, name):
    if name.startswith("Decimal"):
        precision, scale = (int(part) for part in name[8:-1].split(","))
        digits = f"{rng.randrange(10 ** rng.randint(1, precision)):0{scale + 1}}"
        text = rng.choice(["", "-"]) + digits[:len(digits) - scale] + ("." + digits[len(digits) - scale:] if scale else "")
        return rng.choice([text, f'"{text}"'])
    if name.endswith(tuple(FLOATS)):
        return rng.choice([repr(rng.uniform(-100, 100)), f"{rng.uniform(0, 1e5):.2f}", f"{rng.randrange(-1000, 1000)}", f"{rng.random():.3e}"])
    bits = int(name.lstrip("UInt"))
    low = 0 if name.startswith("U") else -2 ** (bits - 1)
    value = rng.choice([low, low + 2 ** bits - 1, rng.randrange(low, low + 2 ** bits), rng.randrange(100)])
    return rng.choice([str(value), str(value), f'"{value}"'])


def usual_moment(rng, name):
    day = f"{rng.randint(1971, 2036)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    clock = f"{rng.randint(4, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"  # clocks change at night
    if name.startswith("Date") and not name.startswith("DateTime"):
        return f'"{day}"'
    if name.startswith("Time"):
        return f'"{clock}"'
    digits = int(name[11]) if name.startswith("DateTime64") else 0
    fraction = f".{rng.randrange(10 ** digits):0{digits}}" if digits and rng.random() < 0.7 else ""
    return rng.choice([f'"{day} {clock}{fraction}"', f'"{day}T{clock}{fraction}Z"', f'"{day}T{clock}{fraction}+02:00"', f'"{day}"', '"1700000000"'])


def usual_leaf(rng, name):
    if name.endswith("Nullable(String))") or name in ("String", "LowCardinality(String)"):
        return rng.choice(['"a"', '""', '"grüße"', '"\\u00e9\\n"', '"' + "x" * rng.randint(0, 300) + '"', '"\\ud83d\\ude00"', '{"o":[1]}', "5", "true"])
    if name.endswith("max, UInt64)") or name.startswith("Interval"):
        return str(rng.randrange(2 ** 63))
    if name.startswith(("Int", "UInt", "Decimal")) or name in FLOATS:
        return usual_number(rng, name)
    if name.startswith(("Date", "Time")):
        return usual_moment(rng, name)
    if name.startswith("Enum"):
        return rng.choice(['"a"', '"b"', "1", '"-2"'] if "'a'" in name else ['"x"', '"y"', "0", "-300"])
    rings = ["Point", "Ring", "Polygon", "MultiPolygon"]
    depth = rings.index({"LineString": "Ring", "MultiLineString": "Polygon"}.get(name, name)) if name in rings + ["LineString", "MultiLineString"] else None
    if depth is not None:
        return "[" * depth + ",".join(f"[{rng.uniform(-9, 9):.3f},{rng.randint(0, 5)}]" for _ in range(rng.randint(1, 3) if depth else 1)) + "]" * depth
    return {"Bool": lambda: rng.choice(["true", "false", "1", "0"]), "JSON": lambda: random_object(rng), "FixedString(4)": lambda: rng.choice(['"abcd"', '"a"', '""']),
            "UUID": lambda: f'"{rng.randrange(16 ** 8):08x}-5cb3-11e7-907b-a6006ad3dba0"', "IPv4": lambda: f'"{rng.randrange(256)}.2.3.{rng.randrange(256)}"',
            "IPv6": lambda: rng.choice(['"::1"', f'"2001:db8::{rng.randrange(65536):x}"', '"1.2.3.4"'])}[name]()


class AnyType:
    """A type, made at random, and JSON values for it. Values are usual ones, but `odd` out of a thousand
    leaves are something else."""

    def __init__(self, rng, depth):
        self.rng, self.odd = rng, 15
        self.kind = rng.choice(["leaf", "Array", "Map", "Tuple", "named", "Nullable", "LowCardinality", "Nested"] if depth else ["leaf", "leaf", "Nullable", "LowCardinality"])
        if self.kind == "leaf":
            self.name, self.inner = rng.choice(LEAVES), []
        elif self.kind == "Nullable":
            self.leaf = rng.choice([leaf for leaf in LEAVES if not leaf.startswith(("LowCardinality", "Simple", "Ring", "Line", "Multi", "Poly", "Point"))])
            self.name, self.inner = f"Nullable({self.leaf})", []
        elif self.kind == "LowCardinality":
            self.leaf = rng.choice(["String", "FixedString(4)", "UInt64", "Int8", "Float64", "Date", "DateTime", "UUID", "IPv6"])
            self.name, self.inner = f"LowCardinality({self.leaf})" if rng.random() < 0.5 else f"LowCardinality(Nullable({self.leaf}))", []
        else:
            self.inner = [AnyType(rng, depth - 1) for _ in range(1 if self.kind in ("Array", "Map") else rng.randint(1, 3))]
            names = [inner.name for inner in self.inner]
            if self.kind == "Map":
                self.key = rng.choice(KEYS)
                names.insert(0, self.key)
            if self.kind in ("named", "Nested"):
                self.keys = rng.sample(["a", "b", "c", "select", "é", "a b"], len(names))
                names = [f"`{key}` {name}" for key, name in zip(self.keys, names)]
            self.name = {"named": "Tuple"}.get(self.kind, self.kind) + "(" + ", ".join(names) + ")"

    def value(self, notes):
        """notes gets an entry for each odd value."""
        rng = self.rng
        if rng.randrange(1000) < self.odd:
            notes.append(self.name)
            return rng.choice(ODD)
        if self.kind == "leaf":
            return usual_leaf(rng, self.name)
        if self.kind in ("Nullable", "LowCardinality"):
            null = "Nullable" in self.name and rng.random() < 0.3
            return "null" if null else usual_leaf(rng, self.leaf)
        if self.kind == "Array":
            return "[" + ",".join(self.inner[0].value(notes) for _ in range(rng.randint(0, 3))) + "]"
        if self.kind == "Map":
            keys = [usual_leaf(rng, self.key).strip('"') for _ in range(rng.randint(0, 3))]
            return "{" + ",".join(f'"{key}":{self.inner[0].value(notes)}' for key in keys if key[:1] not in "{[") + "}"
        if self.kind == "Tuple":
            return "[" + ",".join(inner.value(notes) for inner in self.inner) + "]"
        if self.kind == "Nested":
            return "[" + ",".join(self._object(notes) for _ in range(rng.randint(0, 2))) + "]"
        return self._object(notes)

    def _object(self, notes):
        fields = [f'"{key}":{inner.value(notes)}' for key, inner in zip(self.keys, self.inner)]
        if self.rng.random() < 0.1:
            notes.append("a field is missing")
            fields.pop()
        if self.rng.random() < 0.1:
            self.rng.shuffle(fields)
        return "{" + ",".join(fields) + "}"


@pytest.mark.parametrize("part", range(4))
def test_any_tables_equal(table, part):
    """Tables of one to four columns of types nested up to four deep."""
    rng = random.Random(f"{SEED} any {part}")
    for number in range(max(3, CASES // 12)):
        types = [AnyType(rng, rng.randint(0, 4)) for _ in range(rng.randint(1, 4))]
        names = rng.sample(["x", "y", "z", "w"], len(types))
        columns = ", ".join(f"{name} {kind.name}" for name, kind in zip(names, types))
        lines, usual = [], set()
        for row in range(300):
            notes = []
            fields = [f'"{name}":{kind.value(notes)}' for name, kind in zip(names, types) if rng.random() > 0.03]
            if rng.random() < 0.1:
                rng.shuffle(fields)
            if rng.random() < 0.05:
                fields.insert(rng.randint(0, len(fields)), '"unknown":' + random_json(rng, 3))
            if fields and rng.random() < 0.01:
                notes.append("a field stands twice")
                fields.append(rng.choice(fields))
            if not notes:
                usual.add(row)
            lines.append(("{" + ",".join(fields) + "}").encode("utf-8", "surrogatepass"))
        compared = table(columns, gear=rng.choice(["both", "both", "slow"]))
        try:
            compared.compare(lines, usual)
        except AssertionError as error:
            raise AssertionError(f"{columns}\n{error}") from None


# -- the table in the README ---------------------------------------------------------------------------

def test_the_readme_says_where_we_are_stricter(clickhouse, tmp_path):
    """SLUICE_UPDATE_GOLDEN=1 writes the table."""
    wanted = differential.differences_table(clickhouse, tmp_path)
    text = differential.README.read_text()
    first, behind = differential.readme_table(text)
    if os.environ.get("SLUICE_UPDATE_GOLDEN"):
        differential.README.write_text(text[:first] + wanted + text[behind:])
    else:
        assert text[first:behind] == wanted
