# SPDX-License-Identifier: Apache-2.0
"""What others see of a run: /metrics, /healthz, /readyz, /status, systemd's notifications, SIGUSR1; and
that the alert rules and the dashboard speak of metrics that exist."""

import fcntl
import http.client
import json
import os
import re
import signal
import socket
import stat
import time

import events
import fake_http
import pytest
import yaml
from events import ROOT, sync_arguments
from prometheus_client.parser import text_string_to_metric_families

RECORDS = 20_000
SHARE = ROOT / "man/share"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


class Site:
    """The pages of a running sluice. `where`: a port of loopback, or the path of a unix socket."""

    def __init__(self, where):
        self.where = where

    def ask(self, path, method="GET", body=None):
        plain = isinstance(self.where, int)
        connection = (http.client.HTTPConnection("127.0.0.1", self.where, timeout=10) if plain
                      else UnixConnection(self.where))
        connection.request(method, path, body)
        reply = connection.getresponse()
        content = reply.read().decode()
        connection.close()
        return reply, content

    def get(self, path):
        reply, content = self.ask(path)
        return reply.status, content

    def metrics(self):
        reply, content = self.ask("/metrics")
        assert reply.status == 200
        assert reply.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        return Samples(content)

    def status(self):
        code, content = self.get("/status")
        assert code == 200
        return json.loads(content)


class Samples:
    def __init__(self, text):
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, f"{key} is there twice"
                self.samples[key] = sample.value

    def value(self, name, **labels):
        return self.samples[(name, frozenset(labels.items()))]

    def total(self, name, **labels):
        return sum(value for (found, has), value in self.samples.items()
                   if found == name and labels.items() <= dict(has).items())

    def state(self, pipeline):
        (state,) = [dict(labels)["state"] for (name, labels), value in self.samples.items()
                    if name == "sluice_pipeline_state" and dict(labels)["pipeline"] == pipeline and value == 1]
        return state


def site_of(run):
    run.wait_for_stderr("metrics are served on http://127.0.0.1:")
    return Site(int(re.search(r"served on http://127\.0\.0\.1:(\d+)/metrics", run.stderr)[1]))


@pytest.fixture
def busy_clickhouse(clickhouse, table):
    """Takes every INSERT but those with rows into the table `table`_held."""
    with fake_http.FakeHttp(forward_to=clickhouse.url) as fake:
        fake.on(lambda request: bool(request.insert_number) and "_held" in request.sql and len(request.body) > 1000,
                fake_http.busy(503))
        yield fake


@pytest.fixture
def held(kafka, clickhouse, busy_clickhouse, sluice, topic, table):
    """Starts a sync that cannot end: its INSERTs are always answered with 503."""
    kafka.create_topic(topic, 2)
    kafka.produce_lines(topic, events.lines(1000))
    events.create_table(clickhouse, f"{table}_held")

    def start(*more, env=None, listen="127.0.0.1:0"):
        return sluice.start(*sync_arguments(kafka, busy_clickhouse, topic, f"{table}_held", "--metrics-listen",
                                            listen, *more), env=env)

    return start


