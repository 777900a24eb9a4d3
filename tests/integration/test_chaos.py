# SPDX-License-Identifier: Apache-2.0
"""Kills of sluice, of the broker and of ClickHouse at random, and a network that cuts, delays and
freezes, at load. Afterwards every record is there.

SLUICE_TEST_CHAOS_KILLS=60 kills that often (the default is nine; SLUICE_TEST_SEED draws other moments).
"""

import os
import random
import time

import events
import proxy
from events import sync_arguments

KILLS = int(os.environ.get("SLUICE_TEST_CHAOS_KILLS", 9))


def test_nothing_is_lost_whatever_is_killed(own_kafka, own_clickhouse, sluice, topic, table):
    """case 38: everything flaps."""
    kafka, clickhouse = own_kafka(), own_clickhouse()
    seed = int(os.environ.get("SLUICE_TEST_SEED", 1))
    print(f"SLUICE_TEST_SEED={seed}")
    chance = random.Random(seed)
    events.create_table(clickhouse, table)
    kafka.create_topic(topic, 4)
    parts = [events.lines(40_000, seed=number + 1) for number in range(KILLS + 1)]
    kafka.produce_lines(topic, parts[0])
    killed = {"sluice": 0, "kafka": 0, "clickhouse": 0}
    with proxy.Proxy(clickhouse.port) as way:
        arguments = ["tail", *sync_arguments(
            kafka, way, topic, table, "--batch-rows", "5000", "-X", "session.timeout.ms=6000",
            "-X", "reconnect.backoff.max.ms=500", "-X", "heartbeat.interval.ms=500")[1:]]
        run = sluice.start(*arguments)
        for number in range(KILLS):
            way.rule = chance.choice([proxy.PASS, proxy.PASS, proxy.delay(0.02), proxy.throttle(4_000_000),
                                      proxy.cut_up(chance.randrange(300_000, 900_000), "fin")])
            time.sleep(chance.uniform(0.5, 2.5))
            victim = list(killed)[number % 3]
            killed[victim] += 1
            print(f"kill {number + 1} of {KILLS}: {victim}", flush=True)
            if victim == "sluice":
                run.kill()
                run = sluice.start(*arguments)
            else:
                server = kafka if victim == "kafka" else clickhouse
                server.kill()
                time.sleep(chance.uniform(0, 1))
                server.start()
            assert run.running, run.wait(1)
            kafka.produce_lines(topic, parts[number + 1])
        way.rule = proxy.PASS
        way.drop()
        expected = 40_000 * len(parts)
        run.wait_until(lambda: {p: c.offset for p, c in kafka.committed(f"sluice-{topic}", topic).items()}
                       == kafka.end_offsets(topic), 120, "everything to be committed")
        run.stop(60).expect(0)
    events.create_table(clickhouse, f"{table}_reader")
    for part in parts:
        events.load_with_reader(clickhouse, f"{table}_reader", part)
    assert events.distinct_content(clickhouse, table) == events.distinct_content(clickhouse, f"{table}_reader")
    print(f"killed {killed}, {expected} records, {clickhouse.value(f'SELECT count() FROM {table}')} rows")
