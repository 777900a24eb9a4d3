# SPDX-License-Identifier: Apache-2.0
"""What may go wrong around `sluice sync --full`: each ends with an error that says what to do, and the
table is what it was before, or what it shall be."""

import re
import time

import pytest
from test_snapshot import Shop

GRANTS = ["SELECT ON t.*", "INSERT ON t.*", "ALTER TABLE ON t.*"]


@pytest.fixture
def make_shop(kafka, sluice, topic, table):
    def make(clickhouse):
        return Shop(kafka, clickhouse, sluice, topic, table)

    return make


@pytest.fixture
def shop(make_shop, clickhouse):
    return make_shop(clickhouse)


def as_user(shop, name):
    """The configuration from now on."""
    path = shop.sluice.folder / "sluice.toml"
    text = re.sub(r'\nuser = ".*"', "", path.read_text())
    path.write_text(text.replace("[clickhouse]\n", f'[clickhouse]\nuser = "{name}"\n'))


def snapshot_groups(shop):
    return [group for group in shop.kafka.groups() if group.startswith(f"{shop.topic}.snapshot")]


def loading(shop, records):
    """A snapshot that stands still in the middle of its load."""
    shop.produce(records)
    run = shop.sluice.start("sync", "shop", "--full", "--batch-rows", "500", "-j", "1",
                            env={"SLUICE_FREEZE_AT": "landed:3"})
    run.wait_for_freeze()
    (shadow,) = [name for name in shop.side_tables() if not name.endswith("_old")]
    assert 0 < int(shop.clickhouse.query(f"SELECT count() FROM {shop.database}.{shadow}")) < shop.produced
    return run


def test_who_may_not_make_or_swap_tables_is_told_and_the_group_stays_where_it_was(make_shop, own_clickhouse):
    shop = make_shop(own_clickhouse(users={
        "reader": {"grants": GRANTS}, "maker": {"grants": [*GRANTS, "CREATE TABLE ON t.*", "TABLE ENGINE ON *"]}}))
    shop.produce(300)
    as_user(shop, "reader")
    refused = shop.full().expect(77)
    assert "CREATE TABLE" in refused.stderr and "fix: GRANT" in refused.stderr
    assert shop.side_tables() == [] and snapshot_groups(shop) == []
    as_user(shop, "maker")
    refused = shop.full().expect(77)  # may not drop, so neither swap nor clean up
    assert "were not swapped" in refused.stderr and "DROP TABLE" in refused.stderr, refused
    assert shop.rows() == 0 and len(shop.side_tables()) == 1
    as_user(shop, "default")
    assert shop.sync()["totals"]["inserted"] == 300  # at once: no swap is to be waited for
    as_user(shop, "maker")
    shop.full().expect(77)
    as_user(shop, "default")
    assert shop.sync()["totals"]["read"] == 0
    shop.expect_each_once()
    shop.full().expect(0)
    shop.expect_each_once()
    shop.expect_tidy()


def test_a_database_that_cannot_swap_is_named_before_anything_is_read(shop):
    database = f"{shop.name}_plain"
    shop.clickhouse.query(f"CREATE DATABASE {database} ENGINE = Ordinary", allow_deprecated_database_ordinary=1)
    shop.clickhouse.query(f"CREATE TABLE {database}.shop (n UInt64) ENGINE = MergeTree ORDER BY n")
    shop.produce(10)
    config = shop.sluice.folder / "sluice.toml"
    config.write_text(config.read_text().replace(f'"{shop.table}"', f'"{database}.shop"'))
    refused = shop.full().expect(78)
    assert "snapshot-database" in refused.stderr and "Ordinary" in refused.stderr
    assert shop.clickhouse.query(f"SHOW TABLES FROM {database}").split() == ["shop"]


def test_a_table_dropped_or_made_anew_while_its_snapshot_is_loaded(shop):
    definition = shop.clickhouse.query(f"SHOW CREATE TABLE {shop.table} FORMAT TSVRaw")
    run = loading(shop, 40_000)
    shop.clickhouse.query(f"DROP TABLE {shop.table} SYNC")
    run.resume()
    assert "table-missing" in run.wait().expect(78).stderr
    assert shop.side_tables() == [] and snapshot_groups(shop) == []

    shop.clickhouse.query(definition)
    shop.stale(3)
    run = loading(shop, 0)
    shop.clickhouse.query(f"DROP TABLE {shop.table} SYNC")
    shop.clickhouse.query(definition)
    shop.stale(5)
    run.resume()
    assert "snapshot-target-changed" in run.wait().expect(75).stderr
    assert shop.rows() == 5
    shop.expect_tidy()


