# SPDX-License-Identifier: Apache-2.0
"""TLS and SASL against the real broker, HTTPS before the real ClickHouse, and secrets that stay secret."""

from pathlib import Path

import certificates
import events
import proxy
import pytest
import stand


@pytest.fixture(scope="module")
def secure_kafka():
    with stand.Kafka(secure=True, external=False) as server:
        yield server


@pytest.fixture(scope="module")
def scram_kafka():
    """librdkafka before 2.6.1 sends a SCRAM nonce that Kafka 4 refuses; Kafka 3.9 takes it."""
    with stand.Kafka(secure=True, version="3.9.1", external=False) as server:
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("authority"))


def write_config(sluice, kafka, clickhouse_url, topic, table, security, clickhouse=""):
    (sluice.folder / "sluice.toml").write_text(f"""
[kafka]
brokers = ["{kafka}"]
{security}
[clickhouse]
url = "{clickhouse_url}"
{clickhouse}
[pipelines.events]
topic = "{topic}"
table = "{table}"
""")


@pytest.fixture
def loaded(secure_kafka, clickhouse, topic, table):
    secure_kafka.create_topic(topic, 2)
    secure_kafka.produce_lines(topic, events.lines(500))
    events.create_table(clickhouse, table)
    return lambda: clickhouse.value(f"SELECT count() FROM {table}")


def sasl_tls(kafka, mechanism, password):
    return f"""
[kafka.security]
protocol = "sasl_ssl"
mechanism = "{mechanism}"
username = "alice"
password = {password}
ca_file = "{kafka.ca_file}"
"""


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl_over_tls(scram_kafka, clickhouse, sluice, topic, table, mechanism):
    scram_kafka.create_topic(topic, 2)
    scram_kafka.produce_lines(topic, events.lines(500))
    events.create_table(clickhouse, table)
    secret = sluice.folder / "password"
    secret.write_text("alice-secret\n")
    secret.chmod(0o600)
    write_config(sluice, scram_kafka.sasl_tls_bootstrap, clickhouse.url, topic, table,
                 sasl_tls(scram_kafka, mechanism, f'{{ file = "{secret}" }}'))
    run = sluice("sync", "-vv").expect(0)
    assert clickhouse.value(f"SELECT count() FROM {table}") == 500
    assert "alice-secret" not in run.stdout + run.stderr


def test_sasl_plain_over_tls_against_the_newest_broker(secure_kafka, clickhouse, sluice, topic, table, loaded):
    write_config(sluice, secure_kafka.sasl_tls_bootstrap, clickhouse.url, topic, table,
                 sasl_tls(secure_kafka, "PLAIN", '{ env = "KAFKA_PW" }'))
    sluice("sync", env={"KAFKA_PW": "alice-secret"}).expect(0)
    assert loaded() == 500


def test_scram_refused_by_a_new_broker_names_the_old_librdkafka(
        secure_kafka, clickhouse, sluice, topic, table, loaded):
    write_config(sluice, secure_kafka.sasl_tls_bootstrap, clickhouse.url, topic, table,
                 sasl_tls(secure_kafka, "SCRAM-SHA-512", '{ env = "KAFKA_PW" }'))
    run = sluice("sync", env={"KAFKA_PW": "alice-secret"}, timeout=40)
    if run.code != 0:  # a newer librdkafka gets in
        run.expect(77)
        assert "librdkafka" in run.stderr


def test_tls_alone(secure_kafka, clickhouse, sluice, topic, table, loaded):
    write_config(sluice, secure_kafka.tls_bootstrap, clickhouse.url, topic, table,
                 f'[kafka.security]\nprotocol = "ssl"\nca_file = "{secure_kafka.ca_file}"\n')
    sluice("sync").expect(0)
    assert loaded() == 500


