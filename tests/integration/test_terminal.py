# SPDX-License-Identifier: Apache-2.0
"""What a person sees in a real terminal (tmux), held as screens in tests/golden; and locks and mistakes, which
need no server either."""

import os
import re
import socket
import time
from pathlib import Path
from xml.etree import ElementTree

import events
import picture
import proxy
import pytest
from tmux import PATIENCE, Tmux

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


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
    assert pane.screen().count("orders ") == 1, pane.screen()
    stop(pane)


def masked(screen):
    """Without what differs from run to run: numbers, how far a bar is, how wide a column."""
    screen = re.sub(r"[━╸─]{8,26}", "<bar>", screen)
    screen = re.sub(r"ETA [\dsmhd ]+", "ETA N", screen)
    screen = re.sub(r"\d[\d.,:-]*[kM]?", "N", screen)
    screen = re.sub(r"N(ms|s)\b", "N s", screen)
    screen = re.sub(r"N ([kKMG]i?)?B", "N B", screen)
    return re.sub(r" +$", "", re.sub(r" +", " ", screen), flags=re.M)


def test_a_run_as_a_person_sees_it(terminal, kafka, clickhouse, sluice, topic, table):
    """The bars move, are cut where the terminal ends, follow it when it is resized, and give way to the result."""
    kafka.create_topic(topic, 2)
    kafka.produce_lines(topic, events.lines(60000))
    events.create_table(clickhouse, table)
    with proxy.Proxy(clickhouse.port) as slow:
        slow.rule = proxy.delay(0.15)
        text = f'[kafka]\nbrokers = ["{kafka.bootstrap}"]\n[clickhouse]\nurl = "{slow.url}"\n[defaults]\nsenders = 1\n'
        for name in ("orders", "clicks"):
            text += (f'[pipelines.{name}]\ntopic = "{topic}"\ntable = "{table}"\ngroup = "{topic}-{name}"\n'
                     f'batch = {{ rows = 1000 }}\n')
        (sluice.folder / "sluice.toml").write_text(text)
        (sluice.folder / "sluice.toml").chmod(0o600)
        pane = terminal(columns=80, rows=14)
        start(pane, sluice, "sync --from earliest")

        def bars():
            """The lines of the two pipelines that are redrawn."""
            lines = [line for line in pane.screen().splitlines() if re.match(r"(orders|clicks) .*%", line)]
            assert len(lines) <= 2, pane.screen()
            return lines

        def percents():
            return [int(number) for number in re.findall(r"(\d+)%", "\n".join(bars()))]

        pane.wait_for(r"orders .*ETA[\s\S]*clicks .*ETA")
        first = percents()
        golden("terminal-run-80.txt", masked("\n".join(bars()) + "\n"))
        assert all(len(line) < 80 for line in bars()), pane.screen()
        pane.wait_until(lambda: sum(percents()) > sum(first), "a bar to move")

        pane.run("resize-window", "-x", "40", "-y", "14")
        pane.wait_until(lambda: len(bars()) == 2 and all(len(line) < 40 for line in bars()), "two short lines")
        cut = [re.match(r"\w+ +\d+% +\S+", line).group() for line in bars()]
        golden("terminal-run-40.txt", masked("\n".join(cut) + "\n"))
        pane.run("resize-window", "-x", "80", "-y", "14")
        pane.wait_until(lambda: sum("ETA" in line for line in bars()) == 2, "the long lines again")
        assert not pane.cursor_is_shown()
        slow.rule = proxy.PASS
        pane.wait_for("ended 0", 60)
    assert pane.cursor_is_shown()
    screen = pane.screen("-J")  # a table that is wider than the terminal is wrapped by it
    golden("terminal-run-end.txt", masked(screen[screen.index("orders"):screen.index("ended")].replace(table, "TABLE")))
    # As a picture (tests/picture) it is the same text in the same colours.
    drawn = list(ElementTree.fromstring(picture.svg([pane.screen("-e")], 80)).iter("{http://www.w3.org/2000/svg}text"))
    assert "".join(" ".join(text.text for text in drawn).split()) == "".join(screen.split())
    assert {text.get("fill") for text in drawn} >= {None, picture.COLORS[32]}


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
    ("completoin", "completion"), ("versoin", "version"), ("hlep", "help"),
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
