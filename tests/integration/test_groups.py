# SPDX-License-Identifier: Apache-2.0
"""Several processes share a topic: they come, go, crash and freeze, and nothing is lost."""

import random
import signal
import threading
import time

import pytest
from events import sync_arguments

FAST_GROUP = ("-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500", "--batch-age", "200ms")


def tail(kafka, clickhouse, topic, table, *more):
    return ["tail", *sync_arguments(kafka, clickhouse, topic, table, *FAST_GROUP, *more)[1:]]


@pytest.fixture
def numbers(kafka, clickhouse, topic, table):
    kafka.create_topic(topic, 4)
    clickhouse.query(f"CREATE TABLE {table} (n UInt32) ENGINE = MergeTree ORDER BY n")


class Producer:
    """Appends {"n": 0}, {"n": 1}, … to the topic, beside the test."""

    def __init__(self, kafka, topic, each=200, pause=0.05):
        self.made = 0
        self._kafka, self._topic, self._each, self._pause = kafka, topic, each, pause
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._end.is_set():
            self._kafka.produce(self._topic,
                                [f'{{"n":{n}}}' for n in range(self.made, self.made + self._each)])
            self.made += self._each
            time.sleep(self._pause)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def all_there(clickhouse, table, count):
    return lambda: clickhouse.value(f"SELECT uniqExact(n) FROM {table}") == count


def test_members_that_join_leave_and_crash_under_load_lose_nothing(
        kafka, clickhouse, sluice, topic, table, numbers):
    """case 10: a rebalance storm. Nothing is lost, and only owners commit."""
    chance = random.Random(20261121)
    arguments = tail(kafka, clickhouse, topic, table, "-v")
    members = [sluice.start(*arguments)]
    with Producer(kafka, topic) as producer:
        ends = time.monotonic() + 40
        while time.monotonic() < ends:
            time.sleep(chance.uniform(0.3, 2.0))
            running = [member for member in members if member.running]
            deed = chance.choice(["join", "join", "leave", "crash"])
            if deed == "join" and len(running) < 3:
                members.append(sluice.start(*arguments))
            elif deed == "leave" and len(running) > 1:
                assert chance.choice(running).stop(60).code in (0, -signal.SIGTERM)  # hardly begun
            elif deed == "crash" and len(running) > 1:
                chance.choice(running).kill()
        survivor = next(member for member in members if member.running)
    survivor.wait_until(all_there(clickhouse, table, producer.made), 60, "every record")
    survivor.wait_until(lambda: {p: c.offset for p, c in kafka.committed(f"sluice-{topic}", topic).items()}
                        == kafka.end_offsets(topic), 60, "every commit")
    for member in members:
        if member.running:
            assert member.stop(60).code in (0, -signal.SIGTERM)
    assert sum(member.stderr.count("out of line") for member in members) == 0, "none came over the main queue"
    committed = {p: c.offset for p, c in kafka.committed(f"sluice-{topic}", topic).items()}
    assert committed == kafka.end_offsets(topic)


def test_orderly_rebalances_double_nothing(kafka, clickhouse, sluice, topic, table, numbers):
    """On revoke the open blocks are sent and committed before the partitions go."""
    arguments = tail(kafka, clickhouse, topic, table)
    first = sluice.start(*arguments)
    with Producer(kafka, topic, each=50) as producer:
        first.wait_until(lambda: clickhouse.value(f"SELECT count() FROM {table}") > 0, 30, "the first rows")
        for _ in range(3):
            second = sluice.start(*arguments)
            second.wait_for_stderr("pipeline started", 60)
            time.sleep(1)
            second.stop(60).expect(0)
    first.wait_until(all_there(clickhouse, table, producer.made), 60, "every record")
    first.stop(60).expect(0)
    assert clickhouse.value(f"SELECT count() FROM {table}") == producer.made


def test_a_member_that_froze_takes_nothing_back_when_it_wakes(
        kafka, clickhouse, sluice, topic, table, numbers):
    """case 11: thrown out of the group without a word (UNKNOWN_MEMBER), it commits nothing when it wakes."""
    arguments = tail(kafka, clickhouse, topic, table, "-X", "max.poll.interval.ms=8000")
    frozen = sluice.start(*arguments)
    with Producer(kafka, topic) as producer:
        frozen.wait_until(lambda: clickhouse.value(f"SELECT count() FROM {table}") > 0, 30, "the first rows")
        frozen.pause()
        other = sluice.start(*arguments)
        other.wait_for_stderr("pipeline started", 60)
        time.sleep(3)
        before = {p: c.offset for p, c in kafka.committed(f"sluice-{topic}", topic).items()}
        frozen.resume()
        time.sleep(3)
        after = {p: c.offset for p, c in kafka.committed(f"sluice-{topic}", topic).items()}
    assert all(after[partition] >= offset for partition, offset in before.items()), "no offset went back"
    other.wait_until(all_there(clickhouse, table, producer.made), 60, "every record")
    for member in (frozen, other):
        member.stop(60).expect(0)
    committed = {p: c.offset for p, c in kafka.committed(f"sluice-{topic}", topic).items()}
    assert committed == kafka.end_offsets(topic)


def test_a_static_member_that_restarts_causes_no_rebalance(kafka, clickhouse, sluice, topic, table, numbers):
    def member(name):
        flags = tail(kafka, clickhouse, topic, table, "-v", "-X", f"group.instance.id={name}")
        return sluice.start(*(str(flag).replace("timeout.ms=6000", "timeout.ms=40000") for flag in flags))
    one, two = member("one"), member("two")
    kafka.produce(topic, ['{"n":1}'] * 8)
    for run in (one, two):
        run.wait_for_stderr("pipeline started", 60)
    time.sleep(3)
    assigned = one.stderr.count("partitions assigned")
    two.stop(30).expect(0)
    two = member("two")
    two.wait_for_stderr("pipeline started", 60)
    time.sleep(2)
    assert one.stderr.count("partitions assigned") == assigned, "the other one kept its partitions all the time"
    for run in (one, two):
        run.stop(30).expect(0)


def test_a_second_process_with_the_same_static_name_ends_the_first_with_78(
        kafka, clickhouse, sluice, topic, table, numbers):
    """case 12: two processes with one group.instance.id."""
    arguments = tail(kafka, clickhouse, topic, table, "-X", "group.instance.id=only")
    kafka.produce(topic, ['{"n":1}'])
    older = sluice.start(*arguments)
    older.wait_for_stderr("pipeline started", 60)
    younger = sluice.start(*arguments)
    outcome = older.wait(60).expect(78)
    assert "group.instance.id" in outcome.stderr or "fenced" in outcome.stderr
    assert younger.running
    younger.send(signal.SIGTERM)
    younger.wait(60).expect(0)
