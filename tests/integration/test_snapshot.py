# SPDX-License-Identifier: Apache-2.0
"""`sluice sync --full`: a table replaced by a fresh snapshot of its topic in one atomic step, and the
live group handed over, whatever dies at whatever moment."""

import random
import threading
import time

import pytest

POINTS = ["begun", "created", "loaded", "verified", "handed-over", "swapped", "committed", "commented",
          "dropped"]


@pytest.fixture
def shop(kafka, clickhouse, sluice, topic, table):
    """Two partitions of numbers, a table with stale rows, and a configuration for both."""
    return Shop(kafka, clickhouse, sluice, topic, table)


class Shop:
    def __init__(self, kafka, clickhouse, sluice, topic, table):
        self.kafka, self.clickhouse, self.sluice = kafka, clickhouse, sluice
        self.topic, self.table, self.produced = topic, table, 0
        self.database, self.name = table.split(".")
        kafka.create_topic(topic, partitions=2)
        clickhouse.query(f"CREATE TABLE {table} (n UInt64, s String DEFAULT 'none') ENGINE = MergeTree "
                         "ORDER BY n COMMENT 'the shop''s'")
        (sluice.folder / "sluice.toml").write_text(
            f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[kafka.properties]\n"session.timeout.ms" = 2000\n'
            f'"heartbeat.interval.ms" = 500\n[clickhouse]\nurl = "{clickhouse.url}"\n'
            f'[pipelines.shop]\ntopic = "{topic}"\ntable = "{table}"\ngroup = "{topic}"\n')

    def produce(self, count):
        first, self.produced = self.produced, self.produced + count
        for partition in (0, 1):
            self.kafka.produce_lines(self.topic, "".join(
                f'{{"n":{n}}}\n' for n in range(first, self.produced) if n % 2 == partition), partition)

    def stale(self, count=10):
        self.clickhouse.query(f"INSERT INTO {self.table} SELECT number + 1000000000, 'stale' FROM "
                              f"numbers({count})")

    def full(self, *flags, **options):
        return self.sluice("sync", "shop", "--full", "-y", *flags, **options)

    def sync(self):
        return self.sluice("sync", "shop", "-o", "json").expect(0).json

    def rows(self):
        return int(self.clickhouse.query(f"SELECT count() FROM {self.table}"))

    def expect_each_once(self):
        got = self.clickhouse.query(f"SELECT count(), uniqExact(n), min(n), max(n) FROM {self.table}").split()
        assert [int(value) for value in got] == [self.produced, self.produced, 0, self.produced - 1]

    def side_tables(self):
        return self.clickhouse.query(f"SELECT name FROM system.tables WHERE database = '{self.database}' "
                                     f"AND startsWith(name, '{self.name}__')").split()

    def expect_tidy(self):
        assert self.side_tables() == []
        assert [group for group in self.kafka.groups() if group.startswith(f"{self.topic}.snapshot")] == []
        comment = self.clickhouse.query(
            f"SELECT comment FROM system.tables WHERE database = '{self.database}' AND name = '{self.name}'")
        assert comment.strip() in ("the shop's", r"the shop\'s")


def test_stale_rows_go_and_the_continuous_run_goes_on_where_the_snapshot_ends(shop):
    shop.produce(1000)
    shop.stale()
    outcome = shop.full("-o", "json").expect(0)
    assert outcome.json["totals"]["inserted"] == 1000
    shop.expect_each_once()
    shop.expect_tidy()
    assert shop.sync()["totals"]["read"] == 0
    shop.produce(10)
    assert shop.sync()["totals"]["inserted"] == 10
    shop.expect_each_once()
    shop.full().expect(0)
    shop.expect_each_once()


def test_readers_see_the_old_rows_or_the_new_ones_and_never_a_mixture(shop):
    shop.produce(2000)
    shop.full().expect(0)
    counts, end = set(), threading.Event()

    def read():
        while not end.is_set():
            counts.add(shop.rows())

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    allowed = {2000}
    for _ in range(3):
        shop.produce(500)
        shop.full().expect(0)
        allowed.add(shop.produced)
    end.set()
    for reader in readers:
        reader.join()
    assert counts <= allowed


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_step_the_table_is_whole_and_the_same_command_ends_it(shop, point):
    shop.produce(300)
    shop.full().expect(0)
    shop.produce(300)
    crashed = shop.full(env={"SLUICE_CRASH_AT": f"snapshot-{point}"})
    assert crashed.code == 137, str(crashed)
    assert shop.rows() in (300, 600)
    shop.full().expect(0)
    shop.expect_each_once()
    shop.expect_tidy()
    assert shop.sync()["totals"]["read"] == 0


