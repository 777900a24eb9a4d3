# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a real Kafka, a real ClickHouse, and the sluice binary. The modules of tests/support
(stand, proxy, fake_http, certificates) can be imported by every test.

kafka, clickhouse            shared by the file; never hurt these (SLUICE_TEST_* may name others' servers)
own_kafka, own_clickhouse    own_kafka(**options) starts a private one, to kill, pause and configure
topic, table                 unique names ("sync_basic_1f2e3d4c", "t.sync_basic_1f2e3d4c"); nothing is created
sluice                       sluice("sync", …) runs to the end; sluice.start("tail", …) runs beside the test

SLUICE_TEST_PATIENCE multiplies all timeouts: 3, more for sanitizer builds and slow machines;
SLUICE_TEST_SANITIZED says that it is a sanitizer build.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "support"))

import fake_http  # noqa: E402
import kafka_proxy  # noqa: E402
import stand  # noqa: E402

PATIENCE = stand.PATIENCE
SANITIZED = bool(os.environ.get("SLUICE_TEST_SANITIZED"))


@pytest.fixture(scope="session")
def kafka():
    with stand.Kafka() as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse():
    with stand.ClickHouse() as server:
        yield server


def _factory(kind):
    servers = []

    def start(**options):
        try:
            servers.append(kind(external=False, **options))
            return servers[-1].start()
        except stand.NotInstalled as missing:
            if f"SLUICE_TEST_{kind.name.upper()}" in os.environ:
                pytest.skip(f"needs a {kind.name} of its own: {missing}")
            raise

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def own_kafka():
    yield from _factory(stand.Kafka)


@pytest.fixture
def own_clickhouse():
    yield from _factory(stand.ClickHouse)


@pytest.fixture
def unique_name(request):
    """The test's name without test_, and eight random digits."""
    plain = re.sub(r"\W+", "_", request.node.name.removeprefix("test_")).strip("_")
    return f"{plain[:60]}_{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def spoiled_kafka():
    """A broker whose commits go through .way, a kafka_proxy.CommitProxy."""
    with kafka_proxy.CommitProxy() as way, stand.Kafka(proxy=way) as server:
        server.way = way
        yield server


@pytest.fixture
def topic(unique_name):
    return unique_name


@pytest.fixture
def fake(clickhouse):
    """Stands before ClickHouse and passes everything on, but for what a test scripts."""
    with fake_http.FakeHttp(forward_to=clickhouse.url) as server:
        yield server


@pytest.fixture
def table(unique_name):
    return f"t.{unique_name}"


@dataclass
class Outcome:
    """How a run of sluice ended. code is negative when a signal ended it."""

    arguments: list
    code: int
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float
    rss_bytes_max: int

    @property
    def json(self):
        """stdout as one JSON document (-o json)."""
        return json.loads(self.stdout)

    @property
    def jsonl(self):
        """stdout as a list of JSON documents, one per line (-o jsonl)."""
        return [json.loads(line) for line in self.stdout.splitlines() if line]

    def expect(self, code):
        """Returns self if the exit code is as wanted; shows everything otherwise."""
        assert self.code == code, f"exit code {self.code}, not {code}: {self}"
        return self

    def expect_resident(self, mebibytes):
        """It never held more memory. Says nothing of a sanitizer build: that keeps what was freed."""
        if not SANITIZED:
            assert self.rss_bytes_max < mebibytes << 20, f"{self.rss_bytes_max >> 20} MiB: {self}"

    def __str__(self):
        return (f"sluice {' '.join(self.arguments)}\nexit {self.code} after {self.seconds:.2f} s\n"
                f"--- stdout\n{self.stdout[-8000:]}\n--- stderr\n{self.stderr[-8000:]}")


