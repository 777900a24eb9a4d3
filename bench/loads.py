# SPDX-License-Identifier: Apache-2.0
"""The ways to get a topic into a table that `bench/compare` compares.

A load has prepare(), which is not measured, run(), which is, and finish(), what is left to be undone
when the rows are there; that the server works on after run() counts for it, too.
"""

import subprocess
import time
import urllib.parse
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from measure import CommandFailed, Pipeline, Usage
from stand import wait_until

BODY_ROWS = 250_000         # of the pass-through, and sluice's default
FLOOR_BODY_ROWS = 262_144
PARTITIONS = 4


class Events:
    """`count` events of a shape: as a file of lines, as a topic, and as a table read by ClickHouse."""

    def __init__(self, stage, shape, count, name):
        self.stage, self.count, self.topic = stage, count, name
        self.reference = f"t.reference_{name}"
        self._shape = [] if shape == "events" else [f"--{shape}"]
        self.lines = stage.folder / f"{name}.json"
        with open(self.lines, "wb") as file:
            subprocess.run([stage.generator, str(count), *self._shape], stdout=file, check=True)
        self.bytes = self.lines.stat().st_size
        stage.kafka.create_topic(name, PARTITIONS)
        stage.kafka.produce_lines(name, self.lines, arguments=["-z", "lz4"])

    def create_table(self, table, engine=None):
        """The table of the events; engine replaces the MergeTree it would be."""
        command = [self.stage.generator, "--ddl", table, *self._shape]
        ddl = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if engine:
            ddl = f"{ddl.partition('ENGINE =')[0]} ENGINE = {engine}"
        self.stage.clickhouse.query(ddl)

    def load_reference(self):
        """The truth: the lines as ClickHouse's own JSONEachRow reader understands them."""
        self.create_table(self.reference)
        self.stage.run(self.stage.post_lines(self.reference), source=self.lines)

    def content(self, table):
        """(rows, hash): equal for tables that hold the same rows, each as often."""
        answer = self.stage.clickhouse.rows(
            f"SELECT count() AS rows, sum(cityHash64(*)) AS hash FROM {table}", timeout=600)[0]
        return answer["rows"], answer["hash"]

    def remove_lines(self):
        self.lines.unlink()

    def cut_lines(self):
        """The lines in files of BODY_ROWS each."""
        prefix = self.stage.folder / f"{self.topic}-lines-"
        subprocess.run(["split", "-l", str(BODY_ROWS), self.lines, prefix], check=True)
        return sorted(self.stage.folder.glob(f"{prefix.name}*"))

    def native_blocks(self):
        """The reference table in files of one Native block of FLOOR_BODY_ROWS each."""
        for first in range(0, self.count, FLOOR_BODY_ROWS):
            path = self.stage.folder / f"{self.topic}-{first:09}.native"
            select = (f"SELECT * FROM {self.reference} ORDER BY id LIMIT {FLOOR_BODY_ROWS} "
                      f"OFFSET {first} FORMAT Native")
            url = self.stage.url(select, max_block_size=FLOOR_BODY_ROWS, max_threads=1,
                                 preferred_block_size_bytes=0)
            self.stage.run(["curl", "-q", "-sS", "--fail-with-body", "-o", path, url])
            rows = first_block_rows(path)
            if rows != min(FLOOR_BODY_ROWS, self.count - first):
                raise CommandFailed(f"ClickHouse cut a Native block at {rows} rows")
            yield path


def first_block_rows(path):
    """Native begins with two varints: columns and rows of the block."""
    with open(path, "rb") as file:
        head = file.read(20)
    numbers, value, shift = [], 0, 0
    for byte in head:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value = shift = 0
    return numbers[1]


@dataclass
class Stage:
    """What all loads use: the servers, the programs, a folder for files."""

    kafka: object
    clickhouse: object
    folder: Path
    build: Path

    @property
    def generator(self):
        return self.build / "bench/bench_events"

    def url(self, query, **settings):
        return f"{self.clickhouse.url}/?{urllib.parse.urlencode({'query': query, **settings})}"

    def post_lines(self, table):
        """curl that streams its input as one INSERT."""
        url = self.url(f"INSERT INTO {table} FORMAT JSONEachRow")
        return ["curl", "-q", "-sS", "--fail-with-body", "-X", "POST", "-H", "Expect:", "-T", "-", url]

    def start(self, *commands, source=None):
        return Pipeline(*commands, folder=self.folder, source=source)

    def run(self, *commands, source=None):
        return self.start(*commands, source=source).wait()


