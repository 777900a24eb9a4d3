# SPDX-License-Identifier: Apache-2.0
"""The fault cases of the design under `delivery = "exactly-once"`: those that stand in no other file. Whatever
goes wrong, every record is in the table exactly once afterwards, or the run stops and says what to do."""

import re
import time

import fake_http
import kafka_proxy
import proxy
import pytest
from ledger import Ledger, sealed

DAY = 86_400_000
TAIL = ("tail", "ledger", "--batch-age", "100ms")


@pytest.fixture
def ledger(kafka, clickhouse, sluice, topic, table):
    return Ledger(kafka, clickhouse, sluice, topic, table)


def with_rows(request):
    return request.insert_number > 0 and len(request.body) > 100


def tokens(server):
    return [request.params["insert_deduplication_token"] for request in server.requests if with_rows(request)]


def in_the_middle_of_a_body(ledger, way):
    """A sync that has sent a part of its INSERT, slowly."""
    way.rule = proxy.throttle(100_000)
    run = ledger.start("sync", "ledger")
    run.wait_for_stderr("pipeline started", 30)
    sent = way.bytes_up
    run.wait_until(lambda: way.bytes_up > sent + 60_000, 30, "the middle of a body")
    return run


# --- crashes and freezes ---------------------------------------------------------------------------------


def test_frozen_between_the_intent_and_the_insert(ledger):
    """case 7 (exactly-once): another member takes over; what the frozen one sends then is dropped."""
    ledger.produce(1000)
    frozen = ledger.start(*TAIL, env={"SLUICE_FREEZE_AT": "intent-committed"})
    frozen.wait_for_freeze()
    other = ledger.start(*TAIL)
    other.wait_until(lambda: ledger.counts()[0] == 999, 40, "every row")
    frozen.resume()
    ledger.produce(200)
    for run in (frozen, other):
        run.wait_until(lambda: ledger.counts()[1] == 1199, 40, "every row of both")
    assert frozen.stop().code in (0, 3, 75) and other.stop().code in (0, 3, 75)  # 75: a commit took too long
    ledger.expect_exactly_once(rejected=1)


def test_frozen_while_it_sends(ledger):
    """case 8 (exactly-once): the body ends after another member has sent the same rows."""
    ledger.produce(40_000)
    with proxy.Proxy(ledger.clickhouse.port) as way:
        ledger.configure(urls=[way.url])
        frozen = in_the_middle_of_a_body(ledger, way)
        frozen.pause()
        ledger.configure()
        assert ledger.start("sync", "ledger", elsewhere=True).wait(60).code in (0, 3)
        way.rule = proxy.PASS
        frozen.resume()
        assert frozen.wait(60).code in (0, 3, 1, 75)
    ledger.expect_exactly_once(rejected=1)


def test_partitions_that_are_taken_while_an_insert_is_under_way(ledger, fake):
    """case 9 (exactly-once): the drain is too short for it; the new owner sends it again, then it lands."""
    ledger.produce(1000)
    ledger.configure(urls=[fake.url])
    fake.on(with_rows, fake_http.late(fake_http.forward(), 8), times=2)
    slow = ledger.start(*TAIL, "--drain-timeout", "1s")
    slow.wait_until(lambda: tokens(fake), 30, "an INSERT")
    ledger.configure()
    other = ledger.start(*TAIL)
    other.wait_for_stderr("pipeline started", 30)
    slow.terminate()
    slow.wait(40)
    other.wait_until(lambda: ledger.counts()[1] == 999, 40, "every row")
    time.sleep(5)
    assert other.stop().code in (0, 3)
    ledger.expect_exactly_once(rejected=1)


def test_a_second_process_with_the_same_static_name(ledger):
    """case 12 (exactly-once): the older one ends with 78, and nothing comes twice."""
    ledger.configure(kafka='"group.instance.id" = "only"')
    ledger.produce(300)
    older = ledger.start(*TAIL)
    older.wait_for_stderr("pipeline started", 30)
    younger = ledger.start(*TAIL)
    older.wait(40).expect(78)
    ledger.produce(300)
    younger.wait_until(lambda: ledger.counts()[1] == 599, 40, "every row")
    assert younger.stop().code in (0, 3)
    ledger.expect_exactly_once(rejected=1)


