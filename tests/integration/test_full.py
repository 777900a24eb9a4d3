# SPDX-License-Identifier: Apache-2.0
"""mode = "full": everything a topic holds, once more, as stamped snapshots beside each other (append), over
the rows that are there (overwrite), or the last record of each key in the place of the old rows."""

import json
import threading

import fake_http
import pytest
import stand


class Full:
    """A pipeline of mode full; its topic has two partitions."""

    def __init__(self, kafka, clickhouse, sluice, topic, table):
        self.kafka, self.clickhouse, self.sluice = kafka, clickhouse, sluice
        self.topic, self.table, self.produced = topic, table, 0
        self.database, self.name = table.split(".")
        kafka.create_topic(topic, partitions=2)

    def configure(self, columns, engine, write, more=""):
        self.clickhouse.query(f"CREATE TABLE {self.table} ({columns}) ENGINE = {engine}")
        (self.sluice.folder / "sluice.toml").write_text(
            f'[kafka]\nbrokers = "{self.kafka.bootstrap}"\n[kafka.properties]\n"session.timeout.ms" = 2000\n'
            f'"heartbeat.interval.ms" = 500\n[clickhouse]\nurl = "{self.clickhouse.url}"\n[pipelines.shop]\n'
            f'topic = "{self.topic}"\ntable = "{self.table}"\ngroup = "{self.topic}"\nmode = "full"\n'
            f'write = "{write}"\n{more}')
        return self

    def produce(self, count):
        first, self.produced = self.produced, self.produced + count
        for partition in (0, 1):
            self.kafka.produce_lines(self.topic, "".join(
                f'{{"n":{n}}}\n' for n in range(first, self.produced) if n % 2 == partition), partition)

    def exactly_once(self):
        return self.configure(*SAFE, "append", 'delivery = "exactly-once"\nbatch = { rows = 500 }\n')

    def machine(self, name, url=None, **env):
        """A sync on another machine; url: its way to ClickHouse."""
        folder = self.sluice.folder / name
        folder.mkdir()
        text = (self.sluice.folder / "sluice.toml").read_text()
        (folder / "sluice.toml").write_text(text.replace(self.clickhouse.url, url or self.clickhouse.url))
        return self.sluice.start("sync", "shop", "--config", folder / "sluice.toml",
                                 env={"XDG_RUNTIME_DIR": str(folder), **env})

    def put(self, *records):
        """Records (key, v), in this order; without a v a tombstone."""
        self.kafka.produce(self.topic, [
            {"key": str(key), "partition": key % 2, "value": v and json.dumps({"id": key, "v": v})}
            for key, v in records])

    def sync(self, *flags, **options):
        return self.sluice("sync", "shop", *flags, **options)

    def ask(self, query):
        return self.clickhouse.query(query.format(t=self.table)).split()

    def count(self, table=""):
        return int(self.ask(f"SELECT count() FROM {{t}}{table}")[0])

    def expect_latest_is_each_once(self):
        got = self.ask("SELECT count(), uniqExact(n), min(n), max(n), uniqExact(_snapshot_id) FROM {t}__latest")
        assert [int(value) for value in got] == [self.produced, self.produced, 0, self.produced - 1, 1]

    def groups(self):
        return [group for group in self.kafka.groups() if group.startswith(f"{self.topic}.snapshot")]


@pytest.fixture
def full(kafka, clickhouse, sluice, topic, table):
    return Full(kafka, clickhouse, sluice, topic, table)


STAMPED = "n UInt64, _snapshot_id LowCardinality(String), _snapshot_time DateTime64(3)"
SAFE = ("_topic String, _partition UInt64, _offset UInt64, " + STAMPED,
        "MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100000")


