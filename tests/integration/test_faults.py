# SPDX-License-Identifier: Apache-2.0
"""Everything that can be wrong with the two ends: the documented exit code, a message that says what
to do, and no record lost."""

import time

import events
import fake_http
import proxy
import pytest
import stand
from events import sync_arguments

RECORDS = 3000


@pytest.fixture
def loaded_topic(kafka, clickhouse, topic, table):
    kafka.create_topic(topic, 2)
    kafka.produce_lines(topic, events.lines(RECORDS))
    events.create_table(clickhouse, table, "SETTINGS non_replicated_deduplication_window = 1000")
    return topic


def unused_port():
    return stand.free_ports(1)[0]


def finish(kafka, clickhouse, sluice, topic, table, exactly=True):
    """A clean run afterwards: every record is there (once, where nothing was committed wrongly)."""
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--from", "earliest")).expect(0)
    assert clickhouse.value(f"SELECT uniqExact(id) FROM {table}") == RECORDS
    if exactly:
        assert clickhouse.value(f"SELECT count() FROM {table}") == RECORDS


def test_no_broker(clickhouse, sluice, topic, table):
    events.create_table(clickhouse, table)
    broker = f"127.0.0.1:{unused_port()}"
    run = sluice(*sync_arguments(broker, clickhouse, topic, table, "--retry-max-time", "2s"), timeout=30).expect(75)
    assert broker in run.stderr and "refused" in run.stderr.lower()


def test_the_wrong_port_a_web_server_where_kafka_should_be(clickhouse, sluice, topic, table):
    events.create_table(clickhouse, table)
    with fake_http.FakeHttp() as web:
        sluice(*sync_arguments(web.address, clickhouse, topic, table, "--retry-max-time", "2s"),
               timeout=40).expect(75)


def test_no_clickhouse(kafka, clickhouse, sluice, loaded_topic, table):
    url = f"http://127.0.0.1:{unused_port()}"
    run = sluice(*sync_arguments(kafka, url, loaded_topic, table, "--retry-max-time", "2s"), timeout=30).expect(75)
    assert url.removeprefix("http://") in run.stderr
    finish(kafka, clickhouse, sluice, loaded_topic, table)


def test_the_wrong_port_kafka_where_clickhouse_should_be(kafka, clickhouse, sluice, loaded_topic, table):
    run = sluice(*sync_arguments(kafka, f"http://{kafka.bootstrap}", loaded_topic, table,
                                 "--retry-max-time", "2s"), timeout=30)
    assert run.code in (75, 78), run
    finish(kafka, clickhouse, sluice, loaded_topic, table)


@pytest.mark.parametrize("silent", ["kafka", "clickhouse"])
def test_a_server_that_takes_connections_and_never_answers(kafka, clickhouse, sluice, loaded_topic, table, silent):
    """What --retry-max-time says holds for one answer, too (up to the 5 s that a slow one may take)."""
    with proxy.Proxy() as dead:
        dead.rule = proxy.BLACKHOLE
        servers = (dead.address, clickhouse) if silent == "kafka" else (kafka, dead)
        run = sluice(*sync_arguments(*servers, loaded_topic, table, "--retry-max-time", "1s"), timeout=60).expect(75)
        assert dead.address in run.stderr and run.seconds < 30, run
    finish(kafka, clickhouse, sluice, loaded_topic, table)


def test_unknown_topic(kafka, clickhouse, sluice, loaded_topic, table):
    run = sluice(*sync_arguments(kafka, clickhouse, loaded_topic[:-1], table)).expect(78)
    assert "no topic" in run.stderr.lower() or "does not exist" in run.stderr
    assert loaded_topic in run.stderr  # did you mean


def test_unknown_table(kafka, clickhouse, sluice, loaded_topic, table):
    run = sluice(*sync_arguments(kafka, clickhouse, loaded_topic, table[:-1])).expect(78)
    assert "did you mean" in run.stderr and table in run.stderr


def test_unknown_database(kafka, clickhouse, sluice, loaded_topic):
    run = sluice(*sync_arguments(kafka, clickhouse, loaded_topic, "nosuch.events")).expect(78)
    assert "nosuch" in run.stderr


def test_wrong_password(kafka, own_clickhouse, sluice, loaded_topic):
    clickhouse = own_clickhouse(users={"loader": {"password": "right"}})
    events.create_table(clickhouse, "t.events")
    run = sluice(*sync_arguments(kafka, clickhouse, loaded_topic, "t.events", "--clickhouse-user", "loader"),
                 env={"SLUICE_CLICKHOUSE_PASSWORD": "wrong-canary"}).expect(77)
    assert "loader" in run.stderr and "wrong-canary" not in run.stderr + run.stdout


def test_missing_grant(kafka, own_clickhouse, sluice, loaded_topic):
    clickhouse = own_clickhouse(users={"reader": {"password": "p", "grants": ["SELECT ON t.*"]}})
    events.create_table(clickhouse, "t.events")
    run = sluice(*sync_arguments(kafka, clickhouse, loaded_topic, "t.events", "--clickhouse-user", "reader"),
                 env={"SLUICE_CLICKHOUSE_PASSWORD": "p"}).expect(77)
    assert "GRANT INSERT" in run.stderr


def test_a_user_who_may_only_insert_is_enough_once_the_group_has_offsets(
        kafka, own_clickhouse, sluice, loaded_topic):
    clickhouse = own_clickhouse(users={"loader": {"password": "p", "grants": ["INSERT ON t.*"]}})
    events.create_table(clickhouse, "t.events")
    sluice(*sync_arguments(kafka, clickhouse, loaded_topic, "t.events", "--clickhouse-user", "loader",
                           "--from", "earliest"), env={"SLUICE_CLICKHOUSE_PASSWORD": "p"}).expect(0)
    assert clickhouse.value("SELECT count() FROM t.events") == RECORDS