@dataclass
class Load:
    stage: Stage
    events: Events

    has_client = True    # its client CPU is part of the comparison
    exactly_once = True  # every event once; else duplicates are allowed

    def prepare(self, table):
        self.events.create_table(table)

    def finish(self):
        pass


@dataclass
class Sluice(Load):
    binary: Path
    processes: int = 1
    options: list = field(default_factory=list)

    @property
    def label(self):
        return "sluice sync" if self.processes == 1 else f"sluice sync, {self.processes} processes"

    @property
    def exactly_once(self):
        return self.processes == 1  # partitions that change hands may be read twice

    def run(self, table):
        arguments = [self.binary, "sync", "-b", self.stage.kafka.bootstrap, "-t", self.events.topic,
                     "--clickhouse", self.stage.clickhouse.url, "--table", table,
                     "--group", unique("sluice"), *self.options]
        started = time.monotonic()
        running = [self.stage.start(arguments) for _ in range(self.processes)]
        usages = [process.wait() for process in running]
        return Usage(cpu_seconds=sum(usage.cpu_seconds for usage in usages),
                     wall_seconds=time.monotonic() - started,
                     rss_bytes=max(usage.rss_bytes for usage in usages))


class KcatCurl(Load):
    label = "kcat | curl, JSONEachRow"

    def run(self, table):
        consume = ["kcat", "-q", "-C", "-e", "-b", self.stage.kafka.bootstrap,
                   "-t", self.events.topic, "-o", "beginning"]
        return self.stage.run(consume, self.stage.post_lines(table))


class KafkaEngine(Load):
    """ClickHouse reads the topic itself. Its progress is asked for by a count() every 0.25 s (about
    2 ms of the server's time each, which are left in)."""

    label = "ClickHouse's Kafka engine"
    has_client = False
    settings = "kafka_num_consumers = 2"

    def run(self, table):
        clickhouse = self.stage.clickhouse
        self.events.create_table("t.queue", (
            f"Kafka SETTINGS kafka_broker_list = '{self.stage.kafka.bootstrap}', "
            f"kafka_topic_list = '{self.events.topic}', kafka_group_name = '{unique('engine')}', "
            f"kafka_format = 'JSONEachRow', {self.settings}"))
        started = time.monotonic()
        clickhouse.query(f"CREATE MATERIALIZED VIEW t.queue_reader TO {table} AS SELECT * FROM t.queue")
        wait_until(lambda: clickhouse.value(f"SELECT count() FROM {table}") >= self.events.count, 600,
                   "the load by the Kafka engine", interval=0.25)
        return Usage(wall_seconds=time.monotonic() - started)

    def finish(self):
        for table in ("t.queue_reader", "t.queue"):
            self.stage.clickhouse.query(f"DROP TABLE IF EXISTS {table} SYNC")


class PassThrough(Load):
    """No Kafka: the lines from files, so only the server's side says something."""

    label = f"pass-through: JSONEachRow, {BODY_ROWS:,} a POST"
    has_client = False

    def __init__(self, stage, events):
        super().__init__(stage, events)
        self._bodies = events.cut_lines()

    def run(self, table):
        started = time.monotonic()
        for body in self._bodies:
            self.stage.run(self.stage.post_lines(table), source=body)
        return Usage(wall_seconds=time.monotonic() - started)


class Floor(Load):
    """librdkafka reads the topic and throws it away, while prepared Native blocks are sent."""

    label = "floor: consume, send ready Native blocks"

    def __init__(self, stage, events):
        super().__init__(stage, events)
        self._bodies = list(events.native_blocks())

    def run(self, table):
        usage = self.stage.run([self.stage.build / "bench/bench_floor", self.stage.kafka.bootstrap,
                                self.events.topic, unique("floor"),
                                self.stage.url(f"INSERT INTO {table} FORMAT Native"), *self._bodies])
        if int(usage.stdout.split()[0]) != self.events.count:
            raise CommandFailed(f"the floor consumed {usage.stdout}")
        return usage


def unique(name):
    return f"{name}-{uuid.uuid4().hex[:8]}"