@pytest.mark.parametrize("point", ["swapped", "committed", "dropped"])
def test_after_the_swap_a_plain_sync_goes_on_without_gap_or_overlap(shop, point):
    shop.produce(300)
    shop.sync()
    shop.stale()
    shop.full("--allow-shrink", env={"SLUICE_CRASH_AT": f"snapshot-{point}"})
    shop.produce(100)
    assert shop.sync()["totals"]["inserted"] == 100
    shop.expect_each_once()


def test_before_the_swap_nobody_goes_on_until_it_is_decided(shop):
    shop.produce(300)
    shop.full(env={"SLUICE_CRASH_AT": "snapshot-handed-over"})
    waiting = shop.sluice("sync", "shop").expect(75)
    assert "snapshot-swap" in waiting.stderr
    shop.full().expect(0)
    shop.expect_each_once()


def test_killed_at_random_moments_again_and_again_it_is_right_in_the_end(shop):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    moments = random.Random(seed)
    shop.produce(60000)
    kills = 0
    for _ in range(8):
        run = shop.sluice.start("sync", "shop", "--full", "--batch-rows", "1000", "-j", "1")
        if moments.random() < 0.5:  # the group of the one killed before is waited for
            run.wait_until(lambda: "pipeline started" in run.stderr or not run.running, 10)
        time.sleep(moments.uniform(0.0, 0.6))
        kills += run.running
        run.kill()
        assert shop.rows() in (0, 60000)
    assert kills > 0
    shop.full().expect(0)
    shop.expect_each_once()
    shop.expect_tidy()


def test_a_running_tail_is_no_victim_of_a_snapshot(shop):
    shop.produce(10)
    tail = shop.sluice.start("tail", "shop")
    tail.wait_until(lambda: shop.rows() == 10)
    refused = shop.full().expect(75)
    assert "group-active" in refused.stderr
    tail.stop().expect(0)
    shop.full().expect(0)
    shop.expect_each_once()


def test_what_looks_wrong_is_not_swapped_in(shop):
    refused = shop.full().expect(78)
    assert "snapshot-empty" in refused.stderr
    shop.produce(10)
    shop.stale(100)
    refused = shop.full().expect(78)
    assert "snapshot-shrinks" in refused.stderr
    assert shop.rows() == 100
    shop.clickhouse.query(f"CREATE MATERIALIZED VIEW {shop.table}_view ENGINE = MergeTree ORDER BY n AS "
                          f"SELECT n FROM {shop.table}")
    refused = shop.full("--allow-shrink").expect(78)
    assert f"{shop.table}_view" in refused.stderr
    shop.full("--allow-shrink", "--allow-views").expect(0)
    shop.expect_each_once()
    shop.expect_tidy()


def test_the_replaced_rows_can_be_kept(shop):
    shop.produce(10)
    shop.stale(3)
    for _ in range(2):
        shop.full("--keep-old").expect(0)
    assert shop.side_tables() == [f"{shop.name}__sluice_old"]
    shop.expect_each_once()
    assert int(shop.clickhouse.query(f"SELECT count() FROM {shop.table}__sluice_old")) == 10
    shop.clickhouse.query(f"ALTER TABLE {shop.table}__sluice_old MODIFY COMMENT 'mine'")
    refused = shop.full("--keep-old").expect(78)
    assert "snapshot-old-taken" in refused.stderr


def test_somebody_elses_table_with_a_name_like_ours_is_left_alone(shop):
    shop.clickhouse.query(f"CREATE TABLE {shop.table}__sluice_mine (a Int8) ENGINE = MergeTree ORDER BY a")
    shop.produce(5)
    shop.full().expect(0)
    assert shop.side_tables() == [f"{shop.name}__sluice_mine"]


def test_a_bad_record_leaves_the_table_as_it_was(shop):
    shop.produce(20)
    shop.full().expect(0)
    shop.kafka.produce_lines(shop.topic, "{broken\n", 0)
    shop.full().expect(65)
    assert shop.rows() == 20
    shop.expect_tidy()


