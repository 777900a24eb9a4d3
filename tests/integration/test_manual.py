# SPDX-License-Identifier: Apache-2.0
"""Manual pages as their readers' programs take them, and completions typed into real shells. That man/
and completions/ are what the program generates is held by unit_cli (Generated)."""

import os
import pty
import re
import select
import subprocess
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONFIG = """[pipelines.orders]
topic = "orders"
table = "shop.orders"
[pipelines.web-clicks]
topic = "clicks"
table = "web.clicks"
"""


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


# ---- man


def test_the_manual_pages_are_clean():
    pages = sorted(os.path.join(ROOT, "man", name) for name in os.listdir(os.path.join(ROOT, "man"))
                   if name.endswith((".1", ".5")))
    assert len(pages) >= 6
    lint = run("mandoc", "-T", "lint", *pages)
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")


def test_man_prints_roff_into_a_pipe_and_opens_the_page_on_a_terminal(sluice):
    with open(os.path.join(ROOT, "man/sluice-sync.1")) as page:
        assert sluice("man", "sync").expect(0).stdout == page.read()
    assert "did you mean 'sync'?" in sluice("man", "snyc").expect(2).stderr
    with Typing([str(sluice.binary), "man", "sync"], sluice.folder, {"MANPAGER": "cat"}) as terminal:
        text = terminal.read_until(r"\d{4}-\d\d-\d\d")
    assert "copy everything up to now" in re.sub(".\x08", "", text)


# ---- help


def test_short_help_fits_on_a_screen(sluice):
    names = re.findall(r"^  (\w+)  ", sluice("-h").expect(0).stdout.split("Commands:")[1], re.M)
    for arguments in [[], *([name] for name in names)]:
        text = sluice(*arguments, "-h").expect(0).stdout
        assert len(text.splitlines()) <= 32, text
        assert text != sluice(*arguments, "--help").expect(0).stdout


def test_every_flag_and_topic_of_the_help_stands_in_a_manual(sluice):
    manual = "".join(open(os.path.join(ROOT, "man", name)).read().replace("\\-", "-")
                     for name in os.listdir(os.path.join(ROOT, "man")) if name.endswith((".1", ".5")))
    for word in set(re.findall(r"--[a-z][a-z-]+", sluice("sync", "--help").expect(0).stdout)):
        assert f"\\fB{word}\\fR" in manual, word
    for topic in ("exit-codes", "environment", "config", "formats", "errors"):
        assert sluice("help", topic).expect(0).stdout
    assert "lost" in sluice("help", "formats").stdout and "gaps" in sluice("help", "formats").stdout


# ---- completions


class Typing:
    """A program on a terminal of its own, 200 columns wide."""

    def __init__(self, command, folder, env=None):
        kept = {"PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8"}
        self.pid, self.ours = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, kept | (env or {}))
        import fcntl
        import struct
        import termios
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.ours)
        try:
            os.kill(self.pid, 9)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)

    def type(self, text):
        os.write(self.ours, text.encode())

    def read_until(self, wanted, seconds=20.0):
        deadline = time.monotonic() + seconds
        while not re.search(wanted, self.text):
            assert time.monotonic() < deadline, f"{wanted!r} did not come: {self.text!r}"
            if not select.select([self.ours], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(self.ours, 65536)
            except OSError:
                piece = b""
            assert piece or re.search(wanted, self.text), f"ended without {wanted!r}: {self.text!r}"
            self.text += piece.decode(errors="replace")
        return self.text


SETUP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"],
             "PS1='ready> '; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; source <(sluice completion bash)\n"),
    "zsh": (["zsh", "-f", "-i"],
            "PS1='ready> '; setopt no_beep; mkdir -p f; sluice completion zsh > f/_sluice; fpath=($PWD/f $fpath); "
            "autoload -Uz compinit; compinit -u -D\n"),
}


@pytest.fixture
def shell_folder(sluice):
    (sluice.folder / "bin").mkdir()
    (sluice.folder / "bin/sluice").symlink_to(sluice.binary)
    (sluice.folder / "sluice.toml").write_text(CONFIG)
    (sluice.folder / "sluice.toml").chmod(0o600)
    (sluice.folder / "other.toml").write_text('[pipelines.elsewhere]\ntopic = "x"\n')
    (sluice.folder / "other.toml").chmod(0o600)
    return sluice.folder


CASES = [("sluice sy", "sluice sync"), ("sluice sync --batch-r", "sluice sync --batch-rows"),
         ("sluice tail --on-error st", "sluice tail --on-error stop"), ("sluice check ord", "sluice check orders"),
         ("sluice -b localhost:9092 sync web", "sluice -b localhost:9092 sync web-clicks"),
         ("sluice sync -c other.toml el", "sluice sync -c other.toml elsewhere"),
         ("sluice sync -c oth", "sluice sync -c other.toml"), ("sluice help exi", "sluice help exit-codes"),
         ("sluice --log-format=js", "sluice --log-format=json"), ("sluice man sluice", "sluice man sluice.toml")]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_in_a_shell(shell_folder, shell):
    command, setup = SETUP[shell]
    with Typing(command, shell_folder) as terminal:
        terminal.type(setup + "echo set''up\n")
        terminal.read_until(r"[\r\n]setup\r\n[\s\S]*ready> ")
        for number, (typed, completed) in enumerate(CASES):
            # Tab, then the whole line becomes the argument of echo.
            terminal.type(f"{typed}\t\x05 #{number}")
            terminal.read_until(f"#{number}")
            terminal.type(f"\x01echo \"line{number}:\x05\"\n")
            text = terminal.read_until(rf"\r\nline{number}:.*\r\n")
            line = re.search(rf"\r\nline{number}:(.*?)\r\n", text).group(1)
            assert re.sub(r"\s+", " ", line) == f"{completed} #{number}", (shell, typed)


def test_completion_in_fish(shell_folder):
    for typed, completed in CASES:
        env = {"PATH": f"{shell_folder}/bin:/usr/bin:/bin", "HOME": str(shell_folder), "LANG": "C.UTF-8"}
        found = run("fish", "-N", "-c", f"sluice completion fish | source; complete -C '{typed}'",
                    cwd=shell_folder, env=env)
        words = [line.split("\t")[0] for line in found.stdout.splitlines()]
        assert completed.split(" ")[-1] in words, (typed, found)
        assert len(words) < 5, (typed, words)


def test_names_of_a_broken_configuration_are_none_in_silence(sluice):
    (sluice.folder / "sluice.toml").write_text("[pipelines.orders\n")
    run = sluice("completion", "pipelines").expect(0)
    assert (run.stdout, run.stderr) == ("", "")
    (sluice.folder / "sluice.toml").write_text(CONFIG + 'bad = 1\n[clickhouse]\npassword = { command = ["sleep", "60"] }\n')
    run = sluice("completion", "pipelines").expect(0)
    assert (run.stdout, run.stderr) == ("orders\nweb-clicks\n", "")
    assert run.seconds < 30


def test_an_unknown_shell(sluice):
    assert "did you mean 'zsh'?" in sluice("completion", "zhs").expect(2).stderr
    assert "bash|zsh|fish" in sluice("completion").expect(2).stderr
