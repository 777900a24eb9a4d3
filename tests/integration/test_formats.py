# SPDX-License-Identifier: Apache-2.0
"""Records that are not fields for columns, and tables that need more than Native: format = "raw",
JSON columns; and what sluice check --online says of such tables."""

from events import sync_arguments


def check(sluice, kafka, clickhouse, pipelines, *arguments):
    text = f"""config_version = 1
[kafka]
brokers = {kafka.bootstrap.split(",")!r}
[clickhouse]
url = "{clickhouse.url}"
"""
    for name, table, more in pipelines:
        if "--online" in arguments and name not in kafka.topics():
            kafka.create_topic(name)
        text += f'[pipelines.{name}]\ntopic = "{name}"\ntable = "{table}"\n{more}\n'
    config = sluice.folder / "check.toml"
    config.write_text(text)
    config.chmod(0o600)
    return sluice("check", "-c", config, *arguments)


def test_raw_keeps_every_byte_of_every_value(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (at DateTime DEFAULT now(), value String, d Dynamic) ENGINE = MergeTree ORDER BY at")
    values = [b"plain", b'{"a":1}', b"\x00\xff\n\t\\", b"", "grüße".encode(), b"x" * 100_000]
    kafka.produce(topic, values + [None])

    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--format", "raw", "-o", "json")).expect(0)

    assert run.json["totals"]["inserted"] == len(values) and run.json["totals"]["skipped"] == 1
    landed = clickhouse.query(f"SELECT hex(value) FROM {table} WHERE at > '2020-01-01' FORMAT TSV").splitlines()
    assert sorted(landed) == sorted(value.hex().upper() for value in values)


def test_raw_needs_one_string_column(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (a String, b String) ENGINE = MergeTree ORDER BY a")
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--format", "raw")).expect(78)
    assert "exactly one String column" in run.stderr and "has a, b" in run.stderr


def test_json_columns_take_objects_and_refuse_only_the_bad_record(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (n UInt32, j JSON, l Array(JSON(t DateTime('UTC')))) ENGINE = MergeTree ORDER BY n")
    lines = [f'{{"n":{n},"j":{{"a":{{"b":{n}}},"s":"x"}},"l":[{{"t":"2024-01-02T03:04:05Z"}}]}}' for n in range(200)]
    lines[77] = '{"n":77,"j":{"a":1,"a":2}}'  # a path that stands twice: only the server sees it
    kafka.produce_lines(topic, "\n".join(lines) + "\n")

    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", "--reject-file",
                                 sluice.folder / "rejects.jsonl", "-o", "json")).expect(3)

    assert run.json["totals"]["rejected"] == 1 and run.json["totals"]["inserted"] == 199
    assert '"offset":77' in (sluice.folder / "rejects.jsonl").read_text()
    assert clickhouse.value(f"SELECT sum(j.a.b.:Int64) FROM {table}") == sum(range(200)) - 77
    assert clickhouse.value(f"SELECT any(l[1].t) FROM {table}") == "2024-01-02 03:04:05"


def test_check_says_how_rows_go_into_each_table(kafka, clickhouse, sluice, table):
    tables = {"plain": "a UInt8, b Array(String)", "cast": "a UInt8, j Map(String, JSON), d UInt8 DEFAULT a + 1",
              "lines": "a UInt8, v Variant(String, UInt8)", "whole": "v String"}
    for name, columns in tables.items():
        clickhouse.query(f"CREATE TABLE {table}_{name} ({columns}) ENGINE = MergeTree ORDER BY tuple()")
    pipelines = [(name, f"{table}_{name}", 'format = "raw"' if name == "whole" else "") for name in tables]

    assert "the configuration is valid: 4 pipelines" in check(sluice, kafka, clickhouse, pipelines).expect(0).stdout
    run = check(sluice, kafka, clickhouse, pipelines, "--online").expect(0)
    assert "_plain: Native\n" in run.stdout
    assert "Native; the server parses j Map(String, JSON); the server evaluates the DEFAULT of d" in run.stdout
    assert "JSONEachRow, parsed by the server, because of v Variant(String, UInt8)" in run.stdout
    assert "the whole value goes into v" in run.stdout

    found = check(sluice, kafka, clickhouse, pipelines, "--online", "-o", "json").expect(0).json
    details = {finding["subject"]: finding["details"] for finding in found["findings"] if "details" in finding}
    assert details["cast"]["parsed_by_server"] == ["j Map(String, JSON)"]
    assert details["lines"]["format"] == "JSONEachRow" and details["plain"]["format"] == "Native"


def test_check_names_what_is_wrong_and_exits_with_its_code(kafka, clickhouse, sluice, table):
    run = check(sluice, kafka, clickhouse, [("one", f"{table}_missing", "")], "--online").expect(78)
    assert " one" in run.stdout and "ClickHouse has no table" in run.stdout and "1 error, 0 warnings" in run.stdout
    assert "unknown key" in check(sluice, kafka, clickhouse, [("one", table, "batchs = 1")]).expect(78).stderr
    clickhouse.query(f"CREATE TABLE {table} (a UInt8) ENGINE = Memory")
    run = check(sluice, kafka, clickhouse, [("one", table, "")], "--online").expect(0)
    assert "! one" in run.stdout and "0 errors, 1 warning" in run.stdout


def test_check_of_a_server_that_is_away_exits_75(kafka, clickhouse, sluice, table):
    class Away:
        url = "http://127.0.0.1:1"

    run = check(sluice, kafka, Away, [("one", table, "")], "--online", "-o", "json").expect(75)
    assert run.json["exit_code"] == 75 and run.json["findings"][-1]["level"] == "error"
