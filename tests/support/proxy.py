# SPDX-License-Identifier: Apache-2.0
"""A loopback TCP proxy that breaks connections exactly where a test wants.

    with Proxy(clickhouse.port) as proxy:          # proxy.url, proxy.address, proxy.port
        proxy.script(cut_down(0), PASS)            # 1st connection: the reply never arrives; 2nd: fine
        proxy.rule = throttle(100_000)             # all connections without a scripted rule, open ones too
        proxy.rule = BLACKHOLE                     # open connections freeze, new ones get no answer
        proxy.drop()                               # reset everything that is open, now

Up is client to server, down is server to client. Byte counts start when the rule comes into force on
the connection. TlsProxy is the same with TLS towards the client. Standard library only.
"""

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass

CHUNK = 256 * 1024
TICK = 0.01


@dataclass(frozen=True)
class Rule:
    delay: float = 0.0        # seconds every chunk waits before it goes on
    rate: float = 0.0         # bytes per second in each direction, 0 = unlimited
    cut_up: int = -1          # end the connection after so many bytes up
    cut_down: int = -1        # … or down
    cut_with: str = "rst"     # "rst" or "fin"
    refuse: bool = False      # as proxy.rule: nobody listens; scripted: reset at once
    blackhole: bool = False   # accept and say nothing


PASS = Rule()
REFUSE = Rule(refuse=True)
BLACKHOLE = Rule(blackhole=True)


def delay(seconds):
    return Rule(delay=seconds)


def throttle(bytes_per_second):
    return Rule(rate=bytes_per_second)


def cut_up(count, how="rst"):
    """The server gets `count` bytes, then both sides see the connection end."""
    return Rule(cut_up=count, cut_with=how)


def cut_down(count, how="rst"):
    """The client gets `count` bytes of replies, then both sides see the connection end. 0: the server
    has answered, the client never learns it."""
    return Rule(cut_down=count, cut_with=how)


def truncate_reply(count):
    """The reply ends early, in an orderly way."""
    return cut_down(count, "fin")


class Proxy:
    """target: a port on loopback, "host:port", or None to set `target` later."""

    def __init__(self, target=None):
        self.target = target
        self.connections = 0  # accepted so far
        self.bytes_up = self.bytes_down = 0
        self._rule = PASS
        self._script = deque()
        self._open = set()
        self._closing = False
        self._lock = threading.Lock()
        self._listener = None
        self.port = 0
        self._listen()

    scheme = "http"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"{self.scheme}://{self.address}"

    @property
    def open_connections(self):
        return len(self._open)

    @property
    def rule(self):
        return self._rule

    @rule.setter
    def rule(self, rule):
        self._rule = rule
        if rule.refuse:
            self._stop_listening()
        elif self._listener is None:
            self._listen()

    def script(self, *rules):
        """One rule for each of the next connections; afterwards `rule` again."""
        self._script.extend(rules)

    def drop(self, how="rst"):
        """Ends all open connections; new ones are served as before."""
        with self._lock:
            for connection in self._open:
                connection.end = how

    def close(self):
        self._closing = True
        self._stop_listening()
        self.drop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _stop_listening(self):
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
            listener.close()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                scripted = self._script.popleft() if self._script else None
                connection = _Connection(self, client, scripted)
                self._open.add(connection)
            threading.Thread(target=connection.run, daemon=True).start()

    def _target_address(self):
        host, _, port = str(self.target).rpartition(":")
        return host or "127.0.0.1", int(port)

    def _welcome(self, client):
        """Turns an accepted socket into what is spoken with the client."""
        return client


class TlsProxy(Proxy):
    """Ends TLS in front of a plain server. certificate: a certificates.Certificate; client_ca: demand
    client certificates signed by this CA file."""

    scheme = "https"

    def __init__(self, target, certificate, client_ca=None):
        self.handshake_errors = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate_file, certificate.key_file)
        if client_ca is not None:
            self._context.load_verify_locations(client_ca)
            self._context.verify_mode = ssl.CERT_REQUIRED
        super().__init__(target)

    def _welcome(self, client):
        client.settimeout(10)
        try:
            return self._context.wrap_socket(client, server_side=True)
        except OSError as error:  # ssl.SSLError is one
            self.handshake_errors.append(str(error))
            raise


