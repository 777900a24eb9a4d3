# SPDX-License-Identifier: Apache-2.0
"""The README, read by a new user who types every command it prints, in its order, on a Kafka and a ClickHouse
that have just been started. What it prints under a command must come, up to numbers and blanks."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import events
import stand
from conftest import PATIENCE

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()

# Commands that cannot be tried here, and why.
NOT_RUN = {
    "./tests/demo": "builds and starts a stand of its own",
    "./tests/run": "runs this test",
    "cmake ": "builds sluice and installs it on the machine; what is built is what is tried here",
    "(cd build/release && cpack": "test_packaging makes and unpacks the package",
    "apt ": "changes the machine",
}


def substitutions(kafka, clickhouse):
    """What README calls by names of its own, and what it is on the stand."""
    return {"http://localhost:8123": f"{clickhouse.url}/t", "localhost:9092": kafka.bootstrap,
            "127.0.0.1:9464": f"127.0.0.1:{stand.free_ports(1)[0]}", "default.": "t."}


class Reader:
    """Somebody with a shell in an empty folder."""

    def __init__(self, sluice, kafka, clickhouse):
        self.folder, self.kafka, self.clickhouse = sluice.folder, kafka, clickhouse
        self.names = substitutions(kafka, clickhouse)
        (self.folder / "bin").mkdir()
        (self.folder / "bin/sluice").symlink_to(sluice.binary)
        self.env = {"PATH": f"{self.folder}/bin:/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8",
                    "XDG_RUNTIME_DIR": str(self.folder), "TERM": "xterm"}
        self.tails = []
        self.ran = []

    def here(self, text):
        for name, ours in self.names.items():
            text = text.replace(name, ours)
        return text

    def run(self, command, answers=False):
        """Types a command; at a prompt the answer is yes. Returns what was seen."""
        if any(command.startswith(word) for word in NOT_RUN):
            return ""
        self.ran.append(command)
        line = self.here(command)
        if self.tails:
            line = line.replace("PID", str(self.tails[-1].pid))
        typed = Shell("exec " + line if line.startswith("sluice tail") else line, self, answers)
        if line.startswith("sluice tail"):
            self.tails.append(typed)
            typed.wait_for(r"pipeline started|resuming|starting|loading")
            return ""
        assert typed.ended() == 0, f"{command}\nexit {typed.code}\n{typed.seen}"
        return typed.seen

    def stop_tails(self):
        """They run until their reader has seen enough: the end of the block."""
        for tail in self.tails:
            tail.process.send_signal(signal.SIGTERM)
            assert tail.ended() == 0, tail.seen
        self.tails = []


class Shell:
    """One command. With a terminal for input and messages it is a person's, else a script's."""

    def __init__(self, command, reader, terminal):
        self.seen, self.code, self.answered = "", None, False
        self.ours, theirs = pty.openpty()
        self.pipe, out = os.pipe()
        self.open = [self.ours, self.pipe]
        self.process = stand.start_process(
            ["bash", "-c", command], cwd=reader.folder, env=reader.env, stdout=out,
            stdin=theirs if terminal else subprocess.DEVNULL, stderr=theirs if terminal else out)
        os.close(theirs)
        os.close(out)
        self.pid = self.process.pid

    def look(self):
        for descriptor in select.select(self.open, [], [], 0.05)[0]:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:
                piece = b""
            if not piece:
                self.open.remove(descriptor)
                os.close(descriptor)
            self.seen += piece.decode(errors="replace")
        if "[y/N] " in self.seen and not self.answered:
            self.answered = True
            os.write(self.ours, b"y\n")

    def wait_for(self, pattern):
        deadline = time.monotonic() + 30 * PATIENCE
        while not re.search(pattern, self.seen):
            assert time.monotonic() < deadline and self.process.poll() is None, self.seen
            self.look()

    def ended(self):
        deadline = time.monotonic() + 60 * PATIENCE
        while self.open:
            assert time.monotonic() < deadline, f"did not end: {self.seen}"
            self.look()
        self.code = self.process.wait(10)
        return self.code


def blocks():
    """(heading, language, text) of every fenced block."""
    heading = ""
    for match in re.finditer(r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", README, re.M | re.S):
        if match.group(1):
            heading = match.group(1)
        else:
            yield heading, match.group(2), match.group(3)


def plain(text):
    """Without colours, what numbers there are, and how wide a column is."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    return re.sub(r"\s+", " ", re.sub(r"\d[\d.,:]*", "#", text)).strip()


def expect_printed(printed, seen):
    """Every printed line came, in this order; … stands for any others."""
    lines = [plain(line) for line in re.split(r"[\r\n]+", seen)]
    for line in printed:
        if line.strip() in ("", "…"):
            continue
        wanted = plain(line)
        assert wanted in lines, f"README says {line!r}, but there is only:\n{seen}"
        del lines[:lines.index(wanted) + 1]


def run_session(reader, text):
    """A console block: "$ command", and below it what it prints."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, *printed = part.rstrip("\n").split("\n")
        seen = reader.run(command, answers=True)
        expect_printed([reader.here(line) for line in printed], seen)


def before(heading, reader):
    """What happens in the reader's world meanwhile."""
    if heading == "Rejected records":
        # A row that the table does not take, and somebody who mends the table.
        reader.clickhouse.query("ALTER TABLE t.events ADD CONSTRAINT one CHECK id != 424242")
        reader.kafka.produce("events", [b'{"id":424242,"page":"/"}'])
        refused = Shell("sluice sync", reader, terminal=False)
        assert refused.ended() == 3, refused.seen
        reader.clickhouse.query("ALTER TABLE t.events DROP CONSTRAINT one")


def test_every_command_of_the_readme(own_kafka, own_clickhouse, sluice):
    reader = Reader(sluice, own_kafka(), own_clickhouse())
    reader.kafka.create_topic("events", 4)
    reader.kafka.produce_lines("events", events.lines(20000))
    seen_headings = set()
    for heading, language, text in blocks():
        if heading not in seen_headings:
            before(heading, reader)
        seen_headings.add(heading)
        if language == "toml":
            (sluice.folder / "sluice.toml").write_text(reader.here(text))
            (sluice.folder / "sluice.toml").chmod(0o600)
        elif language == "console":
            run_session(reader, text)
        else:
            assert language == "sh", f"a block of {language} is not tried"
            for command in text.replace("\\\n", " ").splitlines():
                if command.strip() and not command.strip().startswith("#"):
                    reader.run(command)
        reader.stop_tails()
    assert len(reader.ran) > 25, reader.ran
    assert reader.clickhouse.value("SELECT count() FROM t.events WHERE id = 424242") == 1, "the reject came back"
    unused = [word for word in NOT_RUN if not any(word in text for _, _, text in blocks())]
    assert not unused, f"no longer in README: {unused}"


def test_what_the_readme_links_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for name in re.findall(r"`(?:tests/integration/)?(test_\w+\.py)`", README):
        assert (ROOT / "tests/integration" / name).exists(), name
