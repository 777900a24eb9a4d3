# SPDX-License-Identifier: Apache-2.0
"""`delivery = "exactly-once"` against the real broker and the real engine: every record is in the
table exactly once, whatever dies at whatever moment. More of it: test_exactly_once_cases.py."""

import json
import os
import random
import time

import pytest
import stand
from ledger import COLUMNS, Ledger


@pytest.fixture
def ledger(kafka, clickhouse, sluice, topic, table):
    return Ledger(kafka, clickhouse, sluice, topic, table)


def test_a_constraint_that_comes_after_a_batch_has_landed_doubles_nothing(ledger):
    """case 27 (exactly-once): the batch is sent again without the row that is refused now; ClickHouse must know it all the same."""
    ledger.clickhouse.query(f"ALTER TABLE {ledger.table} DROP CONSTRAINT odd")
    ledger.produce(300)
    assert ledger.sync(env={"SLUICE_CRASH_AT": "landed"}).code == 137
    ledger.clickhouse.wait_for_inserts()
    landed = ledger.counts()[0]
    assert landed > 0
    ledger.clickhouse.query(f"ALTER TABLE {ledger.table} ADD CONSTRAINT odd CHECK n NOT IN (40, 41)")
    ended = ledger.sync("-o", "json").json
    rows, numbers = ledger.counts()
    assert rows == numbers == ledger.produced - ended["totals"]["rejected"]
    assert ended["totals"]["rejected"] == (0 if landed == ledger.produced else 1), "of one partition at most"


def test_a_refused_row_never_takes_a_good_one_with_it(ledger):
    """case 26 (exactly-once): a row that ClickHouse refuses, and records that are no JSON."""
    ledger.produce(300)
    ledger.kafka.produce_lines(ledger.topic, '{"n":13}\n{broken\n{"n":13}\n', 0)
    outcome = ledger.sync("-o", "json").expect(3).json
    assert outcome["totals"]["rejected"] == 4
    ledger.expect_exactly_once(rejected=1)


@pytest.fixture
def typed(kafka, clickhouse, sluice, topic, table):
    """Of a text that is no number ClickHouse refuses the whole INSERT, and names no row."""
    return Ledger(kafka, clickhouse, sluice, topic, table, partitions=1, columns=f"{COLUMNS}, j JSON(a UInt32)")


def produce_typed(ledger, count, bad):
    """bad: {offset: the text in it}."""
    ledger.kafka.produce(ledger.topic, [json.dumps({"n": 100 + n, "j": {"a": bad.get(n, n)}}) for n in range(count)])
    ledger.produced += count


@pytest.mark.parametrize("killed", [False, True], ids=["alive", "killed"])
@pytest.mark.parametrize("count, bad", [(7, {5: "x (at row 2)"}), (20, {4: "x", 17: "x"}), (2, {0: "x", 1: "x"})],
                         ids=["names another row", "two", "all"])
def test_rows_that_clickhouse_refuses_without_naming_them_are_found(typed, count, bad, killed):
    """case 26 (exactly-once): none of the others is taken for one of them."""
    produce_typed(typed, count, bad)
    if killed:
        typed.crash("intent-committed")
    typed.sync().expect(3)
    kept = typed.kafka.consume(f"{typed.topic}.rejects")
    assert sorted(int(dict(one.headers())["sluice.error.offset"]) for one in kept) == sorted(bad)
    typed.expect_exactly_once(rejected=len(bad))


@pytest.mark.parametrize("text", ["x", "x (at row 2)"])
def test_a_row_that_clickhouse_refuses_without_naming_it_stops_the_run_at_it(typed, text):
    produce_typed(typed, 7, {5: text})
    stopped = typed.sync("--on-error", "stop").expect(65)
    assert f"{typed.topic}[0]@5" in stopped.stderr
    typed.sync().expect(3)
    typed.expect_exactly_once(rejected=1)


def test_killed_again_and_again_at_random_moments(ledger):
    """case 2 (exactly-once): kill -9 at random; 200 of them in bench/kills.py."""
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
    """case 10 (exactly-once): members come, go, die and freeze under load; case 1 (exactly-once): C12, C13."""
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
            time.sleep(3)  # longer than the session: the other takes over
            workers[victim].resume()
        else:
            workers[victim].kill() if kind == "kill" else workers[victim].terminate()
            assert workers[victim].wait(30).code in (0, 3, 75, -9, -15)  # 75: a commit took too long; -15: hardly begun
            workers[victim] = ledger.sluice.start(*flags)
    workers[0].wait_until(lambda: ledger.counts()[1] == ledger.produced - 1, 60, "every row")
    for worker in workers:
        worker.wait_for_stderr("run started", 30)
        assert worker.stop().code in (0, 3, 75)
    assert ledger.sync().code in (0, 3)
    ledger.expect_exactly_once(rejected=1)


def test_five_members_join_and_leave_every_second(ledger):
    """case 10 (exactly-once): a rebalance storm. SLUICE_TEST_STORM_SECONDS: tests/nightly has 60."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    moments = random.Random(seed)
    flags = ("tail", "ledger", "--batch-rows", "500", "--batch-age", "100ms", "--drain-timeout", "2s")
    members = [None] * 5
    end = time.monotonic() + float(os.environ.get("SLUICE_TEST_STORM_SECONDS") or 10)
    while time.monotonic() < end:
        ledger.produce(500)
        one = moments.randrange(5)
        if members[one] is None:
            members[one] = ledger.sluice.start(*flags)
        else:
            members[one].kill() if moments.random() < 0.3 else members[one].terminate()
            assert members[one].wait(30).code in (0, 3, 75, -9, -15)  # 75: in between; -15: hardly begun
            members[one] = None
        time.sleep(moments.uniform(0.3, 1))
    for member in filter(None, members):
        member.terminate()
        assert member.wait(30).code in (0, 3, 75, -15)
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


def test_a_table_created_anew_between_attempts_halts_until_a_person_decides(ledger):
    """case 30 (exactly-once): DROP and CREATE."""
    ledger.produce(100)
    assert ledger.sync("--batch-age", "1m", env={"SLUICE_CRASH_AT": "intent-committed"}).code == 137
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
