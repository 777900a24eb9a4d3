# SPDX-License-Identifier: Apache-2.0
"""From a snapshot to the continuous run while producers never stop: every key's last value is in its
table, no row is missing and none is there twice."""

import random
import threading
import time

import pytest
import stand

PARTITIONS, KEYS = 3, 500


class Shops(threading.Thread):
    """Producers that never stop: rows with numbers of their own, and updates of a few keys."""

    def __init__(self, kafka, topics):
        super().__init__()
        from confluent_kafka import Producer

        self.kafka, (self.rows, self.keys) = kafka, topics
        self.producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 5, "enable.idempotence": True})
        self.made, self.last, self.ended = 0, {}, threading.Event()

    def run(self):
        choice = random.Random(1)
        while not self.ended.is_set():
            for _ in range(20):
                key, n = choice.randrange(KEYS), self.made
                self.producer.produce(self.rows, f'{{"n":{n}}}', partition=n % PARTITIONS)
                self.producer.produce(self.keys, f'{{"id":{key},"version":{n}}}', partition=key % PARTITIONS)
                self.last[key] = n
                self.made += 1
            self.producer.poll(0)
            time.sleep(0.01)
        assert self.producer.flush(30) == 0

    def stop(self):
        self.ended.set()
        self.join()


@pytest.fixture
def shops(kafka, clickhouse, sluice, unique_name):
    rows, keys = f"{unique_name}_rows", f"{unique_name}_keys"
    for topic in (rows, keys):
        kafka.create_topic(topic, partitions=PARTITIONS)
    clickhouse.query(f"CREATE TABLE t.{rows} (n UInt64) ENGINE = MergeTree ORDER BY n")
    clickhouse.query(f"CREATE TABLE t.{keys} (id UInt64, version UInt64) ENGINE = ReplacingMergeTree(version) "
                     "ORDER BY id")
    (sluice.folder / "sluice.toml").write_text(
        f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[kafka.properties]\n"session.timeout.ms" = 2000\n'
        f'"heartbeat.interval.ms" = 500\n[clickhouse]\nurl = "{clickhouse.url}"\n'
        + "".join(f'[pipelines.{topic}]\ntopic = "{topic}"\ntable = "t.{topic}"\ngroup = "{topic}"\n'
                  for topic in (rows, keys)))
    shops = Shops(kafka, (rows, keys))
    shops.start()
    for topic in (rows, keys):
        stand.wait_until(lambda: sum(kafka.end_offsets(topic).values()) > 0, 30, "the first records")
    yield shops
    shops.stop()


def test_the_tail_goes_on_where_the_snapshot_ends_whatever_died_in_between(shops, sluice, clickhouse):
    def count():
        return clickhouse.value(f"SELECT count() FROM t.{shops.rows}")

    def tail_for_a_while():
        tail = sluice.start("tail", "--batch-age", "200ms")
        wanted = shops.made + 200
        tail.wait_until(lambda: count() >= wanted)
        tail.stop().expect(0)

    def snapshot(point=None):
        env = {"SLUICE_CRASH_AT": f"snapshot-{point}"} if point else {}
        for topic in (shops.rows, shops.keys):
            # Of a replacing table nobody knows how many of its rows are merged away yet.
            sluice("sync", topic, "--full", "-y", "--allow-shrink", env=env).expect(137 if point else 0)

    snapshot()
    tail_for_a_while()
    for point in ("swapped", "committed", "loaded", "handed-over"):
        snapshot(point)
        if point in ("loaded", "handed-over"):
            snapshot()  # the swap had not happened: the same command ends it
        tail_for_a_while()
    snapshot()
    shops.stop()
    sluice("tail", "--exit-on-idle", "1s").expect(0)
    rows = clickhouse.rows(f"SELECT count() AS rows, uniqExact(n) AS numbers, max(n) AS last FROM t.{shops.rows}")
    assert rows == [{"rows": shops.made, "numbers": shops.made, "last": shops.made - 1}]
    keys = clickhouse.rows(f"SELECT id, version FROM t.{shops.keys} FINAL")
    assert {row["id"]: row["version"] for row in keys} == shops.last
