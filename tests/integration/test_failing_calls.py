# SPDX-License-Identifier: Apache-2.0
"""Memory that is not there and system calls that fail, the N-th of a run for many N: a documented exit
code, never a signal, and never an offset committed past a row that is not in the table.

SLUICE_TEST_FAILING=200 tries that many N of every function (2 otherwise).
"""

import json
import os
import subprocess

import pytest
from events import ROOT, sync_arguments

MANY = int(os.environ.get("SLUICE_TEST_FAILING", 2))
CODES = (0, 1, 3, 70, 74, 75)
RECORDS = 2000


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "failing_calls.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library,
                    ROOT / "tests/support/failing_calls.c", "-ldl"], check=True)
    return library


@pytest.fixture
def load(kafka, clickhouse, sluice, shim, topic, table, tmp_path):
    """Runs a load of its own in which one call fails; afterwards a clean run has all to be there."""
    kafka.create_topic(topic, 2)
    kafka.produce(topic, [f'{{"n":{n}}}' for n in range(RECORDS)] + ["broken"])
    done = []

    def run(call):
        done.append(call)
        target, group = f"{table}_{len(done)}", f"{topic}-{len(done)}"
        rejects, log = tmp_path / f"rejects{len(done)}.jsonl", tmp_path / "calls"
        clickhouse.query(f"CREATE TABLE {target} (n UInt32) ENGINE = MergeTree ORDER BY n")
        arguments = sync_arguments(kafka, clickhouse, topic, target, "--group", group, "--batch-rows", "500",
                                   "--on-error", "reject", "--reject-file", rejects, "--retry-max-time", "20s",
                                   "--from", "earliest", "-X", "session.timeout.ms=6000")
        env = {"LD_PRELOAD": str(shim), "FAILING_CALL": call, "FAILING_CALLS_LOG": str(log)}
        outcome = sluice(*arguments, env=env, timeout=90)
        assert outcome.code in CODES, f"{call}: {outcome}"
        there = {row["n"] for row in clickhouse.rows(f"SELECT DISTINCT n FROM {target}")}
        for partition, committed in kafka.committed(group, topic).items():
            if partition in mine:
                missing = set(mine[partition][:committed.offset]) - there - {None}
                assert not missing, f"{call}: committed, but not in the table: {sorted(missing)[:5]}"
        if outcome.code != 3:
            assert sluice(*arguments, timeout=60).code in (0, 3), call
        assert clickhouse.value(f"SELECT uniqExact(n) FROM {target}") == RECORDS, call
        kept = [json.loads(line) for line in rejects.read_text().splitlines() if line.endswith("}")]
        assert {record["value"] for record in kept} == {"broken"}, call
        return int(log.read_text()) if log.exists() else 0

    mine = {}
    for message in kafka.consume(topic):
        values = mine.setdefault(message.partition(), [])
        text = message.value().decode()
        values.append(None if text == "broken" else json.loads(text)["n"])
    return run


@pytest.mark.parametrize("call", ["malloc", "read:EINTR", "write:EIO", "write:ENOSPC", "send:EAGAIN", "send:EIO",
                                  "recv:EIO", "sendmsg:EIO", "recvmsg:EIO", "fsync:EIO"])
def test_the_nth_call_fails(load, call):
    """case 37: the N-th allocation or system call fails."""
    function, _, error = call.partition(":")
    total = load(f"{function}:0:{error}")
    assert total > 0, f"{function}() is never called"
    # Spread over the whole run, early calls closer together.
    for index in range(1, MANY + 1):
        number = max(1, int(total * (index / (MANY + 1)) ** 2)) if index > 1 else 1
        load(f"{function}:{number}:{error}")


def test_too_few_file_descriptors_is_no_crash(kafka, clickhouse, sluice, topic, table):
    """case 37: a limit of 16 descriptors."""
    kafka.create_topic(topic, 2)
    kafka.produce(topic, [f'{{"n":{n}}}' for n in range(RECORDS)])
    clickhouse.query(f"CREATE TABLE {table} (n UInt32) ENGINE = MergeTree ORDER BY n")
    run = subprocess.run(["prlimit", "--nofile=16", str(sluice.binary), *map(str, sync_arguments(
        kafka, clickhouse, topic, table, "--retry-max-time", "5s"))], capture_output=True, text=True, timeout=90)
    assert run.returncode in (*CODES, 78), run
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--from", "earliest")).expect(0)
    assert clickhouse.value(f"SELECT uniqExact(n) FROM {table}") == RECORDS
