# SPDX-License-Identifier: Apache-2.0
"""Case 1 of the design under `delivery = "exactly-once"`: killed at each crash point (delivery.md 4.8), in each of
the first three batches. The next run needs no flag, and every record is in the table once. C12 and C13, a rebalance
and a process that froze: test_exactly_once_cases.py."""

import itertools
import os
import time

import fake_http
import kafka_proxy
import proxy
import pytest
import stand
from ledger import Ledger

each_of_the_first_batches = pytest.mark.parametrize("batch", [1, 2, 3])

# As the program names them.
POINTS = {"C1": "intent-drawn", "C3 and C4": "intent-committed", "C7 and C9": "landed"}
ONE_BY_ONE = ("--batch-rows", "200", "-j", "1")


@pytest.fixture
def ledger(kafka, clickhouse, sluice, topic, table):
    return Ledger(kafka, clickhouse, sluice, topic, table)


@each_of_the_first_batches
@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
def test_between_the_steps(ledger, point, batch):
    """C1, C3, C4, C7, C9."""
    ledger.produce(1000)
    ledger.crash(f"{point}:{batch}", "--batch-rows", "200")
    assert ledger.sync("--batch-rows", "200").code in (0, 3)  # 0: the bad row was rejected before
    ledger.expect_exactly_once(rejected=1)


@each_of_the_first_batches
@pytest.mark.parametrize("fault", [kafka_proxy.DROPPED, kafka_proxy.UNANSWERED], ids=["C2", "C3"])
def test_while_an_intent_is_on_its_way(spoiled_kafka, clickhouse, sluice, topic, table, fault, batch):
    """C2: the broker never gets it; C3: it has it. From the second batch on the same commit says that the batch
    before has landed: C10."""
    ledger = Ledger(spoiled_kafka, clickhouse, sluice, topic, table, partitions=1)
    clickhouse.query(f"ALTER TABLE {table} DROP CONSTRAINT odd")
    ledger.produce(1000)
    way = spoiled_kafka.way
    ledger.configure(bootstrap=way.address)
    way.clear()
    way.on_commit(kafka_proxy.nth(batch, kafka_proxy.has_intent), fault)
    run = ledger.start("sync", "ledger", *ONE_BY_ONE)
    run.wait_until(lambda: way.withheld, 30, "the commit")
    run.kill()
    way.clear()
    assert ledger.counts()[0] == 200 * (batch - 1), "nothing is sent before its intent is known"
    ledger.sync(*ONE_BY_ONE).expect(0)
    ledger.expect_exactly_once()


@each_of_the_first_batches
def test_in_the_middle_of_a_body(kafka, clickhouse, sluice, topic, table, batch):
    """C5."""
    ledger = Ledger(kafka, clickhouse, sluice, topic, table, partitions=1)
    ledger.produce(80_000)
    landed = max(0, 20_000 * (batch - 1) - 1)
    with proxy.Proxy(clickhouse.port) as way:
        way.rule = proxy.throttle(200_000)
        ledger.configure(urls=[way.url])
        run = ledger.start("sync", "ledger", "--batch-rows", "20000", "--batch-age", "1m", "-j", "1")
        run.wait_until(lambda: "pipeline started" in run.stderr and ledger.counts()[0] >= landed, 60, "that batch")
        sent = way.bytes_up
        run.wait_until(lambda: way.bytes_up > sent + 30_000, 30, "the middle of its body")
        run.kill()
    assert ledger.counts()[0] == landed
    ledger.configure()
    assert ledger.sync().code in (0, 3)
    ledger.expect_exactly_once(rejected=1)


@each_of_the_first_batches
def test_while_clickhouse_still_works_on_it(ledger, fake, batch):
    """C6: the repeat comes before the INSERT has landed."""
    ledger.produce(1000)
    ledger.configure(urls=[fake.url])
    bodies = itertools.count(1)
    reached = []

    def is_that_batch(request):
        if request.insert_number and len(request.body) > 100 and next(bodies) == batch:
            reached.append(request)
        return request in reached

    fake.on(is_that_batch, fake_http.late(fake_http.forward(), 3), times=1)
    run = ledger.start("sync", "ledger", *ONE_BY_ONE)
    run.wait_until(lambda: reached, 30, "the INSERT")
    late = time.monotonic() + 3.5
    run.kill()
    ledger.configure()
    assert ledger.sync("--batch-rows", "200").code in (0, 3)
    time.sleep(max(0.0, late - time.monotonic()))
    ledger.expect_exactly_once(rejected=1)


@each_of_the_first_batches
def test_when_some_partitions_of_the_table_have_landed(kafka, own_clickhouse, sluice, topic, table, batch):
    """C8: the engine dies in the middle of an INSERT, and sluice with it. The same token fills up the rest."""
    server = own_clickhouse()
    ledger = Ledger(kafka, server, sluice, topic, table, partitions=1, engine="PARTITION BY n % 900 ORDER BY n")
    one_row_a_part = "settings = { max_partitions_per_insert_block = 1000 }"
    ledger.configure(clickhouse=one_row_a_part)
    server.query(f"SYSTEM STOP MERGES {table}")
    folder = server.query(f"SELECT data_paths[1] FROM system.tables WHERE name = '{table.removeprefix('t.')}'").strip()
    ledger.produce(3600)
    whole = max(0, 900 * (batch - 1) - 1)
    run = ledger.start("sync", "ledger", "--batch-rows", "900", "-j", "1")

    def some_have_landed():
        return sum(name[0].isdigit() for name in os.listdir(folder)) > whole

    stand.wait_until(some_have_landed, 60, "the first partitions", interval=0.001)
    server.kill()
    run.kill()
    server.restart()
    ledger.configure(clickhouse=one_row_a_part)
    assert whole < ledger.counts()[0] < whole + 899, "a part of the batch is there"
    assert ledger.sync("--batch-rows", "900").code in (0, 3)
    ledger.expect_exactly_once(rejected=1)


@each_of_the_first_batches
def test_between_the_reject_and_the_word_about_it(kafka, clickhouse, sluice, topic, table, batch):
    """C11; case 27 (exactly-once): the row is rejected again, its batch is there once."""
    ledger = Ledger(kafka, clickhouse, sluice, topic, table, partitions=1)
    clickhouse.query(f"ALTER TABLE {table} ADD CONSTRAINT more CHECK n NOT IN (113, 213)")
    ledger.produce(400)
    ledger.crash(f"rejects-kept:{batch}", "--batch-rows", "100", "-j", "1")
    assert ledger.sync("--batch-rows", "100").code == 3
    ledger.expect_exactly_once(rejected=3)
    assert len(kafka.consume(f"{topic}.rejects")) > 3, "a reject is there at least once"


def test_after_the_last_word_about_a_batch(ledger):
    """C10; case 5 (exactly-once): the last commit was the last thing it did."""
    ledger.produce(1000)
    ledger.crash("committed:2")
    ledger.sync().expect(0)
    ledger.expect_exactly_once(rejected=1)
