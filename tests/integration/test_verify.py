# SPDX-License-Identifier: Apache-2.0
"""Proves from a table's own columns that each record of a topic is there exactly once, and names what is lost
and what is doubled."""

import json
import os
import subprocess

import pytest


@pytest.fixture
def shop(kafka, clickhouse, sluice, topic, table):
    return Shop(kafka, clickhouse, sluice, topic, table)


class Shop:
    """A topic, and a table whose rows are put there as a loader would have: `rows` of SQL numbers()."""

    def __init__(self, kafka, clickhouse, sluice, topic, table):
        self.kafka, self.clickhouse, self.sluice, self.topic, self.table = kafka, clickhouse, sluice, topic, table
        clickhouse.query(f"CREATE TABLE {table} (_topic LowCardinality(String), _partition Int32, _offset Int64) "
                         "ENGINE = MergeTree ORDER BY (_partition, _offset)")
        (sluice.folder / "sluice.toml").write_text(
            f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[clickhouse]\nurl = "{clickhouse.url}"\n'
            f'[pipelines.shop]\ntopic = "{topic}"\ntable = "{table}"\n')

    def load(self, partition, condition, first, count, topic=None):
        self.clickhouse.query(
            f"INSERT INTO {self.table} SELECT '{topic or self.topic}', {partition}, number AS o FROM "
            f"numbers({first}, {count}) WHERE {condition}")

    def verify(self, *ranges):
        tool = subprocess.run([os.environ["SLUICE_VERIFY_TOOL"], *map(str, ranges)], cwd=self.sluice.folder,
                              capture_output=True, text=True, timeout=60)
        if tool.stdout.startswith("error"):
            return tool.stdout
        return json.loads(tool.stdout.splitlines()[0])


def test_lost_and_doubled_records_are_named(shop):
    shop.kafka.create_topic(shop.topic, partitions=2)
    for partition in (0, 1):
        shop.kafka.produce_lines(shop.topic, "".join(f'{{"n":{n}}}\n' for n in range(5000)), partition)
    shop.load(0, "1", 0, 5000)
    shop.load(1, "o NOT IN (0, 17, 18, 4999)", 0, 5000)
    shop.load(1, "o BETWEEN 100 AND 199 OR o = 300", 0, 5000)
    shop.load(1, "1", 0, 5000, topic="another")
    good, bad = shop.verify(0, 0, 5000, 1, 0, 5000)
    assert good["proven"] and good["rows"] == 5000
    assert not bad["proven"]
    assert bad["lost"] == [[0, 1], [17, 19], [4999, 5000]] and bad["doubled"] == [[100, 200], [300, 301]]
    assert shop.verify(1, 400, 4999)[0]["proven"]


def test_offsets_without_a_record_are_not_missing(shop):
    shop.kafka.create_topic(shop.topic)
    for first in (0, 10):
        shop.kafka.produce_transaction(shop.topic, [b'{"n":1}'] * 9)  # the tenth offset is the marker
    shop.kafka.produce_transaction(shop.topic, [b'{"n":2}'] * 4, commit=False)
    shop.kafka.produce(shop.topic, [{"key": b"key", "value": None}, b'{"n":3}'])
    end = shop.kafka.end_offsets(shop.topic)[0]
    assert end == 27
    shop.load(0, "o % 10 != 9 AND o < 19 OR o = 26", 0, end)
    [proof] = shop.verify(0, 0, end)
    assert proof["proven"] and proof["rows"] == 19 and proof["empty"] == 8, proof
    shop.clickhouse.query(f"ALTER TABLE {shop.table} DELETE WHERE _offset = 26 SETTINGS mutations_sync = 2")
    assert shop.verify(0, 0, end)[0]["lost"] == [[26, 27]]
    shop.kafka.delete_records(shop.topic, {0: 27})
    assert shop.verify(0, 0, end)[0]["gone"] == [[9, 10], [19, 27]]


def test_a_large_range_is_narrowed_down_by_the_server(shop):
    shop.kafka.create_topic(shop.topic)
    shop.kafka.produce_lines(shop.topic, '{"n":1}\n')
    shop.load(0, "o NOT BETWEEN 3000000 AND 3999999 AND o != 9999999", 1, 9_999_999)
    shop.load(0, "o = 7654321", 0, 10_000_000)
    [proof] = shop.verify(0, 0, 10_000_000)
    assert proof["lost"] == [[0, 1]] and proof["doubled"] == [[7654321, 7654322]]
    assert proof["gone"] == [[3000000, 4000000], [9999999, 10000000]]


def test_a_table_whose_rows_do_not_tell_is_refused(shop):
    shop.clickhouse.query(f"CREATE OR REPLACE TABLE {shop.table} (_partition Int32) ENGINE = MergeTree ORDER BY ()")
    told = shop.verify(0, 0, 1)
    assert "do not tell where they came from" in told and "ALTER TABLE" in told


def test_a_group_that_never_ran_proves_nothing(shop):
    shop.kafka.create_topic(shop.topic)
    shop.kafka.produce_lines(shop.topic, '{"n":1}\n')
    run = shop.sluice("status", "shop", "--verify").expect(4)
    assert "nothing is proven: group sluice-shop has no committed offsets" in run.stdout
    document = shop.sluice("status", "shop", "--verify", "-o", "json").expect(4).json
    assert document["proven"] is None and document["pipelines"][0]["proof"] == []
