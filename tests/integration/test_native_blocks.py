# SPDX-License-Identifier: Apache-2.0
"""core/block against the real ClickHouse: what a Native body of ours becomes in a table must be what
ClickHouse's own JSONEachRow reader makes of the same values.

The values of a case are given twice: as bytes, laid out here by struct and by hand, and as JSON.
"""

import ipaddress
import json
import os
import struct
import subprocess
import uuid

import pytest

TOOL = os.environ.get("SLUICE_NATIVE_BLOCKS")
pytestmark = pytest.mark.skipif(not TOOL, reason="SLUICE_NATIVE_BLOCKS does not name the tool")

CREATE = {
    "allow_suspicious_low_cardinality_types": 1, "allow_suspicious_fixed_string_types": 1,
    "enable_time_time64_type": 1, "enable_nullable_tuple_type": 1, "flatten_nested": 0,
}
# input() and CAST check types as CREATE TABLE does; a plain Native INSERT does not.
INPUT = {"allow_suspicious_fixed_string_types": 1, "enable_nullable_tuple_type": 1}
READ_JSON = {
    "date_time_input_format": "best_effort", "input_format_skip_unknown_fields": 1,
    "input_format_null_as_default": 1, "input_format_defaults_for_omitted_fields": 1,
}


def packed(layout, *values):
    return {"bytes": struct.pack("<" + layout, *values).hex()}


def integer(value, width):
    return {"bytes": value.to_bytes(width, "little", signed=value < 0).hex()}


def uuid_bytes(text):
    """Two 64-bit halves, each little endian."""
    both = uuid.UUID(text).bytes
    return {"bytes": (both[:8][::-1] + both[8:][::-1]).hex()}


def ipv4_bytes(text):
    """A 32-bit number, little endian."""
    return {"bytes": ipaddress.IPv4Address(text).packed[::-1].hex()}


def ipv6_bytes(text):
    """As in a packet."""
    return {"bytes": ipaddress.IPv6Address(text).packed.hex()}


def bfloat16(value):
    """The upper half of a Float32."""
    return {"bytes": struct.pack("<f", value)[2:].hex()}


def point(x, y):
    return [packed("d", x), packed("d", y)]


