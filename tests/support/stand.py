# SPDX-License-Identifier: Apache-2.0
"""A real Kafka and a real ClickHouse on loopback, for tests.

    with Kafka() as kafka, ClickHouse() as clickhouse:
        kafka.create_topic("events", partitions=4)
        kafka.produce_lines("events", b'{"id":1}\n{"id":2}\n')
        clickhouse.query("CREATE TABLE t.events (id UInt64) ORDER BY id")

Every instance has its own ports, its own folder and its own process group, and dies with the process
that started it, even when that one is killed with SIGKILL. `tests/setup` must have run before.

SLUICE_TEST_KAFKA (host:port) and SLUICE_TEST_CLICKHOUSE (URL) name servers to use instead; those are
not ours, so what would stop or hurt them raises NotOwned (see `owned`).

Standard library only, but for Debian's python3-confluent-kafka where Kafka is spoken to.
"""

import atexit
import base64
import ctypes
import fcntl
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import escape

# What has to happen some time is waited for so many times longer than it usually takes at most.
PATIENCE = float(os.environ.get("SLUICE_TEST_PATIENCE") or 3)
START_TIMEOUT = 40.0 * PATIENCE
STOP_TIMEOUT = 20.0
KAFKA_VERSION = "4.1.0"
FOLDER_PREFIX = "sluice-stand-"
CLASS_ARCHIVE = "classes.jsa"  # Java's loaded classes, kept beside Kafka's jars: halves its start


class StandError(Exception):
    """The stand itself does not work: not a finding about sluice."""


class NotOwned(StandError):
    """The server was named by the environment; it cannot be stopped, killed or configured."""


class NotInstalled(StandError):
    """tests/setup has not run, or could not get it for this machine."""


def cache_folder():
    named = os.environ.get("SLUICE_TEST_CACHE")
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice-test"


def free_ports(count):
    """Ports below the ephemeral range, so that no outgoing connection takes one between two starts."""
    ports = set()
    for port in random.SystemRandom().sample(range(12000, 32000), 500):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.add(port)
        if len(ports) == count:
            return list(ports)
    raise StandError("no free loopback ports between 12000 and 32000")


def wait_until(condition, timeout, what, interval=0.02):
    """Polls until condition() is true; returns its value."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise StandError(f"{what} did not happen within {timeout:g} s")
        time.sleep(interval)


def port_answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


# PR_SET_PDEATHSIG fires when the starting *thread* ends, so one thread starts all servers and lives
# as long as the process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stand-starter")
_libc = ctypes.CDLL(None, use_errno=True)


def start_process(arguments, die_with_parent=True, **options):
    """Popen in an own session, killed by the kernel when this process ends (however it ends)."""
    parent = os.getpid()

    def before_exec():
        if die_with_parent:
            pr_set_pdeathsig = 1
            _libc.prctl(pr_set_pdeathsig, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    options = {"stdin": subprocess.DEVNULL, "start_new_session": True, **options}
    return _starter.submit(
        subprocess.Popen, list(map(str, arguments)), preexec_fn=before_exec, **options
    ).result()


class PrivateFolder:
    """A temporary folder whose lock is held by its owner and the owner's servers; the folders of dead
    owners are swept away by the next one."""

    def __init__(self, kind):
        self._sweep()
        self.path = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{kind}-"))
        self.lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def release(self):
        """Gives up our share of the lock without removing anything."""
        os.close(self.lock)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)

    @staticmethod
    def _sweep():
        for folder in Path(tempfile.gettempdir()).glob(FOLDER_PREFIX + "*"):
            try:
                if time.time() - folder.stat().st_mtime < 60:
                    continue  # perhaps just being made
                lock = os.open(folder / "lock", os.O_RDWR)
            except OSError:
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            except OSError:
                pass  # in use
            finally:
                os.close(lock)


class Server:
    """What Kafka and ClickHouse have in common: one process that can be hurt in every way."""

    name = "server"

    def __init__(self, owned, detached=False):
        self.owned = owned
        self.detached = detached
        self.process = None
        self._folder = PrivateFolder(self.name) if owned else None
        if owned and not detached:
            atexit.register(self.close)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def start(self):
        """Starts and returns when the server answers."""
        if not self.owned:
            self._wait_ready()
            return self
        if self.running:
            return self
        self.process = start_process(
            self._command(),
            die_with_parent=not self.detached,
            cwd=self._working_folder(),
            stdout=open(self.log_file, "ab"),
            stderr=subprocess.STDOUT,
            pass_fds=(self._folder.lock,),
        )
        try:
            self._wait_ready()
        except StandError as error:
            self.kill()
            raise StandError(f"{error}; it said:\n{self.log_tail()}") from None
        return self

    def stop(self):
        """Orderly: SIGTERM, and SIGKILL when that takes too long. Data stay for the next start()."""
        self._require_owned("stop")
        if not self.running:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        """SIGKILL. Data stay for the next start()."""
        self._require_owned("kill")
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self):
        """Orderly stop and start on the same ports and data."""
        self.stop()
        return self.start()

    def pause(self):
        """SIGSTOP: the ports stay open, nothing answers."""
        self._require_owned("pause")
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._require_owned("resume")
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        """The end: kills the process and removes its data. Harmless when repeated."""
        if self._folder is None:
            return
        self.kill()
        atexit.unregister(self.close)
        self._folder.remove()
        self._folder = None

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        self._require_owned("look into")
        return self.process.pid

    @property
    def folder(self):
        self._require_owned("look into")
        return self._folder.path

    @property
    def log_file(self):
        return self.folder / "log"

    def log_tail(self, size=4000):
        return self.log_file.read_bytes()[-size:].decode(errors="replace") if self.owned else ""

    def cpu_seconds(self):
        """User and system time of the server so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _require_owned(self, verb):
        if not self.owned:
            raise NotOwned(f"cannot {verb} the {self.name} named by the environment")

    def _wait_process(self, condition, what):
        """wait_until, but a process that has ended ends the wait."""

        def ready_or_dead():
            if self.owned and not self.running:
                raise StandError(f"{what} did not happen: the process ended ({self.process.returncode})")
            return condition()

        return wait_until(ready_or_dead, START_TIMEOUT, what)