def test_a_column_of_the_wrong_type_names_the_column(kafka, clickhouse, sluice, loaded_topic, table):
    clickhouse.query(f"CREATE TABLE {table}_wrong (id UInt64, page UInt32) ENGINE = MergeTree ORDER BY id")
    run = sluice(*sync_arguments(kafka, clickhouse, loaded_topic, f"{table}_wrong")).expect(65)
    assert "column page" in run.stderr


@pytest.mark.parametrize("name, answer, code", [
    ("an exception in the header of a 200", fake_http.exception_header(241, "Memory limit exceeded"), 75),
    ("an exception in the body of a 200", fake_http.exception_body(241), 75),
    ("a web page from a captive portal", fake_http.captive_portal(), None),
    ("a body that never ends", fake_http.endless_body(), 75),
    ("a redirect", fake_http.redirect("http://127.0.0.1:1/"), None),
    ("a load balancer's 503", fake_http.busy(503), 75),
])
def test_an_answer_that_is_not_a_yes_is_never_taken_for_one(
        kafka, clickhouse, sluice, loaded_topic, table, name, answer, code):
    """case 15: an exception in a header of a 200; case 16: no ClickHouse at all; case 17: an exception in its
    body; case 23: a body without an end."""
    with fake_http.FakeHttp(forward_to=clickhouse.url) as fake:
        fake.on(fake_http.inserts, answer)
        run = sluice(*sync_arguments(kafka, fake, loaded_topic, table, "--retry-max-time", "3s"), timeout=60)
    assert run.code in ((code,) if code else (1, 75, 78)), run
    offsets = kafka.committed(f"sluice-{loaded_topic}", loaded_topic)
    assert all(committed.offset == 0 for committed in offsets.values()), "committed without an insert"
    finish(kafka, clickhouse, sluice, loaded_topic, table)


def test_the_same_bytes_and_token_are_sent_again_when_the_answer_is_lost(
        kafka, clickhouse, sluice, loaded_topic, table):
    """case 13: the connection ends after all bytes were taken."""
    with fake_http.FakeHttp(forward_to=clickhouse.url) as fake:
        answered = []

        def second_data_insert(request):
            if request.insert_number and len(request.body) > 1000:
                answered.append(request)
            return bool(answered) and request is answered[0]

        fake.on(second_data_insert, fake_http.forward_then(fake_http.close()), times=1)
        sluice(*sync_arguments(kafka, fake, loaded_topic, table, "--batch-age", "1m")).expect(0)
        sent = [request for request in fake.insert_requests if len(request.body) > 1000]
    first, again = sent[0], sent[1]
    assert first.body == again.body
    assert first.params["insert_deduplication_token"] == again.params["insert_deduplication_token"]
    assert first.params["query_id"] != again.params["query_id"]
    assert clickhouse.value(f"SELECT count() FROM {table}") == RECORDS


@pytest.mark.parametrize("bytes_up", [0, 1, 500, 20_000, 100_000])
def test_a_connection_that_breaks_in_the_middle_of_the_body(
        kafka, clickhouse, sluice, loaded_topic, table, bytes_up):
    """case 13: the connection ends after so many bytes."""
    # An orderly end: a reset in the head of a request ends the engine itself (26.7, an uncaught
    # NetException).
    with proxy.Proxy(clickhouse.port) as broken:
        broken.script(proxy.PASS, proxy.cut_up(bytes_up, "fin"), proxy.cut_up(bytes_up, "fin"))
        sluice(*sync_arguments(kafka, broken, loaded_topic, table)).expect(0)
    assert clickhouse.value(f"SELECT count() FROM {table}") == RECORDS


def test_clickhouse_dies_and_comes_back_in_the_middle(kafka, own_clickhouse, sluice, topic):
    """case 38: ClickHouse goes away and comes back."""
    clickhouse = own_clickhouse()
    kafka.create_topic(topic, 4)
    kafka.produce_lines(topic, events.lines(200_000))
    events.create_table(clickhouse, "t.events")
    run = sluice.start(*sync_arguments(kafka, clickhouse, topic, "t.events", "--batch-rows", "5000"))
    run.wait_until(lambda: clickhouse.value("SELECT count() FROM t.events") > 0, 30, "the first insert")
    clickhouse.kill()
    time.sleep(2)
    clickhouse.start()
    run.wait(120).expect(0)
    assert clickhouse.value("SELECT uniqExact(id) FROM t.events") == 200_000


def test_the_broker_dies_and_comes_back_in_the_middle(own_kafka, clickhouse, sluice, topic, table):
    """case 38: the broker goes away and comes back."""
    kafka = own_kafka()
    kafka.create_topic(topic, 4)
    kafka.produce_lines(topic, events.lines(300_000))
    events.create_table(clickhouse, table)
    with proxy.Proxy(clickhouse.port) as slow:
        slow.rule = proxy.throttle(10_000_000)
        run = sluice.start(*sync_arguments(kafka, slow, topic, table, "--batch-rows", "10000"))
        run.wait_until(lambda: clickhouse.value(f"SELECT count() FROM {table}") > 0, 30, "the first insert")
        kafka.kill()
        time.sleep(1)
        kafka.start()
        run.wait(180).expect(0)
    assert clickhouse.value(f"SELECT uniqExact(id) FROM {table}") == 300_000
