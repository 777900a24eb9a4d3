# SPDX-License-Identifier: Apache-2.0
"""What a Kafka broker hands out, seen on the wire: a loopback proxy that reads the Fetch answers."""

import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass

from proxy import Proxy

FETCH = 1
FETCH_VERSION = 11  # the one that librdkafka 2.0 speaks


@dataclass
class Batch:
    """A record batch as a Fetch answer holds it; records: first to last offset."""

    fetch: int  # number of the answer
    topic: str
    partition: int
    first: int
    last: int
    size: int


class FetchLog(Proxy):
    """For stand.Kafka(proxy=…): clients that bootstrap from `address` are looked at, no others.
    batches: a Batch for each one that a client was sent."""

    def __init__(self):
        self.batches = []
        self.fetches = 0
        self.problem = None
        self._adding = threading.Lock()
        super().__init__()

    def beyond(self, topic, ends):
        """{partition: (Fetch answers, records) at or after its end}; ends: {partition: offset}."""
        answers, records = {partition: set() for partition in ends}, Counter()
        for batch in self.batches:
            if batch.topic == topic and batch.last >= ends.get(batch.partition, 1 << 62):
                answers[batch.partition].add(batch.fetch)
                records[batch.partition] += batch.last - max(batch.first, ends[batch.partition]) + 1
        return {partition: (len(numbers), records[partition]) for partition, numbers in answers.items()}

    def _welcome(self, client):
        return _Tapped(client, self)

    def _answered(self, body):
        with self._adding:
            self.fetches += 1
            self.batches += _batches(body, self.fetches)


class _Tapped(socket.socket):
    """The client's side of a connection: what is received are requests, what is sent are answers."""

    def __init__(self, client, log):
        super().__init__(fileno=client.detach())
        self._log = log
        self._up, self._down = bytearray(), bytearray()
        self._asked = {}  # correlation id of a Fetch: its version

    def recv(self, *arguments):
        data = super().recv(*arguments)
        self._up += data
        for frame in _frames(self._up):
            key, version, correlation = struct.unpack_from(">hhi", frame)
            if key == FETCH:
                self._asked[correlation] = version
        return data

    def send(self, data, *arguments):
        sent = super().send(data, *arguments)
        self._down += data[:sent]
        for frame in _frames(self._down):
            version = self._asked.pop(struct.unpack_from(">i", frame)[0], None)
            if version == FETCH_VERSION:
                self._log._answered(frame[4:])
            elif version is not None:
                self._log.problem = f"the client speaks Fetch version {version}, not {FETCH_VERSION}"
        return sent


def _frames(buffer):
    """Takes the complete frames out of the buffer."""
    while len(buffer) >= 4:
        size = struct.unpack_from(">i", buffer)[0]
        if len(buffer) < 4 + size:
            return
        yield bytes(buffer[4:4 + size])
        del buffer[:4 + size]


class _Reader:
    def __init__(self, body):
        self.body, self.at = body, 0

    def take(self, form):
        values = struct.unpack_from(f">{form}", self.body, self.at)
        self.at += struct.calcsize(f">{form}")
        return values[0] if len(values) == 1 else values

    def skip(self, size):
        self.at += size


def _batches(body, fetch):
    """Of a Fetch answer of version 11: throttle time, error, session, topics with partitions."""
    reader = _Reader(body)
    reader.skip(4 + 2 + 4)
    for _ in range(reader.take("i")):
        size = reader.take("h")
        topic = reader.body[reader.at:reader.at + size].decode()
        reader.skip(size)
        for _ in range(reader.take("i")):
            partition = reader.take("i")
            reader.skip(2 + 8 + 8 + 8)               # error, high watermark, stable, log start
            reader.skip(16 * max(0, reader.take("i")))  # aborted transactions
            reader.skip(4)                           # preferred replica
            size = max(0, reader.take("i"))
            end = reader.at + size
            while end - reader.at >= 61:             # the last batch may be cut off
                first, length = reader.take("qi")
                reader.skip(4 + 1 + 4 + 2)           # leader epoch, magic, crc, attributes
                last = first + reader.take("i")
                reader.skip(length - 15)
                if reader.at <= end:
                    yield Batch(fetch, topic, partition, first, last, 12 + length)
            reader.at = end
