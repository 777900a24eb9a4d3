# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM: drain, commit, leave; the same command again continues, nothing twice."""

import os
import random
import signal
import time

import events
import proxy
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
    stopped = 0
    for _ in range(STOPS):
        run = sluice.start(*arguments)
        time.sleep(chance.uniform(0.05, 0.35))
        run.terminate()
        outcome = run.wait(60)
        assert outcome.code in (0, 143, -signal.SIGTERM), outcome
        stopped += outcome.code == 143
    assert stopped > 0, "no stop came in the middle"
    sluice(*arguments, timeout=180).expect(0)
    assert events.content(clickhouse, table) == events.content(clickhouse, f"{table}_reader")


def test_ctrl_c_ends_with_130_and_the_next_run_continues(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 2)
    events.create_table(clickhouse, table)
    kafka.produce_lines(topic, events.lines(200_000))
    with proxy.Proxy(clickhouse.port) as slow:
        slow.rule = proxy.throttle(3_000_000)
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


def test_a_second_ctrl_c_stops_at_once(kafka, clickhouse, sluice, topic, table):
    """case 39: the second signal."""
    kafka.create_topic(topic, 1)
    events.create_table(clickhouse, table)
    kafka.produce_lines(topic, events.lines(1000))
    with proxy.Proxy(clickhouse.port) as held:
        run = sluice.start(*sync_arguments(kafka, held, topic, table))
        run.wait_until(lambda: held.connections > 0, 30, "a connection")
        held.rule = proxy.BLACKHOLE
        time.sleep(1)
        run.interrupt()
        time.sleep(0.5)
        assert run.running
        started = time.monotonic()
        run.interrupt()
        outcome = run.wait(10)
    assert outcome.code in (130, -signal.SIGINT)
    assert time.monotonic() - started < 2
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert clickhouse.value(f"SELECT uniqExact(id) FROM {table}") == 1000
