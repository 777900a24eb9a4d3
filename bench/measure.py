# SPDX-License-Identifier: Apache-2.0
"""What a load costs: CPU of the client's process tree, CPU of the servers, wall time, memory.

CPU of a server is read from the kernel's clock of that process (nanoseconds, all its threads, the
ended ones too); CPU of a client from getrusage of the whole child tree. The machine's own counters
say how much CPU everybody else used meanwhile.
"""

import os
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass

from stand import start_process

IDLE_CORES = 0.05  # a server that uses less than this for IDLE_WINDOWS windows has finished its work
IDLE_WINDOW = 0.25
IDLE_WINDOWS = 2


class CommandFailed(Exception):
    pass


def process_cpu_seconds(pid):
    """User and system time of all threads of a process of ours, ended threads included: what
    clock_getcpuclockid(3) would read (/proc/PID/stat holds the same in steps of 10 ms)."""
    cpu_clock_of_a_process = (~pid << 3) | 2
    return time.clock_gettime(cpu_clock_of_a_process)


def machine_cpu_seconds():
    """(busy, stolen) of all cores since boot."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / ticks, steal / ticks


@dataclass
class Usage:
    """Of a pipeline of commands and all their children. rss_bytes is the peak of the largest process;
    Linux never says less for a child than its parent had, so all small ones show as
    rss_bytes_least()."""

    stdout: str = ""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    rss_bytes: int = 0


def rss_bytes_least():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Pipeline:
    """Commands, each reading what the one before it prints (the first: the file `source`). Starts at
    once; all must end with 0."""

    def __init__(self, *commands, folder, source=None, timeout=600.0):
        self._deadline = time.monotonic() + timeout
        self._errors = tempfile.TemporaryFile()
        self._output = tempfile.TemporaryFile()
        self._started = time.monotonic()
        self._running = {}  # pid: Popen
        self._usage = Usage()
        standard_input = open(source or os.devnull, "rb")
        for command in commands:
            is_last = command is commands[-1]
            process = start_process(
                command, env=clean_environment(folder), cwd=folder, stdin=standard_input, stderr=self._errors,
                stdout=self._output if is_last else subprocess.PIPE)
            self._running[process.pid] = process
            standard_input.close()
            standard_input = process.stdout
        self._commands = " | ".join(" ".join(map(str, command)) for command in commands)

    def wait(self):
        """The Usage; raises CommandFailed unless everything ended with 0."""
        try:
            failures = [code for code in map(self._wait_one, list(self._running)) if code != 0]
        finally:
            for process in self._running.values():
                process.kill()
                process.wait()
        self._usage.stdout, errors = _content(self._output), _content(self._errors)
        if failures:
            raise CommandFailed(f"{self._commands}\nended with {failures[0]}:\n"
                                f"{self._usage.stdout[-2000:]}{errors[-2000:]}")
        return self._usage

    def _wait_one(self, pid):
        while True:
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > self._deadline:
                raise CommandFailed(f"{self._commands}\ndid not end")
            time.sleep(0.002)
        code = self._running.pop(pid).returncode = os.waitstatus_to_exitcode(status)
        self._usage.wall_seconds = time.monotonic() - self._started
        self._usage.cpu_seconds += usage.ru_utime + usage.ru_stime
        self._usage.rss_bytes = max(self._usage.rss_bytes, usage.ru_maxrss * 1024)
        return code


def clean_environment(folder):
    """No settings of the user's: no SLUICE_*, no ~/.curlrc, no proxy."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "TZ") if key in os.environ}
    return kept | {"HOME": str(folder)}


def _content(file):
    with file:
        file.seek(0)
        return file.read().decode(errors="replace")


def wait_until_idle(clickhouse, table=None, timeout=120.0):
    """Returns when ClickHouse has nothing left to do: it uses no CPU and merges no parts of `table`."""
    merges = f"SELECT count() AS n FROM system.merges WHERE concat(database, '.', table) = '{table}'"
    deadline = time.monotonic() + timeout
    quiet = 0
    while quiet < IDLE_WINDOWS:
        if time.monotonic() > deadline:
            raise CommandFailed(f"ClickHouse was not idle within {timeout:g} s")
        before = process_cpu_seconds(clickhouse.pid)
        time.sleep(IDLE_WINDOW)
        used = process_cpu_seconds(clickhouse.pid) - before
        merging = table is not None and clickhouse.value(merges) > 0
        quiet = quiet + 1 if used < IDLE_CORES * IDLE_WINDOW and not merging else 0


class Meters:
    """Readings of everything at one moment; the difference of two is what happened between them."""

    def __init__(self, kafka, clickhouse):
        self.time = time.monotonic()
        self.clickhouse = process_cpu_seconds(clickhouse.pid)
        self.kafka = process_cpu_seconds(kafka.pid)
        own = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.ours = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        self.machine, self.stolen = machine_cpu_seconds()

    def since(self, before):
        """CPU seconds of the servers, and how many cores others used and the host took away."""
        seconds = self.time - before.time
        servers = {"server": self.clickhouse - before.clickhouse, "broker": self.kafka - before.kafka}
        others = self.machine - before.machine - (self.ours - before.ours) - sum(servers.values())
        return {**servers, "other_cores": max(0.0, others / seconds),
                "stolen_cores": (self.stolen - before.stolen) / seconds}
