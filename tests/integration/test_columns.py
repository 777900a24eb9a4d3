# SPDX-License-Identifier: Apache-2.0
"""What fills a column when it is not the field of its name; tables that keep the last row of a key; several
ClickHouse servers behind one topic."""

import pytest

TIME = 1_700_000_000_123


def configure(sluice, kafka, clickhouse, pipelines, destinations=""):
    """pipelines: text of [pipelines.NAME] tables."""
    config = sluice.folder / "sluice.toml"
    config.write_text(f"""config_version = 1
[kafka]
brokers = {kafka.bootstrap.split(",")!r}
[clickhouse]
url = "{clickhouse.url}"
{destinations}
{pipelines}""")
    config.chmod(0o600)


METADATA = "_topic LowCardinality(String), _partition UInt64, _offset UInt64, _timestamp Nullable(DateTime('UTC')), " \
           "_timestamp_ms DateTime64(3, 'UTC'), _key String, _headers Nested(name String, value String), " \
           "trace Nullable(String), at DateTime64(6, 'UTC')"
EVENT = {"value": '{"user":{"id":7,"tags":["a","b"]},"x":1,"y":[2]}', "key": "k1", "timestamp": TIME,
         "headers": [("trace", b"abc")], "partition": 1}


@pytest.mark.parametrize("any_type", ["", ", anything Dynamic"], ids=["native", "text"])
def test_columns_come_from_nested_fields_and_from_kafka(kafka, clickhouse, sluice, topic, table, any_type):
    kafka.create_topic(topic, 2)
    clickhouse.query(f"CREATE TABLE {table} (id UInt64, tag String, rest String, {METADATA}{any_type}) ENGINE = MergeTree ORDER BY id")
    configure(sluice, kafka, clickhouse, f"""
[pipelines.events]
topic = "{topic}"
table = "{table}"
unknown_fields = {{ into = "rest" }}
columns = {{ trace = "$header.trace", at = "$timestamp" }}
[pipelines.events.map]
id = "/user/id"
tag = "/user/tags/1"
""")
    kafka.produce(topic, [EVENT])
    sluice("sync").expect(0)
    assert clickhouse.rows(f"SELECT * EXCEPT anything FROM (SELECT *, 1 AS anything FROM {table})"
                           if not any_type else f"SELECT * EXCEPT anything FROM {table}") == [{
        "id": 7, "tag": "b", "rest": '{"x":1,"y":[2]}', "_topic": topic, "_partition": 1, "_offset": 0,
        "_timestamp": "2023-11-14 22:13:20", "_timestamp_ms": "2023-11-14 22:13:20.123", "_key": "k1",
        "_headers.name": ["trace"], "_headers.value": ["abc"], "trace": "abc", "at": "2023-11-14 22:13:20.123000"}]


@pytest.mark.parametrize("place", ["topic", "file"])
def test_a_replayed_record_keeps_where_it_came_from(kafka, clickhouse, sluice, topic, table, place):
    kafka.create_topic(topic, 1)
    kafka.create_topic(f"{topic}.rejects", 1)
    clickhouse.query(f"CREATE TABLE {table} (n UInt8, _topic String, _offset UInt64, _key String, _timestamp_ms DateTime64(3, 'UTC'), "
                     f"all_headers Map(String, String)) ENGINE = MergeTree ORDER BY _offset")
    reject = f'topic = "{topic}.rejects"' if place == "topic" else f'file = "{sluice.folder}/rejects.jsonl"'
    configure(sluice, kafka, clickhouse, f"""
[pipelines.events]
topic = "{topic}"
table = "{table}"
on_error = "reject"
reject = {{ {reject} }}
columns = {{ all_headers = "$headers" }}
""")
    kafka.produce(topic, ['{"n":1}', {**EVENT, "value": '{"n":300}', "partition": 0}, '{"n":2}'])
    sluice("sync").expect(3)
    clickhouse.query(f"ALTER TABLE {table} MODIFY COLUMN n UInt16")
    sluice("rejects", "events", "--replay", "-y").expect(0)
    assert clickhouse.rows(f"SELECT * FROM {table} WHERE n = 300") == [
        {"n": 300, "_topic": topic, "_offset": 1, "_key": "k1", "_timestamp_ms": "2023-11-14 22:13:20.123",
         "all_headers": {"trace": "abc"}}]


