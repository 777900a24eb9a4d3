# SPDX-License-Identifier: Apache-2.0
"""Records that cannot become rows: the run stops there, or they are kept aside and the others land."""

import json

import pytest
from events import sync_arguments

GOOD = [f'{{"n":{n},"s":"row {n}"}}' for n in range(10)]


@pytest.fixture
def numbers(kafka, clickhouse, topic, table):
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (n UInt8, s String, CONSTRAINT small CHECK n < 200) "
                     f"ENGINE = MergeTree ORDER BY n")
    return lambda: [row["n"] for row in clickhouse.rows(f"SELECT n FROM {table} ORDER BY n")]


def committed(kafka, topic):
    return kafka.committed(f"sluice-{topic}", topic)[0].offset


@pytest.mark.parametrize("bad, column, reason", [
    ('{"n":300,"s":"x"}', "n", "range"),
    ('{"n":"abc","s":"x"}', "n", ""),
    ('{"n":1,"s":', "", ""),
    ('not json at all', "", ""),
    ('{"n":1,"n":2}', "n", "twice"),
    ('{"n":1}{"n":2}', "", ""),
])
def test_a_bad_record_stops_the_run_and_names_where_and_why(
        kafka, clickhouse, sluice, topic, table, numbers, bad, column, reason):
    kafka.produce(topic, GOOD[:5] + [bad] + GOOD[5:])
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(65)
    assert f"{topic}[0]@5" in run.stderr
    assert f"column {column}" in run.stderr if column else True
    assert reason in run.stderr
    assert numbers() == [0, 1, 2, 3, 4]
    assert committed(kafka, topic) == 5
    again = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(65)
    assert f"{topic}[0]@5" in again.stderr
    assert numbers() == [0, 1, 2, 3, 4]


def test_rejected_to_a_topic_whole_and_the_others_land(kafka, clickhouse, sluice, topic, table, numbers):
    kafka.create_topic(f"{topic}.rejects", 1)
    bad = {"value": '{"n":300,"s":"x"}', "key": "the key", "headers": [("trace", b"abc")]}
    kafka.produce(topic, GOOD[:5] + [bad] + GOOD[5:])
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", "--reject-topic",
                                 f"{topic}.rejects", "-o", "json")).expect(3)
    assert numbers() == list(range(10))
    totals = run.json["totals"]
    assert (totals["read"], totals["inserted"], totals["rejected"]) == (11, 10, 1)
    (kept,) = kafka.consume(f"{topic}.rejects")
    headers = dict(kept.headers())
    assert kept.value() == b'{"n":300,"s":"x"}' and kept.key() == b"the key"
    assert headers["trace"] == b"abc"
    assert headers["sluice.error.topic"].decode() == topic
    assert headers["sluice.error.partition"] == b"0" and headers["sluice.error.offset"] == b"5"
    assert headers["sluice.error.column"] == b"n"
    assert committed(kafka, topic) == 11


def test_rejected_to_a_file(kafka, clickhouse, sluice, topic, table, numbers, tmp_path):
    kafka.produce(topic, GOOD[:5] + ["broken"] + GOOD[5:])
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", "--reject-file",
                                 tmp_path / "rejects.jsonl")).expect(3)
    assert "rejected" in run.stdout + run.stderr
    (kept,) = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert kept["value"] == "broken" and kept["offset"] == 5 and kept["topic"] == topic
    assert (tmp_path / "rejects.jsonl").stat().st_mode & 0o777 == 0o600
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", "--reject-file",
                           tmp_path / "rejects.jsonl", "--rejects-ok")).expect(0)


def test_rejects_ok_makes_it_exit_0(kafka, clickhouse, sluice, topic, table, numbers, tmp_path):
    kafka.produce(topic, ["broken"])
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", "--reject-file",
                           tmp_path / "rejects.jsonl", "--rejects-ok")).expect(0)


def test_a_row_that_clickhouse_refuses_is_found_and_kept_whole(
        kafka, clickhouse, sluice, topic, table, numbers, tmp_path):
    """case 26: two refused rows among good ones."""
    refused = ['{"n":201,"s":"a"}', '{"n":202,"s":"b"}']
    kafka.produce(topic, GOOD[:3] + refused[:1] + GOOD[3:] + refused[1:])
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", "--reject-file",
                                 tmp_path / "rejects.jsonl", "-o", "json")).expect(3)
    assert numbers() == list(range(10))
    kept = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert sorted(record["value"] for record in kept) == refused
    assert {record["reason"] for record in kept} == {"insert"}
    assert run.json["totals"]["rejected"] == 2


def test_a_row_that_clickhouse_refuses_stops_the_run_at_it(kafka, clickhouse, sluice, topic, table, numbers):
    kafka.produce(topic, GOOD[:3] + ['{"n":201,"s":"a"}'] + GOOD[3:])
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(65)
    assert f"{topic}[0]@3" in run.stderr and "small" in run.stderr
    assert numbers() == [0, 1, 2]
    assert committed(kafka, topic) == 3
    clickhouse.query(f"ALTER TABLE {table} DROP CONSTRAINT small")
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert numbers() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 201]


def test_tombstones_and_empty_values_are_skipped_and_counted_null_keys_are_nothing_special(
        kafka, clickhouse, sluice, topic, table, numbers):
    """case 40: values that are not there."""
    kafka.produce(topic, [None, "", {"value": GOOD[0], "key": None}, {"value": GOOD[1], "key": "k"}])
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-o", "json")).expect(0)
    totals = run.json["totals"]
    assert (totals["read"], totals["inserted"], totals["skipped"]) == (4, 2, 2)


def test_a_reject_topic_that_does_not_exist_stops_before_anything_is_read(
        kafka, clickhouse, sluice, topic, table, numbers):
    """case 28: nowhere to keep rejects."""
    kafka.produce(topic, ["broken"])
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", "--reject-topic",
                                 f"{topic}.none")).expect(78)
    assert f"{topic}.none" in run.stderr
    assert kafka.committed(f"sluice-{topic}", topic) == {}


def test_the_content_of_records_is_in_no_log(kafka, clickhouse, sluice, topic, table, numbers):
    kafka.produce(topic, ['{"n":"canary-4711","s":"canary-4711"}'])
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-vv")).expect(65)
    assert "canary-4711" not in run.stderr + run.stdout