def test_what_is_counted_is_what_the_summary_says(kafka, clickhouse, busy_clickhouse, sluice, topic, table):
    for name in ("", "_held"):
        kafka.create_topic(topic + name, 2)
        kafka.produce_lines(topic + name, events.lines(RECORDS))
        events.create_table(clickhouse, table + name)
    kafka.produce_lines(topic, b'not json\n{"id":"canary-7f3a"}\n', partition=0)
    (sluice.folder / "sluice.toml").write_text(f"""
[kafka]
brokers = ["{kafka.bootstrap}"]
[clickhouse]
url = "{busy_clickhouse.url}"
[observe]
metrics_listen = "127.0.0.1:0"
[defaults]
batch = {{ rows = 1000 }}
on_error = "reject"
reject = {{ file = "rejects.jsonl" }}
[pipelines.good]
topic = "{topic}"
table = "{table}"
[pipelines.held]
topic = "{topic}_held"
table = "{table}_held"
reject = {{ file = "held.jsonl" }}
""")
    run = sluice.start("sync", "-o", "json")
    site = site_of(run)
    run.wait_until(lambda: site.metrics().state("good") == "stopped", 60, "the end of the good pipeline")
    run.wait_until(lambda: site.metrics().total("sluice_clickhouse_retries_total", pipeline="held") > 0, 30, "a retry")
    seen, status = site.metrics(), site.status()
    assert site.get("/healthz") == (200, "ok\n")
    code, why = site.get("/readyz")
    assert code == 503 and busy_clickhouse.address in why
    busy_clickhouse.clear()
    outcome = run.wait(60).expect(3)
    good = next(pipeline for pipeline in outcome.json["pipelines"] if pipeline["name"] == "good")

    assert good["inserted"] == RECORDS and good["rejected"] == 2
    of = {"pipeline": "good"}
    assert seen.value("sluice_kafka_records_consumed_total", topic=topic, **of) == good["read"]
    assert seen.value("sluice_kafka_bytes_consumed_total", topic=topic, **of) == good["bytes"]
    assert seen.value("sluice_records_decoded_total", format="json", **of) == RECORDS
    assert seen.value("sluice_clickhouse_rows_inserted_total", table=table, **of) == good["inserted"]
    assert seen.total("sluice_clickhouse_inserts_total", **of) == good["inserts"]
    assert seen.total("sluice_batches_total", **of) == good["inserts"]
    assert seen.value("sluice_batch_rows_count", **of) == good["inserts"]
    assert seen.value("sluice_batch_rows_sum", **of) == RECORDS
    assert seen.value("sluice_end_to_end_latency_seconds_count", **of) == good["inserts"]
    for reason, count in good["rejects"]["by_reason"].items():
        assert seen.value("sluice_records_rejected_total", reason=reason, **of) == count
    assert seen.total("sluice_records_rejected_total", **of) == 2
    assert time.time() - 120 < seen.value("sluice_last_insert_timestamp_seconds", **of) < time.time() + 1
    assert seen.value("sluice_kafka_rebalances_total", kind="assign", **of) == 1
    assert seen.value("sluice_kafka_commits_total", result="error", **of) == 0
    assert seen.value("sluice_kafka_commits_total", result="ok", **of) >= 2

    assert seen.state("held") == "failing"
    assert seen.total("sluice_clickhouse_retries_total", pipeline="held", reason="http_5xx") > 0
    assert seen.value("sluice_clickhouse_up", endpoint=busy_clickhouse.url) == 0
    assert ("sluice_last_insert_timestamp_seconds", frozenset({("pipeline", "held")})) not in seen.samples
    assert seen.value("process_resident_memory_bytes") > 1 << 20
    assert all(value >= 0 for value in seen.samples.values())

    assert status["run_id"] == outcome.json["run_id"] and status["version"] == outcome.json["version"]
    by_name = {pipeline["name"]: pipeline for pipeline in status["pipelines"]}
    for field in ("read", "inserted", "rejected", "skipped", "bytes", "inserts"):
        assert by_name["good"][field] == good[field]
    assert by_name["good"]["state"] == "stopped" and by_name["good"]["caught_up"]
    assert by_name["held"]["state"] == "failing" and by_name["held"]["last_insert_at"] is None
    assert [partition["partition"] for partition in by_name["held"]["partitions"]] == [0, 1]


def test_only_get_and_head_and_only_these_pages(held):
    site = site_of(held())
    for path in ("/metrics", "/status", "/healthz"):
        reply, body = site.ask(path, "HEAD")
        assert (reply.status, body) == (200, "") and int(reply.getheader("Content-Length")) > 0
    for method in ("POST", "PUT", "DELETE", "BREW"):
        reply, _ = site.ask("/metrics", method, body=b"x" * 100)
        assert reply.status == 405 and reply.getheader("Allow") == "GET, HEAD"
    for path in ("/", "/metrics/", "/etc/passwd", "/../status", "/metricsx"):
        assert site.get(path)[0] == 404
    assert site.get("/healthz?verbose=1")[0] == 200


def test_garbage_and_slow_clients_do_not_hold_up_the_others(held):
    run = held()
    site = site_of(run)

    def connect(data):
        client = socket.create_connection(("127.0.0.1", site.where), timeout=20)
        client.sendall(data)
        return client

    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00", b"\0" * 1000, b"GET\r\n\r\n",
                    b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000):
        try:
            connect(garbage).close()
        except OSError:
            pass
    few = [connect(b"GET /metrics HTTP/1.1\r\nHost: a\r\n") for _ in range(20)]
    started = time.monotonic()
    assert site.get("/healthz")[0] == 200
    assert time.monotonic() - started < 4, "those who hold it up are cut off after 5 s"
    many = [connect(b"GET /metrics HTTP/1.1\r\n") for _ in range(25)]
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and any(client.fileno() >= 0 for client in few):
        for client in few:  # each sends a byte now and then, so that it is never idle
            try:
                client.send(b"X")
            except OSError:
                client.close()
        time.sleep(0.2)
    assert all(client.fileno() < 0 for client in few), "a slow client was not cut off"
    assert site.get("/healthz")[0] == 200
    for client in many:
        client.close()
    assert run.running