def test_what_a_table_cannot_hold_is_said_with_its_place(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (n UInt8, small UInt8) ENGINE = MergeTree ORDER BY n")
    for rule, words in [('columns = { small = "$offset" }', "cannot hold the offset"),
                        ('map = { other = "/n" }', "has no column other")]:
        configure(sluice, kafka, clickhouse, f'[pipelines.events]\ntopic = "{topic}"\ntable = "{table}"\n{rule}\n')
        for command in (["sync"], ["check", "--online"]):
            run = sluice(*command).expect(78)
            said = run.stderr + run.stdout
            assert words in said and "sluice.toml:10:" in said, run


def test_fields_without_a_column_are_named_once_and_counted(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (n UInt32) ENGINE = MergeTree ORDER BY n")
    configure(sluice, kafka, clickhouse, f'[pipelines.events]\ntopic = "{topic}"\ntable = "{table}"\n')
    kafka.produce(topic, [f'{{"n":{n},"extra":1,"more":{{"a":[]}}}}' for n in range(100)])
    run = sluice("sync", "-o", "json").expect(0)
    assert run.json["pipelines"][0]["unknown_fields"] == 200
    assert run.stderr.count("extra, more") == 1, run


@pytest.mark.parametrize("any_type", ["", ", anything Dynamic"], ids=["native", "text"])
def test_overwriting_keeps_the_last_row_of_each_key(kafka, clickhouse, sluice, topic, table, any_type):
    kafka.create_topic(topic, 3)
    clickhouse.query(f"CREATE TABLE {table} (id UInt32, name String DEFAULT 'x', version UInt64, gone UInt8{any_type}) "
                     f"ENGINE = ReplacingMergeTree(version, gone) ORDER BY id")
    configure(sluice, kafka, clickhouse, f"""
[pipelines.users]
topic = "{topic}"
table = "{table}"
write = "overwrite"
key = ["id"]
""")
    last, records = {}, []
    for round in range(5):
        for n in range(40):
            deleted = (n + round) % 3 == 0
            key = f'{{"id":{n}}}' if n % 2 else str(n)
            records.append({"key": key, "value": None if deleted else f'{{"id":{n},"name":"{n}.{round}"}}'})
            last[n] = None if deleted else f"{n}.{round}"
    for half in (records[:90], records[90:]):
        kafka.produce(topic, half)
        run = sluice("sync", "-o", "json").expect(0)
        assert run.json["totals"]["inserted"] == len(half) and run.json["totals"]["skipped"] == 0
    seen = {row["id"]: row["name"] for row in clickhouse.rows(f"SELECT id, name FROM {table} FINAL")}
    assert seen == {n: name for n, name in last.items() if name is not None}


def test_overwriting_refuses_a_table_that_cannot_and_prints_one_that_can(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (id UInt32, name String DEFAULT 'x') ENGINE = MergeTree ORDER BY id")
    pipeline = f'[pipelines.users]\ntopic = "{topic}"\ntable = "TABLE"\nwrite = "overwrite"\nkey = ["id"]\n'
    configure(sluice, kafka, clickhouse, pipeline.replace("TABLE", table))
    run = sluice("sync", "-o", "json").expect(78)
    fix = run.json["fix"]
    clickhouse.query(fix[fix.index("CREATE TABLE"):])
    configure(sluice, kafka, clickhouse, pipeline.replace("TABLE", table + "_latest"))
    kafka.produce(topic, [{"key": "1", "value": '{"id":1}'}, {"key": "1", "value": None}, {"key": "2", "value": '{"id":2}'}])
    sluice("sync").expect(0)
    assert clickhouse.query(f"SELECT id, name FROM {table}_latest FINAL FORMAT TSV") == "2\tx\n"


def test_a_destination_that_is_down_holds_back_only_its_own(kafka, clickhouse, own_clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 1)
    other = own_clickhouse(users={"loader": {"password": "wonderful"}})
    ddl = f"CREATE TABLE {table} (n UInt32, _offset UInt64) ENGINE = MergeTree ORDER BY n"
    for server in (clickhouse, other):
        server.query("CREATE DATABASE IF NOT EXISTS t")
        server.query(ddl)
    configure(sluice, kafka, clickhouse, f"""
[pipelines.here]
topic = "{topic}"
table = "{table}"
[pipelines.there]
topic = "{topic}"
table = "{table.removeprefix("t.")}"
destination = "other"
""", f"""
[destinations.other]
url = "{other.url}"
database = "t"
user = "loader"
password = {{ env = "OTHER_PASSWORD" }}
""")
    password = {"OTHER_PASSWORD": "wonderful"}
    kafka.produce(topic, [f'{{"n":{n}}}' for n in range(50)])
    checked = sluice("check", "--online", env=password).expect(0)
    assert "of destination other" in checked.stdout, checked
    sluice("sync", env=password).expect(0)
    other.kill()
    kafka.produce(topic, [f'{{"n":{n}}}' for n in range(50, 100)])
    run = sluice.start("tail", "--metrics-listen", "127.0.0.1:0", env=password)
    run.wait_until(lambda: clickhouse.value(f"SELECT count() FROM {table}") == 100, 30, "the rows here")
    other.restart()
    run.wait_until(lambda: other.value(f"SELECT count() FROM {table}") == 100, 60, "the rows there")
    run.stop().expect(0)


def test_a_destination_that_is_not_there_is_told_with_the_nearest(kafka, clickhouse, sluice):
    configure(sluice, kafka, clickhouse, '[pipelines.a]\ntopic = "a"\ntable = "t.a"\ndestination = "othr"\n',
              '[destinations.other]\nurl = "http://127.0.0.1:1"\n')
    run = sluice("check").expect(78)
    assert "there is no [destinations.othr]" in run.stderr and "did you mean 'other'" in run.stderr
