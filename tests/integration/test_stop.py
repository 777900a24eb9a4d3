# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM: drain, commit, leave; the same command again continues, nothing twice."""

import os
import random
import signal
import socket
import time

import events
import proxy
import pytest
from events import sync_arguments

STOPS = 20


def test_twenty_stops_at_random_moments_lose_nothing_and_double_nothing(kafka, clickhouse, sluice, topic, table):
    """case 39: SIGTERM at any moment."""
    data = events.lines(1_000_000)
    kafka.create_topic(topic, 4)
    kafka.produce_lines(topic, data)
    events.create_table(clickhouse, table)
    events.create_table(clickhouse, f"{table}_reader")
    events.load_with_reader(clickhouse, f"{table}_reader", data)
    seed = int(os.environ.get("SLUICE_TEST_SEED", random.randrange(1 << 30)))
    print(f"SLUICE_TEST_SEED={seed}")
    chance = random.Random(seed)
    arguments = sync_arguments(kafka, clickhouse, topic, table, "--batch-rows", "5000")
    stopped, late = 0, 0.0
    for _ in range(STOPS):
        run = sluice.start(*arguments)
        time.sleep(chance.uniform(0.05, 0.35) + late)
        run.terminate()
        outcome = run.wait(60)
        assert outcome.code in (0, 143, -signal.SIGTERM), outcome
        stopped += outcome.code == 143
        late += 0.2 * (outcome.code == -signal.SIGTERM)  # a slow machine: it had hardly begun
    assert stopped > 0, "no stop came in the middle"
    sluice(*arguments, timeout=180).expect(0)
    assert events.content(clickhouse, table) == events.content(clickhouse, f"{table}_reader")


def test_ctrl_c_ends_with_130_and_the_next_run_continues(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 2)
    events.create_table(clickhouse, table)
    kafka.produce_lines(topic, events.lines(200_000))
    with proxy.Proxy(clickhouse.port) as slow:
        slow.rule = proxy.throttle(400_000)
        run = sluice.start(*sync_arguments(kafka, slow, topic, table, "--batch-rows", "10000", "-o", "json"))
        run.wait_until(lambda: clickhouse.value(f"SELECT count() FROM {table}") > 0, 30, "the first insert")
        run.interrupt()
        slow.rule = proxy.PASS
        outcome = run.wait(60).expect(130)
    inserted = outcome.json["totals"]["inserted"]
    assert clickhouse.value(f"SELECT count() FROM {table}") == inserted
    assert sum(c.offset for c in kafka.committed(f"sluice-{topic}", topic).values()) == inserted
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert clickhouse.value(f"SELECT count() FROM {table}") == 200_000


@pytest.mark.parametrize("silent", ["kafka", "clickhouse"])
@pytest.mark.parametrize("command, code", [("sync", 143), ("tail", 0)])
def test_a_stop_is_heard_while_a_server_is_still_waited_for(kafka, clickhouse, sluice, topic, table, silent,
                                                            command, code):
    """Whatever asked it to stop kills it after some seconds; then nobody leaves the group."""
    kafka.create_topic(topic)
    events.create_table(clickhouse, table)
    brokers = dead_address() if silent == "kafka" else kafka.bootstrap
    with proxy.Proxy(clickhouse.port) as mute:
        mute.rule = proxy.BLACKHOLE if silent == "clickhouse" else proxy.PASS
        run = sluice.start(command, "-b", brokers, "-t", topic, "--clickhouse", mute.url, "--table", table)
        run.wait_for_stderr("run started")
        time.sleep(2)
        stopped = time.monotonic()
        run.terminate()
        run.wait(30).expect(code)
    assert time.monotonic() - stopped < 10


def dead_address():
    """A port of loopback on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_a_second_ctrl_c_stops_at_once(kafka, clickhouse, sluice, topic, table):
    """case 39: the second signal."""
    kafka.create_topic(topic, 1)
    events.create_table(clickhouse, table)
    kafka.produce_lines(topic, events.lines(100_000))
    with proxy.Proxy(clickhouse.port) as held:
        held.rule = proxy.throttle(400_000)
        session = ("-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500")
        run = sluice.start(*sync_arguments(kafka, held, topic, table, "--batch-rows", "10000", "-o", "json",
                                          *session))
        run.wait_until(lambda: clickhouse.value(f"SELECT count() FROM {table}") > 0, 30, "the first insert")
        held.rule = proxy.BLACKHOLE
        time.sleep(0.5)
        run.interrupt()
        time.sleep(0.5)
        assert run.running
        started = time.monotonic()
        run.interrupt()
        outcome = run.wait(30)
    assert outcome.code == 130
    assert (outcome.json["slug"], outcome.json["exit_code"]) == ("stopped-at-once", 130)
    assert time.monotonic() - started < 10, "a drain would take 30 s"
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert clickhouse.value(f"SELECT uniqExact(id) FROM {table}") == 100_000


def mixed_records(chance, first, count):
    """Numbered rows, what is no row, and what is passed over; and which numbers must be in the table."""
    records, numbers = [], set()
    for number in range(first, first + count):
        kind = chance.random()
        if kind < 0.8:
            numbers.add(number)
        value = (f'{{"n":{number}}}'.encode() if kind < 0.8 else chance.choice([b"no json", b'{"n":-1}', b"[1]"])
                 if kind < 0.9 else chance.choice([None, b""]))
        records.append({"value": value, "key": b"k", "partition": chance.randrange(3)})
    return records, numbers


def test_the_sums_hold_whatever_ends_a_run(kafka, clickhouse, sluice, topic, table):
    """READ = INSERTED + REJECTED + SKIPPED = the offsets a run went over, of every run that could still say so."""
    seed = int(os.environ.get("SLUICE_TEST_SEED", random.randrange(1 << 30)))
    print(f"SLUICE_TEST_SEED={seed}")
    chance = random.Random(seed)
    kafka.create_topic(topic, 3)
    clickhouse.query(f"CREATE TABLE {table} (n UInt64) ENGINE = MergeTree ORDER BY n")
    expected, told = set(), 0
    for number in range(10):
        records, good = mixed_records(chance, number * 4000, 4000)
        kafka.produce(topic, records)
        expected |= good
        run = sluice.start(*sync_arguments(
            kafka, clickhouse, topic, table, "--on-error", "reject", "--reject-file", "r.jsonl", "-o", "json",
            "--batch-rows", str(chance.choice([50, 300, 5000])), "-j", str(chance.choice([1, 3])),
            "-X", "session.timeout.ms=6000",
            *chance.choice([[], ["--max-rows", "1500"]])))
        ending = chance.choice(["kill", "terminate", "wait"])
        if ending != "wait":
            time.sleep(chance.uniform(0.05, 0.6))
        outcome = run.kill() if ending == "kill" else run.stop() if ending == "terminate" else run.wait(60)
        if outcome.code < 0:
            continue
        assert outcome.code in (0, 3, 5, 143), outcome
        told += 1
        for counts in (outcome.json["totals"], *outcome.json["pipelines"]):
            assert counts["read"] == counts["inserted"] + counts["rejected"] + counts["skipped"], outcome
        passed = sum(one["to"] - one["from"] for one in outcome.json["pipelines"][0].get("partitions", []))
        assert passed == outcome.json["totals"]["read"], outcome
    assert told > 0
    last = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", "--reject-file", "r.jsonl"))
    assert last.code in (0, 3), last
    assert {row["n"] for row in clickhouse.rows(f"SELECT DISTINCT n FROM {table}")} == expected
