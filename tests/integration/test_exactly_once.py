# SPDX-License-Identifier: Apache-2.0
"""`delivery = "exactly-once"` against the real broker and the real engine: every record is in the
table exactly once, whatever dies at whatever moment. Fault cases by their number in the names."""

import random
import signal
import threading
import time

import pytest

# Where a process may die (delivery.md 4.8), as the program names it.
POINTS = {"C1": "intent-drawn", "C3": "intent-committed", "C7": "landed"}


@pytest.fixture
def ledger(kafka, clickhouse, sluice, topic, table):
    return Ledger(kafka, clickhouse, sluice, topic, table)


class Ledger:
    def __init__(self, kafka, clickhouse, sluice, topic, table, partitions=2):
        self.kafka, self.clickhouse, self.sluice = kafka, clickhouse, sluice
        self.topic, self.table, self.produced = topic, table, 0
        self.partitions = partitions
        kafka.create_topic(topic, partitions=partitions)
        kafka.create_topic(f"{topic}.rejects")
        clickhouse.query(
            f"CREATE TABLE {table} (n UInt64, _topic LowCardinality(String), _partition Int32, _offset Int64, "
            "CONSTRAINT odd CHECK n != 13) ENGINE = MergeTree ORDER BY n "
            "SETTINGS non_replicated_deduplication_window = 100000")
        self.configure()

    def configure(self, extra="", url=None):
        (self.sluice.folder / "sluice.toml").write_text(
            f'[kafka]\nbrokers = "{self.kafka.bootstrap}"\n[kafka.properties]\n"session.timeout.ms" = 3000\n'
            f'"heartbeat.interval.ms" = 500\n[clickhouse]\nurl = "{url or self.clickhouse.url}"\n'
            f'[pipelines.ledger]\ntopic = "{self.topic}"\ntable = "{self.table}"\ngroup = "{self.topic}"\n'
            f'delivery = "exactly-once"\non_error = "reject"\nreject = {{ topic = "{self.topic}.rejects" }}\n{extra}')

    def produce(self, count):
        first, self.produced = self.produced, self.produced + count
        for partition in range(self.partitions):
            self.kafka.produce_lines(self.topic, "".join(
                f'{{"n":{n}}}\n' for n in range(first, self.produced) if n % self.partitions == partition), partition)

    def sync(self, *flags, **options):
        return self.sluice("sync", "ledger", *flags, **options)

    def counts(self):
        """Rows, distinct numbers."""
        return tuple(int(v) for v in self.clickhouse.query(f"SELECT count(), uniqExact(n) FROM {self.table}").split())

    def expect_exactly_once(self, rejected=0):
        assert self.counts() == (self.produced - rejected, self.produced - rejected)


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
def test_case_1_killed_at_each_crash_point_of_the_first_batches(ledger, point, batch):
    ledger.produce(1000)
    crashed = ledger.sync("--batch-rows", "200", env={"SLUICE_CRASH_AT": f"{point}:{batch}"})
    assert crashed.code == 137, str(crashed)
    assert ledger.sync("--batch-rows", "200").code in (0, 3)  # 0: the bad row was rejected before
    ledger.expect_exactly_once(rejected=1)


def test_case_5_killed_after_the_last_word_about_a_batch(ledger):
    ledger.produce(1000)
    assert ledger.sync(env={"SLUICE_CRASH_AT": "committed:2"}).code == 137
    ledger.sync().expect(0)
    ledger.expect_exactly_once(rejected=1)


def test_case_27_killed_between_the_reject_and_the_word_about_it(ledger):
    ledger.produce(300)
    assert ledger.sync(env={"SLUICE_CRASH_AT": "row-refused"}).code == 137
    ledger.sync().expect(3)
    ledger.expect_exactly_once(rejected=1)
    rejects = ledger.kafka.consume(f"{ledger.topic}.rejects")
    assert len(rejects) >= 1


def test_case_27_a_constraint_that_comes_after_a_batch_has_landed_doubles_nothing(ledger):
    """The batch is sent again without the row that is refused now; ClickHouse must know it all the same."""
    ledger.clickhouse.query(f"ALTER TABLE {ledger.table} DROP CONSTRAINT odd")
    ledger.produce(300)
    assert ledger.sync(env={"SLUICE_CRASH_AT": "landed"}).code == 137
    landed = ledger.counts()[0]
    assert landed > 0
    ledger.clickhouse.query(f"ALTER TABLE {ledger.table} ADD CONSTRAINT odd CHECK n NOT IN (40, 41)")
    assert ledger.sync().expect(3)
    rows, numbers = ledger.counts()
    assert rows == numbers >= ledger.produced - 2


