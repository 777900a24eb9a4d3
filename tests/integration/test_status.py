# SPDX-License-Identifier: Apache-2.0
"""status: how far each pipeline is, told without taking part, without ever hanging, and without claiming
what nobody knows."""

import json
import socket
import subprocess
import time

import pytest
from conftest import PATIENCE
from proxy import BLACKHOLE, Proxy

SIMPLE = "(id UInt64) ENGINE = MergeTree ORDER BY id"


def rows(first, count):
    return b"".join(b'{"id":%d}\n' % number for number in range(first, first + count))


@pytest.fixture
def world(kafka, clickhouse, sluice, topic, table):
    """A topic with 300 records in 2 partitions, its table, and ./sluice.toml with one pipeline, `orders`."""
    kafka.create_topic(topic, 2)
    kafka.produce_lines(topic, rows(0, 200), partition=0)
    kafka.produce_lines(topic, rows(200, 100), partition=1)
    clickhouse.query(f"CREATE TABLE {table} {SIMPLE}")

    def configure(brokers=kafka.bootstrap, url=clickhouse.url, reject='file = "rejects.jsonl"'):
        (sluice.folder / "sluice.toml").write_text(f"""
[kafka]
brokers = ["{brokers}"]
[clickhouse]
url = "{url}"
[pipelines.orders]
topic = "{topic}"
table = "{table}"
group = "g-{topic}"
on_error = "reject"
reject = {{ {reject} }}
""")

    configure()
    return configure


def look(sluice, *arguments, code=0):
    """The document of -o json: the only thing on stdout, and one."""
    run = sluice("status", "-o", "json", *arguments).expect(code)
    assert run.stdout.count("\n") == 1 and run.stderr == ""
    assert run.json["type"] == "status" and run.json["exit_code"] == code
    return run.json


def pipeline(sluice, *arguments, code=0):
    (only,) = look(sluice, *arguments, code=code)["pipelines"]
    return only


