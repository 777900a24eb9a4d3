# SPDX-License-Identifier: Apache-2.0
"""A scripted HTTP server, for what the real ClickHouse cannot be made to do.

    with FakeHttp(forward_to=clickhouse.url) as fake:            # everything goes to the real one …
        fake.on(nth_insert(2), busy(503, retry_after=1))         # … but the second INSERT
        fake.on(nth_insert(5), forward_then(close()))            # … and the fifth: done, but nobody hears
    fake.requests                                                # all of them: method, query, headers, body

    with FakeHttp(default=captive_portal()) as fake: …           # no real server behind it

A reply is a function of (exchange); the builders below make them. Standard library only.
"""

import http.client
import http.server
import socket
import struct
import threading
import time
import urllib.parse
from dataclasses import dataclass, field

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "expect"}


@dataclass
class Request:
    number: int  # from 1, in order of arrival
    method: str
    path: str
    params: dict
    headers: dict  # names in lower case
    body: bytes
    insert_number: int  # from 1 among the INSERTs, 0 for anything else
    arrived: float = field(default_factory=time.monotonic)

    @property
    def sql(self):
        """The statement: in the URL, else the body."""
        return self.params.get("query") or self.body.decode(errors="replace")


# --- what to answer ----------------------------------------------------------------------------------


def reply(status=200, body=b"", **headers):
    """An ordinary answer; header names with _ for a dash."""
    body = body.encode() if isinstance(body, str) else body
    headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}

    def answer(exchange):
        exchange.head(status, {"Content-Length": len(body), **headers})
        exchange.write(body)

    return answer


def ok(body=""):
    """What ClickHouse says to an INSERT that worked."""
    return reply(200, body, X_ClickHouse_Server_Display_Name="fake", X_ClickHouse_Summary="{}")


def exception(code, text, status=500):
    """An error as ClickHouse reports it."""
    return reply(status, f"Code: {code}. DB::Exception: {text}\n", X_ClickHouse_Exception_Code=code)


def exception_header(code, text="late failure"):
    """Status 200, and yet an error by its header."""
    return exception(code, text, status=200)


def exception_body(code, text="late failure"):
    """Status 200 and an error at the end of the body only."""
    body = f"\r\n__exception__\r\nCode: {code}. DB::Exception: {text}\r\n__exception__\r\n"
    return reply(200, body, X_ClickHouse_Server_Display_Name="fake")


def captive_portal():
    """Status 200 and a web page: not ClickHouse at all."""
    return reply(200, "<html><body>Please log in to the network</body></html>", Content_Type="text/html")


def busy(status=503, retry_after=None):
    """A load balancer's refusal."""
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    return reply(status, "<html>try later</html>", Content_Type="text/html", **headers)


def redirect(location, status=302):
    return reply(status, "", Location=location)


def endless_body(status=200, chunk=b"x" * 65536):
    """A body that never ends (until the client leaves)."""

    def answer(exchange):
        exchange.head(status, {"Connection": "close", "X-ClickHouse-Server-Display-Name": "fake"})
        while True:
            exchange.write(chunk)

    return answer


def endless_head():
    """Header lines that never end."""

    def answer(exchange):
        exchange.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            exchange.write(b"X-More: " + b"x" * 1000 + b"\r\n")

    return answer


def slow(answer, seconds_per_byte=0.1):
    """The same answer, byte by byte."""

    def slowly(exchange):
        write = exchange.write

        def trickle(data):
            for byte in data:
                if exchange.fake.closing:
                    raise ConnectionError("the fake server closes")
                write(bytes([byte]))
                time.sleep(seconds_per_byte)

        exchange.write = trickle
        answer(exchange)

    return slowly


def late(answer, seconds):
    """The same answer, later."""

    def wait(exchange):
        exchange.fake.closing_event.wait(seconds)
        answer(exchange)

    return wait


def hang():
    """No answer at all."""
    return late(close(), 3600)


def close(how="rst"):
    """The connection ends without an answer."""
    return lambda exchange: exchange.close(how)


def raw(data):
    """These bytes and the end of the connection."""

    def answer(exchange):
        exchange.write(data)
        exchange.close("fin")

    return answer


