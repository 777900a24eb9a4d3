# SPDX-License-Identifier: Apache-2.0
"""What a person sees in a real terminal (tmux), held as screens in tests/golden; and locks and mistakes, which
need no server either."""

import os
import re
import socket
import subprocess
import time
import uuid
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
PATIENCE = float(os.environ.get("SLUICE_TEST_PATIENCE") or 1)


class Tmux:
    """A terminal of a given size in which one shell command runs."""

    def __init__(self, folder, columns, rows, env):
        self.socket = f"sluice-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        kept = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", "TERM": "xterm-256color",
                "XDG_RUNTIME_DIR": str(folder), "PS1": "$ ", "TMUX_TMPDIR": str(folder)}
        self.env = kept | env
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "sh")
        self.run("set-option", "-g", "default-terminal", "screen-256color")

    def run(self, *arguments):
        return subprocess.run(["tmux", "-u", "-L", self.socket, *arguments], env=self.env, capture_output=True,
                              text=True, check=True, cwd=self.folder).stdout

    def type(self, text):
        self.run("send-keys", "-l", text)
        self.run("send-keys", "Enter")

    def screen(self, *options):
        return self.run("capture-pane", "-p", *options).rstrip() + "\n"

    def cursor_is_shown(self):
        return self.run("display-message", "-p", "#{cursor_flag}").strip() == "1"

    def wait_for(self, pattern, seconds=20.0):
        deadline = time.monotonic() + seconds * PATIENCE
        while not re.search(pattern, screen := self.screen()):
            assert time.monotonic() < deadline, f"{pattern!r} did not come:\n{screen}"
            time.sleep(0.05)
        return screen

    def close(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], env=self.env, capture_output=True)


@pytest.fixture
def terminal(sluice):
    opened = []

    def open_terminal(columns=100, rows=24, **env):
        opened.append(Tmux(sluice.folder, columns, rows, env))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


