# SPDX-License-Identifier: Apache-2.0
"""Rejected records: listed, replayed after the fix, never lost, however the run is ended."""

import json
import random
import time

import pytest
from events import sync_arguments
from ledger import WINDOW

GOOD = [f'{{"n":{n},"s":"row {n}"}}' for n in range(10)]
BAD = ['{"n":300,"s":"too large"}', '{"n":"x","s":"no number"}']


@pytest.fixture
def numbers(kafka, clickhouse, topic, table):
    kafka.create_topic(topic, 1)
    kafka.create_topic(f"{topic}.rejects", 2)
    clickhouse.query(f"CREATE TABLE {table} (n UInt8, s String) ENGINE = MergeTree ORDER BY n")
    return lambda: [row["s"] for row in clickhouse.rows(f"SELECT s FROM {table} ORDER BY s")]


@pytest.fixture(params=["topic", "file"])
def place(request, topic, tmp_path):
    """Where rejects go: the flag that says so, with its value."""
    if request.param == "topic":
        return ["--reject-topic", f"{topic}.rejects"]
    return ["--reject-file", str(tmp_path / "rejects.jsonl")]


def load(sluice, kafka, clickhouse, topic, table, place, *more):
    return sluice(*sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", *place, *more))


def replay(sluice, kafka, clickhouse, topic, table, place, *more):
    arguments = sync_arguments(kafka, clickhouse, topic, table, "--replay", *place, *more)
    return sluice("rejects", *arguments[1:])


def listed(sluice, kafka, place, *more):
    return sluice("rejects", "-b", kafka.bootstrap, *place, *more)


def configure(sluice, kafka, clickhouse, **pipelines):
    """A configuration of these pipelines, each given by its lines."""
    (sluice.folder / "sluice.toml").write_text(
        f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[clickhouse]\nurl = "{clickhouse.url}"\n'
        + "".join(f'[pipelines.{name}]\non_error = "reject"\n{lines}\n' for name, lines in pipelines.items()))


def test_listed_with_where_when_and_why_the_newest_last(kafka, clickhouse, sluice, topic, table, numbers, place):
    kafka.produce(topic, GOOD[:3] + BAD[:1] + GOOD[3:] + BAD[1:])
    load(sluice, kafka, clickhouse, topic, table, place).expect(3)
    lines = listed(sluice, kafka, place).expect(0).stdout.splitlines()
    assert lines[0].split() == ["TOPIC", "PARTITION", "OFFSET", "TIME", "REASON", "COLUMN", "MESSAGE"]
    assert sorted(line.split()[:3] for line in lines[1:]) == [[topic, "0", "11"], [topic, "0", "3"]]
    assert all(" type " in line and " n " in line for line in lines[1:])
    rejects = listed(sluice, kafka, place, "-o", "json").expect(0).json["pipelines"][0]["rejects"]
    assert sorted(kept["value"] for kept in rejects) == sorted(BAD)
    assert {kept["group"] for kept in rejects} == {f"sluice-{topic}"}
    assert sorted(listed(sluice, kafka, place, "--raw").expect(0).stdout.splitlines()) == sorted(BAD)
    newest = listed(sluice, kafka, place, "--limit", "1").expect(0)
    assert len(newest.stdout.splitlines()) == 2 and "the 1 newest of 2 rejected records" in newest.stderr
    assert "no rejected records" in listed(sluice, kafka, place, "--since", "2100-01-01").expect(0).stdout
    assert not [group for group in kafka.groups() if topic in group and group != f"sluice-{topic}"]


def test_no_rejects_is_said_and_no_failure(kafka, clickhouse, sluice, topic, table, numbers, place):
    if place[0] == "--reject-file":
        for more in ([], ["--replay", "-n", "-t", topic, "--table", table, "--clickhouse", clickhouse.url]):
            missing = listed(sluice, kafka, place, *more).expect(74)
            assert "there is no reject file" in missing.stderr, "a typo"
        with open(place[1], "w"):
            pass
    assert "no rejected records" in listed(sluice, kafka, place).expect(0).stdout


def test_what_a_record_says_about_itself_does_not_reach_the_terminal(
        kafka, clickhouse, sluice, topic, table, numbers, place):
    """case 40: control characters in a record."""
    kafka.produce(topic, [{"value": '{"n":1,"n\x1b[31m":2,"\x1b]0;owned\x07":', "key": "\x1b[2J"}])
    load(sluice, kafka, clickhouse, topic, table, place).expect(3)
    assert not any(ord(byte) < 32 and byte != "\n" for byte in listed(sluice, kafka, place).expect(0).stdout)


def test_replayed_after_the_table_was_fixed_and_only_once(
        kafka, clickhouse, sluice, topic, table, numbers, place):
    kafka.produce(topic, GOOD + BAD)
    load(sluice, kafka, clickhouse, topic, table, place).expect(3)
    plan = replay(sluice, kafka, clickhouse, topic, table, place, "--dry-run").expect(0)
    assert "would replay 2 records" in plan.stdout
    assert len(numbers()) == 10
    clickhouse.query(f"DROP TABLE {table}")
    clickhouse.query(f"CREATE TABLE {table} (n String, s String) ENGINE = MergeTree ORDER BY n")
    run = replay(sluice, kafka, clickhouse, topic, table, place, "-o", "json").expect(0)
    assert run.json["command"] == "rejects" and run.json["totals"]["inserted"] == 2
    assert numbers() == ["no number", "too large"]
    replay(sluice, kafka, clickhouse, topic, table, place).expect(0)
    assert numbers() == ["no number", "too large"]
    again = sluice("rejects", "-b", kafka.bootstrap, "-t", topic, *place).expect(0)
    assert "no rejected records" in again.stdout


def test_what_fails_again_keeps_its_first_coordinates(kafka, clickhouse, sluice, topic, table, numbers, place):
    headers = [("trace", b"abc")]
    kafka.produce(topic, GOOD + [{"value": BAD[0], "key": "k", "headers": headers}])
    load(sluice, kafka, clickhouse, topic, table, place).expect(3)

    def kept():
        run = sluice("rejects", "-b", kafka.bootstrap, "-t", topic, *place, "-o", "json").expect(0)
        return run.json["pipelines"][0]["rejects"]

    (before,) = kept()
    for _ in range(2):
        replay(sluice, kafka, clickhouse, topic, table, place).expect(3)
        (after,) = kept()
        assert after["run"] != before["run"]
        changing = ("run", "rejected_at")
        assert {k: v for k, v in after.items() if k not in changing} == \
            {k: v for k, v in before.items() if k not in changing}
    assert after["topic"] == topic and after["offset"] == 10


def test_the_rejects_of_another_pipeline_stay(kafka, clickhouse, sluice, topic, table, numbers, place):
    """Two pipelines share one place for rejects, and even the topic: their groups tell them apart."""
    other = f"{table}_other"
    clickhouse.query(f"CREATE TABLE {other} (n UInt8, s String) ENGINE = MergeTree ORDER BY n")
    kafka.produce(topic, GOOD + BAD[:1])
    load(sluice, kafka, clickhouse, topic, table, place).expect(3)
    load(sluice, kafka, clickhouse, topic, other, place, "--group", "another").expect(3)
    for name in (table, other):
        clickhouse.query(f"DROP TABLE {name}")
        clickhouse.query(f"CREATE TABLE {name} (n UInt16, s String) ENGINE = MergeTree ORDER BY n")
    replay(sluice, kafka, clickhouse, topic, table, place).expect(0)
    assert numbers() == ["too large"]
    assert clickhouse.value(f"SELECT count() FROM {other}") == 0
    replay(sluice, kafka, clickhouse, topic, other, place, "--group", "another").expect(0)
    assert numbers() == ["too large"]
    assert clickhouse.value(f"SELECT count() FROM {other}") == 1


def test_pipelines_of_a_configuration(kafka, clickhouse, sluice, topic, table, numbers, tmp_path):
    (tmp_path / "sluice.toml").write_text(f"""
        config_version = 1
        [kafka]
        brokers = ["{kafka.bootstrap}"]
        [clickhouse]
        url = "{clickhouse.url}"
        [pipelines.kept]
        topic = "{topic}"
        table = "{table}"
        group = "{topic}"
        on_error = "reject"
        reject = {{ topic = "{topic}.rejects", max = 2 }}
        [pipelines.plain]
        topic = "{topic}"
        table = "{table}"
        """)
    kafka.produce(topic, GOOD + BAD)
    sluice("sync", "kept").expect(3)
    assert len(sluice("rejects").expect(0).stdout.splitlines()) == 3
    assert len(sluice("rejects", "kept").expect(0).stdout.splitlines()) == 3
    assert "keeps no rejected records" in sluice("rejects", "plain").expect(78).stderr
    sluice("rejects", "kept", "--replay", "--limit", "1").expect(2)
    sluice("rejects", "kept", "--replay").expect(3)


def test_more_than_max_ends_the_run_and_nothing_is_lost(
        kafka, clickhouse, sluice, topic, table, numbers, tmp_path):
    """As many as reject.max are fine; one more ends it, with all that came before committed."""
    (tmp_path / "sluice.toml").write_text(f"""
        config_version = 1
        [kafka]
        brokers = ["{kafka.bootstrap}"]
        [clickhouse]
        url = "{clickhouse.url}"
        [pipelines.limited]
        topic = "{topic}"
        table = "{table}"
        group = "{topic}"
        on_error = "reject"
        reject = {{ topic = "{topic}.rejects", max = 2 }}
        """)
    kafka.produce(topic, GOOD[:5] + BAD)
    sluice("sync", "limited").expect(3)
    kafka.produce(topic, [BAD[0]] * 3 + GOOD[5:])
    run = sluice("sync", "limited").expect(65)
    assert "too-many-rejects" in run.stderr
    assert kafka.committed(topic, topic)[0].offset == 10
    assert len(kafka.consume(f"{topic}.rejects")) == 5
    sluice("sync", "limited").expect(0)
    assert numbers() == [f"row {n}" for n in range(10)]


def test_a_reject_too_large_for_its_topic_stops_the_run_before_it(
        kafka, clickhouse, sluice, topic, table, numbers):
    """case 28: a reject topic that does not take it."""
    kafka.alter_topic(f"{topic}.rejects", {"max.message.bytes": "2000"})
    kafka.produce(topic, GOOD + [json.dumps({"n": "x", "s": "y" * 5000})] + GOOD)
    place = ["--reject-topic", f"{topic}.rejects"]
    run = load(sluice, kafka, clickhouse, topic, table, place).expect(78)
    assert "max.message.bytes" in run.stderr and f"{topic}.rejects" in run.stderr
    committed = kafka.committed(f"sluice-{topic}", topic)
    assert 0 not in committed or committed[0].offset <= 10
    kafka.alter_topic(f"{topic}.rejects", {"max.message.bytes": "200000"})
    load(sluice, kafka, clickhouse, topic, table, place).expect(3)
    assert set(numbers()) == {f"row {n}" for n in range(10)}
    assert len(kafka.consume(f"{topic}.rejects")) == 1


@pytest.mark.parametrize("kind", ["topic", "file"])
def test_kills_lose_no_reject_and_no_row(kafka, clickhouse, sluice, topic, table, kind, tmp_path):
    """case 27: also between the acknowledgement of a reject and the commit behind it.

    kill -9 at random moments while every tenth record is bad."""
    kafka.create_topic(topic, 2)
    kafka.create_topic(f"{topic}.rejects", 1)
    clickhouse.query(f"CREATE TABLE {table} (n UInt32) ENGINE = MergeTree ORDER BY n")
    count = 100_000
    data = "".join('{"n":"bad %d"}\n' % n if n % 10 == 0 else '{"n":%d}\n' % n for n in range(count))
    kafka.produce_lines(topic, data.encode())
    file = tmp_path / "rejects.jsonl"
    place = ["--reject-topic", f"{topic}.rejects"] if kind == "topic" else ["--reject-file", str(file)]
    arguments = sync_arguments(kafka, clickhouse, topic, table, "--on-error", "reject", *place,
                               "--batch-rows", "5000", "-X", "session.timeout.ms=6000")
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(6):
        run = sluice.start(*arguments)
        time.sleep(chance.uniform(0.05, 0.5))
        run.kill()
    outcome = sluice(*arguments, timeout=180)
    assert outcome.code in (0, 3), str(outcome)
    assert clickhouse.value(f"SELECT uniqExact(n) FROM {table}") == count - count // 10
    if kind == "topic":
        kept = {record.value().decode() for record in kafka.consume(f"{topic}.rejects")}
    else:
        kept = {json.loads(line)["value"] for line in file.read_text().splitlines()}
    assert kept == {'{"n":"bad %d"}' % n for n in range(0, count, 10)}


def test_a_file_replay_that_was_killed_goes_on_and_says_so(
        kafka, clickhouse, sluice, topic, table, numbers, tmp_path):
    file = tmp_path / "rejects.jsonl"
    place = ["--reject-file", str(file)]
    kafka.produce(topic, GOOD + BAD[:1])
    load(sluice, kafka, clickhouse, topic, table, place).expect(3)
    # As a kill between the renaming and the end leaves it; meanwhile a sync has rejected one more.
    file.rename(f"{file}.replaying")
    kafka.produce(topic, BAD[1:])
    load(sluice, kafka, clickhouse, topic, table, place).expect(3)
    assert len(listed(sluice, kafka, place).expect(0).stdout.splitlines()) == 3
    clickhouse.query(f"DROP TABLE {table}")
    clickhouse.query(f"CREATE TABLE {table} (n String, s String) ENGINE = MergeTree ORDER BY n")
    run = replay(sluice, kafka, clickhouse, topic, table, place).expect(0)
    assert "was interrupted" in run.stderr
    assert numbers() == ["no number", "too large"]
    assert not file.with_name("rejects.jsonl.replaying").exists()


def test_a_replay_whose_clickhouse_is_away_gives_the_file_back(
        kafka, clickhouse, sluice, topic, table, numbers, tmp_path):
    file = tmp_path / "rejects.jsonl"
    place = ["--reject-file", str(file)]
    kafka.produce(topic, BAD)
    load(sluice, kafka, clickhouse, topic, table, place).expect(3)
    before = sorted(file.read_text().splitlines())
    run = sluice("rejects", "--replay", "-b", kafka.bootstrap, "--clickhouse", "http://127.0.0.1:1",
                 "-t", topic, "--table", table, *place, "--retry-max-time", "1s")
    run.expect(75)
    assert sorted(file.read_text().splitlines()) == before


# --- pipelines that a replay has to be careful with ------------------------------------------------


@pytest.mark.parametrize("write", ["", 'write = "append"'], ids=["replace", "append"])
def test_rejects_of_a_full_load_are_not_replayed(kafka, clickhouse, sluice, topic, table, write):
    """Alone they would be a load of their own, in the place of all that the table shows."""
    kafka.create_topic(topic)
    kafka.create_topic(f"{topic}.rejects")
    clickhouse.query(f"CREATE TABLE {table} (n UInt8, s String, _snapshot_id String, _snapshot_time DateTime64(3)) "
                     "ENGINE = MergeTree ORDER BY s")
    configure(sluice, kafka, clickhouse, kept=f'topic = "{topic}"\ntable = "{table}"\ngroup = "{topic}"\n'
              f'mode = "full"\n{write}\nreject = {{ topic = "{topic}.rejects" }}')
    kafka.produce(topic, GOOD[:1] + BAD[:1])
    sluice("sync", "kept").expect(3)
    clickhouse.query(f"ALTER TABLE {table} MODIFY COLUMN n UInt16")
    before = clickhouse.query(f"SELECT * FROM {table}")
    assert "replay-full-load" in sluice("rejects", "kept", "--replay").expect(78).stderr
    assert clickhouse.query(f"SELECT * FROM {table}") == before and "row 0" in before
    assert [kept.value() for kept in kafka.consume(f"{topic}.rejects")] == [BAD[0].encode()]
    assert kafka.committed(f"{topic}.rejects", f"{topic}.rejects") == {}


@pytest.fixture
def once(kafka, clickhouse, sluice, topic, table):
    """The reject file of an exactly-once pipeline, with two records that its table takes by now."""
    kafka.create_topic(topic)
    clickhouse.query(f"CREATE TABLE {table} (n UInt8, s String, _topic LowCardinality(String), _partition Int32, "
                     f"_offset Int64) ENGINE = MergeTree ORDER BY s {WINDOW}")
    configure(sluice, kafka, clickhouse, once=f'topic = "{topic}"\ntable = "{table}"\ngroup = "{topic}"\n'
              'delivery = "exactly-once"\nreject = { file = "rejects.jsonl" }')
    kafka.produce(topic, GOOD + BAD)
    sluice("sync").expect(3)
    clickhouse.query(f"ALTER TABLE {table} MODIFY COLUMN n String")
    return sluice.folder / "rejects.jsonl"


def under_way(file):
    """What a replay has put aside and not given back."""
    return file.with_name(f"{file.name}.replaying").exists()


def test_the_reject_file_of_an_exactly_once_pipeline_is_replayed(clickhouse, sluice, table, once):
    sluice("rejects", "once", "--replay").expect(0)
    rows = [row["s"] for row in clickhouse.rows(f"SELECT s FROM {table} ORDER BY s")]
    assert rows == ["no number", *(f"row {n}" for n in range(10)), "too large"]
    assert not under_way(once)
    assert "no rejected records" in sluice("rejects").expect(0).stdout


@pytest.mark.parametrize("trouble", ["login", "table"])
def test_a_replay_that_cannot_start_gives_the_file_back(clickhouse, sluice, table, once, trouble):
    before = once.read_text()
    assert before.count("\n") == 2
    if trouble == "table":
        clickhouse.query(f"RENAME TABLE {table} TO {table}_away")
    refused = sluice("rejects", "--replay", *(["--clickhouse-user", "nobody"] if trouble == "login" else []))
    assert refused.code not in (0, 3), refused
    assert sorted(once.read_text().splitlines()) == sorted(before.splitlines())
    assert not under_way(once)
    if trouble == "table":
        clickhouse.query(f"RENAME TABLE {table}_away TO {table}")
    sluice("rejects", "--replay").expect(0)
    assert clickhouse.value(f"SELECT count() FROM {table}") == 12


def test_pipelines_that_share_a_reject_file_are_all_replayed(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic)
    tables = {f"p{number}": f"{table}_{number}" for number in range(4)}
    for name in tables.values():
        clickhouse.query(f"CREATE TABLE {name} (n UInt8, s String) ENGINE = MergeTree ORDER BY s")
    configure(sluice, kafka, clickhouse, **{
        name: f'topic = "{topic}"\ntable = "{target}"\ngroup = "{target}"\nreject = {{ file = "rejects.jsonl" }}'
        for name, target in tables.items()})
    kafka.produce(topic, GOOD + BAD[:1])
    sluice("sync").expect(3)
    for name in tables.values():
        clickhouse.query(f"ALTER TABLE {name} MODIFY COLUMN n UInt16")
    sluice("rejects", "--replay").expect(0)
    counts = [clickhouse.value(f"SELECT countIf(n = 300) FROM {name}") for name in tables.values()]
    assert counts == [1, 1, 1, 1]
    assert not under_way(sluice.folder / "rejects.jsonl")
    assert "no rejected records" in sluice("rejects").expect(0).stdout
