# SPDX-License-Identifier: Apache-2.0
"""The fault cases of the design ("case 14: …" in a test's first lines says which): those that stand in no
other file, and a look whether every case has a test."""

import ast
import json
import re
import time

import events
import fake_http
import proxy
import pytest
from events import ROOT, sync_arguments

RECORDS = 3000
CASES = [*range(8, 20), *range(22, 29), *range(31, 34), *range(36, 41)]
EXACTLY_ONCE_CASES = [*range(1, 13), *range(20, 23), 27, *range(29, 32), *range(33, 37)]


def described():
    """What all tests say of themselves."""
    for file in (ROOT / "tests/integration").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield ast.get_docstring(node) or ""
    for file in (ROOT / "tests/unit").rglob("*_test.cpp"):
        yield from re.findall(r"^/// (case .*)\nTEST", file.read_text(), re.MULTILINE)


@pytest.mark.parametrize("level, cases", [(r"", CASES), (r"\s+\(exactly-once\)", EXACTLY_ONCE_CASES)],
                         ids=["at-least-once", "exactly-once"])
def test_every_case_has_a_test(level, cases):
    named = {case for text in described() for case in re.findall(rf"\bcase (\d+){level}", text)}
    assert [case for case in cases if str(case) not in named] == []


@pytest.fixture
def loaded(kafka, clickhouse, topic, table):
    """A topic with RECORDS records beside a table that drops what it has seen; says what is in it."""
    kafka.create_topic(topic, 2)
    kafka.produce_lines(topic, events.lines(RECORDS))
    events.create_table(clickhouse, table, "SETTINGS non_replicated_deduplication_window = 1000")
    return lambda: (clickhouse.value(f"SELECT uniqExact(id) FROM {table}"),
                    clickhouse.value(f"SELECT count() FROM {table}"))


def with_rows(request):
    return request.insert_number > 0 and len(request.body) > 1000


def short_timeout(kafka, fake, sluice, topic, table):
    (sluice.folder / "sluice.toml").write_text(
        f'[kafka]\nbrokers = ["{kafka.bootstrap}"]\n[clickhouse]\nurl = "{fake.url}"\ntimeout = "2s"\n'
        f'[pipelines.p]\ntopic = "{topic}"\ntable = "{table}"\n')


def test_a_process_that_is_frozen_while_it_sends_loses_nothing(kafka, clickhouse, sluice, topic, table):
    """case 8: SIGSTOP inside send(); another member takes over; what it still sends then does no harm."""
    count = 50_000
    kafka.create_topic(topic, 2)
    kafka.produce_lines(topic, events.lines(count))
    events.create_table(clickhouse, table)
    group = ("-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500")
    with proxy.Proxy(clickhouse.port) as way:
        frozen = sluice.start(*sync_arguments(kafka, way, topic, table, *group))
        way.rule = proxy.throttle(400_000)
        frozen.wait_until(lambda: way.bytes_up > 600_000, 40, "the middle of an INSERT")
        frozen.pause()
        # As on another machine: on this one the frozen process still holds the pipeline's lock.
        (sluice.folder / "other").mkdir()
        sluice(*sync_arguments(kafka, clickhouse, topic, table, *group), timeout=90,
               env={"XDG_RUNTIME_DIR": str(sluice.folder / "other")}).expect(0)
        way.rule = proxy.PASS
        frozen.resume()
        assert frozen.wait(90).code in (0, 1, 75)
    assert clickhouse.value(f"SELECT uniqExact(id) FROM {table}") == count
    assert {p: c.offset for p, c in kafka.committed(f"sluice-{topic}", topic).items()} == kafka.end_offsets(topic)


