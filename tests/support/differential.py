# SPDX-License-Identifier: Apache-2.0
"""Lines of JSON into two equal tables: one through ClickHouse's own JSONEachRow reader, one through
core/decode and core/block. And the list of what we refuse on purpose although that reader takes it.
"""

import decimal
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

TOOL = os.environ.get("SLUICE_DECODE_TOOL")
README = Path(__file__).resolve().parents[2] / "README.md"

CREATE = {
    "allow_suspicious_low_cardinality_types": 1, "allow_suspicious_fixed_string_types": 1,
    "enable_time_time64_type": 1, "enable_nullable_tuple_type": 1, "flatten_nested": 0,
    "allow_suspicious_types_in_order_by": 1, "allow_suspicious_variant_types": 1,
}
INPUT = {  # as core/clickhouse/insert_settings.cpp
    "allow_suspicious_fixed_string_types": 1, "allow_suspicious_low_cardinality_types": 1,
    "allow_suspicious_variant_types": 1, "enable_time_time64_type": 1, "enable_nullable_tuple_type": 1,
}
READ_JSON = {
    "date_time_input_format": "best_effort", "input_format_skip_unknown_fields": 1,
    "input_format_null_as_default": 1, "input_format_defaults_for_omitted_fields": 1,
}


@dataclass(frozen=True)
class Difference:
    """One class of values that ClickHouse stores and we refuse. `example` is met in each run: a JSON
    value for a column x of `type`, or a whole line. `stores` says what ClickHouse makes of it where
    that cannot be asked for."""

    value: str
    type: str
    example: str
    says: str  # how our reason begins (core/decode/fault.cpp)
    stores: str = ""
    shown: str = ""  # in the place of an example too long to show

    @property
    def line(self):
        return self.example if self.example.startswith(('{"x":', '{"i":', '[{"x":')) else '{"x":%s}' % self.example


DIFFERENCES = [
    Difference("a number beyond an integer type", "UInt8", "300", "number out of range"),
    Difference("a number beyond a float type", "Float64", "1e400", "number out of range"),
    Difference("a number beyond the days of a Date", "Date", "4294967296", "number out of range"),
    Difference("a number beyond a DateTime", "DateTime('UTC')", "4294967296", "number out of range"),
    Difference("more digits than the scale keeps, unless zeros", "Decimal(9, 2)", "1.555", "more digits after the point"),
    Difference("a finer fraction of a second, unless zeros", "DateTime64(3, 'UTC')", '"2024-01-02 03:04:05.6789"',
               "a finer fraction of a second"),
    Difference("a date out of range", "Date", '"2149-06-07"', "date out of range"),
    Difference("a day that does not exist", "Date", '"2024-02-30"', "a date or time of day that does not exist"),
    Difference("a time of day that does not exist", "DateTime('UTC')", '"2024-01-02 23:59:60"',
               "a date or time of day that does not exist"),
    Difference("a date without its year, month or day", "DateTime('UTC')", '"2024-01"', "text that is not a date in a form known"),
    Difference("rare forms of a date", "Date", '"2024x01y02"', "text that is not a date in a form known"),
    Difference("local time beyond the zone's exact rules (after 2037, before 1900, some days before 1970)",
               "DateTime64(0, 'Europe/Berlin')", '"2050-07-01 12:00:00"', "local time for"),
    Difference("true or false as a date", "Date", "true", "this kind of JSON value does not fit Date"),
    Difference("text that is only a sign or a point", "Decimal(9, 2)", '"-"', "text that is not a number"),
    Difference("nothing where a value should stand", "Tuple(UInt8)", "[]", "an array of the wrong length"),
    Difference("text with two points or an empty exponent", "Decimal(9, 2)", '"1.5.5"', "text that is not a number"),
    Difference("text with two signs", "Float64", '"+-1"', "text that is not a number"),
    Difference("an Enum's number written with a plus or zeros", "Enum8('a' = 1)", '"+1"', "neither a name nor a value of"),
    Difference("an Enum's number that wraps around", "Enum8('a' = 1)", "257", "neither a name nor a value of"),
    Difference("null into an Enum without a value 0", "Enum8('a' = 1)", "null", "null for", "a 0 that no SELECT can read"),
    Difference("octets of four digits", "IPv4", '"1.2.3.0004"', "text that is not an address"),
    Difference("three colons", "IPv6", '"1:::2"', "text that is not an address"),
    Difference("a key with a backslash for a named Tuple", "Tuple(a UInt8)", '{"\\u0061":1}', "a key with a backslash in an object"),
    Difference("text that is no JSON, also in fields that are skipped", "UInt8", "01", "not valid JSON"),
    Difference("half of a surrogate pair in an object for a String", "String", '{"a":"\\ud83d"}',
               "a \\u escape is half of a surrogate pair"),
    Difference("a key that stands twice, the second time after all columns have a value", "UInt8", '{"i":1,"x":1,"x":2}',
               "the key stands twice in the object", shown='{"x":1,"x":2}'),
    Difference("two objects in one record", "UInt8", '{"x":1}{"x":2}', "more text after the JSON object", "two rows"),
    Difference("an array of objects", "UInt8", '[{"x":1}]', "not a JSON object", "a row for each"),
    Difference("more than 128 levels", "String", "[" * 200 + "]" * 200, "nested deeper than the limit", "the text", "[[[…]]]"),
    Difference("more than 10,000 fields in a record", "UInt8",
               '{"x":1' + "".join(f',"f{n}":1' for n in range(10_000)) + "}", "more fields than the limit", "1", '{"f0":1,…}'),
]
REASONS = tuple({difference.says for difference in DIFFERENCES})