# --- commits that go wrong ---------------------------------------------------------------------------------


@pytest.fixture
def spoiled(spoiled_kafka, clickhouse, sluice, topic, table):
    ledger = Ledger(spoiled_kafka, clickhouse, sluice, topic, table)
    ledger.configure(bootstrap=spoiled_kafka.way.address)
    ledger.produce(1000)
    yield ledger
    spoiled_kafka.way.clear()


def done(commit):
    """Says that rows have landed."""
    return b"slu1|D|" in commit and b"|t=" in commit


COMMITS_THAT_GO_WRONG = [
    ("case 4: the intent is there, unheard", kafka_proxy.has_intent, kafka_proxy.UNHEARD, 1),
    ("case 4: the intent is not there, unheard", kafka_proxy.has_intent, kafka_proxy.NEVER_SENT, 1),
    ("case 5: the end is there, unheard", done, kafka_proxy.UNHEARD, 1),
    ("case 5: the end is not there, unheard", done, kafka_proxy.NEVER_SENT, 1),
    ("case 6: not the coordinator", kafka_proxy.has_intent, kafka_proxy.told(kafka_proxy.NOT_COORDINATOR), 5),
]


@pytest.mark.parametrize("matches, fault, times", [one[1:] for one in COMMITS_THAT_GO_WRONG],
                         ids=[one[0] for one in COMMITS_THAT_GO_WRONG])
def test_a_commit_that_is_lost_or_unheard(spoiled, spoiled_kafka, matches, fault, times):
    """case 4 (exactly-once): of an intent; case 5 (exactly-once): behind a batch; case 6 (exactly-once):
    NOT_COORDINATOR five times."""
    spoiled_kafka.way.on_commit(matches, fault, times)
    assert spoiled.sync("--batch-rows", "200").code in (0, 3)
    spoiled.expect_exactly_once(rejected=1)


@pytest.mark.parametrize("fault", [kafka_proxy.STALE, kafka_proxy.told(kafka_proxy.UNKNOWN_MEMBER_ID)],
                         ids=["case 3: ILLEGAL_GENERATION", "case 11: UNKNOWN_MEMBER_ID"])
def test_an_intent_that_the_group_refuses_is_not_sent(spoiled, spoiled_kafka, fake, fault):
    """case 3 (exactly-once): another generation; case 11 (exactly-once): thrown out. Another member continues."""
    spoiled.configure(bootstrap=spoiled_kafka.way.address, urls=[fake.url])
    spoiled_kafka.way.on_commit(kafka_proxy.has_intent, fault)
    fenced = spoiled.start(*TAIL)
    fenced.wait_until(lambda: any(map(kafka_proxy.has_intent, spoiled_kafka.way.commits)), 30, "an intent")
    spoiled.configure()
    other = spoiled.start(*TAIL)
    other.wait_until(lambda: spoiled.counts()[1] == 999, 60, "every row")
    assert other.stop().code in (0, 3)
    fenced.terminate()
    fenced.wait(40)
    refused = next(commit for commit in spoiled_kafka.way.commits if kafka_proxy.has_intent(commit))
    for nonce in re.findall(rb"\|i=\d+,([0-9a-f]{32}),", refused):
        assert not [token for token in tokens(fake) if nonce.decode() in token]
    spoiled.expect_exactly_once(rejected=1)


# --- INSERTs that go wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize("unsure", [False, True], ids=["case 20: the first attempt", "case 21: after a lost answer"])
def test_a_batch_of_too_many_partitions(kafka, clickhouse, sluice, topic, table, unsure):
    """case 20 (exactly-once): before a row has landed it is cut smaller, each piece with an intent of its own; case 21
    (exactly-once): what may have landed keeps its rows and its token, so the limit has to give way."""
    ledger = Ledger(kafka, clickhouse, sluice, topic, table, engine="PARTITION BY n % 60 ORDER BY n")
    ledger.configure(clickhouse="settings = { max_partitions_per_insert_block = 20 }")
    ledger.produce(200)
    if unsure:
        ledger.crash("intent-committed")
        stopped = ledger.sync().expect(78)
        assert "raise the limit" in stopped.stderr, stopped
        assert ledger.counts() == (0, 0)
        ledger.configure(clickhouse="settings = { max_partitions_per_insert_block = 1000 }")
    ended = ledger.sync()
    assert ended.code == 3 and ("smaller" in ended.stderr) != unsure, ended
    ledger.expect_exactly_once(rejected=1)


