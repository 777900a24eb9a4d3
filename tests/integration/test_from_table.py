# SPDX-License-Identifier: Apache-2.0
"""`--from table`: a group whose offsets are gone starts where the rows of its own table end, and only when the
table proves that nothing before is missing or there twice."""

import re
import shlex

import pytest

COLUMNS = "_topic LowCardinality(String), _partition Int32, _offset Int64"


@pytest.fixture(params=["at-least-once", "exactly-once"])
def shop(request, kafka, clickhouse, sluice, topic, table):
    return Shop(kafka, clickhouse, sluice, topic, table, request.param)


@pytest.fixture
def plain(kafka, clickhouse, sluice, topic, table):
    return Shop(kafka, clickhouse, sluice, topic, table, "at-least-once")


class Shop:
    """A table that was loaded from a topic with two partitions, and whose group is gone; 200 records are new."""

    def __init__(self, kafka, clickhouse, sluice, topic, table, delivery):
        self.kafka, self.clickhouse, self.sluice, self.topic, self.table = kafka, clickhouse, sluice, topic, table
        self.produced = 0
        kafka.create_topic(topic, partitions=2)
        clickhouse.query(f"CREATE TABLE {table} (n UInt64, {COLUMNS}) ENGINE = MergeTree ORDER BY n "
                         "SETTINGS non_replicated_deduplication_window = 100000")
        (sluice.folder / "sluice.toml").write_text(
            f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[clickhouse]\nurl = "{clickhouse.url}"\n'
            f'[pipelines.shop]\ntopic = "{topic}"\ntable = "{table}"\ngroup = "{topic}"\ndelivery = "{delivery}"\n'
            f'on_error = "reject"\nreject = {{ file = "rejects.jsonl" }}\n')
        self.produce(300)
        kafka.produce_lines(topic, "{broken\n", 0)
        self.produce(300)
        sluice("sync").expect(3)
        self.forget_group()
        self.produce(200)

    def produce(self, count, partitions=(0, 1)):
        for partition in partitions:
            numbers = range(self.produced, self.produced + count // len(partitions))
            self.produced = numbers.stop
            self.kafka.produce_lines(self.topic, "".join(f'{{"n":{n}}}\n' for n in numbers), partition)

    def forget_group(self):
        self.kafka.delete_group(self.topic)

    def counts(self):
        return tuple(self.clickhouse.rows(f"SELECT count() AS a, uniqExact(n) AS b FROM {self.table}")[0].values())

    def expect_each_once(self):
        assert self.counts() == (self.produced, self.produced)
        self.sluice("status", "shop", "--verify").expect(0)


@pytest.mark.parametrize("command", [("sync",), ("tail", "--exit-on-idle", "1s")], ids=["sync", "tail"])
def test_a_group_that_is_gone_starts_behind_the_rows_of_its_table(shop, command):
    refused = shop.sluice("sync").expect(78)
    assert "group-without-offsets" in refused.stderr and "--from table" in refused.stderr
    shop.sluice(command[0], "--from", "table", *command[1:]).expect(0)
    shop.expect_each_once()
    shop.produce(20)
    shop.sluice("sync").expect(0)  # goes on from the group's offsets
    shop.expect_each_once()


def test_a_table_that_holds_everything_gives_the_group_its_offsets_back(plain):
    plain.sluice("sync", "--from", "table").expect(0)
    plain.forget_group()
    plain.sluice("sync", "--from", "table").expect(0)
    plain.expect_each_once()
    offsets = {p: c.offset for p, c in plain.kafka.committed(plain.topic, plain.topic).items()}
    assert offsets == plain.kafka.end_offsets(plain.topic)


def test_the_table_is_asked_only_about_partitions_without_an_offset(plain):
    plain.sluice("sync", "--from", "table").expect(0)
    # What the group has gone beyond is not proven again, though it is broken.
    plain.clickhouse.query(f"DELETE FROM {plain.table} WHERE _partition = 0 AND _offset = 5")
    plain.kafka.add_partitions(plain.topic, 4)
    plain.produce(40, partitions=(2, 3))
    first = plain.produced - 20
    plain.clickhouse.query(f"INSERT INTO {plain.table} VALUES ({first}, '{plain.topic}', 3, 0)")
    plain.sluice("sync", "--from", "table").expect(0)
    assert plain.counts() == (plain.produced - 1, plain.produced - 1)


@pytest.mark.parametrize("breaking, said", [
    ("DELETE FROM {0} WHERE _partition = 1 AND _offset BETWEEN 20 AND 24", "5 offsets lost: [20,25)"),
    ("DELETE FROM {0} WHERE _partition = 1 AND _offset < 3", "3 offsets lost: [0,3)"),
    ("INSERT INTO {0} SELECT * FROM {0} WHERE _partition = 0 AND _offset = 7", "1 offset more than once: [7,8)"),
], ids=["a hole", "the first are missing", "a duplicate"])
def test_a_table_with_a_hole_or_a_duplicate_is_refused_and_the_fix_mends_it(plain, breaking, said):
    plain.clickhouse.query(breaking.format(plain.table))
    before = plain.counts()
    refused = plain.sluice("sync", "--from", "table").expect(78)
    assert said in refused.stderr, refused
    assert plain.counts() == before and plain.kafka.committed(plain.topic, plain.topic) == {}
    fix = re.search(r"sluice (backfill .*? --duplicates replace)", " ".join(refused.stderr.split()))[1]
    plain.sluice(*shlex.split(fix), "-y").expect(0)
    plain.sluice("sync", "--from", "table").expect(0)
    plain.expect_each_once()


@pytest.mark.parametrize("breaking, said", [
    ("ALTER TABLE {0} DROP COLUMN _offset", "do not tell where they came from"),
    ("INSERT INTO {0} (n) VALUES (1000000)", "do not tell where they came from"),
    ("INSERT INTO {0} VALUES (1000000, '{1}', 0, 999999)", "the topic was truncated or created anew"),
    ("ALTER TABLE {0} ADD COLUMN at DateTime DEFAULT now(), MODIFY TTL at + INTERVAL 1 DAY",
     "its TTL removes rows"),
], ids=["no columns", "older rows", "another topic", "a TTL"])
def test_a_table_that_proves_nothing_is_refused(plain, breaking, said):
    plain.clickhouse.query(breaking.format(plain.table, plain.topic))
    before = plain.clickhouse.value(f"SELECT count() FROM {plain.table}")
    refused = plain.sluice("sync", "--from", "table").expect(78)
    told = " ".join(refused.stderr.split())
    assert said in told and "instead of table" in told, refused
    assert plain.clickhouse.value(f"SELECT count() FROM {plain.table}") == before
    assert plain.kafka.committed(plain.topic, plain.topic) == {}


def test_records_that_were_deleted_before_they_were_read_are_told(plain):
    end = plain.kafka.end_offsets(plain.topic)[1]
    plain.kafka.delete_records(plain.topic, {1: end - 10})
    lost = plain.sluice("sync", "--from", "table").expect(1)
    assert "offsets-lost" in lost.stderr and f"end before offset {end - 100}" in " ".join(lost.stderr.split())
    plain.sluice("sync", "--from", "table", "--on-gap", "continue").expect(1)
    assert plain.counts() == (plain.produced - 90, plain.produced - 90)