@pytest.mark.parametrize("form", ["text", "jsonl", "tsv"])
def test_watching_ends_with_its_reader(world, sluice, form):
    world()
    watching = subprocess.Popen([sluice.binary, "status", "-w", "200ms", "-o", form], cwd=sluice.folder,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert watching.stdout.readline()
    watching.stdout.close()
    try:
        watching.wait(20 * PATIENCE)
    finally:
        watching.kill()


def test_a_backlog_of_many_partitions_is_told_in_seconds(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 8)
    for partition in range(8):
        kafka.produce_lines(topic, rows(partition * 2000, 2000), partition=partition)
    (sluice.folder / "sluice.toml").write_text(
        f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[clickhouse]\nurl = "{clickhouse.url}"\n'
        f'[pipelines.orders]\ntopic = "{topic}"\ntable = "{table}"\n')
    for _ in range(3):
        found = pipeline(sluice)
        assert found["lag"] == 16_000 and found["lag_seconds"] is not None, found


def test_nothing_has_to_run(world, kafka, clickhouse, sluice, topic, table):
    world(reject=f'topic = "{topic}.rejects"')
    before = pipeline(sluice)
    assert (before["state"], before["lag"], before["rows_per_s"]) == ("never_run", 300, None)
    assert 0 < before["lag_seconds"] < 60 and before["last_insert_at"] is None
    assert before["rejected_24h"] is None, "there is no reject topic yet"
    assert before["group"] == {"id": f"g-{topic}", "state": "Dead", "members": 0}

    kafka.create_topic(f"{topic}.rejects")
    kafka.produce_lines(topic, b"not json\n", partition=1)
    started = time.time()
    sluice("sync").expect(3)
    after = pipeline(sluice)
    assert (after["state"], after["lag"], after["lag_seconds"]) == ("stopped", 0, 0)
    assert after["rejected_24h"] == 1
    inserted_at = time.strptime(after["last_insert_at"].split(".")[0], "%Y-%m-%dT%H:%M:%S")
    assert abs(time.mktime(inserted_at) - time.mktime(time.gmtime(started))) < 30
    assert [(one["committed"], one["start"], one["end"]) for one in after["partitions"]] == [(200, 0, 200), (101, 0, 101)]
    assert look(sluice)["clickhouse"] == [{"endpoint": clickhouse.url, "up": True}]

    # The oldest record that is not committed tells how far behind the group is, in seconds.
    kafka.produce_lines(topic, rows(300, 5), partition=0)
    time.sleep(1.2)
    waiting = pipeline(sluice, "--max-lag", "5")
    assert waiting["lag"] == 5 and 1.1 < waiting["lag_seconds"] < 30
    text = sluice("status").expect(0).stdout
    assert text.splitlines()[0].split()[:2] == ["PIPELINE", "STATE"]
    assert text.splitlines()[1].split()[:2] == ["orders", "stopped"] and "\x1b" not in text

    # The same without any configuration, where only Kafka is known.
    adhoc = pipeline(sluice, "-c", "none", "-b", kafka.bootstrap, "-t", topic, "--group", f"g-{topic}")
    assert (adhoc["state"], adhoc["lag"], adhoc["table"]) == ("stopped", 5, None)


def test_a_running_tail(world, kafka, sluice, topic):
    tail = sluice.start("tail", "--metrics-listen", f"unix:{sluice.folder}/s.sock")
    tail.wait_until(lambda: pipeline(sluice)["state"] == "idle", 30, "the tail to have read all")
    idle = pipeline(sluice)
    assert idle["group"]["state"] == "Stable" and idle["group"]["members"] == 1 and idle["lag"] == 0
    assert {one["client_id"] for one in idle["partitions"]} == {"sluice"}

    # Work comes and goes while it looks: a rate, from one commit to another.
    deadline = time.monotonic() + 60
    looking = sluice.start("status", "--watch", "100ms", "-o", "jsonl")
    sent = 300
    while time.monotonic() < deadline:
        kafka.produce_lines(topic, rows(sent, 200), partition=0)
        sent += 200
        rates = [json.loads(line)["pipelines"][0]["rows_per_s"] for line in looking.stdout.splitlines()]
        if any(rate for rate in rates):
            break
        time.sleep(0.1)
    looking.terminate()
    assert max(rate or 0 for rate in rates) > 50, rates

    # The tail itself says the same, and knows nothing of the group's members.
    tail.wait_until(lambda: pipeline(sluice)["lag"] == 0, 30, "the tail to have read all")
    asked = pipeline(sluice, "--ask", f"unix:{sluice.folder}/s.sock")
    assert (asked["state"], asked["lag"], asked["topic"]) == ("idle", 0, topic)
    assert asked["group"]["members"] is None and asked["rejected_24h"] is None
    run = sluice("status", "--ask", f"{sluice.folder}/s.sock", "nosuch", "-o", "json").expect(2)
    assert run.json["type"] == "exit_error"
    tail.stop().expect(0)
    run = sluice("status", "--ask", f"{sluice.folder}/s.sock", "-o", "json").expect(75)
    assert run.json["slug"] == "tail-unreachable"


def test_gates(world, kafka, sluice, topic):
    sluice("sync", "-q").expect(0)
    look(sluice, "--max-lag", "0", "--max-lag-seconds", "0", "--max-age", "1h")
    kafka.produce_lines(topic, rows(300, 3), partition=0)
    for gate in (("--max-lag", "2"), ("--max-age", "1ms"), ("--max-rejects", "0")):
        document = look(sluice, *gate, code=4)
        (problem,) = document["pipelines"][0]["problems"]
        assert problem["slug"] == gate[0][2:] and not document["healthy"], "of a reject file nothing is known, and that meets no limit"
    run = sluice("status", "--max-lag", "2").expect(4)
    assert "orders: the lag is 3, more than --max-lag 2" in run.stdout

    # What comes in time is waited for, and no longer than said.
    late = sluice("status", "--max-lag", "2", "--wait", "2s", "-o", "tsv").expect(4)
    assert 1 < late.seconds < 20 and late.stdout.splitlines()[1].split("\t")[4] == "3"
    waiting = sluice.start("status", "--max-lag", "0", "--wait", "60s", "-o", "json")
    time.sleep(1)
    sluice("sync", "-q").expect(0)
    assert waiting.wait(30).expect(0).json["pipelines"][0]["lag"] == 0


def silent_port():
    """A port where connections are taken into the backlog and nobody ever answers."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    return listener


@pytest.mark.parametrize("trouble", ["refused", "silent", "no name", "clickhouse"])
def test_it_never_hangs(world, clickhouse, sluice, trouble):
    with silent_port() as listener, Proxy(clickhouse.port) as slow:
        silent = f"127.0.0.1:{listener.getsockname()[1]}"
        if trouble == "clickhouse":
            slow.rule = BLACKHOLE
            world(url=slow.url)
        else:
            world(brokers={"refused": "127.0.0.1:1", "silent": silent, "no name": "no.such.host.invalid:9092"}[trouble])
        run = sluice("status", "-o", "json", "--timeout", "3s").expect(75)
        assert run.seconds < 3 + 3 * PATIENCE, run
        assert run.stdout.count("\n") == 1
        (seen,) = run.json["pipelines"]
        if trouble == "clickhouse":
            assert seen["lag"] == 300 and run.json["clickhouse"] == [{"endpoint": slow.url, "up": False}]
            assert run.json["problems"][0]["slug"].startswith("clickhouse")
        else:
            assert (seen["lag"], seen["state"], seen["group"]["members"]) == (None, None, None)
            assert seen["problems"][0]["slug"] == "kafka-unreachable"
            assert run.json["clickhouse"][0]["up"] is True
        text = sluice("status", "--timeout", "1s").expect(75)
        assert text.seconds < 1 + 3 * PATIENCE and ("?" in text.stdout or trouble == "clickhouse")


def test_a_broker_that_falls_silent(own_kafka, sluice, topic):
    """Connections are there, requests are taken, no answer comes: librdkafka has calls that then never return."""
    broker = own_kafka()
    broker.create_topic(topic, 1)
    arguments = ["status", "-b", broker.bootstrap, "-t", topic, "-o", "json"]
    assert sluice(*arguments).expect(0).json["pipelines"][0]["lag"] == 0
    watch = sluice.start("status", "-b", broker.bootstrap, "-t", topic, "-o", "jsonl", "--timeout", "2s", "-w", "1ms")
    watch.wait_until(lambda: watch.stdout.count("\n") > 3, 30, "some looks")
    broker.pause()
    try:
        run = sluice(*arguments, "--timeout", "2s").expect(75)
        assert run.seconds < 2 + 3 * PATIENCE and run.json["pipelines"][0]["lag"] is None
        # Wherever in its look the silence met the other: it goes on looking, and says that it sees nothing.
        blind = lambda: json.loads(watch.stdout.splitlines()[-1])["exit_code"] == 75  # noqa: E731
        watch.wait_until(blind, 10, "a look without an answer")
    finally:
        broker.resume()
    watch.wait_until(lambda: not blind(), 30, "a look with an answer")
    watch.terminate()


def test_for_scripts(world, kafka, sluice, topic):
    sluice("sync", "-q").expect(0)
    head, line = sluice("status", "-o", "tsv").expect(0).stdout.splitlines()
    row = dict(zip(head.split("\t"), line.split("\t"), strict=True))
    assert (row["pipeline"], row["state"], row["lag"], row["rejected_24h"]) == ("orders", "stopped", "0", "?")
    assert len(sluice("status", "-o", "tsv", "-p").expect(0).stdout.splitlines()) == 3
    metrics = sluice("status", "-o", "prometheus").expect(0).stdout
    assert f'sluice_kafka_consumer_lag_records{{pipeline="orders",topic="{topic}",partition="0"}} 0\n' in metrics
    assert 'sluice_pipeline_state{pipeline="orders",state="stopped"} 1\n' in metrics
    assert "sluice_rejected_records_24h{" not in metrics, "not known is absent"
    assert sluice("status", "-q").expect(0).stdout == ""
    assert sluice("status", "-p").expect(0).stdout.startswith(f"GROUP g-{topic}  STATE Empty  MEMBERS 0  TOTAL-LAG 0\n")

    # -w may have a duration or not, and a pipeline behind it.
    watch = sluice.start("status", "-w", "orders", "-o", "jsonl")
    watch.wait_until(lambda: watch.stdout.count("\n") >= 2, 30, "a second look")
    watch.terminate()
    for wrong in (["-w", "-o", "json"], ["-w", "--wait", "1s"], ["nosuch"], ["--max-lag", "many"], ["-o", "xml"]):
        run = sluice("status", *wrong).expect(2)
        assert "error[" in run.stderr
    sluice("sync", "-o", "tsv").expect(2)
    missing = sluice("status", "-c", "none", "-b", kafka.bootstrap, "-t", f"{topic}.no", "-o", "json").expect(78)
    assert missing.json["pipelines"][0]["problems"][0]["slug"] == "topic-missing"


def test_a_backfill_under_way(world, sluice, topic):
    sluice("sync", "-q").expect(0)
    command = ("backfill", "orders", "--range", "start:end", "--duplicates", "allow", "-y")
    backfill = sluice.start(*command, "--rate", "20", "--batch-age", "200ms")

    def first_run():
        (run,) = pipeline(sluice)["runs"] or [{"remaining": None}]
        return run

    backfill.wait_until(lambda: 0 < (first_run()["remaining"] or 0) < 300, 30, "some progress")
    run = first_run()
    assert (run["kind"], run["records"], run["running"], run["range"]) == ("backfill", 300, True, "start:end")
    assert run["group"] == f"g-{topic}.backfill.{run['id']}"
    assert f"orders: backfill {run['id']} (start:end) running: " in sluice("status").expect(0).stdout
    backfill.stop()
    assert first_run()["running"] is False
    assert f"backfill {run['id']} (start:end) not running: " in sluice("status").expect(0).stdout
    sluice(*command).expect(0)
    assert first_run()["remaining"] == 0
    assert f"backfill {run['id']}" not in sluice("status").expect(0).stdout, "it is done"
