# SPDX-License-Identifier: Apache-2.0
"""`sluice backfill`: a past range again, beside the live group, resumable on any machine."""

import json
import random
import time

import pytest


@pytest.fixture
def log(kafka, clickhouse, sluice, topic, table):
    return Log(kafka, clickhouse, sluice, topic, table)


class Log:
    """Two partitions, 100 records each, a second apart from DAY on; everything is synced already."""

    DAY = 1714521600000  # 2024-05-01T00:00:00Z

    def __init__(self, kafka, clickhouse, sluice, topic, table):
        self.kafka, self.clickhouse, self.sluice, self.topic, self.table = kafka, clickhouse, sluice, topic, table
        kafka.create_topic(topic, partitions=2, configs={"retention.ms": "-1", "segment.ms": "900000000000"})
        kafka.produce(topic, [{"value": f'{{"n":{n}}}', "partition": n % 2, "timestamp": self.DAY + n // 2 * 1000}
                              for n in range(200)])
        self.create(table)
        (sluice.folder / "sluice.toml").write_text(
            f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[clickhouse]\nurl = "{clickhouse.url}"\n'
            f'[pipelines.log]\ntopic = "{topic}"\ntable = "{table}"\ngroup = "{topic}"\n')
        sluice("sync").expect(0)

    def create(self, table, columns=""):
        self.clickhouse.query(f"CREATE TABLE {table} (n UInt64 {columns}) ENGINE = MergeTree ORDER BY n")

    def backfill(self, *flags, **options):
        return self.sluice("backfill", "log", *flags, **options)

    def count(self, table=None):
        return int(self.clickhouse.query(f"SELECT count() FROM {table or self.table}"))

    def live(self):
        return self.kafka.committed(self.topic, self.topic)


def test_a_plan_says_what_would_be_read_and_moves_nothing(log):
    before = log.live()
    plan = log.backfill("--from", "2024-05-01T00:00:10Z", "--to", "2024-05-01T00:00:20Z", "-n").expect(0)
    assert "the live group" in plan.stdout and "CreateTime" in plan.stdout
    plan = log.backfill("--range", "@2024-05-01T00:00:10Z:2024-05-01T00:00:20Z", "-n", "-o", "json").expect(0).json
    assert plan["records"] == 20, plan
    assert [(part["from"], part["to"]) for part in plan["partitions"]] == [(10, 20), (10, 20)]
    assert log.live() == before and log.count() == 200


def test_a_range_of_times_lands_in_another_table_and_the_live_group_is_not_touched(log):
    before = log.live()
    log.create(f"{log.table}_again")
    arguments = ("--range", "@2024-05-01T00:00:10Z:2024-05-01T00:00:20Z", "--into", f"{log.table}_again", "-y")
    log.backfill(*arguments).expect(0)
    assert log.clickhouse.query(f"SELECT min(n), max(n), count() FROM {log.table}_again").split() == ["20", "39", "20"]
    assert log.live() == before
    again = log.backfill(*arguments).expect(0)
    assert "already done" in again.stdout
    assert log.count(f"{log.table}_again") == 20
    listed = log.backfill("--list", "-o", "json").expect(0).json["backfills"]
    assert [(one["state"], one["records"]) for one in listed] == [("done", 20)]
    gone = log.backfill("--forget", listed[0]["id"], "-o", "json").expect(0).json
    assert (gone["id"], gone["state"]) == (listed[0]["id"], "forgotten")
    assert log.backfill("--list", "-o", "json").expect(0).json["backfills"] == []


def test_rows_that_may_be_there_already_are_a_reason_to_stop(log):
    refused = log.backfill("--range", "0:50", "-y").expect(78)
    assert "range-duplicates" in refused.stderr and "cannot be known" in refused.stderr
    log.backfill("--range", "0:50", "-y", "--duplicates", "allow").expect(0)
    assert log.count() == 300


def test_with_provenance_exactly_the_rows_of_the_range_are_replaced(log):
    table = f"{log.table}_known"
    log.create(table, ", _topic String, _partition Int32, _offset Int64")
    log.clickhouse.query(f"INSERT INTO {table} SELECT 1000 + number, '{log.topic}', 0, number FROM numbers(100)")
    refused = log.backfill("--range", "10:20", "--into", table, "-y").expect(78)
    assert "10 rows of the range" in refused.stderr
    log.backfill("--range", "200:300", "--into", table, "-y").expect(0)
    log.backfill("--range", "10:20", "--partitions", "0", "--into", table, "-y", "--duplicates", "replace").expect(0)
    assert log.clickhouse.query(f"SELECT countIf(n >= 1000), countIf(n < 1000) FROM {table}").split() == ["90", "10"]


def test_an_empty_range_replaces_nothing(log):
    table = f"{log.table}_known"
    log.create(table, ", _topic String, _partition Int32, _offset Int64")
    log.backfill("--range", "100:200", "--into", table, "-y", "--duplicates", "replace").expect(0)
    assert log.count(table) == 0


def test_what_the_broker_no_longer_holds_is_said_and_needs_leave(log):
    log.kafka.delete_records(log.topic, {0: 30})
    arguments = ("--range", "10:50", "--into", f"{log.table}_part", "-y")
    log.create(f"{log.table}_part")
    refused = log.backfill(*arguments).expect(1)
    assert "range-partial" in refused.stderr
    log.backfill(*arguments, "--allow-partial").expect(0)
    assert log.count(f"{log.table}_part") == 20 + 40


def test_strict_time_looks_at_each_record(log):
    log.kafka.produce(log.topic, [{"value": '{"n":999}', "partition": 0, "timestamp": log.DAY + 5000}])
    log.kafka.produce(log.topic, [{"value": '{"n":1000}', "partition": 0, "timestamp": log.DAY + 200000}])
    log.create(f"{log.table}_strict")
    outcome = log.backfill("--from", "2024-05-01T00:01:00Z", "--strict-time", "--into", f"{log.table}_strict", "-y",
                           "-o", "json").expect(0).json
    assert outcome["totals"]["skipped"] == 1
    assert log.clickhouse.query(f"SELECT count(), countIf(n = 999) FROM {log.table}_strict").split() == ["81", "0"]


def test_two_processes_share_one_backfill(log):
    log.create(f"{log.table}_two")
    arguments = ("backfill", "log", "--range", "start:end", "--into", f"{log.table}_two", "-y", "--rate", "15")
    first = log.sluice.start(*arguments)
    first.wait_until(lambda: any(group.startswith(f"{log.topic}.backfill.") for group in log.kafka.groups()))
    second = log.sluice.start(*arguments)
    assert first.wait().code == 0
    assert second.wait().code == 0
    distinct = int(log.clickhouse.query(f"SELECT uniqExact(n) FROM {log.table}_two"))
    assert distinct == 200


def test_killed_at_any_moment_the_same_command_ends_it_and_nothing_is_missing(log):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    moments = random.Random(seed)
    log.kafka.produce_lines(log.topic, "".join(f'{{"n":{n}}}\n' for n in range(200, 60000)), 0)
    log.create(f"{log.table}_kill")
    arguments = ("backfill", "log", "--range", "start:end", "--into", f"{log.table}_kill", "-y", "--batch-rows",
                 "2000", "-X", "session.timeout.ms=2000", "-X", "heartbeat.interval.ms=500")
    for _ in range(6):
        run = log.sluice.start(*arguments)
        time.sleep(moments.uniform(0.0, 1.5))
        run.kill()
    log.sluice(*arguments).expect(0)
    assert int(log.clickhouse.query(f"SELECT uniqExact(n) FROM {log.table}_kill")) == 60000


def test_a_group_of_its_name_that_others_use_is_left_to_them(log):
    from confluent_kafka import Consumer

    arguments = ("--range", "0:50", "-y", "--duplicates", "allow")
    group = log.backfill("--range", "0:50", "-n", "-o", "json").expect(0).json["group"]
    other = Consumer({"bootstrap.servers": log.kafka.bootstrap, "group.id": group})
    try:
        other.subscribe([log.topic])
        while not other.assignment():
            other.poll(0.1)
        refused = log.backfill(*arguments).expect(75)
    finally:
        other.close()
    assert "backfill-active" in refused.stderr and log.count() == 200
    log.backfill(*arguments).expect(0)
    assert log.count() == 300


@pytest.mark.parametrize("arguments, code, words", [
    (["--range", "200:100", "-y"], 2, "ends before it begins"),
    (["--range", "yesterday", "-y"], 2, "is no range"),
    (["-y"], 2, "no range is given"),
    (["--range", "0:10"], 2, "nobody to ask"),
    (["--range", "0:10", "--partitions", "7", "-y"], 78, "has no partition 7"),
    (["--forget", "deadbeef"], 2, "has no backfill"),
    (["--range", "0:10", "--from", "now", "-y"], 2, "excludes --range"),
])
def test_bad_input_is_named_and_loads_nothing(log, arguments, code, words):
    log.clickhouse.query(f"TRUNCATE TABLE {log.table}")
    refused = log.backfill(*arguments).expect(code)
    assert words in refused.stderr
    assert log.count() == 0


def test_a_failing_backfill_tells_it_in_one_document(log):
    outcome = log.backfill("--range", "0:50", "-y", "-o", "json").expect(78)
    assert json.loads(outcome.stdout)["exit_code"] == 78