def test_a_rebalance_that_cannot_wait_for_an_insert_loses_nothing(kafka, clickhouse, sluice, topic, table, loaded):
    """case 9: partitions are taken while an INSERT is under way, and the drain is too short for it."""
    group = ("-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500", "--drain-timeout", "1s")
    arguments = ["tail", *sync_arguments(kafka, clickhouse, topic, table, *group)[1:]]
    with proxy.Proxy(clickhouse.port) as way:
        slow = sluice.start("tail", *sync_arguments(kafka, way, topic, table, *group)[1:])
        slow.wait_for_stderr("pipeline started", 40)
        way.rule = proxy.BLACKHOLE
        time.sleep(2)
        other = sluice.start(*arguments)
        other.wait_for_stderr("pipeline started", 60)
        slow.kill()
        other.wait_until(lambda: loaded()[0] == RECORDS, 60, "every record")
        other.stop(30).expect(0)
    assert {p: c.offset for p, c in kafka.committed(f"sluice-{topic}", topic).items()} == kafka.end_offsets(topic)


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\nX-ClickHouse-Summ",
    b"HTTP/1.1 200 OK\r\nX-ClickHouse-Server-Display-Name: x\r\nContent-Length: 10\r\n\r\n123",
], ids=["after the status", "in the headers", "in the body"])
def test_an_answer_that_is_cut_is_asked_for_again_with_the_same_token(
        kafka, sluice, topic, table, loaded, fake, reply):
    """case 14: ClickHouse has taken the rows, and its answer breaks off."""
    fake.on(with_rows, fake_http.forward_then(fake_http.raw(reply)), times=1)
    sluice(*sync_arguments(kafka, fake, topic, table, "--batch-age", "1m")).expect(0)
    first, again = [request for request in fake.requests if with_rows(request)][:2]
    assert first.body == again.body
    assert first.params["insert_deduplication_token"] == again.params["insert_deduplication_token"]
    assert loaded() == (RECORDS, RECORDS)


def test_a_server_with_too_many_parts_is_spared(kafka, sluice, topic, table, loaded, fake):
    """case 19: code 252 for a while, then it is well again."""
    fake.on(with_rows, fake_http.exception(
        252, "Too many parts (3001 with average size of 2.00 MiB) in table 't.x (1b4)'. Merges are processing "
             "significantly slower than inserts. (TOO_MANY_PARTS) (version 26.7.1.1)"))
    run = sluice.start(*sync_arguments(kafka, fake, topic, table))
    run.wait_until(lambda: any(map(with_rows, fake.requests)), 30, "the first INSERT")
    time.sleep(8)
    asked = sum(map(with_rows, fake.requests))
    assert 2 <= asked <= 12, f"{asked} INSERTs in 8 s"
    fake.clear()
    run.wait(120).expect(0)
    assert loaded() == (RECORDS, RECORDS)


@pytest.mark.parametrize("answer", [
    fake_http.late(fake_http.forward(), 3),
    fake_http.forward_then(fake_http.slow(fake_http.ok(), 1.0)),
], ids=["case 22: no byte, and then it lands", "case 23: a byte a second"])
def test_an_answer_that_does_not_come_in_time_is_given_up(kafka, sluice, topic, table, loaded, fake, answer):
    """case 22: no answer, and the rows land later; case 23: an answer of one byte a second."""
    short_timeout(kafka, fake, sluice, topic, table)
    fake.on(with_rows, answer, times=1)
    run = sluice("sync", timeout=60).expect(0)
    time.sleep(1)  # the late one
    assert loaded() == (RECORDS, RECORDS)
    assert sum(map(with_rows, fake.requests)) >= 2
    run.expect_resident(256 + 64)


def test_a_name_that_does_not_resolve_is_75_and_named(kafka, sluice, topic, table, loaded):
    """case 24: DNS has no such host."""
    run = sluice(*sync_arguments(kafka, "http://clickhouse.invalid:8123", topic, table, "--retry-max-time", "2s"),
                 timeout=40).expect(75)
    assert "clickhouse.invalid" in run.stderr
    assert kafka.committed(f"sluice-{topic}", topic) == {}