def is_explained(type_name, value, message):
    """Whether a reason that DIFFERENCES has is true of a value: numbers are worked out here anew."""
    if not message.startswith(REASONS):
        return False
    if message.startswith("an array of the wrong length"):
        return "Tuple" in type_name and re.search(r"\[ *\]", value) is not None
    text = value.strip().strip('"')
    integer = re.fullmatch(r"(U?)Int(\d+)", type_name)
    if integer and message.startswith("number out of range") and re.fullmatch(r"[+-]?\d+", text):
        bits = int(integer[2])
        least, most = (0, 2 ** bits - 1) if integer[1] else (-2 ** (bits - 1), 2 ** (bits - 1) - 1)
        return not least <= int(text) <= most
    scale = re.fullmatch(r"Decimal\(\d+, (\d+)\)", type_name)
    if scale and message.startswith("more digits after the point"):
        exact = decimal.Decimal(text or "0")
        return exact != 0 and exact.normalize(decimal.Context(prec=5000)).as_tuple().exponent < -int(scale[1])
    return True


class Table:
    """One pair of tables, and lines that go into them both ways."""

    def __init__(self, clickhouse, folder, columns, time_zone=None, gear="both"):
        self.clickhouse = clickhouse
        self.folder = folder
        self._parts = 0  # of ours
        self.gear = gear
        self.type_name = columns.removeprefix("x ")
        self.time_zone = time_zone or clickhouse.value("SELECT serverTimezone()")
        for side in ("theirs", "ours"):
            clickhouse.query(f"DROP TABLE IF EXISTS {side}")
            clickhouse.query(f"CREATE TABLE {side} (i UInt32, {columns}) ENGINE = Memory", **CREATE)
        self._describe = folder / "describe.tsv"
        self._describe.write_text(clickhouse.query("DESCRIBE TABLE ours FORMAT TabSeparatedRaw", print_pretty_type_names=0))

    def compare(self, lines, usual=frozenset()):
        """Lines are numbered: each gets a field i, from 1 on. Returns what became of them by us. No
        reason explains why we would refuse a `usual` line (given by index).

            ClickHouse refuses, we accept      a failure
            both accept, the bytes differ      a failure
            ClickHouse accepts, we refuse      allowed only for a reason that DIFFERENCES has
        """
        values = lines
        lines = [b'{"i":%d%s' % (number, b"," + line[1:] if line.strip() != b"{}" else b"}")
                 for number, line in enumerate(lines, 1)]
        outcomes = {}
        self._insert_ours(list(enumerate(lines, 1)), outcomes)
        accepted = [item for item in enumerate(lines, 1) if outcomes[item[0]]["ok"]]
        if self._parts > 1:
            # What JSON infers for a value depends on the rows before it in its INSERT: one for one.
            self.clickhouse.query("TRUNCATE TABLE ours")
            self._insert_ours(accepted, outcomes)
        problems = []

        def shown(number):
            return lines[number - 1][:2000].decode(errors="backslashreplace")

        def only_ours(number, error):
            problems.append(f"only we accept {shown(number)}: {error}")

        self._insert_theirs(accepted, only_ours)
        problems += [f"{shown(number)}: theirs {theirs}, ours {ours}" for number, theirs, ours in self._unequal()]
        self.clickhouse.query("TRUNCATE TABLE theirs")
        unexplained = [(number, lines[number - 1]) for number, outcome in outcomes.items()
                       if not outcome["ok"] and (number - 1 in usual or not is_explained(
                           self.type_name, self._value(values[number - 1]), outcome["message"]))]
        self._insert_theirs(unexplained, lambda number, error: None, input_format_allow_errors_num=len(lines))
        for row in self.clickhouse.query("SELECT DISTINCT i FROM theirs WHERE i != 0 FORMAT TSV").split():
            if self._theirs_take(lines[int(row) - 1]):
                problems.append(f"only we refuse {shown(int(row))}: {outcomes[int(row)]['message']}")
        for side in ("theirs", "ours"):
            self.clickhouse.query(f"TRUNCATE TABLE {side}")
        self._parts = 0
        assert not problems, f"{len(problems)} differences\n" + "\n".join(problem[:1000] for problem in problems[:20])
        return [outcomes[number] for number in range(1, len(lines) + 1)]

    @staticmethod
    def _value(line):
        text = line.decode(errors="replace")
        return text[5:-1] if text.startswith('{"x":') else text

    def _insert_theirs(self, items, refused, **settings):
        if not items:
            return
        try:
            self.clickhouse.query("INSERT INTO theirs FORMAT JSONEachRow", body=b"\n".join(line for _, line in items),
                                  timeout=300, input_format_parallel_parsing=0, **READ_JSON, **settings)
        except Exception as error:  # noqa: BLE001 - any refusal counts
            if len(items) == 1:
                refused(items[0][0], str(error)[:200])
                return
            half = len(items) // 2
            self._insert_theirs(items[:half], refused, **settings)
            self._insert_theirs(items[half:], refused, **settings)

    def _theirs_take(self, line):
        """Alone: with errors allowed, rows with a key that stands twice are kept."""
        refusals = []
        self._insert_theirs([(0, line)], lambda number, error: refusals.append(error))
        return not refusals

    def _theirs_keep(self, items):
        self._insert_theirs(items, lambda number, error: None, input_format_allow_errors_num=len(items))
        kept = set(self.clickhouse.query("SELECT i FROM theirs FORMAT TSV").split())
        self.clickhouse.query("TRUNCATE TABLE theirs")
        return [item for item in items if str(item[0]) in kept]

    def _insert_ours(self, items, outcomes):
        head, body, results = self._encode([line for _, line in items])
        outcomes.update(zip((number for number, _ in items), results))
        taken = [item for item in items if outcomes[item[0]]["ok"]]
        if not taken:
            return
        try:
            statement, settings = insert_statement(head)
            self.clickhouse.query(statement, body=body, timeout=300, **settings)
            self._parts += 1
        except Exception as error:  # noqa: BLE001 - the server parses what we leave to it
            if not head["server_parses"]:
                raise
            if len(taken) == 1:
                outcomes[taken[0][0]] = {"ok": False, "message": f"the server says {error}"}
                return
            # Those that ClickHouse's reader takes should be good; each of the others alone.
            good = self._theirs_keep(taken)
            if 0 < len(good) < len(taken):
                parts = [good] + [[item] for item in taken if item not in good]
            else:
                parts = [taken[:len(taken) // 2], taken[len(taken) // 2:]]
            for part in parts:
                self._insert_ours(part, outcomes)

    def _encode(self, lines):
        report = self.folder / "report.jsonl"
        body = subprocess.run([TOOL, self._describe, self.time_zone, self.gear, report],
                              input=b"\n".join(lines) + b"\n", stdout=subprocess.PIPE, check=True).stdout
        head, *results = map(json.loads, report.read_text().splitlines())
        head["server_parses"] = not head["native"] or any(column["cast_type"] for column in head["columns"])
        return head, body, results

    def _unequal(self):
        # The paths of JSON come in any order in RowBinary: its text and its types instead.
        types = [line.split("\t")[:2] for line in self._describe.read_text().splitlines()]
        inferred = "".join(f", toString(mapSort(JSONAllPathsWithTypes(`{name}`)))" for name, kind in types if kind.startswith("JSON"))
        row = f"concat(hex(formatRow('RowBinary', *)){inferred}, '')"
        rows = self.clickhouse.query(
            f"SELECT i, t.r, o.r FROM (SELECT i, {row} AS r FROM theirs) AS t FULL JOIN (SELECT i, {row} AS r FROM ours) AS o "
            "USING i WHERE t.r != o.r AND NOT (t.r = '') LIMIT 100 FORMAT TSV",
            timeout=300, output_format_binary_write_json_as_string=1)
        counts = [self.clickhouse.value(f"SELECT count() FROM {side}") for side in ("theirs", "ours")]
        found = [(int(number), theirs, ours) for number, theirs, ours in (row.split("\t") for row in rows.splitlines())]
        if counts[0] > counts[1]:
            found.append((1, f"{counts[0]} rows", f"{counts[1]} rows"))
        return found


def insert_statement(head):
    """As core/clickhouse/insert_query.hpp says."""
    columns = head["columns"]
    if not head["native"]:
        return "INSERT INTO ours FORMAT JSONEachRow", READ_JSON
    names = ", ".join(f"`{column['name']}`" for column in columns)
    if not any(column["flagged"] or column["cast_type"] for column in columns):
        return f"INSERT INTO ours ({names}) FORMAT Native", INPUT
    chosen, structure = [], []
    for number, column in enumerate(columns):
        value = f"v{number}"
        structure.append(f"v{number} {column['wire_type']}")
        quoted = "'" + (column["cast_type"] or column["type"]).replace("\\", "\\\\").replace("'", "\\'") + "'"
        if column["cast_type"]:
            value = f"CAST({value}, {quoted})"
        elif column["flagged"]:
            structure.append(f"m{number} UInt8")
            value = f"if(m{number}, CAST({column['default']}, {quoted}), {value})"
        chosen.append(f"{value} AS `{column['name']}`")
    inner = ", ".join(structure).replace("\\", "\\\\").replace("'", "\\'")
    return (f"INSERT INTO ours ({names}) SELECT {', '.join(chosen)} FROM input('{inner}') FORMAT Native",
            INPUT | READ_JSON)


def differences_table(clickhouse, folder):
    """The table of the README, from what the engine and our decoder really do with each example."""
    rows = ["| value | for example | ClickHouse stores | sluice rejects it |", "|---|---|---|---|"]
    for difference in DIFFERENCES:
        table = Table(clickhouse, folder, f"x {difference.type}")
        line = difference.line
        (_, _, (outcome,)) = table._encode([line.encode()])
        assert not outcome["ok"] and outcome["message"].startswith(difference.says), (difference, outcome)
        clickhouse.query("INSERT INTO theirs FORMAT JSONEachRow", body=line.encode(), **READ_JSON)
        stores = difference.stores or "`" + clickhouse.value("SELECT toString(x) FROM theirs") + "`"
        shown = difference.shown or difference.example
        rows.append(f"| {difference.value} | `{shown}` into {difference.type} | {stores} | {outcome['message']} |")
    return "\n".join(rows) + "\n"


def readme_table(text, begin="<!-- differences:begin -->\n", end="<!-- differences:end -->"):
    """Where the table stands in the README: (first, behind)."""
    first = text.index(begin) + len(begin)
    return first, text.index(end, first)