# type: [(as bytes, as JSON), …]
CASES = {
    "Bool": [(packed("B", 1), True), (packed("B", 0), False)],
    "Int8": [(packed("b", -128), -128)],
    "Int16": [(packed("h", -32768), -32768)],
    "Int32": [(packed("i", -(2**31)), -(2**31))],
    "Int64": [(packed("q", -(2**63)), -(2**63))],
    "Int128": [(integer(-(2**127), 16), -(2**127)), (integer(2**126 + 1, 16), 2**126 + 1)],
    "Int256": [(integer(-(2**255), 32), -(2**255)), (integer(2**254 + 1, 32), 2**254 + 1)],
    "UInt8": [(packed("B", 255), 255)],
    "UInt16": [(packed("H", 65535), 65535)],
    "UInt32": [(packed("I", 2**32 - 1), 2**32 - 1)],
    "UInt64": [(packed("Q", 2**64 - 1), 2**64 - 1)],
    "UInt128": [(integer(2**128 - 2, 16), 2**128 - 2)],
    "UInt256": [(integer(2**256 - 2, 32), 2**256 - 2)],
    "BFloat16": [(bfloat16(1.5), 1.5), (bfloat16(-0.0078125), -0.0078125)],
    "Float32": [(packed("f", 0.1), 0.1), (packed("f", -3.5e38 / 2), -3.5e38 / 2)],
    "Float64": [(packed("d", 0.1), 0.1), (packed("d", 5e-324), 5e-324)],
    "Decimal(9, 2)": [(packed("i", -12345), "-123.45")],
    "Decimal(18, 9)": [(packed("q", 10**17 + 1), "100000000.000000001")],
    "Decimal(38, 38)": [(integer(-(10**37) - 1, 16), "-0.10000000000000000000000000000000000001")],
    "Decimal(76, 3)": [(integer(-(10**75) - 1, 32), "-" + "1" + "0" * 72 + ".001")],
    "String": [("", ""), ("x", "x"), ("ü\0\n'\"", "ü\0\n'\""), ("y" * 127, "y" * 127),
               ("z" * 70000, "z" * 70000)],
    "FixedString(3)": [({"bytes": b"abc".hex()}, "abc"), ({"bytes": b"a\0\0".hex()}, "a")],
    "FixedString(300)": [({"bytes": b"q".hex() * 300}, "q" * 300)],
    "Date": [(packed("H", 19000), "2022-01-08"), (packed("H", 65535), "2149-06-06")],
    "Date32": [(packed("i", 19000), "2022-01-08"), (packed("i", -25567), "1900-01-01")],
    "DateTime": [(packed("I", 1700000000), 1700000000)],
    "DateTime('Europe/Berlin')": [(packed("I", 1700000000), "2023-11-14 23:13:20")],
    "DateTime64(3, 'Europe/Berlin')": [(packed("q", 1700000000123), "2023-11-14 23:13:20.123")],
    "DateTime64(9, 'UTC')": [(packed("q", 1700000000123456789), "2023-11-14 22:13:20.123456789")],
    "DateTime64(0, 'UTC')": [(packed("q", -1), "1969-12-31 23:59:59")],
    "Time": [(packed("i", 3723), "01:02:03"), (packed("i", -3723), "-01:02:03")],
    "Time64(3)": [(packed("q", 3723004), "01:02:03.004")],
    "UUID": [(uuid_bytes("61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
              "61f0c404-5cb3-11e7-907b-a6006ad3dba0")],
    "IPv4": [(ipv4_bytes("1.2.3.4"), "1.2.3.4")],
    "IPv6": [(ipv6_bytes("2a02:aa08::8e:1"), "2a02:aa08::8e:1"),
             (ipv6_bytes("::ffff:1.2.3.4"), "::ffff:1.2.3.4")],
    "Enum8('a' = -1, 'it\\'s' = 2)": [(packed("b", -1), "a"), (packed("b", 2), "it's")],
    "Enum16('a' = -300, 'tab\\t' = 300)": [(packed("h", -300), "a"), (packed("h", 300), "tab\t")],
    "Nullable(UInt8)": [(packed("B", 1), 1), (None, None), (packed("B", 0), 0)],
    "Nullable(String)": [("a", "a"), (None, None), ("", "")],
    "Nullable(Enum8('a' = 1))": [(None, None), (packed("b", 1), "a")],
    "LowCardinality(String)": [("a", "a"), ("b", "b"), ("a", "a")],
    "LowCardinality(Nullable(String))": [("a", "a"), (None, None)],
    "LowCardinality(UInt64)": [(packed("Q", 7), 7)],
    "LowCardinality(Nullable(FixedString(2)))": [({"bytes": b"xy".hex()}, "xy"), (None, None)],
    "Array(UInt8)": [([], []), ([packed("B", 1), packed("B", 2)], [1, 2]), ([], [])],
    "Array(Array(Nullable(String)))": [([["a", None], []], [["a", None], []]), ([], []),
                                       ([[]], [[]])],
    "Array(LowCardinality(Nullable(String)))": [(["a", None, "a"], ["a", None, "a"])],
    "Array(Tuple(a LowCardinality(String), b Array(UInt8)))": [
        ([["x", [packed("B", 1)]], ["y", []]], [{"a": "x", "b": [1]}, {"a": "y", "b": []}]),
        ([], [])],
    "Tuple(UInt8, String)": [([packed("B", 1), "a"], [1, "a"])],
    "Tuple(a UInt8, `b c` Nullable(String), d Enum8('x, (' = 1))": [
        ([packed("B", 1), None, packed("b", 1)], {"a": 1, "b c": None, "d": "x, ("})],
    "Tuple()": [([], []), ([], [])],
    "Tuple(UInt8, Tuple())": [([packed("B", 1), []], [1, []])],
    "Array(Tuple())": [([[], []], [[], []]), ([], [])],
    "Nullable(Tuple(a UInt8, b Nullable(String)))": [([packed("B", 1), None], {"a": 1, "b": None}),
                                                     (None, None)],
    "Map(LowCardinality(String), Array(Nullable(UInt8)))": [
        ([["k", [packed("B", 1), None]], ["l", []]], {"k": [1, None], "l": []}), ([], {})],
    "Map(UInt8, Map(String, Tuple(x Array(String))))": [
        ([[packed("B", 1), [["k", [["v"]]]]]], {"1": {"k": {"x": ["v"]}}})],
    "Nested(a UInt8, b Array(String))": [
        ([[packed("B", 1), ["x"]], [packed("B", 2), []]], [{"a": 1, "b": ["x"]}, {"a": 2, "b": []}]),
        ([], [])],
    "Point": [(point(1.5, -2), [1.5, -2])],
    "Ring": [([point(0, 0), point(1, 0)], [[0, 0], [1, 0]])],
    "LineString": [([point(0, 0), point(1, 0)], [[0, 0], [1, 0]])],
    "MultiLineString": [([[point(0, 0)], []], [[[0, 0]], []])],
    "Polygon": [([[point(0, 0), point(1, 0)]], [[[0, 0], [1, 0]]])],
    "MultiPolygon": [([[[point(0, 0)], []], []], [[[[0, 0]], []], []])],
    "SimpleAggregateFunction(sum, UInt64)": [(packed("Q", 7), 7)],
    "SimpleAggregateFunction(anyLast, LowCardinality(Nullable(String)))": [("a", "a"), (None, None)],
    "SimpleAggregateFunction(groupArrayArray, Array(String))": [(["a", "b"], ["a", "b"])],
    "SimpleAggregateFunction(sumMap, Tuple(Array(UInt8), Array(UInt64)))": [
        ([[packed("B", 1)], [packed("Q", 2)]], [[1], [2]])],
}


class Pair:
    """Two tables of the same columns: one filled through core/block, one through JSONEachRow."""

    def __init__(self, clickhouse, name, columns):
        self.clickhouse, self.names = clickhouse, (name + "_native", name + "_json")
        for table in self.names:
            clickhouse.query(f"CREATE TABLE {table} (n UInt32, {columns}) "
                             "ENGINE = MergeTree ORDER BY n", **CREATE)
        described = clickhouse.rows(f"DESCRIBE TABLE {self.names[0]}")
        self.columns = [{"name": row["name"], "type": row["type"],
                         "default": row["default_expression"]} for row in described]

    def insert(self, blocks, texts):
        """blocks: rows of values as bytes; texts: the same rows as JSON, n left out in both."""
        number = iter(range(10**6))
        numbered = [[{"n": packed("I", next(number)), **row} for row in block] for block in blocks]
        insert, body = build(self.columns, numbered)
        self.clickhouse.query(statement(insert, self.names[0]), body=body, async_insert=0,
                              **(INPUT if any(column["flagged"] for column in insert["columns"]) else {}))
        lines = [json.dumps({"n": n, **row}) for n, row in enumerate(texts)]
        self.clickhouse.query(f"INSERT INTO {self.names[1]} FORMAT JSONEachRow",
                              body="\n".join(lines).encode(), async_insert=0, **READ_JSON)
        return insert

    def rows(self):
        return [self.clickhouse.query(f"SELECT * FROM {table} ORDER BY n FORMAT TSVWithNamesAndTypes")
                for table in self.names]

    def check(self):
        native, reference = self.rows()
        assert native == reference
        return native


def build(columns, blocks):
    """The description and the body that core/block makes of these rows."""
    text = json.dumps({"columns": columns, "blocks": blocks})
    done = subprocess.run([TOOL], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    head, body = done.stdout.split(b"\n", 1)
    return json.loads(head), body


def quoted(text, quote):
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


def statement(insert, table):
    """The INSERT that core/model/insert.hpp describes."""
    names = ", ".join(quoted(column["name"], "`") for column in insert["columns"])
    if not any(column["flagged"] for column in insert["columns"]):
        return f"INSERT INTO {table} ({names}) FORMAT {insert['format']}"
    structure, values = [], []
    for i, column in enumerate(insert["columns"]):
        value = f"v{i}"
        structure.append(f"v{i} {column['wire']}")
        if column["flagged"]:
            structure.append(f"m{i} UInt8")
            value = f"if(m{i}, CAST({column['default']}, {quoted(column['wire'], chr(39))}), v{i})"
        values.append(f"{value} AS {quoted(column['name'], '`')}")
    return (f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} "
            f"FROM input({quoted(', '.join(structure), chr(39))}) FORMAT Native")


@pytest.mark.parametrize("type_name", CASES)
def test_values_of_every_type_arrive(clickhouse, unique_name, type_name):
    pair = Pair(clickhouse, unique_name, f"c {type_name}")
    rows = [{"c": value} for value, _ in CASES[type_name]]
    texts = [{"c": text} for _, text in CASES[type_name]]
    insert = pair.insert([rows, rows[:1]], texts + texts[:1])
    assert insert["format"] == "Native"
    pair.check()
    if json.dumps(texts[0]["c"]).startswith('"'):
        value = clickhouse.value(f"SELECT toString(c) FROM {pair.names[0]} ORDER BY n LIMIT 1")
        assert value == texts[0]["c"]


@pytest.mark.parametrize("type_name", CASES)
def test_missing_values_become_what_json_each_row_makes_of_them(clickhouse, unique_name, type_name):
    pair = Pair(clickhouse, unique_name, f"c {type_name}")
    value, text = CASES[type_name][0]
    pair.insert([[{}, {"c": value}, {}]], [{}, {"c": text}, {}])
    pair.check()


@pytest.mark.parametrize("type_name", [
    # null into an enum without a 0 is stored by ClickHouse as a value that cannot be read again
    name for name in CASES if "Enum" not in name or name.startswith("Nullable")])
def test_zero_is_what_json_each_row_makes_of_null(clickhouse, unique_name, type_name):
    pair = Pair(clickhouse, unique_name, f"c {type_name}")
    pair.insert([[{"c": {"zero": True}}]], [{"c": None}])
    pair.check()


def test_null_into_an_enum_with_a_value_0_is_that_one_and_a_missing_one_the_first(
        clickhouse, unique_name):
    pair = Pair(clickhouse, unique_name, "c Enum8('z' = -1, 'b' = 0), d Enum16('z' = -1, 'b' = 0)")
    pair.insert([[{"c": {"zero": True}, "d": {"zero": True}}, {}]], [{"c": None, "d": None}, {}])
    assert pair.check().splitlines()[2:] == ["0\tb\tb", "1\tz\tz"]


@pytest.mark.parametrize("type_name", CASES)
def test_flagged_columns_take_their_default(clickhouse, unique_name, type_name):
    value, text = CASES[type_name][0]
    default = f"defaultValueOfTypeName({quoted(type_name, chr(39))})"
    pair = Pair(clickhouse, unique_name, f"c {type_name} DEFAULT {default}")
    insert = pair.insert([[{"c": value}, {}], [{}, {"c": value}, {}]],
                         [{"c": text}, {}, {}, {"c": text}, {}])
    assert insert["columns"][1]["flagged"]
    pair.check()


def test_defaults_chain_and_columns_missing_everywhere_are_left_out(clickhouse, unique_name):
    pair = Pair(clickhouse, unique_name,
                "a UInt64, b UInt64 DEFAULT a + 1, c UInt64 DEFAULT b * 2, `d'``\\`x` String "
                "DEFAULT concat('it''s ', toString(c)), e Array(String) DEFAULT ['x', toString(a)], "
                "f UInt8 MATERIALIZED 7, g LowCardinality(Nullable(String)) DEFAULT 'dflt'")
    odd = pair.columns[4]["name"]
    described = [column for column in pair.columns if column["name"] != "f"]
    pair.columns = described
    number = lambda value: packed("Q", value)  # noqa: E731
    rows = [{"a": number(1)}, {"a": number(2), "b": number(9)}, {"c": number(5)},
            {"a": number(3), odd: "given", "g": None}]
    texts = [{"a": 1}, {"a": 2, "b": 9}, {"c": 5}, {"a": 3, odd: "given", "g": None}]
    insert = pair.insert([rows], texts)
    assert [column["name"] for column in insert["columns"]] == ["n", "a", "b", "c", odd, "g"]
    native, reference = pair.rows()
    # null into g is null in Native and, for a Nullable column with a DEFAULT, in JSONEachRow too
    assert native == reference


def test_rows_without_any_value_are_rows(clickhouse, unique_name):
    name = f"t.{unique_name}"
    clickhouse.query(f"CREATE TABLE {name} (a UInt8 DEFAULT 3, b String DEFAULT 'x') "
                     "ENGINE = MergeTree ORDER BY a")
    insert, body = build([{"name": "a", "type": "UInt8", "default": "3"},
                          {"name": "b", "type": "String", "default": "'x'"}], [[{}, {}]])
    clickhouse.query(statement(insert, name), body=body)
    assert clickhouse.query(f"SELECT * FROM {name} FORMAT TSV") == "3\tx\n3\tx\n"


def test_types_are_read_as_describe_prints_them(clickhouse, unique_name):
    """Every type name of every case comes back from the parser as the server printed it."""
    columns = ", ".join(f"c{i} {name}" for i, name in enumerate(CASES))
    table = f"t.{unique_name}"
    clickhouse.query(f"CREATE TABLE {table} ({columns}) ENGINE = Memory", **CREATE)
    pretty = clickhouse.rows(f"DESCRIBE TABLE {table}", print_pretty_type_names=1)
    plain = clickhouse.rows(f"DESCRIBE TABLE {table}", print_pretty_type_names=0)
    described = [{"name": row["name"], "type": row["type"]} for row in pretty]
    insert, _ = build(described, [[{}]])
    assert [column["type"] for column in insert["columns"]] == [row["type"] for row in plain]