def forward():
    """The real server's answer."""
    return lambda exchange: exchange.send(exchange.forward())


def forward_then(answer):
    """The real server gets the request and acts on it; the client gets `answer` instead."""

    def act(exchange):
        exchange.forward()
        answer(exchange)

    return act


# --- which requests ----------------------------------------------------------------------------------


def any_request(_):
    return True


def inserts(request):
    return request.insert_number > 0


def nth_insert(*numbers):
    return lambda request: request.insert_number in numbers


def nth_request(*numbers):
    return lambda request: request.number in numbers


def sql_contains(text):
    return lambda request: text in request.sql


# --- the server --------------------------------------------------------------------------------------


class FakeHttp:
    def __init__(self, forward_to=None, default=None):
        self.forward_to = forward_to
        self.default = default or (forward() if forward_to else ok())
        self.requests = []
        self.connections = 0
        self.closing_event = threading.Event()
        self._rules = []
        self._inserts = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Exchange)
        self._server.fake = self
        self.port = self._server.server_address[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def on(self, matches, answer, times=None):
        """Answers requests for which matches(request) is true; the first rule that matches counts."""
        self._rules.append([matches, answer, times])
        return self

    def clear(self):
        """Forgets all rules, not the requests."""
        self._rules = []

    @property
    def insert_requests(self):
        return [request for request in self.requests if request.insert_number]

    @property
    def closing(self):
        return self.closing_event.is_set()

    def close(self):
        self.closing_event.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _record(self, method, target, headers, body):
        parts = urllib.parse.urlsplit(target)
        params = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        with self._lock:
            request = Request(len(self.requests) + 1, method, parts.path, params, headers, body, 0)
            if method == "POST" and request.sql.lstrip()[:6].upper() == "INSERT":
                self._inserts += 1
                request.insert_number = self._inserts
            self.requests.append(request)
        return request

    def _answer_for(self, request):
        with self._lock:
            for rule in self._rules:
                matches, answer, times = rule
                if times != 0 and matches(request):
                    if times is not None:
                        rule[2] -= 1
                    return answer
        return self.default


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_):
        pass  # clients that leave are what the tests are about


class _Exchange(http.server.BaseHTTPRequestHandler):
    """One connection; answers write to it through head(), write() and close()."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.fake = self.server.fake
        with self.fake._lock:
            self.fake.connections += 1

    def _serve(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.request_target = self.path
        self.body = self._read_body(headers)
        self.recorded = self.fake._record(self.command, self.path, headers, self.body)
        self.fake._answer_for(self.recorded)(self)
        self.__dict__.pop("write", None)  # slow() put its own there

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _serve

    def write(self, data):
        self.wfile.write(data)
        self.wfile.flush()

    def head(self, status, headers):
        reason = http.client.responses.get(status, "")
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        if headers.get("Connection") == "close":
            self.close_connection = True
        self.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")

    def close(self, how):
        self.close_connection = True
        if how == "rst":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.wfile.close()
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_WR)
        raise ConnectionError("closed as scripted")

    def forward(self):
        """Does the request on the real server; returns (status, headers, body)."""
        parts = urllib.parse.urlsplit(self.fake.forward_to)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)
        headers = {n: v for n, v in self.headers.items() if n.lower() not in HOP_BY_HOP}
        try:
            connection.request(self.command, self.request_target, body=self.body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def send(self, answer):
        status, headers, body = answer
        kept = {n: v for n, v in headers if n.lower() not in HOP_BY_HOP}
        self.head(status, {**kept, "Content-Length": len(body)})
        self.write(body)

    def log_message(self, *_):
        pass

    def _read_body(self, headers):
        if "chunked" not in headers.get("transfer-encoding", ""):
            return self._read_exactly(int(headers.get("content-length", 0)))
        body = bytearray()
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            if size == 0:
                while self.rfile.readline().strip():
                    pass  # trailers
                return bytes(body)
            body += self._read_exactly(size)
            self.rfile.readline()

    def _read_exactly(self, size):
        """A body that ends early is no request: nothing is recorded of it."""
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionError("the client left within the body")
        return data
