# SPDX-License-Identifier: Apache-2.0
"""A pipeline with delivery = "exactly-once" from a topic of numbers into a table that remembers tokens and
refuses the number 13."""

import ctypes
import time

COLUMNS = "n UInt64, _topic LowCardinality(String), _partition Int32, _offset Int64"
WINDOW = "SETTINGS non_replicated_deduplication_window = 1000000"


class Ledger:
    def __init__(self, kafka, clickhouse, sluice, topic, table, partitions=2, columns=COLUMNS, engine="ORDER BY n"):
        self.kafka, self.clickhouse, self.sluice = kafka, clickhouse, sluice
        self.topic, self.table, self.produced = topic, table, 0
        self.partitions = partitions
        kafka.create_topic(topic, partitions=partitions)
        kafka.create_topic(f"{topic}.rejects")
        clickhouse.query(f"CREATE TABLE {table} ({columns}, CONSTRAINT odd CHECK n != 13) ENGINE = MergeTree "
                         f"{engine} {WINDOW}")
        self.configure()

    def configure(self, urls=None, bootstrap=None, clickhouse="", kafka="", pipeline=""):
        """urls: instead of the ClickHouse's own; the others are more lines of their section."""
        urls = [f'"{url}"' for url in urls or [self.clickhouse.url]]
        where = f"urls = [{', '.join(urls)}]" if len(urls) > 1 else f"url = {urls[0]}"
        (self.sluice.folder / "sluice.toml").write_text(
            f'[kafka]\nbrokers = "{bootstrap or self.kafka.bootstrap}"\n[kafka.properties]\n'
            f'"session.timeout.ms" = 2000\n"heartbeat.interval.ms" = 400\n{kafka}\n'
            f'[clickhouse]\n{where}\n{clickhouse}\n'
            f'[pipelines.ledger]\ntopic = "{self.topic}"\ntable = "{self.table}"\ngroup = "{self.topic}"\n'
            f'delivery = "exactly-once"\non_error = "reject"\nreject = {{ topic = "{self.topic}.rejects" }}\n{pipeline}')

    def produce(self, count):
        first, self.produced = self.produced, self.produced + count
        for partition in range(self.partitions):
            self.kafka.produce_lines(self.topic, "".join(
                f'{{"n":{n}}}\n' for n in range(first, self.produced) if n % self.partitions == partition), partition)

    def sync(self, *flags, **options):
        return self.sluice("sync", "ledger", *flags, **options)

    def start(self, *flags, elsewhere=False, **options):
        """elsewhere: as on another machine, where nobody else runs this pipeline."""
        if elsewhere:
            folder = self.sluice.folder / "elsewhere"
            folder.mkdir(exist_ok=True)
            options["env"] = {**options.get("env", {}), "XDG_RUNTIME_DIR": str(folder)}
        return self.sluice.start(*flags, **options)

    def crash(self, point, *flags):
        """A run that is killed at this point."""
        crashed = self.sync(*flags, env={"SLUICE_CRASH_AT": point})
        assert crashed.code == 137, str(crashed)

    def counts(self):
        """Rows, distinct numbers."""
        return tuple(int(v) for v in self.clickhouse.query(f"SELECT count(), uniqExact(n) FROM {self.table}").split())

    def expect_exactly_once(self, rejected=0):
        assert self.counts() == (self.produced - rejected, self.produced - rejected)

    def committed(self):
        return self.kafka.committed(self.topic, self.topic)

    def forget_group(self):
        self.kafka.delete_group(self.topic)

    def set_offsets(self, offsets):
        """Commits these, once the group has given up the member that was killed."""
        deadline = time.monotonic() + 20
        while self.kafka.groups()[self.topic].state != "Empty" and time.monotonic() < deadline:
            time.sleep(0.1)
        self.kafka.commit(self.topic, self.topic, offsets)

    def age_intents(self, milliseconds):
        """As if what is under way had begun so long ago."""
        older = {}
        for partition, (offset, metadata) in self.committed().items():
            fields = metadata.split("|")[:-1]
            for at, field in enumerate(fields):
                if field.startswith("i="):
                    parts = field.split(",")
                    parts[5] = str(int(parts[5]) - milliseconds)
                    fields[at] = ",".join(parts)
            older[partition] = (offset, sealed("|".join(fields)))
        self.set_offsets(older)


def sealed(record):
    """A commit record with its checksum."""
    return f"{record}|{crc32c(record.encode()):08x}"


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return ctypes.c_uint32(crc ^ 0xFFFFFFFF).value