@pytest.fixture
def stuck(sluice):
    """Three pipelines whose ClickHouse takes connections and never answers: a run that stays."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        text = f'[kafka]\nbrokers = ["127.0.0.1:1"]\n[clickhouse]\nurl = "http://127.0.0.1:{port}"\n'
        for name in ("orders", "a-pipeline-with-a-long-name", "clicks"):
            text += f'[pipelines.{name}]\ntopic = "{name}"\ntable = "shop.{name}"\n'
        (sluice.folder / "sluice.toml").write_text(text)
        (sluice.folder / "sluice.toml").chmod(0o600)
        yield


def golden(name, screen):
    screen = re.sub(r"\(process \d+\)", "(process N)", screen)
    if os.environ.get("SLUICE_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(screen)
    assert screen == (GOLDEN / name).read_text(), f"tests/golden/{name}; SLUICE_UPDATE_GOLDEN=1 writes it anew"


def start(terminal, sluice, arguments):
    terminal.type(f"clear; {sluice.binary} {arguments} && echo ended $? || echo ended $?")


def stop(pane):
    pane.run("send-keys", "C-c")
    pane.wait_for("in flight; press")
    pane.run("send-keys", "C-c")
    pane.wait_for("ended 130")


@pytest.mark.parametrize("columns", [100, 40])
def test_the_progress_block(terminal, sluice, stuck, columns):
    pane = terminal(columns=columns, rows=12)
    start(pane, sluice, "sync")
    pane.wait_for(r"clicks .*connecting")
    assert not pane.cursor_is_shown()
    lines = pane.screen().splitlines()
    golden(f"terminal-{columns}.txt", "\n".join(line for line in lines if "connecting" in line) + "\n")
    stop(pane)
    assert pane.cursor_is_shown(), "also after Ctrl-C"


def test_the_block_follows_the_width_of_the_terminal(terminal, sluice, stuck):
    pane = terminal(columns=100, rows=12)
    start(pane, sluice, "sync")
    pane.wait_for(r"clicks .*connecting")
    pane.run("resize-window", "-x", "30", "-y", "12")
    time.sleep(0.7 * PATIENCE)
    screen = pane.screen()
    assert all(len(line) <= 30 for line in screen.splitlines()), screen
    pane.run("resize-window", "-x", "100", "-y", "12")
    time.sleep(0.7 * PATIENCE)
    assert pane.screen().count("orders ") >= 1
    stop(pane)


def test_no_colour_where_none_is_wanted(terminal, sluice):
    (sluice.folder / "sluice.toml").write_text(
        '[kafka]\nbrokers = ["127.0.0.1:1"]\n[clickhouse]\nurl = "http://127.0.0.1:1"\n'
        '[pipelines.orders]\ntopic = "a"\ntable = "a.b"\n')
    (sluice.folder / "sluice.toml").chmod(0o600)
    pane = terminal(NO_COLOR="1")
    start(pane, sluice, "sync --retry-max-time 1s")
    pane.wait_for("ended 75")
    assert "\x1b[3" not in pane.screen("-e") and "\x1b[1" not in pane.screen("-e")
    assert "error[" in pane.screen() and pane.cursor_is_shown()
    colored = terminal()
    start(colored, sluice, "sync --retry-max-time 1s")
    colored.wait_for("ended 75")
    assert "\x1b[31m" in colored.screen("-e") or "\x1b[1m\x1b[31m" in colored.screen("-e")


# ---- one sync of a pipeline at a time on one machine


def test_a_second_sync_of_a_pipeline_fails_passes_or_waits(sluice, stuck):
    first = sluice.start("sync", "orders")
    locks = lambda: list((sluice.folder / "sluice").glob("sluice-orders.*.lock"))  # noqa: E731
    first.wait_until(lambda: locks() and locks()[0].read_text(), what="the lock")

    second = sluice("sync", "orders", "-o", "json").expect(75)
    assert second.json["slug"] == "already-running" and f"process {first.pid}" in second.json["message"]
    passed = sluice("sync", "orders", "--if-running", "skip").expect(0)
    assert "passed over" in passed.stderr and "\npassed over: another sync of it runs\n" in passed.stdout
    sluice("sync", "orders", "--if-running", "wait", "--max-duration", "300ms", timeout=10).expect(5)
    assert sluice("sync", "orders", "--if-running", "skip", "-q").expect(0).stderr == "", "cron mails nothing"
    waiting = sluice.start("sync", "orders", "--if-running", "wait", "--retry-max-time", "1s")
    waiting.wait_for_stderr("waiting for its end")
    first.kill()
    waiting.wait_until(lambda: locks()[0].read_text() == str(waiting.pid), what="the lock of the one that waited")
    waiting.kill()
    other = sluice.start("sync", "clicks")
    other.wait_for_stderr("run started")
    other.kill()
    assert "already-running" not in other.stderr


def test_without_a_folder_for_locks_it_runs_all_the_same(sluice, stuck):
    run = sluice.start("sync", "orders", env={"RUNTIME_DIRECTORY": "/proc/nowhere"})
    run.wait_for_stderr("/proc/nowhere for lock files cannot be made")
    assert "going on without the lock" in run.stderr
    assert run.running


# ---- mistyped

MISTYPED = [
    # commands
    ("snyc", "sync"), ("tial", "tail"), ("chekc", "check"), ("reject", "rejects"), ("backfil", "backfill"),
    ("completoin", "completion"), ("versoin", "version"), ("hlep", "help"), ("sync", None),
    # flags
    ("sync --batch-row 1", "--batch-rows"), ("sync --brokesr x", "--brokers"), ("sync --on-eror stop", "--on-error"),
    ("tail --exit-on-idel 1m", "--exit-on-idle"), ("sync --max-durration 1m", "--max-duration"),
    ("check --onlin", "--online"), ("rejects --replya", "--replay"), ("sync --clickhouse-usr x", "--clickhouse-user"),
    ("sync --quite", "--quiet"), ("sync --metric-listen x", "--metrics-listen"),
    # words of flags
    ("sync -o jsn", "json"), ("sync --on-error rejct", "reject"), ("sync --progress lines", "line"),
    ("sync --if-running skp", "skip"),
    # pipelines, tags, topics of the help, shells, pages
    ("sync order", "orders"), ("sync clcks", "clicks"), ("sync tag:houry", "tag:hourly"), ("help exit-code", "exit-codes"),
    ("completion fihs", "fish"), ("man rejcts", "rejects"),
    # librdkafka's properties
    ("sync -X socket.timout.ms=1", "socket.timeout.ms"), ("sync -X fetch.mesage.max.bytes=1", "fetch.message.max.bytes"),
]
MISTYPED_KEYS = [("[kafka]\nbroker = []", "brokers"), ("[kafka.securty]", "security"), ("[clickhosue]", "clickhouse"),
                 ("[pipelines.orders]\non_eror = 1", "on_error"), ("[pipelines.orders.batch]\nrow = 1", "rows"),
                 ("[pipelines.orders.reject]\nflie = 'x'", "file"), ("[observe]\nmetric_listen = ''", "metrics_listen")]


def test_what_is_mistyped_is_understood(sluice):
    config = sluice.folder / "sluice.toml"
    base = ('[kafka]\nbrokers = ["127.0.0.1:1"]\n[clickhouse]\nurl = "http://127.0.0.1:1"\n[pipelines.orders]\n'
            'topic = "a"\ntable = "a.b"\ntags = ["hourly"]\n[pipelines.clicks]\ntopic = "b"\ntable = "a.b"\n')
    config.write_text(base)
    config.chmod(0o600)
    assert len(MISTYPED) >= 30
    for typed, meant in MISTYPED:
        if meant is None:
            continue
        run = sluice(*typed.split(" "))
        assert run.code == 2, run
        assert re.search(rf"did you mean [^\n]*'?{re.escape(meant)}'?(\?|, | or )", run.stderr), f"{typed}: {run}"
    for text, meant in MISTYPED_KEYS:
        config.write_text(text + "\n")
        run = sluice("sync").expect(78)
        assert f"did you mean '{meant}'?" in run.stderr, f"{text}: {run}"


# ---- the configuration in force


def test_the_configuration_in_force_tells_no_secret(sluice):
    canary = "canary-7f3a"
    (sluice.folder / "password").write_text(canary)
    (sluice.folder / "password").chmod(0o600)
    (sluice.folder / "sluice.toml").write_text(f"""config_version = 1
