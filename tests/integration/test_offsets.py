# SPDX-License-Identifier: Apache-2.0
"""First starts, lost offsets, foreign commits: loud, never a silent start over."""

import contextlib
import os
import pty
import subprocess
import time

import pytest
import stand
from events import sync_arguments
from ledger import Ledger


@pytest.fixture
def numbers(kafka, clickhouse, topic, table):
    kafka.create_topic(topic, 1)
    kafka.produce(topic, [f'{{"n":{n}}}' for n in range(10)])
    clickhouse.query(f"CREATE TABLE {table} (n UInt32) ENGINE = MergeTree ORDER BY n")
    return lambda: [row["n"] for row in clickhouse.rows(f"SELECT n FROM {table} ORDER BY n")]


def test_a_group_without_offsets_beside_a_full_table_stops_and_asks(
        kafka, clickhouse, sluice, topic, table, numbers):
    """case 36: a group whose offsets expired."""
    clickhouse.query(f"INSERT INTO {table} VALUES (1000)")
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(78)
    assert "--from" in run.stderr
    assert numbers() == [1000]
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--from", "end")).expect(0)
    assert numbers() == [1000]
    kafka.produce(topic, ['{"n":10}'])
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert numbers() == [10, 1000]


def test_a_table_made_anew_under_an_old_group_is_told(kafka, clickhouse, sluice, topic, table, numbers):
    """The records behind the group's offsets never come by themselves: silence would look like success."""
    arguments = sync_arguments(kafka, clickhouse, topic, table)
    assert "table-empty" not in sluice(*arguments).expect(0).stderr
    assert "table-empty" not in sluice(*arguments).expect(0).stderr
    clickhouse.query(f"TRUNCATE TABLE {table}")
    told = sluice(*arguments).expect(0)
    assert "table-empty" in told.stderr and "--reset-to earliest" in told.stderr and numbers() == []
    assert "table-empty" not in sluice(*arguments, "--reset-to", "earliest", "-y").expect(0).stderr
    assert numbers() == list(range(10))
    # Where rows go away by themselves an empty table is nothing new.
    clickhouse.query(f"TRUNCATE TABLE {table}")
    clickhouse.query(f"ALTER TABLE {table} MODIFY TTL toDateTime(n) + INTERVAL 1 DAY")
    assert "table-empty" not in sluice(*arguments).expect(0).stderr


def test_from_a_time_starts_there(kafka, clickhouse, sluice, topic, table, numbers):
    time.sleep(0.05)
    moment = int(time.time() * 1000)
    kafka.produce(topic, ['{"n":77}'])
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--from", moment)).expect(0)
    assert numbers() == [77]


def test_offsets_that_were_deleted_stop_with_the_lost_range(kafka, clickhouse, sluice, topic, table, numbers):
    """case 31, case 36: below the first record that is left."""
    kafka.commit(f"sluice-{topic}", topic, {0: 2})
    kafka.delete_records(topic, {0: 6})
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(1)
    assert "[2, 6)" in run.stderr
    assert numbers() == []
    assert kafka.committed(f"sluice-{topic}", topic)[0].offset == 2


def test_offsets_beyond_the_end_stop(kafka, clickhouse, sluice, topic, table, numbers):
    """case 33, case 36: beyond the end."""
    kafka.commit(f"sluice-{topic}", topic, {0: 11})
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(1)
    assert "11" in run.stderr and "ends at 10" in run.stderr


def test_another_tools_commit_metadata_is_kept_and_warned_about(
        kafka, clickhouse, sluice, topic, table, numbers):
    kafka.commit(f"sluice-{topic}", topic, {0: (4, "checkpoint of another tool")})
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert "metadata" in run.stderr
    assert numbers() == list(range(4, 10))
    kept = kafka.committed(f"sluice-{topic}", topic)[0]
    assert (kept.offset, kept.metadata) == (10, "checkpoint of another tool")


def test_a_limit_ends_with_5_and_the_next_run_continues(kafka, clickhouse, sluice, topic, table, numbers):
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--max-rows", "4")).expect(5)
    assert numbers() == [0, 1, 2, 3]
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert numbers() == list(range(10))


def test_new_partitions_are_read_from_their_beginning(kafka, clickhouse, sluice, topic, table, numbers):
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--from", "end")).expect(0)
    kafka.add_partitions(topic, 2)
    kafka.produce(topic, [{"value": '{"n":99}', "partition": 1}])
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert numbers() == [99]


