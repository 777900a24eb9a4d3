# SPDX-License-Identifier: Apache-2.0
"""A real terminal for tests and pictures: tmux, with a server of its own."""

import re
import subprocess
import time
import uuid

from stand import PATIENCE


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
        return self.wait_until(lambda: re.search(pattern, self.screen()), repr(pattern), seconds)

    def wait_until(self, condition, what, seconds=20.0):
        """Returns the screen as it is when condition() has become true."""
        deadline = time.monotonic() + seconds * PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come:\n{self.screen()}"
            time.sleep(0.05)
        return self.screen()

    def close(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], env=self.env, capture_output=True)