def test_each_sync_appends_a_snapshot_and_the_view_shows_the_latest(full):
    full.configure("n UInt64", "MergeTree ORDER BY n", "append").produce(100)
    refused = full.sync().expect(78)
    fix = f"ALTER TABLE {full.table} ADD COLUMN _snapshot_id LowCardinality(String), " \
          "ADD COLUMN _snapshot_time DateTime64(3)"
    assert fix in refused.stderr and full.groups() == []
    full.clickhouse.query(fix)
    full.clickhouse.query(f"INSERT INTO {full.table} (n) VALUES (1)")  # of no snapshot
    full.sync().expect(0)
    full.expect_latest_is_each_once()
    full.produce(50)
    full.clickhouse.query(f"ALTER TABLE {full.table} ADD COLUMN extra String DEFAULT 'x'")
    full.sync().expect(0)
    full.expect_latest_is_each_once()
    assert full.ask("SELECT DISTINCT extra FROM {t}__latest") == ["x"]
    assert full.count() == 1 + 100 + 150
    assert full.ask("SELECT rows FROM {t}__snapshots ORDER BY completed_at") == ["100", "150"]
    times = full.ask("SELECT toUInt8(a.1 < b.1 AND a.1 > now() - 600) FROM (SELECT min((_snapshot_time, 1)) a, "
                     "max((_snapshot_time, 1)) b FROM {t} WHERE _snapshot_id != '')")
    assert times == ["1"] and full.groups() == []
    # No group was moved: the pipeline's own is as new as before.
    assert full.topic not in full.kafka.groups()


@pytest.mark.parametrize("point", ["full-begun", "landed:2", "full-loaded", "full-verified", "full-marked"])
@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_killed_anywhere_no_half_snapshot_is_ever_shown(full, point, delivery):
    columns, engine = SAFE if delivery == "exactly-once" else (STAMPED, "MergeTree ORDER BY n")
    full.configure(columns, engine, "append", f'delivery = "{delivery}"\nbatch = {{ rows = 500 }}\n').produce(2000)
    full.sync().expect(0)
    first = full.ask("SELECT any(_snapshot_id) FROM {t}__latest")
    full.produce(2000)
    crashed = full.sync(env={"SLUICE_CRASH_AT": point})
    assert crashed.code == 137, str(crashed)
    shown = full.ask("SELECT count(), any(_snapshot_id) FROM {t}__latest")
    assert shown == (["4000", shown[1]] if point == "full-marked" else ["2000", *first])
    outcome = full.sync("-o", "json").expect(0)
    full.expect_latest_is_each_once()
    resumed = delivery == "exactly-once" and point != "full-marked"
    assert ("snapshot-resumed" in outcome.stderr) == resumed
    if resumed and point == "landed:2":
        assert outcome.json["totals"]["inserted"] < 4000
    assert full.groups() == []
    # What was loaded twice, or in vain, is deleted.
    whole = 4000 * (2 if point == "full-marked" else 1) + 2000
    assert stand.wait_until(lambda: full.count() == whole, 30, "the clean-up")


def expect_right(full, *runs):
    """Whatever ends well is right at this moment already, and stays so."""
    left, codes = list(runs), []
    while left:
        run = stand.wait_until(lambda: next((run for run in left if not run.running), None), 60, "the end of a run")
        left.remove(run)
        outcome = run.wait()
        print(outcome)
        codes.append(outcome.code)
        assert outcome.code in (0, 75)
        if 0 in codes:
            full.expect_latest_is_each_once()
    assert 0 in codes
    full.sync().expect(0)
    full.expect_latest_is_each_once()
    assert full.groups() == []


def counts_rows(request):
    return "SELECT count()" in request.sql and " _snapshot_id = '" in request.sql


def marks(request):
    return request.sql.startswith("INSERT INTO") and "__snapshots" in request.sql[:200]


def hold(full, fake, matches, seconds, rows=None):
    """Holds one request, when `rows` (all) are loaded, until the second event is set; the first: it came."""
    rows = full.produced if rows is None else rows
    came, goes_on = threading.Event(), threading.Event()

    def answer(exchange):
        came.set()
        goes_on.wait(seconds)
        fake_http.forward()(exchange)

    fake.on(lambda request: matches(request) and full.count() == rows, answer, times=1)
    return came, goes_on


@pytest.mark.parametrize("matches", [counts_rows, marks], ids=["counts", "marks"])
def test_a_second_machine_comes_while_the_first_looks_at_what_it_loaded(full, fake, matches):
    full.exactly_once().produce(22_000)
    came, _ = hold(full, fake, matches, 1.5)
    first = full.machine("first", fake.url)
    first.wait_until(came.is_set)
    expect_right(full, first, full.machine("second"))


