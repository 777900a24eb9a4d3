# SPDX-License-Identifier: Apache-2.0
"""`sluice backfill` beside others: the live group of its table, a snapshot that replaces the table, a second
person with the same words."""

import os

import pytest
import stand
from test_backfill import Log
from test_cli import on_terminal, read_terminal

KNOWN = ", _topic String, _partition Int32, _offset Int64"
FAST = "[kafka.properties]\n\"session.timeout.ms\" = 2000\n\"heartbeat.interval.ms\" = 500\n[clickhouse]"


@pytest.fixture
def log(kafka, clickhouse, sluice, topic, table):
    return Known(kafka, clickhouse, sluice, topic, table)


class Known(Log):
    """Its rows tell of which record they are."""

    produced = 200

    def create(self, table, columns=KNOWN):
        super().create(table, columns)

    def fast(self):
        """Kafka drops members that died soon."""
        config = self.sluice.folder / "sluice.toml"
        config.write_text(config.read_text().replace("[clickhouse]", FAST))
        return self

    def produce(self, count):
        first, self.produced = self.produced, self.produced + count
        self.kafka.produce(self.topic, [{"value": f'{{"n":{n}}}', "partition": n % 2}
                                        for n in range(first, self.produced)])

    def sync(self, *flags, **options):
        return self.sluice("sync", "log", *flags, **options)

    def rows(self, table=None):
        """How many, and of how many records."""
        found = self.clickhouse.query(f"SELECT count(), uniqExact(n) FROM {table or self.table}")
        return tuple(map(int, found.split()))

    def expect_each_once(self, table=None):
        assert self.rows(table) == (self.produced, self.produced)

    def uuid(self):
        return self.clickhouse.query("SELECT uuid FROM system.tables WHERE database || '.' || name = "
                                     f"'{self.table}'")

    def members(self):
        """Of groups of backfills."""
        groups = self.kafka.groups()
        return sum(len(groups[name].members) for name in groups if name.startswith(f"{self.topic}.backfill"))


# --- the live group -----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    ("--range", "start:end", "--duplicates", "replace"),
    ("--range", "50:110", "--duplicates", "replace"),
    ("--range", "100:end"),
], ids=["all", "over its place", "behind its place"])
def test_what_the_live_group_loads_next_is_left_to_it(log, arguments):
    log.produce(40)
    outcome = log.backfill(*arguments, "-y").expect(0)
    assert log.rows() == (200, 200)
    assert "live group" in outcome.stderr
    log.sync().expect(0)
    log.expect_each_once()


def test_who_says_so_gets_what_the_live_group_loads_next_too(log):
    log.produce(40)
    log.backfill("--range", "100:end", "--duplicates", "allow", "-y").expect(0)
    log.expect_each_once()
    log.sync().expect(0)
    assert log.rows() == (280, 240)


def test_another_table_gets_what_the_live_group_loads_next_too(log):
    log.produce(40)
    log.create(f"{log.table}_other")
    log.backfill("--range", "start:end", "--into", f"{log.table}_other", "-y").expect(0)
    log.expect_each_once(f"{log.table}_other")


@pytest.mark.parametrize("arguments", [("--range", "start:end", "--duplicates", "replace"), ("--range", "100:end")],
                         ids=["all", "the end"])
def test_without_a_live_group_the_range_is_whole(log, arguments):
    log.produce(40)
    log.kafka.delete_group(log.topic)
    log.backfill(*arguments, "-y").expect(0)
    log.expect_each_once()


# --- a snapshot of the table --------------------------------------------------------------------------


def test_a_table_is_not_replaced_under_a_backfill(log):
    before = log.uuid()
    backfill = log.sluice.start("backfill", "log", "--range", "start:end", "--duplicates", "replace", "-y",
                                "--rate", "60")
    backfill.wait_until(log.members)
    backfill.pause()
    assert "backfill-active" in log.sync("--full", "-y").expect(75).stderr
    assert backfill.running and log.uuid() == before
    backfill.resume()
    backfill.wait().expect(0)
    log.expect_each_once()
    log.sync("--full", "-y").expect(0)
    log.expect_each_once()


def test_a_backfill_does_not_go_on_in_a_table_that_took_over(log):
    log.fast()
    words = ("--range", "start:end", "--duplicates", "replace", "-y")
    assert log.backfill(*words, "--batch-rows", "20", env={"SLUICE_CRASH_AT": "landed:2"}).code == 137
    stand.wait_until(lambda: not log.members(), 30, "the end of the member that died")
    log.sync("--full", "-y").expect(0)
    log.expect_each_once()
    refused = log.backfill(*words).expect(78)
    assert "range-table-changed" in refused.stderr and "--again" in refused.stderr
    log.expect_each_once()
    log.backfill(*words, "--again").expect(0)
    log.expect_each_once()


# --- a second person ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [
    ("--range", "0:100"), ("--range", "start:end"), ("--range", "start:end", "--duplicates", "replace"),
], ids=["offsets", "relative", "replaced"])
def test_what_somebody_else_loaded_while_one_was_asked_is_not_loaded_again(log, words):
    log.create(f"{log.table}_other")
    arguments = ("backfill", "log", *words, "--into", f"{log.table}_other")
    folder = str(log.sluice.folder)
    run, ours = on_terminal(log.sluice, arguments, env={"HOME": folder, "XDG_RUNTIME_DIR": folder})
    try:
        assert "load it?" in read_terminal(ours, b"[y/N]")
        log.sluice(*arguments, "-y").expect(0)
        log.expect_each_once(f"{log.table}_other")
        os.write(ours, b"y\n")
        said = read_terminal(ours)
        code = run.wait(60)
    finally:
        run.kill()
        os.close(ours)
    assert code == 75 or (code == 0 and "already done" in said), f"exit {code}\n{said}"
    log.expect_each_once(f"{log.table}_other")