# --- a group that somebody moves -----------------------------------------------------------------


def test_a_group_is_moved_only_when_somebody_agrees(kafka, clickhouse, sluice, topic, table, numbers):
    def sync(*flags):
        return sluice(*sync_arguments(kafka, clickhouse, topic, table, *flags))

    sync().expect(0)
    unasked = sync("--reset-to", "earliest").expect(2)
    assert "nobody to ask" in unasked.stderr and len(numbers()) == 10
    moved = sync("--reset-to", "earliest", "-y").expect(0)
    assert f"group sluice-{topic} moves to earliest in 1 partition; back over 10 offsets" in moved.stderr
    assert numbers() == sorted([*range(10), *range(10)])
    sync("--reset-to", "end").expect(0)  # stands there: nothing to ask
    time.sleep(0.05)
    moment = int(time.time() * 1000)
    kafka.produce(topic, [f'{{"n":{n}}}' for n in range(100, 103)])
    passed = sync("--reset-to", "end", "-y").expect(0)
    assert "on over 3 offsets, which are never loaded" in passed.stderr and max(numbers()) == 9
    sync("--reset-to", moment, "-y").expect(0)
    assert numbers()[-3:] == [100, 101, 102] and len(numbers()) == 23


def test_a_group_that_does_not_exist_yet_may_be_moved(kafka, clickhouse, sluice, topic, table, numbers):
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--reset-to", "end", "-y")).expect(0)
    kafka.produce(topic, ['{"n":10}'])
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert numbers() == [10]


@pytest.mark.parametrize("answer, code, rows", [("n", 2, 10), ("y", 0, 20)])
def test_somebody_at_a_terminal_is_asked(kafka, clickhouse, sluice, topic, table, numbers, answer, code, rows):
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    ours, theirs = pty.openpty()
    plain = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
    run = subprocess.Popen([sluice.binary, *map(str, sync_arguments(kafka, clickhouse, topic, table)), "--reset-to",
                            "earliest"], cwd=sluice.folder, env=plain, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen, answered = b"", False
    with contextlib.suppress(OSError):  # the other end is closed
        while piece := os.read(ours, 65536):
            seen += piece
            if b"move? [y/N]" in seen and not answered:
                answered = True
                os.write(ours, f"{answer}\n".encode())
    os.close(ours)
    assert run.wait(60) == code and answered and b"back over 10 offsets" in seen
    assert len(numbers()) == rows


def test_a_service_does_not_move_its_group_at_every_start(sluice):
    refused = sluice("tail", "-b", "a:1", "-t", "a", "--clickhouse", "http://a", "--table", "b.c", "--reset-to", "end",
                     "-y", env={"NOTIFY_SOCKET": "/nowhere"}).expect(2)
    assert "at every start" in refused.stderr


def test_a_group_in_use_is_not_moved(kafka, clickhouse, sluice, topic, table, numbers):
    tail = sluice.start("tail", *sync_arguments(kafka, clickhouse, topic, table)[1:])
    tail.wait_until(lambda: len(numbers()) == 10, 30, "the rows")
    refused = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--reset-to", "earliest", "-y")).expect(75)
    assert "group-not-moved" in refused.stderr and "1 member of it is running" in refused.stderr
    tail.stop().expect(0)
    assert len(numbers()) == 10


def test_a_group_with_a_batch_under_way_is_not_moved(kafka, clickhouse, sluice, topic, table):
    ledger = Ledger(kafka, clickhouse, sluice, topic, table)
    ledger.produce(100)
    ledger.crash("landed")
    stand.wait_until(lambda: kafka.groups()[topic].state == "Empty", 30, "the end of the member that was killed")
    refused = ledger.sync("--reset-to", "end", "-y").expect(78)
    assert "may or may not have landed" in refused.stderr and "sluice sync ledger" in refused.stderr
    ledger.sync().expect(3)
    ledger.sync("--reset-to", "end", "-y").expect(0)
    ledger.expect_exactly_once(rejected=1)


def test_moving_excludes_saying_where_a_new_group_starts(sluice):
    refused = sluice("sync", "-t", "a", "--table", "b.c", "--reset-to", "sunday", "--from", "end").expect(2)
    assert "'sunday' is no start" in refused.stderr and "excludes --from" in refused.stderr
