# SPDX-License-Identifier: Apache-2.0
"""A loopback proxy that understands so much of Kafka's protocol that it can spoil single commits.

    with CommitProxy() as way:                     # stand.Kafka(proxy=way); clients bootstrap from way.address
        way.on_commit(has_intent, REFUSED, times=1)
        way.commits                                # the request bodies of all OffsetCommits so far

A client must not use OffsetCommit above version 7 (librdkafka 2.0.2 does not). Standard library only."""

import contextlib
import itertools
import socket
import struct
import threading
from dataclasses import dataclass

OFFSET_COMMIT = 8
ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, NOT_COORDINATOR = 22, 25, 16


@dataclass(frozen=True)
class Fault:
    applied: bool = True  # else the broker is sent a generation that it refuses
    error: int | None = None  # what the client is told instead of the broker's answer
    cut: bool = False  # the client is told nothing: the connection ends
    dropped: bool = False  # the broker never gets it, and the client waits
    unanswered: bool = False  # the broker applies it, and the client waits


def told(error):
    """The broker does not apply it, and the client is told this error."""
    return Fault(applied=False, error=error)


STALE = Fault(applied=False)  # the broker itself refuses it: ILLEGAL_GENERATION
UNHEARD = Fault(cut=True)  # the broker applies it, and nobody hears
NEVER_SENT = Fault(applied=False, cut=True)
DROPPED = Fault(dropped=True)
UNANSWERED = Fault(unanswered=True)


def has_intent(commit):
    return b"slu1|I|" in commit


def has_no_intent(commit):
    return b"slu1|D|" in commit


def nth(number, matches):
    """The number-th of those that match."""
    met = itertools.count(1)
    return lambda commit: matches(commit) and next(met) == number


class CommitProxy:
    def __init__(self, target=None):
        self.target = target  # "host:port"
        self.commits = []
        self.withheld = 0  # commits for whose answer a client waits in vain
        self._rules = []
        self._lock = threading.Lock()
        self._sockets = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def on_commit(self, matches, fault, times=1):
        with self._lock:
            self._rules.append([matches, fault, times])

    def clear(self):
        with self._lock:
            self._rules.clear()
            self.commits.clear()
            self.withheld = 0

    def close(self):
        for one in (self._listener, *self._sockets):
            _end(one)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                host, _, port = self.target.rpartition(":")
                server = socket.create_connection((host, int(port)), timeout=10)
                server.settimeout(None)
            except OSError:
                return
            self._sockets |= {client, server}
            faults = {}  # by correlation id
            for pump in (self._requests, self._answers):
                threading.Thread(target=pump, args=(client, server, faults), daemon=True).start()

    def _requests(self, client, server, faults):
        with contextlib.suppress(OSError, EOFError):
            while True:
                frame = _read_frame(client)
                key, version, correlation = struct.unpack_from(">hhi", frame)
                if key == OFFSET_COMMIT:
                    fault = self._fault_of(bytes(frame))
                    if fault:
                        assert version <= 7, "the answer of a newer version looks different"
                        if fault.dropped:
                            self.withheld += 1
                            continue
                        faults[correlation] = fault
                        if not fault.applied:
                            _spoil_generation(frame)
                _write_frame(server, frame)
        _end(server)
        _end(client)

    def _answers(self, client, server, faults):
        with contextlib.suppress(OSError, EOFError):
            while True:
                frame = _read_frame(server)
                fault = faults.pop(struct.unpack_from(">i", frame)[0], None)
                if fault and fault.cut:
                    break
                if fault and fault.unanswered:
                    self.withheld += 1
                    continue
                if fault and fault.error is not None:
                    _set_errors(frame, fault.error)
                _write_frame(client, frame)
        _end(client)
        _end(server)

    def _fault_of(self, commit):
        with self._lock:
            self.commits.append(commit)
            for rule in self._rules:
                if rule[2] > 0 and rule[0](commit):
                    rule[2] -= 1
                    return rule[1]
        return None


def _spoil_generation(frame):
    """The generation stands behind the header (with the client's id) and the group's name."""
    at = 8
    for _ in range(2):
        at += 2 + max(0, struct.unpack_from(">h", frame, at)[0])
    struct.pack_into(">i", frame, at, struct.unpack_from(">i", frame, at)[0] + 1000)


def _set_errors(frame, error):
    """Versions 3 to 7: correlation id, throttle time, topics with their partitions and errors."""
    at = 8
    topics = struct.unpack_from(">i", frame, at)[0]
    at += 4
    for _ in range(topics):
        at += 2 + struct.unpack_from(">h", frame, at)[0]
        partitions = struct.unpack_from(">i", frame, at)[0]
        at += 4
        for _ in range(partitions):
            struct.pack_into(">h", frame, at + 4, error)
            at += 6


def _read_frame(source):
    size = struct.unpack(">i", _read(source, 4))[0]
    return bytearray(_read(source, size))


def _read(source, size):
    data = b""
    while len(data) < size:
        more = source.recv(min(size - len(data), 1 << 20))
        if not more:
            raise EOFError
        data += more
    return data


def _write_frame(sink, frame):
    sink.sendall(struct.pack(">i", len(frame)) + frame)


def _end(one):
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        one.close()