[kafka]
brokers = ["127.0.0.1:1"]
[kafka.security]
protocol = "sasl_plaintext"
mechanism = "PLAIN"
username = "sluice"
password = {{ command = ["echo", "{canary}"] }}
[clickhouse]
url = "http://127.0.0.1:1"
password = {{ file = "password" }}
[pipelines.orders]
topic = "orders"
table = "shop.orders"
batch = {{ rows = 1000 }}
""")
    (sluice.folder / "sluice.toml").chmod(0o600)
    shown = sluice("check", "--show").expect(0)
    assert 'password = { file = "password" }' in shown.stdout and "batch.rows = 1000" in shown.stdout
    (sluice.folder / "again.toml").write_text(shown.stdout)
    (sluice.folder / "again.toml").chmod(0o600)
    again = sluice("check", "--show", "-c", "again.toml").expect(0)
    assert again.stdout.splitlines()[1:] == shown.stdout.splitlines()[1:], "what is shown is a configuration"
    origins = sluice("check", "--show-origin", "--batch-age", "2s", env={"SLUICE_SENDERS": "3"})
    assert re.search(r"batch.rows = 1000 +# sluice.toml:15:\d+", origins.stdout) or origins.code == 2
    report = sluice("check", "--report").expect(0)
    assert "librdkafka" in report.stdout and "# default" in report.stdout
    for run in (shown, origins, report):
        assert canary not in run.stdout + run.stderr