@pytest.mark.parametrize("count, bad", [(50, [0]), (50, [49]), (50, [0, 25, 49]), (12, range(12)), (20_000, [13_337])],
                         ids=["first", "last", "three", "all", "one of many"])
def test_only_what_clickhouse_refuses_is_rejected(kafka, clickhouse, sluice, topic, table, tmp_path, count, bad):
    """case 26: rows that ClickHouse refuses, wherever they stand."""
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (n UInt32, CONSTRAINT small CHECK n < 1000000) "
                     f"ENGINE = MergeTree ORDER BY n")
    kafka.produce(topic, [f'{{"n":{n + (1_000_000 if n in bad else 0)}}}' for n in range(count)])
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", "--reject-file",
                                 tmp_path / "rejects.jsonl", "-o", "json")).expect(3)
    assert [row["n"] for row in clickhouse.rows(f"SELECT n FROM {table} ORDER BY n")] == \
        [n for n in range(count) if n not in bad]
    kept = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert sorted(record["offset"] for record in kept) == sorted(bad)
    assert run.json["totals"]["rejected"] == len(bad)


def test_hostile_names_and_records_are_harmless(kafka, clickhouse, sluice, topic, tmp_path):
    """case 40: names with quotes and newlines, values without sense, a bomb. Nothing is injected, nothing
    reaches the terminal, memory stays within bounds."""
    name, column = "we`ird'\\ name\";--", "co`l'\\u\nmn\";--"

    def quoted(text):
        return "`" + text.replace("\\", "\\\\").replace("`", "\\`").replace("\n", "\\n") + "`"
    clickhouse.query(f"CREATE TABLE t.{quoted(name)} (n UInt32, {quoted(column)} String DEFAULT 'x', "
                     f"j String) ENGINE = MergeTree ORDER BY n")
    kafka.create_topic(topic, 1)
    escapes = "\x1b[2J\x1b]0;owned\x07\r\n"
    kafka.produce(topic, [
        {"value": json.dumps({"n": 1, column: escapes}), "key": b"k" * 65536,
         "headers": [("a\r\nb\x1b[31m", b"\x1b[2J\r\n\x00")]},
        {"value": '{"n":2}', "key": b"\x00\xff\x1b[2J"},
        None, "",
        b"\x00\x01\x02", b'{"n":3,"j":"\xff\xfe"}', escapes, '{"n":"' + escapes + '"}',
        '{"n":4,"j":' + "[" * 100_000 + "]" * 100_000 + "}",
        "[" * 100_000, '{"n":5,"' + "k" * 200_000 + '":1}',
    ])
    # 20 MB that travel as a few KB.
    kafka.produce(topic, ['{"n":6,"j":"' + "a" * 20_000_000 + '"}', '{"n":7}'],
                  **{"compression.type": "zstd", "message.max.bytes": 50_000_000})
    sluice(*sync_arguments(kafka, clickhouse, topic, "t.a\nb")).expect(2)
    run = sluice(*sync_arguments(kafka, clickhouse, topic, f"t.{name}", "--on-error", "reject", "--reject-file",
                                 tmp_path / "rejects.jsonl", "--memory", "64MiB", "-vv", "-o", "json")).expect(3)
    totals = run.json["totals"]
    assert totals["read"] == 13 == totals["inserted"] + totals["rejected"] + totals["skipped"]
    assert totals["skipped"] == 2
    rows = {row["n"]: row for row in clickhouse.rows(f"SELECT * FROM t.{quoted(name)}")}
    assert {1, 2, 5, 7} <= set(rows) and rows[1][column] == escapes and 6 not in rows
    kept = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert len(kept) == totals["rejected"] and "too_large" in {record["reason"] for record in kept}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", run.stderr + run.stdout)
    listed = sluice("rejects", "--reject-file", tmp_path / "rejects.jsonl", timeout=180).expect(0)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", listed.stdout + listed.stderr)
    run.expect_resident(64 + 256)
