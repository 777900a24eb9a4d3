# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments of one load: afterwards every record is there."""

import os
import random
import time

import events
from events import sync_arguments

RECORDS = 1_000_000
KILLS = int(os.environ.get("SLUICE_TEST_KILLS", 20))


def test_twenty_kills_lose_nothing(kafka, clickhouse, sluice, topic, table):
    data = events.lines(RECORDS)
    kafka.create_topic(topic, 4)
    kafka.produce_lines(topic, data)
    events.create_table(clickhouse, table)
    events.create_table(clickhouse, f"{table}_reader")
    events.load_with_reader(clickhouse, f"{table}_reader", data)
    seed = int(os.environ.get("SLUICE_TEST_SEED", random.randrange(1 << 30)))
    print(f"SLUICE_TEST_SEED={seed}")
    chance = random.Random(seed)
    # Small batches and a young group membership: the load takes longer and is killed in its middle.
    arguments = sync_arguments(kafka, clickhouse, topic, table, "--batch-rows", "20000",
                               "-X", "session.timeout.ms=6000")
    for _ in range(KILLS):
        run = sluice.start(*arguments)
        time.sleep(chance.uniform(0.02, 0.6))
        run.kill()
    sluice(*arguments, timeout=180).expect(0)
    assert events.distinct_content(clickhouse, table) == events.distinct_content(clickhouse, f"{table}_reader")
    assert {p: c.offset for p, c in kafka.committed(f"sluice-{topic}", topic).items()} == kafka.end_offsets(topic)