class _Direction:
    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.pending = b""
        self.rule, self.passed = None, 0
        self.ended = False

    def allowance(self, rule, limit):
        """Bytes that may be read now; limit -1: no cut in this direction."""
        if rule is not self.rule:
            self.rule, self.passed = rule, 0
        most = max(1, int(rule.rate * 0.02)) if rule.rate else CHUNK
        return most if limit < 0 else min(most, max(1, limit - self.passed))


class _Connection:
    """One client, one thread, two directions; reads a direction only when its last chunk is gone."""

    def __init__(self, proxy, client, scripted):
        self.proxy, self.client, self.scripted = proxy, client, scripted
        self.server = None
        self.end = None  # how to end it, once decided

    @property
    def rule(self):
        return self.scripted or self.proxy.rule

    def run(self):
        try:
            if self.rule.refuse:
                self.end = "rst"
                return
            while self.rule.blackhole and not self.end:
                time.sleep(TICK)
            if not self.end:
                self.client = self.proxy._welcome(self.client)
                self.server = socket.create_connection(self.proxy._target_address(), timeout=10)
                self._pump()
        except OSError:
            self.end = self.end or "rst"
        finally:
            with self.proxy._lock:
                self.proxy._open.discard(self)
            for side in (self.client, self.server):
                if side is not None:
                    _close(side, self.end or "fin")

    def _pump(self):
        for side in (self.client, self.server):
            side.setblocking(False)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        up, down = _Direction(self.client, self.server), _Direction(self.server, self.client)
        while not self.end and not (up.ended and down.ended):
            if self.rule.blackhole:
                time.sleep(TICK)
                continue
            for direction in self._ready(up, down):
                if not self.end and not self.rule.blackhole:
                    self._advance(direction, direction is up)

    @staticmethod
    def _ready(*directions):
        buffered = [d for d in directions
                    if not d.pending and not d.ended and getattr(d.source, "pending", int)()]
        if buffered:
            return buffered
        sources = [d.source for d in directions if not d.pending and not d.ended]
        sinks = [d.sink for d in directions if d.pending]
        readable, writable, _ = select.select(sources, sinks, [], TICK * 5)
        return [d for d in directions if (d.sink in writable if d.pending else d.source in readable)]

    def _advance(self, direction, is_up):
        rule = self.rule
        limit = rule.cut_up if is_up else rule.cut_down
        if not direction.pending:
            data = self._read(direction, direction.allowance(rule, limit))
            if not data:
                return
            if limit == 0:
                self.end = rule.cut_with
                return
            direction.pending = data
            if rule.delay:
                time.sleep(rule.delay)
        sent = _send(direction.sink, direction.pending)
        direction.pending = direction.pending[sent:]
        direction.passed += sent
        with self.proxy._lock:
            if is_up:
                self.proxy.bytes_up += sent
            else:
                self.proxy.bytes_down += sent
        if rule.rate:
            time.sleep(sent / rule.rate)
        if 0 <= limit <= direction.passed:
            self.end = rule.cut_with

    @staticmethod
    def _read(direction, most):
        try:
            data = direction.source.recv(most)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        if not data:
            direction.ended = True
            with contextlib.suppress(OSError):
                direction.sink.shutdown(socket.SHUT_WR)
        return data


def _send(sink, data):
    try:
        return sink.send(data)
    except (BlockingIOError, ssl.SSLWantWriteError):
        return 0


def _close(side, how):
    """A reset by SO_LINGER 0; an orderly end by FIN first and then reading on, as closing with unread
    bytes would reset."""
    try:
        if how == "rst":
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            side.shutdown(socket.SHUT_WR)
            side.settimeout(2)
            deadline = time.monotonic() + 2
            while side.recv(CHUNK) and time.monotonic() < deadline:
                pass
    except (OSError, ValueError):
        pass
    finally:
        side.close()