def test_an_insert_that_hangs_and_then_lands(ledger, fake):
    """case 22 (exactly-once): no byte in time; it is sent again under its token, then the first one lands."""
    ledger.produce(300)
    ledger.configure(urls=[fake.url], clickhouse='timeout = "1s"')
    fake.on(with_rows, fake_http.late(fake_http.forward(), 3), times=1)
    ledger.sync("--batch-rows", "100").expect(3)
    time.sleep(2.5)
    first = tokens(fake)[0]
    assert tokens(fake).count(first) >= 2
    ledger.expect_exactly_once(rejected=1)


# --- tables and topics that change ---------------------------------------------------------------------------


@pytest.mark.parametrize("point, change", [
    ("landed", "ADD COLUMN extra String DEFAULT 'x'"),
    ("landed", "MODIFY COLUMN _offset UInt64"),
    ("intent-committed", "ADD COLUMN extra String DEFAULT 'x'"),
    ("rejects-kept", "DROP CONSTRAINT odd"),
])
def test_a_table_that_is_altered_between_attempts(ledger, point, change):
    """case 29 (exactly-once): what landed is not sent as something else; a bad row that is good now comes once."""
    ledger.produce(400)
    ledger.crash(point, "--batch-rows", "100")
    ledger.clickhouse.query(f"ALTER TABLE {ledger.table} {change}")
    assert ledger.sync("--batch-rows", "100").code in (0, 3)
    ledger.expect_exactly_once(rejected=0 if "DROP" in change else 1)


@pytest.mark.parametrize("point, survivors", [("intent-committed", 350), ("landed", 400)])
def test_retention_passes_what_is_under_way(kafka, clickhouse, sluice, topic, table, point, survivors):
    """case 31 (exactly-once): what is left of the batch is sent under its token; what is lost is told."""
    ledger = Ledger(kafka, clickhouse, sluice, topic, table, partitions=1)
    ledger.produce(13)
    ledger.sync().expect(0)
    kafka.produce_lines(topic, "".join(f'{{"n":{n}}}\n' for n in range(20, 407)))
    ledger.crash(point)
    kafka.delete_records(topic, {0: 63})
    lost = ledger.sync().expect(1)
    assert "[13, 63)" in lost.stderr
    ledger.sync("--on-gap", "continue").expect(1)
    assert ledger.counts() == (survivors, survivors)


@pytest.mark.parametrize("content", [[f'{{"n":{n}}}' for n in range(50)], [f'{{"n":{n}}}' for n in range(500, 800)]],
                         ids=["shorter", "other records"])
def test_a_topic_that_is_another_one_halts(kafka, clickhouse, sluice, topic, table, content):
    """case 33 (exactly-once): the log ends before the batch does, or the same offsets hold other records."""
    ledger = Ledger(kafka, clickhouse, sluice, topic, table, partitions=1)
    ledger.produce(300)
    ledger.crash("intent-committed")
    open_batch = ledger.committed()
    kafka.delete_topic(topic)
    kafka.create_topic(topic)
    ledger.set_offsets({p: tuple(one) for p, one in open_batch.items()})
    kafka.produce(topic, content)
    halted = ledger.sync().expect(1)
    assert "the batch before offset 300" in " ".join(halted.stderr.split())
    assert ledger.counts() == (0, 0)