def test_the_table_that_takes_over_is_made_like_the_old_one(shop):
    shop.clickhouse.query(f"ALTER TABLE {shop.table} ADD COLUMN d DateTime CODEC(Delta, ZSTD)")
    shop.clickhouse.query(f"ALTER TABLE {shop.table} ADD INDEX i n TYPE minmax, COMMENT COLUMN n 'the number', "
                          "ADD PROJECTION p (SELECT s, count() GROUP BY s), MODIFY TTL d + INTERVAL 99 YEAR")
    before = shop.clickhouse.query(f"SHOW CREATE TABLE {shop.table}")
    shop.produce(5)
    shop.full().expect(0)
    assert shop.clickhouse.query(f"SHOW CREATE TABLE {shop.table}") == before


def test_a_table_altered_meanwhile_is_not_overwritten(shop):
    shop.produce(50000)
    run = shop.sluice.start("sync", "shop", "--full", "--max-bytes", "1GB")
    run.wait_until(lambda: shop.side_tables() != [])
    shop.clickhouse.query(f"ALTER TABLE {shop.table} ADD COLUMN extra String")
    outcome = run.wait()
    if outcome.code != 0:  # else the snapshot was swapped in before the ALTER
        assert outcome.code == 75 and "snapshot-target-changed" in outcome.stderr, outcome
        shop.expect_tidy()


def test_a_killed_load_goes_on_where_it_was(shop):
    shop.produce(40000)
    crashed = shop.full("--batch-rows", "5000", env={"SLUICE_CRASH_AT": "landed:3"})
    assert crashed.code == 137 and len(shop.side_tables()) == 1
    shadow = shop.side_tables()
    began = int(shop.clickhouse.query(f"SELECT count() FROM {shop.database}.{shadow[0]}"))
    assert 0 < began < 40000
    shop.produce(10)  # written after the snapshot began: not of it
    outcome = shop.full("-o", "json").expect(0)
    assert "snapshot-resumed" in outcome.stderr
    assert outcome.json["totals"]["inserted"] < 40000
    assert shop.sync()["totals"]["inserted"] == 10
    shop.expect_each_once()
    shop.expect_tidy()


def test_a_dictionary_of_the_table_is_named_like_a_view(shop):
    shop.produce(10)
    for name, source in (("one", f"TABLE '{shop.name}' DB '{shop.database}'"),
                         ("two", f"QUERY 'SELECT n, s FROM {shop.table}'")):
        shop.clickhouse.query(f"CREATE DICTIONARY {shop.table}_{name} (n UInt64, s String) PRIMARY KEY n "
                              f"SOURCE(CLICKHOUSE({source})) LAYOUT(FLAT()) LIFETIME(0)")
    refused = shop.full().expect(78)
    assert "snapshot-dependents" in refused.stderr and "--allow-views" in refused.stderr
    for name in ("one", "two"):
        assert f"dictionary {shop.table}_{name}" in refused.stderr
    shop.full("--allow-views").expect(0)
    shop.expect_each_once()


def test_a_dry_run_says_what_would_be_done_and_does_nothing(shop):
    shop.produce(10)
    shop.stale(25)
    told = shop.full("-n").expect(0)
    assert "would load 10 records of 2 partitions" in told.stdout and "25 rows" in told.stdout
    plan = shop.full("-n", "-o", "json").expect(0).json["pipelines"][0]
    assert (plan["write"], plan["records"], plan["rows_now"]) == ("overwrite-delete-stale", 10, 25)
    assert plan["loads_into"].startswith(f"{shop.table}__sluice_") and plan["resumes"] is None
    assert shop.rows() == 25
    shop.expect_tidy()
    crashed = shop.full("--allow-shrink", "--batch-rows", "3", env={"SLUICE_CRASH_AT": "landed:2"})
    assert crashed.code == 137
    plan = shop.full("-n", "-o", "json").expect(0).json["pipelines"][0]
    assert plan["resumes"] and f"{shop.name}__sluice_{plan['resumes']}" in shop.side_tables()
    assert "--full" in shop.sluice("sync", "shop", "-n").expect(2).stderr
    shop.clickhouse.query(f"CREATE MATERIALIZED VIEW {shop.table}_view ENGINE = MergeTree ORDER BY n AS "
                          f"SELECT n FROM {shop.table}")
    assert f"{shop.table}_view" in shop.full("-n").expect(78).stdout