def test_a_machine_that_slept_while_it_marked_its_load_undoes_nothing(full, fake):
    full.exactly_once().produce(5_000)
    came, goes_on = hold(full, fake, marks, 60)
    asleep = full.machine("asleep", fake.url)
    asleep.wait_until(came.is_set)
    asleep.pause()
    awake = full.machine("awake")
    awake.wait().expect(0)
    full.expect_latest_is_each_once()
    goes_on.set()
    asleep.resume()
    expect_right(full, awake, asleep)


def test_a_load_that_ends_while_a_second_machine_takes_it_up_is_not_loaded_twice(full, fake):
    full.exactly_once().produce(5_000)
    first_came, first_goes_on = hold(full, fake, counts_rows, 60)
    first = full.machine("first", fake.url)
    first.wait_until(first_came.is_set)
    second_came, second_goes_on = hold(full, fake, counts_rows, 60)
    second = full.machine("second", fake.url)
    second.wait_until(lambda: second_came.is_set() or "snapshot-waiting" in second.stderr or not second.running)
    first_goes_on.set()
    first.wait()
    second_goes_on.set()
    expect_right(full, first, second)


def test_a_load_that_has_just_begun_is_not_shared_with_a_second_machine(full, fake):
    full.exactly_once().produce(10_000)
    first = full.machine("first", fake.url, SLUICE_FREEZE_AT="full-begun")
    first.wait_for_freeze()
    fake.on(fake_http.inserts, fake_http.late(fake_http.forward(), 0.1))
    came, goes_on = hold(full, fake, counts_rows, 60, rows=0)
    second = full.machine("second", fake.url)
    second.wait_until(lambda: came.is_set() or "pipeline started" in second.stderr or not second.running)
    first.resume()
    first.wait_until(lambda: full.count() > 0 or not first.running)
    goes_on.set()
    expect_right(full, first, second)


@pytest.mark.parametrize("taken", ["TRUNCATE TABLE {t}",
                                   "ALTER TABLE {t} DELETE WHERE n < 100 SETTINGS mutations_sync = 2"])
@pytest.mark.parametrize("point", ["landed:4", "full-loaded"])
def test_rows_that_somebody_took_away_before_a_load_goes_on_are_loaded_again(full, point, taken):
    full.exactly_once().produce(4_000)
    assert full.sync(env={"SLUICE_CRASH_AT": point}).code == 137
    full.clickhouse.wait_for_inserts()
    assert full.count() > 0
    full.ask(taken)
    # What nobody can see at the start (an INSERT was under way, too) is missed at the end.
    outcome = full.sync()
    if outcome.code != 0:
        outcome.expect(1)
        assert "snapshot-verify" in outcome.stderr and "DELETE" in taken and point == "landed:4"
        assert full.ask("SELECT count() FROM {t}__latest") == ["0"]
        full.sync().expect(0)
    full.expect_latest_is_each_once()
    assert full.groups() == []


def test_rows_of_snapshots_prove_nothing_about_a_pipeline_that_fills_the_table_too(full):
    full.configure(*SAFE[:1], "MergeTree ORDER BY n", "append",
                   f'[pipelines.live]\ntopic = "{full.topic}"\ntable = "{full.table}"\ngroup = "{full.topic}.live"\n')
    full.produce(100)
    full.sync().expect(0)
    # Of its own there is no row yet, so it begins with the first record.
    full.sluice("sync", "live", "--from", "table").expect(0)
    assert full.ask("SELECT count(), uniqExact(n) FROM {t} WHERE _snapshot_id = ''") == ["100", "100"]
    full.sync().expect(0)
    proven = full.sluice("status", "live", "--verify").expect(0)
    assert proven.stdout.count("50 rows, each record once") == 2, proven
    # A range that is loaded again replaces rows of its own, none of a snapshot.
    full.sluice("backfill", "live", "--range", "0:10", "--duplicates", "replace", "-y").expect(0)
    assert full.ask("SELECT count() FROM {t} WHERE _snapshot_id = ''") == ["100"] and full.count() == 300
    full.expect_latest_is_each_once()