def test_a_table_altered_after_the_load_was_killed_gets_a_snapshot_of_its_new_columns(shop):
    shop.produce(20_000)
    shop.full("--batch-rows", "5000", env={"SLUICE_CRASH_AT": "landed:2"})
    shop.clickhouse.query(f"ALTER TABLE {shop.table} ADD COLUMN extra String DEFAULT 'new'")
    outcome = shop.full().expect(0)
    assert "snapshot-leftover" in outcome.stderr
    shop.expect_each_once()
    assert shop.clickhouse.query(f"SELECT DISTINCT extra FROM {shop.table}").split() == ["new"]
    shop.expect_tidy()


@pytest.mark.parametrize("changes", [
    ["ALTER TABLE {} ADD INDEX i n TYPE minmax", "ALTER TABLE {} MODIFY TTL toDateTime(4000000000 + n % 2)"],
    ["DROP TABLE {} SYNC", "CREATE TABLE {} (n UInt64, s String DEFAULT 'none') ENGINE = MergeTree ORDER BY (s, n) "
                           "COMMENT 'the shop''s'"],
], ids=["index and ttl", "another order"])
def test_what_the_table_became_after_the_load_was_killed_stays(shop, changes):
    shop.produce(20_000)
    assert shop.full("--batch-rows", "5000", env={"SLUICE_CRASH_AT": "landed:2"}).code == 137
    for change in changes:
        shop.clickhouse.query(change.format(shop.table))
    definition = shop.clickhouse.query(f"SHOW CREATE TABLE {shop.table}")
    shop.full().expect(0)
    assert shop.clickhouse.query(f"SHOW CREATE TABLE {shop.table}") == definition
    shop.expect_each_once()
    shop.expect_tidy()


@pytest.mark.parametrize("point", ["landed:2", "snapshot-loaded"])
def test_rows_that_somebody_took_away_before_the_load_goes_on_are_loaded_again(shop, point):
    shop.produce(20_000)
    assert shop.full("--batch-rows", "5000", env={"SLUICE_CRASH_AT": point}).code == 137
    shop.clickhouse.wait_for_inserts()
    (shadow,) = shop.side_tables()
    shop.clickhouse.query(f"TRUNCATE TABLE {shop.database}.{shadow}")
    shop.full().expect(0)
    shop.expect_each_once()
    shop.expect_tidy()


def test_a_view_made_while_the_snapshot_is_loaded_is_told(shop):
    shop.stale(3)
    run = loading(shop, 40_000)
    shop.clickhouse.query(f"CREATE MATERIALIZED VIEW {shop.table}_view ENGINE = MergeTree ORDER BY n AS "
                          f"SELECT n FROM {shop.table}")
    run.resume()
    refused = run.wait()
    assert (refused.code, "snapshot-dependents" in refused.stderr) == (78, True) \
        or (refused.code, "snapshot-target-changed" in refused.stderr) == (75, True), refused
    assert shop.rows() == 3
    shop.full("--allow-views").expect(0)
    shop.expect_each_once()
    shop.expect_tidy()


def test_a_table_of_somebody_else_where_the_old_rows_shall_go_survives(shop):
    shop.stale(5)
    shop.produce(100)
    assert shop.full(env={"SLUICE_CRASH_AT": "snapshot-swapped"}).code == 137
    mine = f"{shop.table}__sluice_old"
    shop.clickhouse.query(f"CREATE TABLE {mine} ENGINE = MergeTree ORDER BY a COMMENT 'my audit copy' AS SELECT 7 AS a")
    outcome = shop.full("--keep-old")
    assert outcome.code == 0 or "snapshot-old-taken" in outcome.expect(78).stderr
    assert shop.clickhouse.query(f"SELECT a FROM {mine}") == "7\n"
    assert "my audit copy" in shop.clickhouse.query(f"SHOW CREATE TABLE {mine}")
    shop.clickhouse.query(f"RENAME TABLE {mine} TO {shop.table}_mine")
    shop.full("--keep-old").expect(0)
    shop.expect_each_once()
    assert shop.side_tables() == [f"{shop.name}__sluice_old"]
    assert shop.clickhouse.query(f"SELECT a FROM {shop.table}_mine") == "7\n"