def test_a_unix_socket(held, busy_clickhouse, tmp_path):
    path = tmp_path / "sluice.sock"
    run = held(listen=f"unix:{path}")
    run.wait_for_stderr(f"metrics are served on unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert "sluice_build_info" in Site(path).metrics().families
    busy_clickhouse.clear()
    run.wait(60)
    assert not path.exists()


def test_an_address_in_use_is_temporary_and_a_wrong_one_is_not(held, sluice, kafka, clickhouse, topic, table):
    site = site_of(held())
    taken = f"127.0.0.1:{site.where}"
    arguments = sync_arguments(kafka, clickhouse, topic, f"{table}_held")
    run = sluice(*arguments, "--metrics-listen", taken).expect(75)
    assert taken in run.stderr and "another process" in run.stderr
    sluice(*arguments, "--metrics-listen", "192.0.2.1:9464").expect(78)
    sluice(*arguments, "--metrics-listen", "9464").expect(2)
    assert site.get("/healthz")[0] == 200


def test_listening_beyond_this_machine_is_warned_about(held):
    run = held(listen="0.0.0.0:0")
    run.wait_for_stderr("beyond this machine")


def test_secrets_and_records_are_on_no_page(kafka, own_clickhouse, sluice, topic):
    clickhouse = own_clickhouse(users={"loader": {"password": "canary-secret"}})
    events.create_table(clickhouse, "t.events_held")
    kafka.create_topic(topic, 1)
    kafka.produce_lines(topic, events.lines(1000) + b'{"id":"canary-record"}\n')
    with fake_http.FakeHttp(forward_to=clickhouse.url) as fake:
        fake.on(lambda request: bool(request.insert_number) and len(request.body) > 1000, fake_http.busy(503))
        run = sluice.start(*sync_arguments(kafka, fake, topic, "t.events_held", "--metrics-listen", "127.0.0.1:0",
                                           "--clickhouse-user", "loader", "--on-error", "reject", "--reject-file",
                                           "r.jsonl"), env={"SLUICE_CLICKHOUSE_PASSWORD": "canary-secret"})
        site = site_of(run)
        run.wait_until(lambda: site.metrics().total("sluice_clickhouse_retries_total") > 0, 30, "a retry")
        pages = [site.get(path)[1] for path in ("/metrics", "/status", "/healthz", "/readyz")]
        run.wait_until(lambda: site.metrics().total("sluice_records_rejected_total") == 1, 10, "the reject")
        run.send(signal.SIGUSR1)
        run.wait_for_stderr('{"type":"status"')
        run.kill()
    for text in (*pages, run.stderr):
        assert "canary" not in text


def test_sigusr1_shows_the_status_as_one_line(held, busy_clickhouse):
    run = held("-q")
    run.wait_until(lambda: any(len(insert.body) > 1000 for insert in busy_clickhouse.insert_requests), 30, "an INSERT")
    run.send(signal.SIGUSR1)
    run.wait_for_stderr('{"type":"status"')
    (line,) = [line for line in run.stderr.splitlines() if line.startswith('{"type":"status"')]
    assert json.loads(line)["pipelines"][0]["state"] in ("catching_up", "failing", "running")
    assert run.running


class Manager:
    """A service manager: collects what is sent to NOTIFY_SOCKET."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0") if name.startswith("@") else name)
        self.socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": name}
        self.told = []

    def look(self):
        while True:
            try:
                self.told += self.socket.recv(65536).decode().splitlines()
            except BlockingIOError:
                return self.told

    def hears(self, start):
        return any(line.startswith(start) for line in self.look())


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_hears_how_it_goes(held, tmp_path, topic, kind):
    manager = Manager(str(tmp_path / "notify") if kind == "path" else f"@sluice-{topic}")
    run = held("--log-file", "sluice.log", env=manager.environment | {"WATCHDOG_USEC": "2000000"})
    run.wait_until(lambda: manager.hears("READY=1"), 30, "READY=1")
    run.wait_until(lambda: manager.hears("WATCHDOG=1"), 30, "WATCHDOG=1")
    run.wait_until(lambda: manager.hears(f"STATUS={topic} failing, lag "), 30, "STATUS=")
    manager.told.clear()
    run.hangup()
    run.wait_until(lambda: manager.hears("READY=1"), 30, "READY=1 after the reload")
    lines = [line for line in manager.told if line.startswith(("RELOADING", "MONOTONIC", "READY"))]
    assert lines[0] == "RELOADING=1" and lines[1].startswith("MONOTONIC_USEC=") and lines[2] == "READY=1"
    run.terminate()
    run.wait_until(lambda: manager.hears("STOPPING=1"), 30, "STOPPING=1")
    run.kill()


def test_a_pipeline_that_hangs_is_not_told_alive(kafka, clickhouse, sluice, topic, table, tmp_path):
    """Its thread hangs in the log, which goes into a pipe that nobody reads."""
    kafka.create_topic(topic, 1)
    kafka.produce_lines(topic, events.lines(RECORDS))
    events.create_table(clickhouse, table)
    log = tmp_path / "log"
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, 1031, 4096)  # F_SETPIPE_SZ
    manager = Manager(str(tmp_path / "notify"))
    address = tmp_path / "http"
    run = sluice.start(*sync_arguments(kafka, clickhouse, topic, table, "--batch-rows", "200", "--log-file", log,
                                       "--metrics-listen", f"unix:{address}", "-o", "json"),
                       env=manager.environment | {"WATCHDOG_USEC": "2000000"})
    site = Site(address)
    run.wait_until(address.exists, 30, "the socket")
    run.wait_until(lambda: site.get("/healthz")[0] == 503, 30, "503")
    assert f"pipeline {topic} has not turned for" in site.get("/healthz")[1]
    assert site.metrics().state(topic) == "stalled" and not site.status()["healthy"]
    manager.look().clear()
    time.sleep(1)
    assert "WATCHDOG=1" not in manager.look()

    def read_log():
        try:
            os.read(reader, 65536)
        except BlockingIOError:
            pass
        return not run.running

    deadline = time.monotonic() + 60
    while not read_log():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.close(reader)
    assert run.wait().expect(0).json["totals"]["inserted"] == RECORDS
    assert "WATCHDOG=1" in manager.look()


def names_in(expression):
    return set(re.findall(r"\b(?:sluice|process)_[a-z_]+\b", expression))


def test_alerts_and_dashboard_name_metrics_that_exist(held):
    exported = site_of(held()).metrics()
    known = set()
    for line in (exported.text + (ROOT / "tests/golden/summary.prom").read_text()).splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            known |= {name + suffix for suffix in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    for family in exported.families.values():
        assert len(family.documentation) > 10, family.name

    groups = yaml.safe_load((SHARE / "alerts/sluice.rules.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    dashboard = json.loads((SHARE / "grafana/sluice.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert len(rules) >= 7 and len(rows) == 8
    for rule in rules:
        assert {"alert", "expr", "labels", "annotations"} <= set(rule)
    for expression in [rule["expr"] for rule in rules] + targets:
        assert expression.count("(") == expression.count(")") and expression.count("{") == expression.count("}")
        assert names_in(expression), expression
        assert names_in(expression) <= known, names_in(expression) - known


def test_the_kafka_client_tells_of_its_brokers_queues_and_errors(own_kafka, clickhouse, sluice, topic, table):
    kafka = own_kafka()
    kafka.create_topic(topic, 2)
    kafka.produce_lines(topic, events.lines(RECORDS))
    events.create_table(clickhouse, table)
    run = sluice.start("tail", *sync_arguments(kafka, clickhouse, topic, table, "--metrics-listen", "127.0.0.1:0",
                                               "-X", "statistics.interval.ms=500", "--drain-timeout", "2s")[1:])
    site = site_of(run)
    run.wait_until(lambda: site.metrics().total("sluice_kafka_brokers_up") == 1, 30, "the broker to be seen")
    run.wait_until(lambda: site.metrics().total("sluice_clickhouse_rows_inserted_total") == RECORDS, 30, "all rows")
    seen = site.metrics()
    assert 0 < seen.value("sluice_kafka_broker_rtt_seconds", broker=kafka.bootstrap) < 5
    assert seen.value("sluice_kafka_fetch_queue_records", pipeline=topic) >= 0
    assert seen.value("sluice_kafka_fetch_queue_bytes", pipeline=topic) >= 0
    assert seen.value("sluice_kafka_stall_restarts_total", pipeline=topic) == 0
    assert 0 < seen.value("sluice_decode_seconds_total", pipeline=topic) < 60
    kafka.kill()
    run.wait_until(lambda: site.metrics().value("sluice_kafka_brokers_up") == 0, 30, "the broker to be missed")
    run.wait_until(lambda: site.metrics().total("sluice_kafka_errors_total", pipeline=topic, error="_TRANSPORT") > 0,
                   30, "the errors")
    assert run.stop(30).seconds < 60, "nothing waits for a broker that is away"