@pytest.mark.parametrize("point", ["intent-committed", "landed"])
def test_a_window_that_has_forgotten_is_not_trusted(ledger, point):
    """case 34 (exactly-once): a day later, and the table remembers one token; its own columns tell what landed.
    (Without them: test_replicated.py.)"""
    ledger.produce(300)
    ledger.crash(point)
    ledger.age_intents(DAY)
    ledger.clickhouse.query(f"ALTER TABLE {ledger.table} MODIFY SETTING non_replicated_deduplication_window = 1")
    for n in (1_000_000, 1_000_001):
        ledger.clickhouse.query(f"INSERT INTO {ledger.table} VALUES ({n}, 'another', 0, {n})")
    ledger.clickhouse.query(f"ALTER TABLE {ledger.table} MODIFY SETTING non_replicated_deduplication_window = 1000000")
    assert ledger.sync().code in (0, 3)
    ledger.produced += 2
    ledger.expect_exactly_once(rejected=1)


@pytest.mark.parametrize("spoil", [
    lambda record: "checkpoint of another tool",
    lambda record: record.replace("|D|", "|E|"),
    lambda record: sealed(record.rpartition("|")[0].replace("|D|", "|X|")),
    lambda record: "",
], ids=["foreign", "a flipped bit", "a later version", "empty"])
def test_a_commit_record_that_cannot_be_read(kafka, clickhouse, sluice, topic, table, spoil):
    """case 35 (exactly-once): it halts until a person says that nothing is open; an empty one says so itself."""
    ledger = Ledger(kafka, clickhouse, sluice, topic, table, partitions=1)
    ledger.produce(100)
    ledger.sync().expect(3)
    ledger.kafka.commit(ledger.topic, ledger.topic, {partition: (offset, spoil(metadata)) for
                                                     partition, (offset, metadata) in ledger.committed().items()})
    ledger.produce(100)
    if spoil("|D|"):
        halted = ledger.sync().expect(1)
        assert "exactly-once-halted" in halted.stderr and "--resolve skip" in " ".join(halted.stderr.split())
        assert ledger.counts() == (99, 99)
        ledger.sync("--resolve", "skip").expect(0)
    else:
        ledger.sync().expect(0)
    ledger.expect_exactly_once(rejected=1)


def test_offsets_that_cannot_be_right(kafka, clickhouse, sluice, topic, table):
    """case 36 (exactly-once): beyond the end, before the first record, and gone: it never starts over by itself."""
    ledger = Ledger(kafka, clickhouse, sluice, topic, table, partitions=1)
    ledger.produce(13)
    ledger.sync().expect(0)
    right = ledger.committed()[0]
    kafka.commit(topic, topic, {0: 99})
    assert "ends at 13" in ledger.sync().expect(1).stderr
    kafka.commit(topic, topic, {0: 5})
    kafka.delete_records(topic, {0: 10})
    assert "[5, 10)" in ledger.sync().expect(1).stderr
    kafka.commit(topic, topic, {0: tuple(right)})
    ledger.sync().expect(0)
    ledger.forget_group()
    assert "--from" in ledger.sync().expect(78).stderr
    ledger.sync("--from", "table").expect(0)
    ledger.expect_exactly_once()


# --- what a person decides ---------------------------------------------------------------------------------


def test_a_decision_is_about_what_was_open_when_the_tail_began(kafka, clickhouse, sluice, topic, table):
    """A configuration that is read again starts the pipelines again, not what was asked of them."""
    ledger = Ledger(kafka, clickhouse, sluice, topic, table, partitions=1)
    with proxy.Proxy(clickhouse.port) as way:
        ledger.configure(urls=[way.url])
        ledger.produce(10)
        run = ledger.start(*TAIL, "--drain-timeout", "500ms", "--resolve", "skip")
        run.wait_until(lambda: ledger.committed() and "|i=" not in ledger.committed()[0].metadata
                       and ledger.committed()[0].offset == 10, 30, "the end of the first batch")
        way.rule = proxy.REFUSE
        way.drop()
        ledger.produce(3)
        run.wait_until(lambda: "|i=" in ledger.committed()[0].metadata, 30, "an open batch")
        ledger.configure(urls=[way.url], pipeline="batch = { rows = 1001 }")
        run.hangup()
        run.wait_for_stderr("pipeline finished")
        way.rule = proxy.PASS
        run.wait_until(lambda: ledger.committed()[0].offset == 13, 30, "the end of the open batch")
        assert run.stop().code in (0, 3)
    ledger.expect_exactly_once()
