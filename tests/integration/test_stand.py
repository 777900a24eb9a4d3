# SPDX-License-Identifier: Apache-2.0
"""Proves the stand itself: what the other tests stand on really behaves as they assume."""

import http.client
import os
import signal
import ssl
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import certificates
import fake_http
import pytest
import stand
from proxy import (BLACKHOLE, PASS, REFUSE, Proxy, TlsProxy, cut_down, cut_up, delay, throttle,
                   truncate_reply)

SUPPORT = Path(stand.__file__).parent


def lines(count):
    return b"".join(b'{"id":%d}\n' % number for number in range(count))


def kcat(settings, *arguments, data=None):
    options = [word for key, value in settings.items() for word in ("-X", f"{key}={value}")]
    return subprocess.run(["kcat", "-q", *options, *arguments], input=data, capture_output=True, timeout=60)


def post(url, path="/", body=b"", timeout=5):
    """One request on a connection of its own: (status, headers, body)."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout)
    try:
        connection.request("POST", path, body=body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


# --- Kafka -------------------------------------------------------------------------------------------


def test_kafka_round_trip(kafka, topic):
    kafka.create_topic(topic, partitions=3)
    kafka.produce_lines(topic, lines(1000))
    kafka.produce(topic, [{"value": "v", "key": "k", "headers": [("h", b"1")], "partition": 1,
                           "timestamp": 1700000000000}, {"key": "gone", "partition": 1}])
    messages = kafka.consume(topic)
    assert len(messages) == 1002 == sum(kafka.end_offsets(topic).values())
    last = [message for message in messages if message.partition() == 1][-2:]
    assert (last[0].key(), last[0].value(), last[0].headers()) == (b"k", b"v", [("h", b"1")])
    assert last[0].timestamp()[1] == 1700000000000
    assert (last[1].key(), last[1].value()) == (b"gone", None)


def test_kafka_lines_to_one_partition_with_keys(kafka, topic):
    kafka.create_topic(topic, partitions=2)
    kafka.produce_lines(topic, "a:1\nb:2\n", partition=1, key_delimiter=":", arguments=["-z", "zstd"])
    assert [(m.partition(), m.key(), m.value()) for m in kafka.consume(topic)] == [
        (1, b"a", b"1"), (1, b"b", b"2")]


def test_kafka_offsets_and_metadata(kafka, topic):
    kafka.create_topic(topic, partitions=2)
    kafka.produce_lines(topic, lines(10), partition=0)
    assert kafka.committed(topic, topic) == {}
    kafka.commit(topic, topic, {0: (7, "é batch"), 1: 0})
    assert kafka.committed(topic, topic) == {0: (7, "é batch"), 1: (0, "")}
    assert topic in kafka.groups()
    kafka.delete_records(topic, {0: 4})
    assert kafka.begin_offsets(topic) == {0: 4, 1: 0}


def test_kafka_topics_grow_change_and_go(kafka, topic):
    kafka.create_topic(topic, configs={"retention.ms": 3600000})
    kafka.add_partitions(topic, 3)
    kafka.alter_topic(topic, {"cleanup.policy": "compact"})
    assert kafka.topics()[topic] == 3
    kafka.delete_topic(topic)
    assert topic not in kafka.topics()


def test_kafka_transactions(kafka, topic):
    kafka.create_topic(topic)
    producer = kafka.transactional_producer()
    kafka.produce_transaction(topic, ["a", "b"], producer=producer)
    kafka.produce_transaction(topic, ["lost"], commit=False, producer=producer)
    assert [message.value() for message in kafka.consume(topic)] == [b"a", b"b"]
    assert len(kafka.consume(topic, isolation="read_uncommitted")) == 3
    producer.begin_transaction()
    producer.produce(topic, "open")
    producer.flush(30)
    ends = kafka.end_offsets(topic), kafka.end_offsets(topic, isolation="read_committed")
    assert ends == ({0: 6}, {0: 5})  # five records and markers before the open one
    producer.abort_transaction(30)


def test_kafka_survives_kill_and_restart(own_kafka):
    kafka = own_kafka()
    kafka.create_topic("kept", partitions=2)
    kafka.produce_lines("kept", lines(5000))
    kafka.commit("group", "kept", {0: (3, "m")})
    kafka.kill()
    assert not kafka.running
    kafka.start()
    assert sum(kafka.end_offsets("kept").values()) == 5000
    assert kafka.committed("group", "kept") == {0: (3, "m")}
    kafka.restart()
    assert len(kafka.consume("kept")) == 5000


def test_kafka_pauses(own_kafka):
    kafka = own_kafka()
    kafka.pause()
    with pytest.raises(Exception):
        kafka.admin().list_topics(timeout=1)
    used = kafka.cpu_seconds()
    time.sleep(0.3)
    assert kafka.cpu_seconds() == used
    kafka.resume()
    kafka.create_topic("after")
    assert kafka.rss_bytes() > 50_000_000


def test_kafka_tls_and_sasl(own_kafka):
    kafka = own_kafka(secure=True)
    listeners = [("SSL", None), ("SASL_PLAINTEXT", "PLAIN"), ("SASL_SSL", "PLAIN")]
    check_listeners(kafka, listeners)
    wrong = kafka.client_settings("SASL_SSL") | {"sasl.password": "wrong"}
    assert kcat(wrong, "-L", "-m", "3").returncode != 0
    untrusted = kafka.client_settings("SSL")
    del untrusted["ssl.ca.location"]
    assert kcat(untrusted, "-L", "-m", "3").returncode != 0


def test_kafka_scram(own_kafka):
    """With Kafka 3.9: librdkafka before 2.6.1 sends a nonce that Kafka 4 refuses."""
    kafka = own_kafka(secure=True, version="3.9.1")
    check_listeners(kafka, [("SASL_PLAINTEXT", "SCRAM-SHA-256"), ("SASL_SSL", "SCRAM-SHA-512")])
    wrong = kafka.client_settings("SASL_SSL", "SCRAM-SHA-512") | {"sasl.password": "wrong"}
    assert kcat(wrong, "-L", "-m", "3").returncode != 0


def check_listeners(kafka, listeners):
    kafka.create_topic("s")
    for number, (protocol, mechanism) in enumerate(listeners, 1):
        settings = kafka.client_settings(protocol, mechanism)
        sent = kcat(settings, "-P", "-t", "s", data=b"hello\n")
        assert sent.returncode == 0, (protocol, mechanism, sent.stderr)
        read = kcat(settings, "-C", "-t", "s", "-e", "-o", "beginning")
        assert read.stdout == b"hello\n" * number, (protocol, mechanism, read.stderr)


def test_kafka_behind_proxy(own_kafka):
    with Proxy() as proxy:
        kafka = own_kafka(proxy=proxy)
        kafka.create_topic("p")
        kafka.produce_lines("p", lines(100))
        settings = {"bootstrap.servers": proxy.address}
        assert kcat(settings, "-C", "-t", "p", "-e").stdout == lines(100)
        assert proxy.bytes_down > 1000
        proxy.rule = BLACKHOLE
        assert kcat(settings, "-L", "-m", "1").returncode != 0
        assert kafka.end_offsets("p") == {0: 100}


# --- ClickHouse --------------------------------------------------------------------------------------


def test_clickhouse_insert_and_select(clickhouse, table):
    clickhouse.query(f"CREATE TABLE {table} (id UInt64, s String) ORDER BY id")
    clickhouse.query(f"INSERT INTO {table} FORMAT JSONEachRow", body=b'{"id":1,"s":"\\u00e9"}\n{"id":2}\n')
    assert clickhouse.rows(f"SELECT * FROM {table} ORDER BY id") == [{"id": 1, "s": "é"}, {"id": 2, "s": ""}]
    assert clickhouse.value("SELECT {x:String}", param_x="it's") == "it's"


def test_clickhouse_errors_carry_the_code(clickhouse):
    with pytest.raises(stand.ClickHouseError) as caught:
        clickhouse.query("SELECT * FROM t.nowhere")
    assert (caught.value.status, caught.value.code) == (404, 60)


def test_clickhouse_survives_kill_and_restart(own_clickhouse):
    clickhouse = own_clickhouse()
    clickhouse.query("CREATE TABLE t.kept (id UInt64) ORDER BY id")
    for round_number in range(3):
        clickhouse.query("INSERT INTO t.kept SELECT number FROM numbers(1000)")
        clickhouse.kill() if round_number else clickhouse.stop()
        clickhouse.start()
        assert clickhouse.value("SELECT count() FROM t.kept") == 1000 * (round_number + 1)


def test_clickhouse_users_and_log(own_clickhouse):
    clickhouse = own_clickhouse(
        query_log=True,
        users={"loader": {"password": "l<&>w", "grants": ["INSERT ON t.*"]},
               "reader": {"password": "r", "readonly": True}})
    clickhouse.query("CREATE TABLE t.a (id UInt64) ORDER BY id")
    clickhouse.query("INSERT INTO t.a VALUES (1)", user="loader")
    refused = [("loader", None, "SELECT * FROM t.a", 497), ("loader", "wrong", "SELECT 1", 516),
               ("reader", None, "INSERT INTO t.a VALUES (2)", 164)]
    for user, password, sql, code in refused:
        with pytest.raises(stand.ClickHouseError) as caught:
            clickhouse.query(sql, user=user, password=password)
        assert caught.value.code == code
    assert clickhouse.value("SELECT count() FROM t.a", user="reader") == 1
    clickhouse.query("SYSTEM FLUSH LOGS")
    assert clickhouse.value("SELECT count() FROM system.query_log WHERE user = 'loader'") > 0


def test_named_servers_are_used_but_not_owned(clickhouse, kafka, monkeypatch):
    monkeypatch.setenv("SLUICE_TEST_CLICKHOUSE", clickhouse.url)
    monkeypatch.setenv("SLUICE_TEST_KAFKA", kafka.bootstrap)
    with stand.ClickHouse() as same, stand.Kafka() as same_kafka:
        assert same.value("SELECT 1") == 1
        assert same_kafka.topics() == kafka.topics()
        for server in (same, same_kafka):
            with pytest.raises(stand.NotOwned):
                server.kill()


# --- proxy -------------------------------------------------------------------------------------------


def test_proxy_passes_and_counts(clickhouse):
    with Proxy(clickhouse.port) as proxy:
        assert post(proxy.url, body=b"SELECT sum(number) FROM numbers(10)")[2] == b"45\n"
        big = post(proxy.url, body=b"SELECT repeat('x', 1000000) FROM numbers(20) FORMAT RawBLOB")[2]
        assert len(big) == 20_000_000
        assert proxy.connections == 2 and proxy.bytes_down > 20_000_000 and proxy.bytes_up > 50


def test_proxy_cuts_where_told(clickhouse):
    select = b"SELECT repeat('x', 1000) FORMAT RawBLOB"
    with fake_http.FakeHttp() as fake, Proxy(fake.port) as proxy:
        proxy.script(cut_down(0), cut_up(40), cut_up(500, "fin"), PASS)
        with pytest.raises(ConnectionResetError):
            post(proxy.url)
        assert len(fake.requests) == 1  # it got there; the answer did not come back
        for _ in range(2):
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                post(proxy.url, body=b"x" * 1000)
        assert len(fake.requests) == 1
        assert post(proxy.url)[0] == 200
    with Proxy(clickhouse.port) as proxy:
        proxy.rule = truncate_reply(600)
        with pytest.raises(http.client.IncompleteRead):
            post(proxy.url, body=select)
        assert proxy.bytes_down == 600


def test_proxy_delays_throttles_and_goes_silent(clickhouse):
    with Proxy(clickhouse.port) as proxy:
        proxy.rule = delay(0.2)
        started = time.monotonic()
        post(proxy.url, body=b"SELECT 1")
        assert time.monotonic() - started > 0.4
        proxy.rule = throttle(100_000)
        started = time.monotonic()
        post(proxy.url, body=b"SELECT repeat('x', 50000) FORMAT RawBLOB")
        assert time.monotonic() - started > 0.3
        proxy.rule = BLACKHOLE
        with pytest.raises(TimeoutError):
            post(proxy.url, body=b"SELECT 1", timeout=0.3)
        proxy.rule = REFUSE
        with pytest.raises(ConnectionRefusedError):
            post(proxy.url, body=b"SELECT 1")
        proxy.rule = PASS
        assert post(proxy.url, body=b"SELECT 1")[0] == 200


def test_proxy_changes_under_an_open_connection(clickhouse):
    with Proxy(clickhouse.port) as proxy:
        connection = http.client.HTTPConnection(proxy.address, timeout=30)
        for _ in range(2):
            connection.request("POST", "/", body=b"SELECT 1")
            assert connection.getresponse().read() == b"1\n"
        assert proxy.connections == 1 and proxy.open_connections == 1
        proxy.rule = BLACKHOLE
        connection.sock.settimeout(0.5)
        connection.request("POST", "/", body=b"SELECT 1")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        proxy.drop()
        with pytest.raises(ConnectionResetError):
            connection.sock.recv(1)


def test_tls_proxy(clickhouse, tmp_path):
    authority = certificates.Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.ca_file)

    def ask(port, context=trusting):
        connection = http.client.HTTPSConnection("localhost", port, timeout=5, context=context)
        connection.request("POST", "/", body=b"SELECT repeat('x', 1000000) FROM numbers(3) FORMAT RawBLOB")
        return len(connection.getresponse().read())

    with TlsProxy(clickhouse.port, authority.issue("good")) as proxy:
        assert ask(proxy.port) == 3_000_000
    bad = {"Hostname mismatch": authority.issue("other", names=["DNS:example.invalid"]),
           "expired": authority.issue("old", expired=True),
           "self-signed": certificates.self_signed(tmp_path, "own")}
    for reason, certificate in bad.items():
        with TlsProxy(clickhouse.port, certificate) as proxy:
            with pytest.raises(ssl.SSLCertVerificationError, match=reason):
                ask(proxy.port)
            stand.wait_until(lambda: proxy.handshake_errors or proxy.open_connections == 0, 5, "its end")
    with TlsProxy(clickhouse.port, authority.issue("good"), client_ca=authority.ca_file) as proxy:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(proxy.port)
        client = authority.issue("client")
        known = ssl.create_default_context(cafile=authority.ca_file)
        known.load_cert_chain(client.certificate_file, client.key_file)
        assert ask(proxy.port, known) == 3_000_000


# --- fake HTTP ---------------------------------------------------------------------------------------


def test_fake_answers():
    with fake_http.FakeHttp() as fake:
        answers = {
            fake_http.ok(): (200, b""),
            fake_http.exception(60, "no"): (500, b"Code: 60. DB::Exception: no\n"),
            fake_http.captive_portal(): (200, b"<html><body>Please log in to the network</body></html>"),
            fake_http.busy(429, retry_after=7): (429, b"<html>try later</html>"),
            fake_http.redirect("http://127.0.0.1:1/"): (302, b""),
            fake_http.late(fake_http.ok("x"), 0.2): (200, b"x"),
        }
        for answer, (status, body) in answers.items():
            fake.on(fake_http.any_request, answer, times=1)
            got = post(fake.url, "/?query=INSERT+INTO+a&z=", b"rows")
            assert (got[0], got[2]) == (status, body)
        fake.on(fake_http.any_request, fake_http.exception_header(241))
        assert post(fake.url)[1]["X-ClickHouse-Exception-Code"] == "241"
        fake.clear()
        fake.on(fake_http.any_request, fake_http.exception_body(252))
        status, headers, body = post(fake.url)
        assert (status, headers["X-ClickHouse-Exception-Code"]) == (200, None)
        assert b"Code: 252" in body and b"__exception__" in body
        first = fake.requests[0]
        assert (first.method, first.path, first.params) == ("POST", "/", {"query": "INSERT INTO a", "z": ""})
        assert (first.body, first.headers["content-length"]) == (b"rows", "4")
        assert [request.insert_number for request in fake.requests] == [1, 2, 3, 4, 5, 6, 0, 0]


def test_fake_bad_manners():
    with fake_http.FakeHttp() as fake:
        fake.on(fake_http.nth_request(1), fake_http.slow(fake_http.ok(), 0.05))
        fake.on(fake_http.nth_request(2), fake_http.endless_body())
        fake.on(fake_http.nth_request(3), fake_http.endless_head())
        fake.on(fake_http.nth_request(4), fake_http.close())
        fake.on(fake_http.nth_request(5), fake_http.hang())
        fake.on(fake_http.nth_request(6), fake_http.raw(b"SSH-2.0-OpenSSH\r\n"))
        started = time.monotonic()
        post(fake.url)
        assert time.monotonic() - started > 2
        connection = http.client.HTTPConnection(fake.address, timeout=5)
        connection.request("POST", "/")
        assert len(connection.getresponse().read(5_000_000)) == 5_000_000
        connection.close()
        with pytest.raises(http.client.HTTPException):
            post(fake.url)
        with pytest.raises(ConnectionResetError):
            post(fake.url)
        with pytest.raises(TimeoutError):
            post(fake.url, timeout=0.2)
        with pytest.raises(http.client.BadStatusLine):
            post(fake.url)
        assert post(fake.url)[0] == 200


def test_fake_forwards_but_the_chosen(clickhouse, table):
    clickhouse.query(f"CREATE TABLE {table} (id UInt64) ORDER BY id")
    with fake_http.FakeHttp(forward_to=clickhouse.url) as fake:
        fake.on(fake_http.nth_insert(2), fake_http.busy(503, retry_after=1))
        fake.on(fake_http.nth_insert(3), fake_http.forward_then(fake_http.close()))
        path = f"/?query=INSERT+INTO+{table}+FORMAT+TSV"
        assert post(fake.url, path, b"1\n")[0] == 200
        assert post(fake.url, path, b"2\n")[0] == 503
        with pytest.raises(ConnectionResetError):
            post(fake.url, path, b"3\n")
        status, headers, body = post(fake.url, body=f"SELECT id FROM {table} ORDER BY id".encode())
        assert (status, body) == (200, b"1\n3\n")
        assert "X-ClickHouse-Query-Id" in headers
        assert post(fake.url, body=b"SELECT nothing")[1]["X-ClickHouse-Exception-Code"] == "47"
        assert [request.body for request in fake.insert_requests] == [b"1\n", b"2\n", b"3\n"]


# --- nothing is left ---------------------------------------------------------------------------------


def test_nothing_runs_on_after_the_owner_is_killed():
    owner = textwrap.dedent(f"""
        import sys, threading, time
        sys.path.insert(0, {str(SUPPORT)!r})
        from stand import ClickHouse, Kafka
        servers = []
        starter = threading.Thread(target=lambda: servers.append(ClickHouse(external=False).start()))
        starter.start()
        starter.join()
        servers.append(Kafka(external=False).start())
        print(*(server.pid for server in servers), flush=True)
        time.sleep(600)
        """)
    process = subprocess.Popen([sys.executable, "-B", "-c", owner], stdout=subprocess.PIPE, text=True)
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 2 and all(Path(f"/proc/{pid}").exists() for pid in pids)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for pid in pids:
        stand.wait_until(lambda: is_gone(pid), 5, f"the end of process {pid}")


def is_gone(pid):
    """Ended; a zombie nobody has collected yet counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# --- the sluice fixture, with a stand-in for the binary ----------------------------------------------


@pytest.fixture
def stub(sluice, tmp_path):
    """The fixture with a shell script in the binary's place."""
    sluice.binary = tmp_path / "stub"
    sluice.binary.write_text('#!/bin/sh\ncase $1 in\n'
                             'json) echo "{\\"rows\\": $2}"; echo "$GREETING" >&2; exit 3 ;;\n'
                             'cat) cat ;;\n'
                             'sleep) echo ready >&2; sleep 100 & wait ;;\nesac\n')
    sluice.binary.chmod(0o755)
    return sluice


def test_sluice_runs_to_the_end(stub):
    outcome = stub("json", 5, env={"GREETING": "hello"}).expect(3)
    assert (outcome.json, outcome.stderr) == ({"rows": 5}, "hello\n")
    assert outcome.rss_bytes_max > 0
    assert stub("cat", stdin="text").expect(0).stdout == "text"


def test_sluice_runs_beside(stub):
    run = stub.start("sleep")
    run.wait_for_stderr("ready")
    assert run.running
    assert run.stop().code == -signal.SIGTERM
    assert not run.running