def test_a_wrong_password_is_no_permission(secure_kafka, clickhouse, sluice, topic, table, loaded):
    write_config(sluice, secure_kafka.sasl_tls_bootstrap, clickhouse.url, topic, table,
                 sasl_tls(secure_kafka, "PLAIN", '{ env = "KAFKA_PW" }'))
    run = sluice("sync", env={"KAFKA_PW": "canary-wrong"}, timeout=40).expect(77)
    assert "canary-wrong" not in run.stdout + run.stderr


def test_plaintext_to_a_tls_port_says_so(secure_kafka, clickhouse, sluice, topic, table, loaded):
    """case 25: TLS that is missing on one side."""
    write_config(sluice, secure_kafka.tls_bootstrap, clickhouse.url, topic, table, "")
    run = sluice("sync", "--retry-max-time", "3s", timeout=40).expect(75)
    assert "TLS" in run.stderr or "SSL" in run.stderr


def test_tls_to_a_plaintext_port_says_so(secure_kafka, clickhouse, sluice, topic, table, loaded):
    write_config(sluice, secure_kafka.bootstrap, clickhouse.url, topic, table,
                 f'[kafka.security]\nprotocol = "ssl"\nca_file = "{secure_kafka.ca_file}"\n')
    run = sluice("sync", "--retry-max-time", "3s", timeout=40)
    assert run.code in (75, 78), run
    assert "TLS" in run.stderr or "SSL" in run.stderr


def test_an_unknown_authority_is_refused(secure_kafka, clickhouse, sluice, topic, table, loaded):
    write_config(sluice, secure_kafka.tls_bootstrap, clickhouse.url, topic, table,
                 '[kafka.security]\nprotocol = "ssl"\n')
    run = sluice("sync", "--retry-max-time", "3s", timeout=40)
    assert run.code in (75, 78), run
    assert "certificate" in run.stderr
    assert loaded() == 0


def test_https_through_a_tls_proxy(secure_kafka, clickhouse, sluice, topic, table, loaded, authority):
    with proxy.TlsProxy(clickhouse.port, authority.issue("good")) as tls:
        write_config(sluice, secure_kafka.bootstrap, tls.url, topic, table, "",
                     f'tls = {{ ca_file = "{authority.ca_file}" }}')
        sluice("sync").expect(0)
    assert loaded() == 500


@pytest.mark.parametrize("fault", ["wrong host", "expired", "self-signed"])
def test_a_bad_certificate_is_fatal_and_nothing_is_sent(
        secure_kafka, clickhouse, sluice, topic, table, loaded, authority, fault):
    """case 25: certificates that prove nothing."""
    certificate = {
        "wrong host": lambda: authority.issue("other", names=["DNS:example.invalid"]),
        "expired": lambda: authority.issue("old", expired=True),
        "self-signed": lambda: certificates.self_signed(authority.folder, "own"),
    }[fault]()
    with proxy.TlsProxy(clickhouse.port, certificate) as tls:
        write_config(sluice, secure_kafka.bootstrap, tls.url, topic, table, "",
                     f'tls = {{ ca_file = "{authority.ca_file}" }}')
        run = sluice("sync", timeout=30)
    assert run.code in (77, 78), run
    assert "certificate" in run.stderr.lower()
    assert loaded() == 0