def test_a_full_disk_ends_the_load_and_a_larger_one_lets_it_go_on(make_shop, own_clickhouse):
    keep = "<keep_free_space_bytes>{}</keep_free_space_bytes>"
    clickhouse = own_clickhouse(config_xml=(
        f"<storage_configuration><disks><small><path>./small/</path>{keep.format(0)}</small></disks><policies>"
        "<small><volumes><main><disk>small</disk></main></volumes></small></policies></storage_configuration>"))
    shop = make_shop(clickhouse)
    shop.clickhouse.query(f"DROP TABLE {shop.table} SYNC")
    shop.clickhouse.query(f"CREATE TABLE {shop.table} (n UInt64) ENGINE = MergeTree ORDER BY n "
                          "SETTINGS storage_policy = 'small' COMMENT 'the shop''s'")
    shop.produce(100)
    shop.full().expect(0)
    config = clickhouse.folder / "config.xml"

    def keep_free(size):
        config.write_text(re.sub(keep.format(r"\d+"), keep.format(size), config.read_text()))
        clickhouse.restart()

    keep_free(1 << 60)
    shop.produce(100)
    refused = shop.full("--retry-max-time", "2s").expect(75)
    assert "NOT_ENOUGH_SPACE" in refused.stderr and "disks" in refused.stderr
    assert shop.rows() == 100 and len(shop.side_tables()) == 1
    keep_free(0)
    shop.full().expect(0)
    shop.expect_each_once()
    shop.expect_tidy()


@pytest.mark.parametrize("records", [1_000, 30_000], ids=["fewer", "more"])
def test_a_topic_made_anew_between_a_killed_load_and_the_next_one(shop, records):
    shop.produce(20_000)
    shop.full("--batch-rows", "5000", env={"SLUICE_CRASH_AT": "landed:2"})
    assert shop.rows() == 0
    shop.kafka.delete_topic(shop.topic)
    shop.kafka.create_topic(shop.topic, partitions=2)
    shop.produced = 0
    shop.produce(records)
    shop.full().expect(0)
    shop.expect_each_once()
    shop.expect_tidy()
    assert shop.sync()["totals"]["read"] == 0


def test_a_topic_made_anew_while_its_snapshot_is_loaded_is_not_swapped_in(shop):
    run = loading(shop, 40_000)
    shop.stale(7)
    shop.kafka.delete_topic(shop.topic)
    shop.kafka.create_topic(shop.topic, partitions=2)
    shop.produced = 0
    shop.produce(50_000)
    run.resume()
    outcome = run.wait()
    assert outcome.code in (1, 75), str(outcome)
    assert shop.rows() == 7
    shop.full().expect(0)
    shop.expect_each_once()
    shop.expect_tidy()


def test_a_snapshot_that_was_only_asleep_does_no_harm_to_the_one_that_took_it_up(shop):
    asleep = loading(shop, 40_000)
    other_machine = {"XDG_RUNTIME_DIR": str(shop.sluice.folder / "run1")}
    awake = shop.full(env=other_machine).expect(0)
    assert "snapshot-resumed" in awake.stderr
    shop.expect_each_once()
    asleep.resume()
    assert "snapshot-taken-over" in asleep.wait().expect(75).stderr
    shop.expect_each_once()
    shop.expect_tidy()
    assert shop.sync()["totals"]["read"] == 0


def test_killed_while_it_takes_up_an_earlier_load_it_begins_anew(shop):
    shop.produce(20_000)
    shop.full("--batch-rows", "5000", env={"SLUICE_CRASH_AT": "landed:2"})
    assert shop.full(env={"SLUICE_CRASH_AT": "snapshot-renamed"}).code == 137
    shop.full().expect(0)
    shop.expect_each_once()
    shop.expect_tidy()


def test_two_machines_begin_a_snapshot_at_once_and_the_table_is_right(shop):
    shop.produce(2_000)
    shop.full().expect(0)
    wins = 0
    for number in range(2):
        shop.produce(2_000)
        runs = []
        for machine in ("a", "b"):
            runs.append(shop.sluice.start("sync", "shop", "--full", "--batch-rows", "500",
                                          env={"XDG_RUNTIME_DIR": str(shop.sluice.folder / machine)}))
            time.sleep(0.2 * number)
        outcomes = [run.wait(120) for run in runs]
        codes = [outcome.code for outcome in outcomes]
        print("\n".join(map(str, outcomes)))
        assert set(codes) <= {0, 75}
        assert shop.rows() in (shop.produced - 2_000, shop.produced)
        wins += 0 in codes
        shop.sync()  # where the group stands is where the table ends
        shop.expect_each_once()
    assert wins > 0
    shop.full().expect(0)
    shop.expect_tidy()


def test_old_rows_that_are_too_large_to_drop_are_named_and_fail_no_run(make_shop, own_clickhouse):
    shop = make_shop(own_clickhouse(config_xml="<max_table_size_to_drop>100</max_table_size_to_drop>"))
    shop.stale(1000)
    shop.produce(1000)
    outcome = shop.full().expect(0)
    shop.expect_each_once()
    (left,) = shop.side_tables()
    assert left in outcome.stderr and "max_table_size_to_drop" in outcome.stderr
    shop.produce(500)
    again = shop.full().expect(0)
    shop.expect_each_once()
    assert left in again.stderr and len(shop.side_tables()) == 2
    assert shop.sync()["totals"]["read"] == 0