class Running:
    """A sluice beside the test. Killed at the end of the test if it still runs."""

    def __init__(self, binary, arguments, folder, env, stdin):
        self.arguments = [str(argument) for argument in arguments]
        self._stdout_file, self._stderr_file = folder / "stdout", folder / "stderr"
        self._started = time.monotonic()
        self._outcome = None
        with open(self._stdout_file, "wb") as out, open(self._stderr_file, "wb") as err:
            self.process = stand.start_process(
                [binary, *self.arguments], env=env, cwd=folder.parent, stdout=out, stderr=err,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        if stdin is not None:
            with self.process.stdin as pipe:
                pipe.write(stdin.encode() if isinstance(stdin, str) else stdin)

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self._collect() is None

    @property
    def stdout(self):
        return self._stdout_file.read_text(errors="replace")

    @property
    def stderr(self):
        return self._stderr_file.read_text(errors="replace")

    def send(self, number):
        if self.running:
            os.kill(self.pid, number)

    def interrupt(self):
        self.send(signal.SIGINT)

    def terminate(self):
        self.send(signal.SIGTERM)

    def hangup(self):
        self.send(signal.SIGHUP)

    def pause(self):
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def kill(self):
        """SIGKILL, and waits for it."""
        self.send(signal.SIGKILL)
        return self.wait(10)

    def wait(self, timeout=60.0):
        """Returns the Outcome; a run that takes longer is killed and fails the test."""
        deadline = time.monotonic() + timeout * PATIENCE
        while self._collect() is None:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                outcome = stand.wait_until(self._collect, 10, "the end of sluice")
                pytest.fail(f"sluice did not end within {timeout:g} s\n{outcome}")
            time.sleep(0.01)
        return self._outcome

    def stop(self, timeout=60.0):
        """SIGTERM and the Outcome."""
        self.terminate()
        return self.wait(timeout)

    def wait_for_stderr(self, text, timeout=30.0):
        self.wait_until(lambda: text in self.stderr, timeout, f"{text!r} on stderr")

    def wait_for_freeze(self, timeout=30.0):
        """Until it stands still: where SLUICE_FREEZE_AT says."""

        def stopped():
            state = Path(f"/proc/{self.pid}/stat")
            return self.running and state.read_text().rpartition(")")[2].split()[0] == "T"

        self.wait_until(stopped, timeout, "the freeze")

    def wait_until(self, condition, timeout=30.0, what="the condition"):
        """Waits until condition() is true; fails the test if sluice ends before or time is up."""
        deadline = time.monotonic() + timeout * PATIENCE
        while not (value := condition()):
            ended = not self.running
            if ended and not condition():
                pytest.fail(f"sluice ended before {what}\n{self._outcome}")
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not come within {timeout:g} s\n--- stderr\n{self.stderr[-8000:]}")
            time.sleep(0.02)
        return value

    def _collect(self):
        if self._outcome is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.process.returncode = code
                self._outcome = Outcome(
                    self.arguments, code, self.stdout, self.stderr, time.monotonic() - self._started,
                    usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
        return self._outcome


class Sluice:
    """The binary under test, in an environment of its own: no SLUICE_* variables, no config file of
    the machine, HOME and the working directory are `folder`."""

    def __init__(self, folder):
        self.binary = Path(os.environ.get("SLUICE_BIN") or TESTS.parent / "build/release/cli/sluice")
        self.folder = folder
        self._runs = []

    def __call__(self, *arguments, timeout=60.0, env=None, stdin=None):
        """Runs to the end and returns the Outcome (any exit code)."""
        return self.start(*arguments, env=env, stdin=stdin).wait(timeout)

    def start(self, *arguments, env=None, stdin=None):
        if not self.binary.exists():
            pytest.fail(f"{self.binary} is not built")
        folder = self.folder / f"run{len(self._runs) + 1}"
        folder.mkdir()
        kept = {key: value for key, value in os.environ.items()
                if not key.startswith(("SLUICE_", "XDG_")) and not key.lower().endswith("_proxy")}
        kept |= {"HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder)}
        self._runs.append(Running(self.binary, arguments, folder, kept | (env or {}), stdin))
        return self._runs[-1]

    def kill_all(self):
        for run in self._runs:
            run.kill()


@pytest.fixture
def sluice(tmp_path):
    """Runs in tmp_path, where a test may put sluice.toml."""
    runner = Sluice(tmp_path)
    yield runner
    runner.kill_all()