class Kafka(Server):
    """One broker (KRaft, broker and controller in one process).

    properties  more lines for server.properties, as a dict
    secure      also opens SSL, SASL_PLAINTEXT and SASL_SSL listeners (tls_bootstrap, sasl_bootstrap,
                sasl_tls_bootstrap) with PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 for `users`
    users       {name: password}
    heap_mb, java_options   of the Java process
    version     another one that tests/setup has downloaded (3.9.1)
    proxy       a proxy.Proxy to put before one more listener, so that all traffic of a client that
                bootstraps from proxy.address goes through it
    external    host:port of a server that is already there; None looks at SLUICE_TEST_KAFKA,
                False insists on an own one
    """

    name = "kafka"
    LISTENERS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")

    def __init__(self, properties=None, secure=False, users=None, heap_mb=512, java_options=(),
                 version=None, proxy=None, external=None, detached=False):
        needs_own = bool(properties or secure or java_options or version or proxy)
        if external is None and not needs_own:
            external = os.environ.get("SLUICE_TEST_KAFKA")
        super().__init__(owned=not external, detached=detached)
        self.bootstrap = external or None
        self._addresses = {"PLAINTEXT": self.bootstrap}
        self.users = users or {"alice": "alice-secret", "bob": "bob-secret"}
        self.version = version or KAFKA_VERSION
        self.heap_mb, self.java_options = heap_mb, java_options
        if self.owned:
            self._configure(properties or {}, secure, proxy)

    def kill(self):
        """SIGKILL. Data stay for the next start(), which takes 2 s more: until then the broker that
        died counts as alive."""
        super().kill()
        if self._folder is not None:
            self._properties["broker.session.timeout.ms"] = 2000
            self._write_properties()

    # --- topics and records ---------------------------------------------------------------------

    def create_topic(self, name, partitions=1, configs=None):
        """configs: topic settings such as {"retention.ms": 1000}."""
        from confluent_kafka.admin import NewTopic

        configs = {key: str(value) for key, value in (configs or {}).items()}
        topic = NewTopic(name, partitions, replication_factor=1, config=configs)
        admin = self.admin()  # futures fail when it is freed
        admin.create_topics([topic], operation_timeout=30)[name].result(30)
        self._wait_partitions(name, partitions)
        return name

    def delete_topic(self, name):
        admin = self.admin()
        admin.delete_topics([name], operation_timeout=30)[name].result(30)
        wait_until(lambda: name not in self.topics(), 30, f"the deletion of topic {name}")

    def add_partitions(self, name, total):
        """Grows a topic to `total` partitions."""
        from confluent_kafka.admin import NewPartitions

        admin = self.admin()
        admin.create_partitions([NewPartitions(name, total)])[name].result(30)
        self._wait_partitions(name, total)

    def alter_topic(self, name, configs):
        """Replaces the topic's settings by `configs`."""
        from confluent_kafka.admin import ConfigResource

        configs = {key: str(value) for key, value in configs.items()}
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, set_config=configs)
        admin = self.admin()
        admin.alter_configs([resource])[resource].result(30)

    def topics(self):
        """{name: number of partitions}"""
        found = self.admin().list_topics(timeout=30).topics
        return {name: len(topic.partitions) for name, topic in found.items()}

    def produce_lines(self, topic, data, partition=None, key_delimiter=None, arguments=()):
        """One record per line of `data` (bytes, str or a Path), by kcat: a million in about a second.

        partition      all to this one (default: each line to one at random)
        key_delimiter  a line is KEY<delimiter>VALUE
        arguments      more for kcat, e.g. ["-z", "zstd"]
        """
        command = ["kcat", "-q", "-P", "-b", self.bootstrap, "-t", topic, "-X", "linger.ms=20",
                   "-X", "sticky.partitioning.linger.ms=0", "-X", "enable.idempotence=true"]
        if partition is not None:
            command += ["-p", str(partition)]
        if key_delimiter is not None:
            command += ["-K", key_delimiter]
        with tempfile.NamedTemporaryFile(prefix="sluice-lines-") as file:
            if isinstance(data, Path):
                path = str(data)
            else:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                path = file.name
            done = subprocess.run([*command, *arguments, "-l", path], capture_output=True, text=True)
        if done.returncode != 0:
            raise StandError(f"kcat could not produce to {topic}: {done.stderr.strip()}")

    def produce(self, topic, records, **settings):
        """Record by record, each once, however slow the broker is. A record is bytes, str, None (a tombstone) or a dict of value, key,
        headers, partition and timestamp (ms). settings: librdkafka's, with _ for a dot."""
        from confluent_kafka import Producer

        settings = {key.replace("_", "."): value for key, value in settings.items()}
        producer = Producer({**self._client_settings(), "linger.ms": 5, "sticky.partitioning.linger.ms": 0,
                             "enable.idempotence": True, **settings})
        self._produce_all(producer, topic, records)
        if producer.flush(60) > 0:
            raise StandError(f"could not produce to {topic} within 60 s")

    def transactional_producer(self, transactional_id=None):
        """A confluent_kafka.Producer after init_transactions()."""
        from confluent_kafka import Producer

        transactional_id = transactional_id or f"stand-{uuid.uuid4().hex[:8]}"
        producer = Producer({**self._client_settings(), "transactional.id": transactional_id})
        producer.init_transactions(30)
        return producer

    def produce_transaction(self, topic, records, commit=True, producer=None):
        """All records in one transaction; commit=False aborts it after they were written."""
        producer = producer or self.transactional_producer()
        producer.begin_transaction()
        self._produce_all(producer, topic, records)
        if producer.flush(60) > 0:
            raise StandError(f"could not produce to {topic} within 60 s")
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)
        self.wait_for_markers(topic)

    def wait_for_markers(self, topic):
        """The marker at the end of a transaction is written after its answer."""
        wait_until(lambda: self.end_offsets(topic, "read_committed") == self.end_offsets(topic), 30, "the markers")

    def consume(self, topic, isolation="read_committed", timeout=30.0):
        """Everything in the topic now, as confluent_kafka.Message in offset order per partition."""
        from confluent_kafka import Consumer, TopicPartition

        ends = self.end_offsets(topic, isolation)
        starts = self.begin_offsets(topic)
        pending = {p for p, end in ends.items() if starts[p] < end}
        consumer = Consumer({**self._client_settings(), "group.id": "stand", "enable.auto.commit": False,
                             "enable.partition.eof": True, "isolation.level": isolation})
        messages, deadline = [], time.monotonic() + timeout
        try:
            consumer.assign([TopicPartition(topic, p, starts[p]) for p in pending])
            while pending:
                if time.monotonic() > deadline:
                    raise StandError(f"could not read {topic} to its end within {timeout:g} s")
                message = consumer.poll(0.5)
                if message is None:
                    continue
                if message.error() is None:
                    messages.append(message)
                elif message.error().name() == "_PARTITION_EOF":
                    pending.discard(message.partition())
                else:
                    raise StandError(f"could not read {topic}: {message.error()}")
        finally:
            consumer.close()
        return messages

    # --- offsets ----------------------------------------------------------------------------------

    def end_offsets(self, topic, isolation="read_uncommitted"):
        """{partition: offset after the last record}; with read_committed the last stable offset."""
        return {p: high for p, (_, high) in self._watermarks(topic, isolation).items()}

    def begin_offsets(self, topic):
        """{partition: offset of the first record still there}"""
        return {p: low for p, (low, _) in self._watermarks(topic, "read_uncommitted").items()}

    def delete_records(self, topic, before):
        """Removes everything before the given offsets: {partition: offset} (-1: all)."""
        import librdkafka

        librdkafka.delete_records(self._client_settings(), topic, before)

    def committed(self, group, topic):
        """{partition: Committed(offset, metadata)} of the partitions the group has an offset for."""
        import librdkafka

        partitions = range(self.topics()[topic])
        return librdkafka.committed(self._client_settings(), group, topic, partitions)

    def commit(self, group, topic, offsets):
        """Sets a (not running) group: {partition: offset or (offset, metadata)}."""
        import librdkafka

        librdkafka.commit(self._client_settings(), group, topic, offsets)

    def delete_group(self, group):
        """Removes a (not running) group with its offsets."""
        import librdkafka

        librdkafka.delete_group(self._client_settings(), group)

    def groups(self):
        """{group name: confluent_kafka GroupMetadata with state and members}"""
        return {group.id: group for group in self.admin().list_groups(timeout=30)}

    # --- more -------------------------------------------------------------------------------------

    def admin(self):
        from confluent_kafka.admin import AdminClient

        return AdminClient(self._client_settings())

    def java_tool(self, main_class, *arguments, check=True):
        """Runs one of Kafka's own tools, e.g. org.apache.kafka.tools.AclCommand; about 1 s each."""
        done = subprocess.run([*self._java(128), main_class, *map(str, arguments)],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise StandError(f"{main_class} failed: {done.stdout.strip()} {done.stderr.strip()}")
        return done.stdout

    def client_settings(self, protocol="PLAINTEXT", mechanism="PLAIN", user=None):
        """librdkafka settings for a listener: SSL, SASL_PLAINTEXT or SASL_SSL (needs secure=True)."""
        settings = {"bootstrap.servers": self._addresses[protocol]}
        if protocol != "PLAINTEXT":
            settings["security.protocol"] = protocol
        if "SSL" in protocol:
            settings["ssl.ca.location"] = str(self.ca_file)
        if "SASL" in protocol:
            user = user or next(iter(self.users))
            settings |= {"sasl.mechanism": mechanism, "sasl.username": user,
                         "sasl.password": self.users[user]}
        return settings

    @property
    def tls_bootstrap(self):
        return self._addresses["SSL"]

    @property
    def sasl_bootstrap(self):
        return self._addresses["SASL_PLAINTEXT"]

    @property
    def sasl_tls_bootstrap(self):
        return self._addresses["SASL_SSL"]

    def _client_settings(self):
        return {"bootstrap.servers": self.bootstrap, "log_level": 0, "socket.nagle.disable": True}

    def _produce_all(self, producer, topic, records):
        failures = []

        def delivered(error, _):
            if error is not None:
                failures.append(error)

        for record in records:
            fields = record if isinstance(record, dict) else {"value": record}
            fields = {key: value for key, value in fields.items() if value is not None}
            while True:
                try:
                    producer.produce(topic, on_delivery=delivered, **fields)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush(60)
        if failures:
            raise StandError(f"could not produce to {topic}: {failures[0]}")

    def _watermarks(self, topic, isolation):
        from confluent_kafka import KafkaException

        passing = {"LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION", "UNKNOWN_TOPIC_OR_PART",
                   "_TRANSPORT", "_TIMED_OUT", "_LEADER_NOT_AVAILABLE", "_UNKNOWN_PARTITION"}

        def watermarks():
            try:
                return self._watermarks_once(topic, isolation)
            except KafkaException as error:
                if error.args[0].name() not in passing:
                    raise
                return None  # a leader is just being found

        return wait_until(watermarks, 30, f"an answer about the offsets of {topic}", interval=0.1)

    def _watermarks_once(self, topic, isolation):
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({**self._client_settings(), "group.id": "stand", "isolation.level": isolation})
        try:
            partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
            if not partitions:
                raise StandError(f"there is no topic {topic}")
            return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30)
                    for p in sorted(partitions)}
        finally:
            consumer.close()

    def _wait_partitions(self, name, count):
        def all_have_leaders():
            topic = self.admin().list_topics(name, timeout=30).topics[name]
            return (topic.error is None and len(topic.partitions) == count
                    and all(p.leader >= 0 for p in topic.partitions.values()))

        wait_until(all_have_leaders, 30, f"topic {name} with {count} partitions")

    def _configure(self, properties, secure, proxy):
        wanted = self.LISTENERS if secure else self.LISTENERS[:1]
        if proxy:
            wanted = (*wanted, "PROXIED")
        *ports, controller = free_ports(len(wanted) + 1)
        self._addresses = {name: f"127.0.0.1:{port}" for name, port in zip(wanted, ports)}
        self._ports = ports
        self.bootstrap = self._addresses["PLAINTEXT"]
        advertised = dict(self._addresses)
        if proxy:
            proxy.target = self._addresses["PROXIED"]
            advertised["PROXIED"] = proxy.address
        lines = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"{_listener_list(self._addresses)},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": _listener_list(advertised),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map":
                "CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT," + ",".join(
                    f"{name}:{name}" for name in self.LISTENERS),
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "broker.session.timeout.ms": 9000,
            "broker.heartbeat.interval.ms": 500,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "log.retention.check.interval.ms": 1000,
            "log.cleaner.backoff.ms": 1000,
            "log.segment.delete.delay.ms": 1000,
        }
        if secure:
            lines |= self._secure_properties()
        lines |= properties
        self._properties = lines
        self._write_properties()
        self._format(secure)

    def _write_properties(self):
        text = "".join(f"{key}={value}\n" for key, value in self._properties.items())
        self._properties_file.write_text(text)

    def _secure_properties(self):
        from certificates import Authority

        authority = Authority(self.folder / "tls")
        self.ca_file = authority.ca_file
        self.client_certificate = authority.issue("client")
        key_store = self.folder / "tls" / "server-store.pem"
        key_store.write_text(authority.issue("server").pem())
        users = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        lines = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": key_store,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.ca_file,
            "ssl.client.auth": "requested",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        }
        for listener in ("sasl_plaintext", "sasl_ssl"):
            prefix = f"listener.name.{listener}"
            lines[f"{prefix}.plain.sasl.jaas.config"] = plain
            lines[f"{prefix}.scram-sha-256.sasl.jaas.config"] = scram
            lines[f"{prefix}.scram-sha-512.sasl.jaas.config"] = scram
        return lines

    def _format(self, secure):
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        arguments = ["format", "-t", cluster, "-c", self._properties_file]
        if secure:
            for user, password in self.users.items():
                for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                    arguments += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        self.java_tool("kafka.tools.StorageTool", *arguments)

    @property
    def _properties_file(self):
        return self.folder / "server.properties"

    def _java(self, heap_mb):
        libraries = kafka_libraries(self.version)
        if not libraries.exists():
            raise NotInstalled(f"there is no Kafka {self.version} in the cache; run tests/setup first")
        archive = libraries / CLASS_ARCHIVE
        shared = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
        return ["java", *shared, "-Xlog:disable", "-Xlog:all=error:stderr", f"-Xmx{heap_mb}m",
                "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{libraries}/*"]

    def _command(self):
        return [*self._java(self.heap_mb), *self.java_options, "kafka.Kafka", self._properties_file]

    def _working_folder(self):
        return self.folder

    def _wait_ready(self):
        if self.owned:
            self._wait_process(lambda: all(map(port_answers, self._ports)), "the start of Kafka")

        def broker_is_known():
            from confluent_kafka import KafkaException

            try:
                return self.admin().list_topics(timeout=5).brokers
            except KafkaException:
                return False

        self._wait_process(broker_is_known, f"an answer of Kafka at {self.bootstrap}")
        if self.owned:
            for topic in self.topics():
                self.end_offsets(topic)  # every partition has its leader again


