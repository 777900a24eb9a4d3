# SPDX-License-Identifier: Apache-2.0
"""Exactly-once into a replicated table, whose replicas the stand can only simulate (tests/support/replica.py)."""

import fake_http
import pytest
import replica
from ledger import COLUMNS, Ledger

DAY = 86_400_000
LOOKED_UP = 120_000  # what was under way for so long is looked for in the table


@pytest.fixture
def shard(clickhouse):
    with replica.replica(clickhouse.url) as first, replica.replica(clickhouse.url) as second:
        yield first, second


def remember_a_week(clickhouse, table):
    clickhouse.query(f"ALTER TABLE {table} MODIFY SETTING replicated_deduplication_window = 1000000, "
                     "replicated_deduplication_window_seconds = 604800")


@pytest.fixture
def ledger(kafka, clickhouse, sluice, topic, table, shard):
    made = Ledger(kafka, clickhouse, sluice, topic, table)
    remember_a_week(clickhouse, table)
    made.configure(urls=[one.url for one in shard], clickhouse='timeout = "5s"')
    return made


def with_rows(request):
    return request.insert_number > 0 and len(request.body) > 100


@pytest.mark.parametrize("point", ["intent-committed:2", "landed:1", "landed:3"])
def test_what_one_replica_was_told_another_one_knows(ledger, shard, point):
    ledger.produce(1000)
    ledger.crash(point, "--batch-rows", "200")
    shard[0].close()
    survived = ledger.sync("--batch-rows", "200")
    assert survived.code in (0, 3), survived
    assert any(map(with_rows, shard[1].requests)), "the second replica answered the repeat"
    ledger.expect_exactly_once(rejected=1)


@pytest.mark.parametrize("code", [285, 286, 319])
def test_a_quorum_that_is_not_reached_is_waited_for_with_the_same_token(ledger, shard, code):
    ledger.produce(300)
    shard[0].on(with_rows, replica.quorum_failure(code), times=2)
    ledger.sync("--batch-rows", "100").expect(3)
    ledger.expect_exactly_once(rejected=1)
    tokens = [request.params["insert_deduplication_token"] for request in shard[0].requests if with_rows(request)]
    assert len(tokens) > len(set(tokens))


@pytest.mark.parametrize("point, decision", [("intent-committed", "resend"), ("landed", "skip")])
def test_what_is_older_than_the_window_halts_where_rows_cannot_tell(
        kafka, clickhouse, sluice, topic, table, shard, point, decision):
    """case 34 (exactly-once): without provenance columns a person decides."""
    ledger = Ledger(kafka, clickhouse, sluice, topic, table, partitions=1, columns="n UInt64")
    ledger.configure(urls=[one.url for one in shard], clickhouse='timeout = "5s"')
    ledger.produce(13)
    ledger.crash(point)
    ledger.age_intents(DAY)
    before = ledger.counts()
    halted = ledger.sync().expect(1)
    assert "exactly-once-halted" in halted.stderr and f"--resolve {decision}" in " ".join(halted.stderr.split())
    assert ledger.counts() == before
    ledger.sync("--resolve", decision).expect(0)
    ledger.expect_exactly_once()


def test_rows_of_another_topic_are_not_taken_for_what_landed(kafka, clickhouse, sluice, topic, table):
    """case 34 (exactly-once): two topics fill a table whose rows tell partition and offset, but no topic."""
    ledger = Ledger(kafka, clickhouse, sluice, topic, table, partitions=1,
                    columns="n UInt64, _partition Int32, _offset Int64")
    remember_a_week(clickhouse, table)
    with replica.replica(clickhouse.url) as server:
        ledger.configure([server.url])
        kafka.produce(topic, [f'{{"n":{n}}}' for n in range(100, 110)])
        ledger.sync().expect(0)
        ledger.topic = f"{topic}.other"
        for name in (ledger.topic, f"{ledger.topic}.rejects"):
            kafka.create_topic(name)
        ledger.configure([server.url])
        kafka.produce(ledger.topic, [f'{{"n":{n}}}' for n in range(200, 210)])
        ledger.crash("intent-committed", "--from", "earliest")
        ledger.age_intents(LOOKED_UP)
        ledger.sync().expect(0)
    assert ledger.counts() == (20, 20)


# --- a real replicated table, with a real Keeper inside the server; it stays read-only --------------------


KEEPER = ("<zookeeper><implementation>testkeeper</implementation></zookeeper>"
          "<macros><replica>r1</replica></macros>")


@pytest.fixture
def replicated(kafka, own_clickhouse, sluice, topic):
    server = own_clickhouse(config_xml=KEEPER)
    server.query(f"CREATE TABLE t.shop ({COLUMNS}) ENGINE = ReplicatedMergeTree('/tables/shop', '{{replica}}') "
                 "ORDER BY n")
    kafka.create_topic(topic)
    # ALTER wants a replica that takes rows; of a comment it may as well be left undone.
    with fake_http.FakeHttp(forward_to=server.url) as way:
        way.on(fake_http.sql_contains("MODIFY COMMENT"), fake_http.ok())
        (sluice.folder / "sluice.toml").write_text(
            f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[clickhouse]\nurl = "{way.url}"\n'
            f'settings = {{ insert_keeper_max_retries = 0 }}\n'
            f'[pipelines.shop]\ntopic = "{topic}"\ntable = "t.shop"\n')
        yield server


def tables(server):
    """{name: (path in Keeper, UUID)}"""
    return {row["name"]: (row["path"], row["uuid"]) for row in server.rows(
        "SELECT name, zookeeper_path AS path, toString(uuid) AS uuid FROM system.replicas JOIN system.tables "
        "ON system.replicas.table = system.tables.name AND system.replicas.database = system.tables.database")}


def test_a_snapshot_of_a_replicated_table_has_a_place_of_its_own_in_keeper(replicated, sluice):
    before = tables(replicated)
    for _ in range(2):
        run = sluice("sync", "--full", "--allow-empty", "-y").expect(0)
        after = tables(replicated)
        assert list(after) == ["shop"], f"the old one is dropped: {run}"
        assert after["shop"] != before["shop"] and after["shop"][0].startswith("/tables/shop__sluice_")
        assert after["shop"][0].count("__sluice_") == 1
        before = after
    assert "ReplicatedMergeTree('/tables/shop__sluice_" in replicated.query("SHOW CREATE TABLE t.shop FORMAT Raw")


def test_a_snapshot_into_a_replica_that_takes_no_rows_leaves_the_table_as_it_was(replicated, kafka, sluice, topic):
    kafka.produce_lines(topic, '{"n":1}\n')
    before = tables(replicated)["shop"]
    sluice("sync", "--full", "-y", "--retry-max-time", "2s").expect(75)
    assert tables(replicated)["shop"] == before


def test_a_replica_that_may_lag_behind_proves_no_start(replicated, kafka, sluice, topic):
    kafka.produce_lines(topic, '{"n":1}\n')
    refused = sluice("sync", "--from", "table", "--retry-max-time", "2s").expect(75)
    assert "replica" in refused.stderr
    assert kafka.committed("sluice-shop", topic) == {}