def test_check_names_what_an_acl_refuses(own_kafka, clickhouse, sluice, topic, table):
    """The broker refuses what no ACL allows, as clusters of companies do: first the topic, then the group."""
    broker = own_kafka(secure=True, properties={
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS"})
    broker.create_topic(topic, 1)
    broker.produce_lines(topic, events.lines(10))
    events.create_table(clickhouse, table)
    write_config(sluice, broker.sasl_bootstrap, clickhouse.url, topic, table, """
[kafka.security]
protocol = "sasl_plaintext"
mechanism = "PLAIN"
username = "bob"
password = { env = "KAFKA_PW" }
""")

    def allow(*what):
        broker.java_tool("org.apache.kafka.tools.AclCommand", "--bootstrap-server", broker.bootstrap, "--add",
                         "--allow-principal", "User:bob", *what)

    def check(code):
        run = sluice("check", "--online", "-o", "json", env={"KAFKA_PW": "bob-secret"}).expect(code)
        return [finding for finding in run.json["findings"] if finding["level"] == "error"]

    for operation in ("Describe", "Read"):
        (refused,) = check(77)
        assert refused["fix"] == f"grant READ and DESCRIBE on topic {topic}", refused
        allow("--operation", operation, "--topic", topic)
    (refused,) = check(77)
    assert refused["fix"] == "grant READ on consumer group sluice-events", refused
    run = sluice("status", "-o", "json", env={"KAFKA_PW": "bob-secret"}).expect(77)
    assert run.json["pipelines"][0]["problems"][0]["slug"] == "kafka-no-permission", run
    refused = sluice("sync", env={"KAFKA_PW": "bob-secret"}).expect(77)
    assert "group sluice-events" in refused.stderr
    allow("--operation", "Read", "--group", "sluice-events")
    assert check(0) == []
    sluice("sync", env={"KAFKA_PW": "bob-secret"}).expect(0)
    assert clickhouse.value(f"SELECT count() FROM {table}") == 10


CANARY = "canary-7f3a-secret"


@pytest.fixture(params=["file", "env", "credential", "command"])
def canary(request, sluice):
    """The four ways to give a secret: (what stands in the configuration, the environment it needs)."""
    (sluice.folder / "kept").mkdir()
    (sluice.folder / "kept/password").write_text(f"{CANARY}\n")
    (sluice.folder / "kept/password").chmod(0o600)
    return {"file": ('{ file = "kept/password" }', {}), "env": ('{ env = "CANARY" }', {"CANARY": CANARY}),
            "credential": ('{ credential = "password" }', {"CREDENTIALS_DIRECTORY": str(sluice.folder / "kept")}),
            "command": ('{ command = ["cat", "kept/password"] }', {})}[request.param]


def test_a_secret_is_nowhere_to_be_seen(secure_kafka, own_clickhouse, sluice, topic, table, canary):
    """Neither where it is right nor where it is refused: not in what is printed, logged, served or in argv."""
    reference, env = canary
    server = own_clickhouse(users={"loader": {"password": CANARY}})
    secure_kafka.create_topic(topic, 1)
    secure_kafka.produce_lines(topic, events.lines(10))
    events.create_table(server, table)
    told = []

    def configure(user):
        write_config(sluice, secure_kafka.sasl_bootstrap, server.url, topic, table, f"""
[kafka.security]
protocol = "sasl_plaintext"
mechanism = "PLAIN"
username = "alice"
password = {reference if user == "wrong" else '{ env = "KAFKA_PW" }'}
""", f'user = "loader"\npassword = {reference}\n')

    def run(code, *arguments):
        outcome = sluice(*arguments, env=env | {"KAFKA_PW": "alice-secret"}, timeout=40).expect(code)
        told.append(outcome.stdout + outcome.stderr)

    configure("right")
    run(0, "sync", "-vvv", "-o", "jsonl", "--log-format", "json", "--summary-file", "s.json")
    tail = sluice.start("tail", "-vv", "--metrics-listen", f"unix:{sluice.folder}/s.sock", "--log-file", "log",
                        env=env | {"KAFKA_PW": "alice-secret"})
    tail.wait_until(lambda: (sluice.folder / "s.sock").exists(), 30, "the socket")
    told.append(Path(f"/proc/{tail.pid}/cmdline").read_bytes().decode())
    run(0, "status", "--ask", f"unix:{sluice.folder}/s.sock", "-o", "json")
    outcome = tail.stop().expect(0)
    told += [outcome.stdout, outcome.stderr, (sluice.folder / "log").read_text(), (sluice.folder / "s.json").read_text()]
    for arguments in (["check", "--show-origin"], ["check", "--report"], ["check", "--online", "-o", "json"]):
        run(0, *arguments)
    configure("wrong")
    for form in ("text", "json"):
        run(77, "sync", "-vvv", "-o", form)
    assert len("".join(told)) > 10_000
    for text in told:
        assert CANARY not in text, text