def test_case_26_a_refused_row_never_takes_a_good_one_with_it(ledger):
    ledger.produce(300)
    ledger.kafka.produce_lines(ledger.topic, '{"n":13}\n{broken\n{"n":13}\n', 0)
    outcome = ledger.sync("-o", "json").expect(3).json
    assert outcome["totals"]["rejected"] == 4
    ledger.expect_exactly_once(rejected=1)


def test_case_2_killed_again_and_again_at_random_moments(ledger):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    moments = random.Random(seed)
    ledger.produce(40000)
    for _ in range(10):
        run = ledger.sluice.start("sync", "ledger", "--batch-rows", "2000", "-j", "1")
        run.wait_until(lambda: "pipeline started" in run.stderr or not run.running, 20)
        time.sleep(moments.uniform(0.0, 0.5))
        run.kill()
    assert ledger.sync().code in (0, 3)
    ledger.expect_exactly_once(rejected=1)


def test_two_workers_are_killed_under_load_and_take_over_from_each_other(ledger):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    moments = random.Random(seed)
    flags = ("tail", "ledger", "--batch-rows", "1000", "--batch-age", "100ms", "--drain-timeout", "5s")
    workers = [ledger.sluice.start(*flags) for _ in range(2)]
    for _ in range(8):
        ledger.produce(3000)
        time.sleep(moments.uniform(0.2, 1.2))
        victim = moments.randrange(2)
        kind = moments.choice(["kill", "stop", "pause"])
        if kind == "pause":
            workers[victim].pause()
            time.sleep(4)  # longer than the session: the other takes over
            workers[victim].resume()
        else:
            workers[victim].kill() if kind == "kill" else workers[victim].terminate()
            workers[victim].wait(30)
            workers[victim] = ledger.sluice.start(*flags)
    for worker in workers:
        worker.send(signal.SIGTERM)
        worker.wait(60)
    assert ledger.sync().code in (0, 3)
    ledger.expect_exactly_once(rejected=1)


def test_the_proof_finds_what_is_missing_and_what_is_there_twice(ledger):
    ledger.produce(2000)
    ledger.sync().expect(3)
    proof = ledger.sluice("status", "ledger", "--verify").expect(0)
    assert "each record once" in proof.stdout
    ledger.clickhouse.query(f"DELETE FROM {ledger.table} WHERE _partition = 0 AND _offset BETWEEN 100 AND 104")
    ledger.clickhouse.query(f"INSERT INTO {ledger.table} SELECT * FROM {ledger.table} WHERE _partition = 1 AND "
                            "_offset = 7 LIMIT 1")
    broken = ledger.sluice("status", "ledger", "--verify", "-o", "json").expect(4).json
    proofs = {part["partition"]: part for part in broken["pipelines"][0]["proof"]}
    assert proofs[0]["lost"] == [[100, 105]] and proofs[1]["doubled"] == [[7, 8]]


def test_a_table_that_cannot_keep_the_promise_is_refused_with_the_fix(ledger):
    ledger.produce(10)
    ledger.clickhouse.query(f"ALTER TABLE {ledger.table} RESET SETTING non_replicated_deduplication_window")
    refused = ledger.sync().expect(78)
    assert "non_replicated_deduplication_window" in refused.stderr
    assert ledger.counts() == (0, 0)


def test_case_30_a_table_created_anew_between_attempts_halts_until_a_person_decides(ledger):
    ledger.produce(100)
    assert ledger.sync(env={"SLUICE_CRASH_AT": "intent-committed"}).code == 137
    create = ledger.clickhouse.query(f"SHOW CREATE TABLE {ledger.table} FORMAT Raw")
    ledger.clickhouse.query(f"DROP TABLE {ledger.table} SYNC")
    ledger.clickhouse.query(create)
    halted = ledger.sync().expect(1)
    assert "exactly-once-halted" in halted.stderr
    assert f"--resolve resend:{ledger.topic}:0" in halted.stderr
    several = ledger.sync("--resolve", "resend").expect(2)
    assert "2 partitions" in several.stderr, "one decision is not about both batches"
    decisions = [f"--resolve=resend:{ledger.topic}:{partition}" for partition in range(2)]
    ledger.sync(*decisions).expect(3)
    ledger.expect_exactly_once(rejected=1)