def test_a_bad_record_leaves_the_latest_snapshot_in_sight(full):
    full.configure(STAMPED, "MergeTree ORDER BY n", "append").produce(20)
    full.sync().expect(0)
    full.kafka.produce_lines(full.topic, "{broken\n", 0)
    full.sync().expect(65)
    full.expect_latest_is_each_once()
    assert full.groups() == []


def test_views_and_tables_of_somebody_else_are_left_alone(full):
    full.configure(STAMPED, "MergeTree ORDER BY n", "append").produce(5)
    full.clickhouse.query(f"CREATE VIEW {full.table}__latest AS SELECT 1 AS mine")
    refused = full.sync().expect(78)
    assert "snapshot-name-taken" in refused.stderr and f"{full.name}__latest" in refused.stderr
    assert full.ask("SELECT mine FROM {t}__latest") == ["1"] and full.count() == 0


KEYED = "id UInt64, v UInt64"


def test_overwrite_reads_everything_again_and_stale_rows_stay(full):
    full.configure(KEYED + ", _version UInt64, _is_deleted UInt8",
                   "ReplacingMergeTree(_version, _is_deleted) ORDER BY id", "overwrite", 'key = ["id"]\n')
    full.clickhouse.query(f"INSERT INTO {full.table} VALUES (1000, 7, 0, 0)")
    full.put(*((key, 1) for key in range(20)))
    full.sync().expect(0)
    full.put(*((key, 2) for key in range(10)), (11, None))
    crashed = full.sync("--batch-rows", "5", env={"SLUICE_CRASH_AT": "landed:2"})
    assert crashed.code == 137 and len(full.groups()) == 1
    outcome = full.sync("-o", "json").expect(0)
    assert "snapshot-resumed" in outcome.stderr
    outcome = full.sync("-o", "json").expect(0)
    assert outcome.json["totals"]["inserted"] == 31
    assert full.ask("SELECT count(), sum(v) FROM {t} FINAL") == ["20", str(10 * 2 + 9 * 1 + 7)]
    assert full.groups() == [] and full.topic not in full.kafka.groups()


@pytest.fixture
def keyed(full):
    """Ten keys, of which some were written again and others deleted; a plain table with stale rows."""
    full.configure(KEYED + ", w UInt64 MATERIALIZED v + 1, d String DEFAULT concat('d', toString(v))",
                   "MergeTree ORDER BY v", "overwrite-delete-stale", 'key = ["id"]\n')
    full.put(*((key, 1) for key in range(10)), *((key, 2) for key in range(5)), (0, None), (9, None), (9, 3))
    full.clickhouse.query(f"INSERT INTO {full.table} (id, v) SELECT 100 + number, 0 FROM numbers(9)")
    return full


def expect_last_of_each(full):
    rows = full.ask("SELECT concat(toString(id), ':', toString(v), ':', toString(w), ':', d) FROM {t} ORDER BY id")
    assert rows == [f"{key}:{v}:{v + 1}:d{v}" for key, v in
                    [(1, 2), (2, 2), (3, 2), (4, 2), (5, 1), (6, 1), (7, 1), (8, 1), (9, 3)]]
    assert full.ask("SELECT count() FROM system.tables WHERE database = '%s' AND startsWith(name, '%s__')"
                    % (full.database, full.name)) == ["0"]
    assert full.groups() == []


def test_a_plain_table_gets_the_last_record_of_each_key(keyed):
    keyed.sync().expect(0)
    expect_last_of_each(keyed)
    keyed.put((1, None))
    keyed.sync().expect(0)
    assert keyed.ask("SELECT count() FROM {t} WHERE id = 1") == ["0"] and keyed.count() == 8


@pytest.mark.parametrize("point", ["begun", "created", "loaded", "keyed", "filled", "verified", "handed-over",
                                   "swapped", "committed", "commented", "dropped"])
def test_killed_at_any_step_of_it_the_table_is_whole(keyed, point):
    crashed = keyed.sync(env={"SLUICE_CRASH_AT": f"snapshot-{point}"})
    assert crashed.code == 137, str(crashed)
    assert keyed.count() == 9 and keyed.ask("SELECT max(id) FROM {t}")[0] in ("9", "108")
    keyed.sync().expect(0)
    expect_last_of_each(keyed)
