# SPDX-License-Identifier: Apache-2.0
"""From a topic to a pipeline: what sluice init proposes passes sluice check, the table it makes takes the
records, and sluice check --online finds what would not fit."""

import json
import random
import re

import pytest


def record(number):
    return json.dumps({
        "id": number, "user": f"00000000-0000-4000-8000-{number:012d}", "country": random.choice(["de", "fr", "us"]),
        "amount": number / 4, "at": f"2026-11-21T02:00:{number % 60:02d}.{number % 1000:03d}Z", "day": "2026-11-21",
        "note": None if number % 3 else "it's \\ \"quoted\"", "tags": ["a", "b"][:number % 3], "ok": number % 2 == 0,
        "geo": {"lat": 1.5, "name": "x"} if number % 2 else {"lat": 2.5}, "big": 2 ** 64 - 1 - number,
        "huge": 10 ** 30 + number, "mixed": number if number % 2 else {"a": [number]}, "wéird name": "x",
        "micro": f"2026-11-21 02:00:00.{number:06d}", **({"sometimes": 1} if number % 5 == 0 else {})}).encode()


@pytest.fixture
def loaded(kafka, topic):
    kafka.create_topic(topic, 3)
    kafka.produce(topic, [record(number) for number in range(300)] + [b"", b"no json"])


def init(sluice, kafka, clickhouse, topic, *arguments, **options):
    return sluice("init", "-b", kafka.bootstrap, "--clickhouse", f"{clickhouse.url}/t", "-t", topic, *arguments,
                  **options)


def test_a_new_user_gets_from_a_topic_to_rows(kafka, clickhouse, sluice, topic, loaded):
    run = init(sluice, kafka, clickhouse, topic, "--create", "-y").expect(0)
    assert f"created t.{topic}" in run.stderr and "1 of 301 records are no JSON objects" in run.stderr
    (sluice.folder / "sluice.toml").write_text(run.stdout)
    (sluice.folder / "sluice.toml").chmod(0o600)
    sluice("check", "--strict").expect(0)

    types = {row["name"]: row["type"] for row in clickhouse.rows(f"DESCRIBE TABLE t.{topic}")}
    assert types["id"] == "Int64" and types["user"] == "UUID" and types["country"] == "LowCardinality(String)"
    assert types["at"] == "DateTime64(3, 'UTC')" and types["micro"] == "DateTime64(6, 'UTC')"
    assert types["day"] == "Date" and types["amount"] == "Float64" and types["ok"] == "Bool"
    assert types["big"] == "UInt64" and types["huge"] == types["mixed"] == "String"
    assert types["note"] == "LowCardinality(Nullable(String))" and types["sometimes"] == "Nullable(Int64)"
    assert types["tags"] == "Array(String)" and types["geo"].startswith("Tuple(")
    assert types["_topic"] == "LowCardinality(String)" and types["_offset"] == "UInt64"
    assert {name for name, type in types.items() if "Nullable" in type} == {"note", "geo", "sometimes"}

    online = sluice("check", "--online").expect(78)
    assert re.search(r"1 of \d+ sampled records do not fit", online.stdout), "the one that is no JSON, and a fix"
    assert "fix: " in online.stdout and "an INSERT that is repeated is dropped" in online.stdout

    (sluice.folder / "sluice.toml").write_text(run.stdout + '[defaults]\nreject = { file = "r.jsonl" }\n')
    done = sluice("sync", "--on-error", "reject", "-o", "json").expect(3).json["totals"]
    assert (done["inserted"], done["rejected"], done["skipped"]) == (300, 1, 1)
    exact = clickhouse.rows(f"SELECT id, toString(big) AS big, huge FROM t.{topic} ORDER BY id")
    assert [(row["big"], row["huge"]) for row in exact] == [
        (str(2 ** 64 - 1 - number), str(10 ** 30 + number)) for number in range(300)]
    assert clickhouse.value(f"SELECT count() FROM t.{topic} WHERE note LIKE 'it_s % \"quoted\"'") == 100


def test_a_field_without_a_name_becomes_no_column(kafka, clickhouse, sluice, topic):
    kafka.create_topic(topic)
    kafka.produce(topic, ['{"":1,"a":2}'])
    init(sluice, kafka, clickhouse, topic, "--create", "-y").expect(0)
    assert {row["name"] for row in clickhouse.rows(f"DESCRIBE TABLE t.{topic}") if row["name"][0] != "_"} == {"a"}


def test_only_the_statement_and_never_without_being_asked(kafka, clickhouse, sluice, topic, loaded):
    statement = init(sluice, kafka, clickhouse, topic, "--ddl-only", "--table", "t.made_by_hand", "--sample", "50", "-q")
    assert statement.expect(0).stderr == ""
    assert statement.stdout.startswith("CREATE TABLE t.made_by_hand\n(\n") and statement.stdout.endswith(";\n")
    document = init(sluice, kafka, clickhouse, topic, "--table", "t.made_by_hand", "-o", "json").expect(0).json
    assert document["ddl"].startswith("CREATE TABLE t.made_by_hand") and "[pipelines." in document["toml"]
    refused = init(sluice, kafka, clickhouse, topic, "--create", "--table", "t.made_by_hand").expect(2)
    assert "CREATE TABLE" in refused.stdout and "nobody to ask" in refused.stderr
    assert clickhouse.value("EXISTS TABLE t.made_by_hand") == 0
    clickhouse.query(statement.stdout)
    again = init(sluice, kafka, clickhouse, topic, "--create", "-y", "--table", "t.made_by_hand").expect(78)
    assert "t.made_by_hand is there already" in again.stderr


def test_what_cannot_be_sampled_is_said(kafka, clickhouse, sluice, topic):
    assert "sluice init" in sluice("init").expect(2).stderr
    assert topic in init(sluice, kafka, clickhouse, topic).expect(78).stderr
    kafka.create_topic(topic)
    assert "holds no records" in init(sluice, kafka, clickhouse, topic).expect(78).stderr
    kafka.produce(topic, [b"a", b"[1]"])
    assert 'format = "raw"' in init(sluice, kafka, clickhouse, topic).expect(78).stderr


def test_check_online_finds_what_would_go_wrong(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 2)
    kafka.produce(topic, [b'{"amount": 1, "extra": 2}', b'{"amount": 300}'])
    clickhouse.query(f"CREATE TABLE {table} (amount UInt8) ENGINE = MergeTree ORDER BY amount")
    (sluice.folder / "sluice.toml").write_text(f"""[kafka]
brokers = ["{kafka.bootstrap}"]
[clickhouse]
url = "{clickhouse.url}"
[pipelines.a]
topic = "{topic}"
table = "{table}"
[pipelines.b]
topic = "{topic}_not_there"
table = "{table}"
""")
    (sluice.folder / "sluice.toml").chmod(0o600)
    run = sluice("check", "--online").expect(78)
    assert "1 of 2 sampled records do not fit" in run.stdout and "column amount: number out of range for UInt8" in run.stdout
    assert "ALTER TABLE" in run.stdout and "non_replicated_deduplication_window = 1000" in run.stdout
    assert "its clock is right" in run.stdout and f"{topic}_not_there" in run.stdout
    assert kafka.groups() == [] or not any(topic in group for group in kafka.groups())
    everything = sluice("check", "--online", "-o", "json").expect(78).json["findings"]
    assert all(finding["fix"] for finding in everything if finding["level"] == "error")