def _listener_list(addresses):
    return ",".join(f"{name}://{address}" for name, address in addresses.items())


def kafka_libraries(version):
    return cache_folder() / f"kafka-{version}"


def archive_kafka_classes(version):
    """Runs Kafka once and keeps its loaded classes in the cache (called by tests/setup)."""
    unfinished = kafka_libraries(version) / f"{CLASS_ARCHIVE}.new"
    options = [f"-XX:ArchiveClassesAtExit={unfinished}"]
    with Kafka(version=version, java_options=options, external=False) as kafka:
        kafka.create_topic("archived")
        kafka.produce("archived", ["a record"])
        kafka.consume("archived")
        kafka.stop()
    unfinished.rename(kafka_libraries(version) / CLASS_ARCHIVE)


class ClickHouseError(Exception):
    """ClickHouse's answer was an error. code is ClickHouse's number (0: none given)."""

    def __init__(self, status, code, text):
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


class ClickHouse(Server):
    """One ClickHouse: the real engine and HTTP server, with a database `t`.

    users       {name: {"password": …, "grants": ["INSERT ON t.*", …], "profile": …, "readonly": True,
                 "xml": raw}}; without grants a user may do everything. `default` is always there,
                 without a password unless given here
    config_xml  more inside <clickhouse> of config.xml
    users_xml   more inside <clickhouse> of users.xml (profiles, quotas, roles)
    query_log   switches system.query_log and system.part_log on
    external    URL of a server that is already there; None looks at SLUICE_TEST_CLICKHOUSE,
                False insists on an own one
    """

    name = "clickhouse"

    def __init__(self, users=None, config_xml="", users_xml="", query_log=False, external=None,
                 detached=False):
        needs_own = bool(users or config_xml or users_xml or query_log)
        if external is None and not needs_own:
            external = os.environ.get("SLUICE_TEST_CLICKHOUSE")
        super().__init__(owned=not external, detached=detached)
        self.users = users or {}
        if self.owned:
            self.port, self.native_port = free_ports(2)
            self.url = f"http://127.0.0.1:{self.port}"
            self._configure(config_xml, users_xml, query_log)
        else:
            self._use(external)

    def query(self, sql, user=None, password=None, body=None, database="t", timeout=60.0, headers=None,
              **params):
        """Runs one statement and returns its answer as text. `body` (bytes) are the data of an INSERT;
        params go into the URL (settings, param_x, session_id, query_id). Raises ClickHouseError."""
        reply, text = self.request(sql, user, password, body, database, timeout, headers, **params)
        code = reply.getheader("X-ClickHouse-Exception-Code")
        if reply.status != 200 or code is not None:
            raise ClickHouseError(reply.status, int(code or 0), text)
        return text

    def rows(self, sql, **options):
        """The answer of a SELECT as a list of dicts."""
        text = self.query(f"{sql} FORMAT JSONEachRow", output_format_json_quote_64bit_integers=0, **options)
        return [json.loads(line) for line in text.splitlines()]

    def wait_for_inserts(self, quiet=1.0):
        """What a process that was killed had sent has landed, or never does: no INSERT is seen for so long."""
        last = time.monotonic()

        def none():
            nonlocal last
            if self.value("SELECT count() FROM system.processes WHERE query_kind = 'Insert'") > 0:
                last = time.monotonic()
            return time.monotonic() - last > quiet

        wait_until(none, 30, "the end of the INSERTs")

    def value(self, sql, **options):
        """The one value a SELECT answers with."""
        (row,) = self.rows(sql, **options)
        (value,) = row.values()
        return value

    def request(self, sql, user=None, password=None, body=None, database="t", timeout=60.0, headers=None,
                **params):
        """One HTTP request; returns (http.client.HTTPResponse, its body as text), error or not."""
        user = user or self.user
        if password is None:
            password = self.users.get(user, {}).get("password") or self.password
        headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password, **(headers or {})}
        params = {"database": database, **params}
        if body is not None:
            params["query"], data = sql, body
        else:
            data = sql.encode()
        path = f"{self._path}/?{urllib.parse.urlencode(params)}"
        connection = self._connect(timeout)
        try:
            connection.request("POST", path, body=data, headers=headers)
            reply = connection.getresponse()
            return reply, reply.read().decode(errors="replace")
        finally:
            connection.close()

    def _use(self, url):
        parts = urllib.parse.urlsplit(url)
        self.user = urllib.parse.unquote(parts.username or "default")
        self.password = urllib.parse.unquote(parts.password or "")
        self._path = parts.path.rstrip("/")
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            raise StandError("SLUICE_TEST_CLICKHOUSE must be a URL such as http://127.0.0.1:8123")
        port = parts.port or {"http": 8123, "https": 8443}[parts.scheme]
        host = parts.hostname
        self._connect = lambda timeout: kinds[parts.scheme](host, port, timeout=timeout)
        self.port = port
        self.url = f"{parts.scheme}://{host}:{port}{self._path}"

    def _configure(self, config_xml, users_xml, query_log):
        self._use(self.url)
        (self.folder / "empty").mkdir()
        if query_log:
            for log in ("query_log", "part_log"):
                config_xml += (f"<{log}><database>system</database><table>{log}</table>"
                               f"<flush_interval_milliseconds>200</flush_interval_milliseconds></{log}>")
        self._config_file.write_text(
            f"<clickhouse><logger><level>warning</level><console>true</console></logger>"
            f"<users_config>{self.folder}/users.xml</users_config>"
            f"<path>{self.folder}/data/</path><tmp_path>{self.folder}/data/tmp/</tmp_path>"
            f"<user_files_path>{self.folder}/data/user_files/</user_files_path>"
            f"<http_port>{self.port}</http_port><tcp_port>{self.native_port}</tcp_port>"
            f"<listen_host>127.0.0.1</listen_host><mark_cache_size>67108864</mark_cache_size>"
            f"{config_xml}</clickhouse>\n")
        users = {"default": {}, **self.users}
        (self.folder / "users.xml").write_text(
            "<clickhouse><profiles><default/><read_only><readonly>1</readonly></read_only></profiles>"
            "<quotas><default/></quotas>"
            f"<users>{''.join(_user_xml(name, user) for name, user in users.items())}</users>"
            f"{users_xml}</clickhouse>\n")

    @property
    def _config_file(self):
        return self.folder / "config.xml"

    def _command(self):
        server = shutil.which("clickhouse")
        if server:
            return [server, "server", f"--config-file={self._config_file}"]
        launchers = sorted(cache_folder().glob("chdb-*/clickhouse_server"))
        if not launchers:
            raise NotInstalled("there is no ClickHouse in the cache; run tests/setup first")
        listen_forever = (
            "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; "
            "SELECT sleepEachRow(3) FROM numbers(1000000000) "
            "SETTINGS function_sleep_max_microseconds_per_block=0, max_block_size=1 FORMAT Null")
        return [launchers[-1], f"--path={self.folder}/data", f"--http_port={self.port}",
                f"--tcp_port={self.native_port}", "--listen_host=127.0.0.1",
                f"--config-file={self._config_file}", "--query", listen_forever]

    def _working_folder(self):
        return self.folder / "empty"  # a file named like a table would be taken for one

    def _wait_ready(self):
        def ping():
            connection = self._connect(5)
            try:
                connection.request("GET", f"{self._path}/ping")
                return connection.getresponse().status == 200
            except OSError:
                return False
            finally:
                connection.close()

        self._wait_process(ping, f"an answer of ClickHouse at {self.url}")
        self.query("CREATE DATABASE IF NOT EXISTS t", database="default")


def _user_xml(name, user):
    grants = "".join(f"<query>GRANT {escape(grant)}</query>" for grant in user.get("grants", ()))
    profile = "read_only" if user.get("readonly") else user.get("profile", "default")
    return (f"<{name}><password>{escape(user.get('password', ''))}</password>"
            f"<networks><ip>127.0.0.1</ip></networks><profile>{profile}</profile><quota>default</quota>"
            + (f"<grants>{grants}</grants>" if grants else "") + user.get("xml", "") + f"</{name}>")
